package manifest

import (
	"bytes"
	"cmp"
	"crypto/md5" //nolint:gosec // the checksum that OSS Inventory has
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"path"
	"slices"
	"strings"

	"github.com/mediasweep/mediasweep/internal/media"
	"github.com/mediasweep/mediasweep/internal/text"
)

// InventoryName is the name of the object that completes a report of OSS Inventory. ChecksumName is
// the name of its checksum, in the same folder.
// Source: OSS "Bucket inventory".
const (
	InventoryName = "manifest.json"
	ChecksumName  = "manifest.checksum"
)

// NoList describes an object below manifests that is not a list, by its key. It returns nothing for a
// list. Only the manifest.json of a report of OSS Inventory is a list.
func NoList(key string) string {
	folder, name := path.Split(key)
	switch {
	case name == "":
		return "a folder marker"
	case name == ChecksumName:
		return "the checksum of a report of OSS Inventory"
	case path.Base(folder) == "data" && (strings.HasSuffix(name, ".csv.gz") || strings.HasSuffix(name, ".orc") || strings.HasSuffix(name, ".parquet")):
		return "a data file of a report of OSS Inventory, as all such files in a folder called data"
	}
	return ""
}

// Inventory is a report of OSS Inventory: which files have its rows.
type Inventory struct {
	// Bucket is the one that the report is of.
	Bucket string
	Files  []File

	badBucket error // of Bucket: each row is bad then
	columns   int   // in a row
	// Where a row has what; -1 for nowhere.
	bucket, key, modified, isLatest, isDeleteMarker int
}

// File is one file of a report: gzipped CSV without a header.
type File struct {
	Key string
	md5 string
	// size is the length in bytes; -1 if the manifest does not have it.
	size int64
}

// parseFile refuses a file without a name or a checksum.
func parseFile(data []byte) (File, error) {
	values, err := text.Keys(data, maxColumns, strings.ToLower)
	key, keyErr := textOf(values, "key")
	sum, sumErr := textOf(values, "MD5checksum")
	size, sizeErr := int64(-1), error(nil)
	if raw := values["size"]; raw != nil {
		size, sizeErr = text.Decimal(strings.Trim(string(raw), `"`))
	}
	switch err = cmp.Or(err, keyErr, sumErr, sizeErr); {
	case err != nil:
		return File{}, fmt.Errorf("%s: %w", quote(data), err)
	case key == "" || len(sum) != 2*md5.Size:
		return File{}, fmt.Errorf("%s has the checksum %s: neither may be missing", text.Quote(key), text.Quote(sum))
	}
	return File{key, sum, size}, nil
}

// maxColumns bounds the columns of a report, and the keys of an object in its manifest.json.
// OSS Inventory has less than twenty.
const maxColumns = 100

// ParseInventory reads a manifest.json. The checksum is the text of the file beside it.
// Keys match in any case; one that is set twice makes the report unusable.
func ParseInventory(data []byte, checksum string) (*Inventory, error) {
	sum := md5.Sum(data) //nolint:gosec // as above
	if checksum = strings.TrimSpace(checksum); !strings.EqualFold(checksum, hex.EncodeToString(sum[:])) {
		return nil, fmt.Errorf("its checksum is %x, and %s says %s", sum, ChecksumName, text.Quote(checksum))
	}
	values, err := text.Keys(data, maxColumns, strings.ToLower)
	format, formatErr := textOf(values, "fileFormat")
	schema, schemaErr := textOf(values, "fileSchema")
	bucket, bucketErr := textOf(values, "sourceBucket")
	switch err = cmp.Or(err, formatErr, schemaErr, bucketErr); {
	case err != nil:
		return nil, fmt.Errorf("not a manifest of OSS Inventory: %w", err)
	case !strings.EqualFold(format, "CSV"):
		return nil, fmt.Errorf("fileFormat is %s: only CSV can be read", text.Quote(format))
	case values["files"] == nil:
		return nil, errors.New("it has no files: the list of data files is missing")
	}
	i := &Inventory{Bucket: bucket, badBucket: media.CheckBucket(bucket)}
	if err = i.setColumns(schema); err != nil {
		return nil, err
	}
	err = text.Elements(values["files"], func(data json.RawMessage) error {
		file, err := parseFile(data)
		i.Files = append(i.Files, file)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("files: %w", err)
	}
	return i, nil
}

func (i *Inventory) setColumns(schema string) error {
	names := strings.Split(schema, ",")
	if len(names) > maxColumns {
		return fmt.Errorf("fileSchema has %d columns, the limit is %d", len(names), maxColumns)
	}
	for at, name := range names {
		names[at] = strings.ToLower(strings.TrimSpace(name))
		if names[at] == "" || slices.Contains(names[:at], names[at]) {
			return fmt.Errorf("fileSchema has a column without a name, or one twice: it is %s", text.Quote(schema))
		}
	}
	i.columns = len(names)
	i.bucket, i.key, i.modified = slices.Index(names, "bucket"), slices.Index(names, "key"), slices.Index(names, "lastmodifieddate")
	i.isLatest, i.isDeleteMarker = slices.Index(names, "islatest"), slices.Index(names, "isdeletemarker")
	if i.bucket < 0 || i.key < 0 {
		return fmt.Errorf("fileSchema has no Bucket and Key: it is %s", text.Quote(schema))
	}
	return nil
}

// Verify reads a file of the report to its end, and checks its checksum and its length. Whether its
// compression is whole, Rows finds out.
func (f File) Verify(from io.Reader) error {
	sum := md5.New() //nolint:gosec // as above
	length, err := io.Copy(sum, from)
	if err != nil {
		return err
	}
	if got := hex.EncodeToString(sum.Sum(nil)); !strings.EqualFold(got, f.md5) {
		return fmt.Errorf("its checksum is %s, and the manifest says %s", got, text.Quote(f.md5))
	}
	if f.size >= 0 && length != f.size {
		return fmt.Errorf("it has %d bytes, and the manifest says %d", length, f.size)
	}
	return nil
}

// Rows reads a file of the report that has been verified. An error that is no *RowError
// ends the sequence: rows before it must not be used either.
func (i *Inventory) Rows(from io.Reader) iter.Seq2[Row, error] {
	return func(yield func(Row, error) bool) {
		plain, err := decode(from, maxRow)
		if err != nil {
			yield(Row{}, err)
			return
		}
		t := &table{lines: openLines(plain), separator: ',', oneLined: true} // keys are escaped
		var fields [][]byte
		var last neighbour
		for {
			line, row, err := 0, Row{}, error(nil)
			if fields, line = t.simpleRow(fields); line == 0 {
				if line, err = t.next(); errors.Is(err, io.EOF) {
					return
				}
				fields = t.fields(fields[:0])
			}
			if err == nil {
				if row, err = i.row(fields, &last); err != nil {
					err = &RowError{line, err}
				} else if row.Object.Key == "" {
					continue
				}
			}
			if !yield(row, err) || EndsReading(err) {
				return
			}
		}
	}
}

// neighbour has what a row leaves for the next one.
type neighbour struct {
	day
	keys
}

// row reads one row. It returns an empty Row for an old version or a delete marker.
func (i *Inventory) row(fields [][]byte, last *neighbour) (row Row, err error) {
	if len(fields) != i.columns {
		return row, fmt.Errorf("%d columns, fileSchema has %d: %s", len(fields), i.columns, quote(bytes.Join(fields, []byte{','})))
	}
	marker, err := flag(fields, i.isDeleteMarker, "IsDeleteMarker", false)
	latest, latestErr := flag(fields, i.isLatest, "IsLatest", true)
	if err == nil {
		err = latestErr
	}
	if err != nil || marker || !latest {
		return row, err
	}
	if bucket := fields[i.bucket]; string(bucket) != i.Bucket {
		return row, fmt.Errorf("bucket %s, the report is of %s", text.Quote(string(bucket)), text.Quote(i.Bucket))
	}
	key, ok := last.unescape(fields[i.key])
	if !ok {
		return row, fmt.Errorf("key %s has a malformed escape", text.Quote(string(fields[i.key])))
	}
	if err = i.badBucket; err == nil {
		err = media.CheckKey(key)
	}
	if err != nil {
		return row, fmt.Errorf("key %s: %w", text.Quote(key), err)
	}
	row.Object = media.Object{Bucket: i.Bucket, Key: key}
	if i.modified >= 0 {
		row.Modified, err = last.parse(fields[i.modified])
	}
	return row, err
}

// keys unescapes the keys of rows that follow one another. Many keys share one allocation.
type keys struct{ shared strings.Builder }

// sharedBytes is the size of that allocation.
const sharedBytes = 8 << 10

// unescape returns a key without its escapes, as url.PathUnescape does. Keys are escaped, with or without
// slashes. No documented sample has a plus: it stays a plus.
func (k *keys) unescape(escaped []byte) (key string, ok bool) {
	if k.shared.Cap()-k.shared.Len() < len(escaped) {
		k.shared.Reset() // earlier keys keep its memory
		k.shared.Grow(max(sharedBytes, len(escaped)))
	}
	start := k.shared.Len()
	for {
		at := bytes.IndexByte(escaped, '%')
		if at < 0 {
			k.shared.Write(escaped)
			return k.shared.String()[start:], true
		}
		if len(escaped) < at+3 {
			return "", false
		}
		var plain [1]byte
		if _, err := hex.Decode(plain[:], escaped[at+1:at+3]); err != nil {
			return "", false
		}
		k.shared.Write(escaped[:at])
		k.shared.WriteByte(plain[0])
		escaped = escaped[at+3:]
	}
}

// flag reads true or false, in any case. A report without the column has the value absent.
func flag(fields [][]byte, i int, column string, absent bool) (bool, error) {
	if i < 0 {
		return absent, nil
	}
	switch strings.ToLower(strings.TrimSpace(string(fields[i]))) {
	case "true":
		return true, nil
	case "false":
		return false, nil
	}
	return false, fmt.Errorf("%s is %s: it must be true or false", column, text.Quote(string(fields[i])))
}
