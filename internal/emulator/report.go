package emulator

import (
	"bytes"
	"compress/gzip"
	"crypto/md5"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"hash/crc64"
	"io"
	"strconv"
	"strings"
)

// ReportKey is where a made-up library has its report of OSS Inventory, in [OpsBucket].
const ReportKey = "inv/manifest.json"

// partRows is the number of rows of a part. How many real parts have is not documented.
const partRows = 1_000_000

// makeUp adds a made-up library. The methods of e.store and e.library have no lock yet.
func (e *Emulator) makeUp(m MadeUp) {
	u := &madeUp{m, e.today()}
	e.library.madeUp, e.store.make(InputBucket).madeUp = u, u
	if !m.Report {
		return
	}
	ops := e.store.make(OpsBucket)
	put := func(key string, body []byte) {
		ops.put(Object{Key: key, Body: body, Size: int64(len(body)), Modified: u.today, Type: normal})
	}
	var files []any
	for first := 0; first < m.Objects; first += partRows {
		part := &reportPart{library: u, first: first, end: min(first+partRows, m.Objects)}
		key, size := fmt.Sprintf("inv/data/%06d.csv.gz", len(files)), part.measure()
		ops.put(Object{Key: key, Size: size, Modified: u.today, Type: normal, part: part})
		files = append(files, object{"key": key, "size": size, "MD5checksum": part.md5})
	}
	head, _ := json.Marshal(object{ // texts and numbers
		"creationTimestamp": strconv.FormatInt(u.today.Unix(), 10), "destinationBucket": OpsBucket, "fileFormat": "CSV",
		"fileSchema": "Bucket, Key, Size, LastModifiedDate", "files": files, "sourceBucket": InputBucket, "version": "2019-09-01",
	})
	put(ReportKey, head)
	sum := md5.Sum(head)
	put(strings.Replace(ReportKey, ".json", ".checksum", 1), fmt.Appendf(nil, "%X", sum))
}

// reportPart is a file of a report. Its bytes are made while they are read.
type reportPart struct {
	library    *madeUp
	first, end int
	md5        string
	crc        uint64
}

// measure makes the part once, for its sums, and returns its size.
func (p *reportPart) measure() int64 {
	sum, crc := md5.New(), crc64.New(crcTable)
	size, _ := io.Copy(io.MultiWriter(sum, crc), p.open(0))
	p.md5, p.crc = strings.ToUpper(hex.EncodeToString(sum.Sum(nil))), crc.Sum64()
	return size
}

// open returns the bytes from a place on.
func (p *reportPart) open(from int64) io.Reader {
	r := &partReader{part: p, next: p.first}
	r.zip, _ = gzip.NewWriterLevel(&r.ready, gzip.BestSpeed) // the level is valid
	_, _ = io.CopyN(io.Discard, r, from)
	return r
}

// partReader makes a part some rows at a time.
type partReader struct {
	part  *reportPart
	next  int
	rows  []byte
	ready bytes.Buffer
	zip   *gzip.Writer // nil once it is closed
}

func (r *partReader) Read(p []byte) (int, error) {
	for r.ready.Len() == 0 && r.zip != nil {
		r.rows = r.rows[:0]
		for range min(1000, r.part.end-r.next) {
			r.rows = r.part.appendRow(r.rows, r.next)
			r.next++
		}
		_, _ = r.zip.Write(r.rows) // a Buffer returns no error
		if r.next == r.part.end {
			_ = r.zip.Close()
			r.zip = nil
		}
	}
	return r.ready.Read(p)
}

// appendRow appends the row at a place. The rows are mostly in order: every 16th block of 64 is
// the wrong way round.
func (p *reportPart) appendRow(b []byte, i int) []byte {
	if i/64%16 == 0 && i|63 < p.end {
		i ^= 63
	}
	b = append(b, `"`+InputBucket+`","`...)
	b = append(b, percentEncode(p.library.Key(i))...)
	b = strconv.AppendInt(append(b, `","`...), p.library.size(i), 10)
	b = p.library.Modified(i, p.library.today).AppendFormat(append(b, `","`...), ossTime)
	return append(b, "\"\n"...)
}
