package manifest

import (
	"crypto/md5" //nolint:gosec // the checksum that OSS Inventory has
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"iter"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/mediasweep/mediasweep/internal/media"
)

// InventoryName is what the record is called that completes a report of OSS Inventory,
// and ChecksumName that of its checksum beside it.
// Source: OSS "Bucket inventory".
const (
	InventoryName = "manifest.json"
	ChecksumName  = "manifest.checksum"
)

// Inventory is a report of OSS Inventory: which files have its rows.
type Inventory struct {
	// Bucket is the one that the report is of.
	Bucket string
	Files  []File

	columns int // in a row
	// Where a row has what; -1 for nowhere.
	bucket, key, modified, isLatest, isDeleteMarker int
}

// File is one file of a report: gzipped CSV without a header.
type File struct {
	Key string
	md5 string
}

// ParseInventory reads a manifest.json. The checksum is the text of the file beside it.
func ParseInventory(data []byte, checksum string) (*Inventory, error) {
	sum := md5.Sum(data) //nolint:gosec // as above
	if !strings.EqualFold(strings.TrimSpace(checksum), hex.EncodeToString(sum[:])) {
		return nil, fmt.Errorf("its checksum is %x, and %s says %q", sum, ChecksumName, shorten(strings.TrimSpace(checksum)))
	}
	var form struct {
		FileFormat, FileSchema, SourceBucket string
		Files                                []struct {
			Key, MD5checksum string
		}
	}
	if err := json.Unmarshal(data, &form); err != nil {
		return nil, fmt.Errorf("not a manifest of OSS Inventory: %w", err)
	}
	if !strings.EqualFold(form.FileFormat, "CSV") {
		return nil, fmt.Errorf("fileFormat is %q: only CSV can be read", shorten(form.FileFormat))
	}
	i := &Inventory{Bucket: form.SourceBucket}
	names := strings.Split(form.FileSchema, ",")
	for at, name := range names {
		names[at] = strings.ToLower(strings.TrimSpace(name))
	}
	i.columns = len(names)
	i.bucket, i.key, i.modified = slices.Index(names, "bucket"), slices.Index(names, "key"), slices.Index(names, "lastmodifieddate")
	i.isLatest, i.isDeleteMarker = slices.Index(names, "islatest"), slices.Index(names, "isdeletemarker")
	if i.bucket < 0 || i.key < 0 {
		return nil, fmt.Errorf("fileSchema has no Bucket and Key: it is %q", shorten(form.FileSchema))
	}
	for _, file := range form.Files {
		if file.Key == "" || len(file.MD5checksum) != 2*md5.Size {
			return nil, fmt.Errorf("file %q has the checksum %q: neither may be missing", shorten(file.Key), shorten(file.MD5checksum))
		}
		i.Files = append(i.Files, File{file.Key, file.MD5checksum})
	}
	return i, nil
}

// Rows reads one file of the report. The checksum can be held against it only when all
// of it has been read: the last error says that it is another.
func (i *Inventory) Rows(file File, from io.Reader) iter.Seq2[Row, error] {
	return func(yield func(Row, error) bool) {
		summed := &summed{r: from, sum: md5.New()} //nolint:gosec // as above
		text, err := plain(summed)
		if err != nil {
			yield(Row{}, err)
			return
		}
		for r, err := range records(text, true) { // keys are escaped, so that no row has two
			var row Row
			skip := false
			if err == nil {
				if row, skip, err = i.row(r.fields); err != nil {
					err = &RowError{r.line, err}
				}
			}
			if skip {
				continue
			}
			if !yield(row, err) {
				return
			}
			if rowErr := new(RowError); err != nil && !errors.As(err, &rowErr) {
				return
			}
		}
		if _, err := io.Copy(io.Discard, summed); err != nil { // what follows the compressed data
			yield(Row{}, err)
			return
		}
		if sum := hex.EncodeToString(summed.sum.Sum(nil)); !strings.EqualFold(sum, file.md5) {
			yield(Row{}, fmt.Errorf("its checksum is %s, and the manifest says %s", sum, file.md5))
		}
	}
}

type summed struct {
	r   io.Reader
	sum hash.Hash
}

func (s *summed) Read(p []byte) (int, error) {
	n, err := s.r.Read(p)
	_, _ = s.sum.Write(p[:n]) // a hash takes everything
	return n, err
}

// row reads one row; those of old versions and of delete markers are skipped.
func (i *Inventory) row(fields []string) (row Row, skip bool, err error) {
	if len(fields) != i.columns {
		return row, false, fmt.Errorf("%d columns, fileSchema has %d", len(fields), i.columns)
	}
	if strings.EqualFold(at(fields, i.isDeleteMarker), "true") || strings.EqualFold(at(fields, i.isLatest), "false") {
		return row, true, nil
	}
	if bucket := fields[i.bucket]; bucket != i.Bucket {
		return row, false, fmt.Errorf("bucket %q, the report is of %q", shorten(bucket), i.Bucket)
	}
	// Keys are escaped, with slashes or without. No sample tells what a plus means:
	// it is taken for one.
	key, err := url.PathUnescape(fields[i.key])
	if err != nil {
		return row, false, fmt.Errorf("key: %w", err)
	}
	if row.Object, err = media.NewObject(i.Bucket, strings.Clone(key)); err != nil { // the reader uses its memory again
		return row, false, err
	}
	row.Modified, err = parseModified(at(fields, i.modified))
	return row, false, err
}

// parseModified reads a time as reports have them, in one of two forms, or nothing.
// Source: OSS "Bucket inventory", whose samples have both.
func parseModified(text string) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	modified, err := time.Parse(time.RFC3339, text)
	if err != nil {
		modified, err = time.Parse("2006-01-02T15-04-05Z", text)
	}
	if err != nil {
		return time.Time{}, fmt.Errorf("LastModifiedDate is %q: a time such as 2026-01-31T08:00:00.000Z or 2026-01-31T08-00-00Z is allowed", shorten(text))
	}
	return modified, nil
}
