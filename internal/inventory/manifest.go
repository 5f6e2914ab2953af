package inventory

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"os"
	"path"
	"path/filepath"
	"time"

	"github.com/mediasweep/mediasweep/internal/manifest"
	"github.com/mediasweep/mediasweep/internal/media"
	"github.com/mediasweep/mediasweep/internal/objects"
	"github.com/mediasweep/mediasweep/internal/task"
	"github.com/mediasweep/mediasweep/internal/text"
)

// Opener reads objects.
type Opener interface {
	// Open returns the content of an object as a stream, and its version. If version is not empty,
	// another version is an error.
	Open(ctx context.Context, object media.Object, version string) (io.ReadCloser, string, error)
}

const (
	// maxInventory bounds a manifest.json, in bytes: it has 200 for each of up to 70,000 files.
	maxInventory = 16 << 20
	// maxChecksum bounds a checksum, in bytes.
	maxChecksum = 1 << 10
)

// OSS may write the checksum of a report after the report. A missing or empty checksum is read again
// after each of these pauses. OSS may refuse to say that it is missing.
var checksumPauses = [...]time.Duration{500 * time.Millisecond, time.Second, 2 * time.Second, 4 * time.Second}

// IsReport reports whether a manifest is a report of OSS Inventory, which names all objects of a
// bucket.
func IsReport(object media.Object) bool { return path.Base(object.Key) == manifest.InventoryName }

// OfManifest reads a manifest: CSV, JSON Lines, or a report of OSS Inventory if the name is
// manifest.json. It yields an error with manifest and line for each bad row, and goes on.
//
// It verifies the complete manifest, or the checksums of all files of a report, before the first row: an
// incomplete manifest names nothing. It reads the manifest twice, in the same version. An ErrUnusable is
// the last value of a report with damaged compression: the caller must use none of its rows.
func OfManifest(ctx context.Context, opener Opener, object media.Object) iter.Seq2[Candidate, error] {
	return func(yield func(Candidate, error) bool) {
		files, err := filesOf(ctx, opener, object)
		if err != nil {
			yield(Candidate{}, fmt.Errorf("manifest %s: %w", object, err))
			return
		}
		whole := true
		for i := range files {
			err := files[i].verify(ctx, opener)
			if err != nil && files[i].object != object {
				err = fmt.Errorf("file %s: %w", text.Quote(files[i].object.Key), err)
			}
			if err != nil {
				if whole = false; !yield(Candidate{}, fmt.Errorf("manifest %s: nothing of it is used: %w", object, err)) {
					return
				}
			}
		}
		if !whole {
			return
		}
		for _, file := range files {
			more := file.read(ctx, opener, func(c Candidate, err error) bool {
				if manifest.EndsReading(err) && IsReport(object) && ctx.Err() == nil {
					yield(Candidate{}, fmt.Errorf("manifest %s: %w: %w", object, ErrUnusable, err))
					return false
				}
				return yield(c, err)
			})
			if !more {
				return
			}
		}
	}
}

// ErrUnusable means that some rows of a report were yielded, and that none must be used.
var ErrUnusable = errors.New("nothing of it is used")

// OfFile reads a manifest in a local file; see OfManifest.
func OfFile(ctx context.Context, name string) iter.Seq2[Candidate, error] {
	return func(yield func(Candidate, error) bool) {
		if filepath.Base(name) == manifest.InventoryName {
			yield(Candidate{}, fmt.Errorf("manifest %s: the files of a report of OSS Inventory are in its bucket: name the report as oss://bucket/…/%s", name, manifest.InventoryName))
			return
		}
		file, err := os.Open(name)
		if err != nil {
			yield(Candidate{}, fmt.Errorf("manifest: %w", err))
			return
		}
		defer file.Close() //nolint:errcheck // only read
		from := &counted{from: cancelable{ctx, file}}
		if err = manifest.Verify(from); err == nil {
			_, err = file.Seek(0, io.SeekStart)
		}
		if err != nil {
			yield(Candidate{}, fmt.Errorf("manifest %s: nothing of it is used: %w", name, err))
			return
		}
		candidates("manifest "+name, manifest.Rows(&verified{cancelable{ctx, file}, from.read}), yield)
	}
}

type counted struct {
	from io.Reader
	read int64
}

func (c *counted) Read(p []byte) (int, error) {
	n, err := c.from.Read(p)
	c.read += int64(n)
	return n, err
}

// verified reads a verified list. Another length than during the verification is an error: the last
// row of a truncated list could name another medium.
type verified struct {
	from io.Reader
	left int64
}

var errNotVerified = errors.New("its length has changed since it was verified")

func (v *verified) Read(p []byte) (int, error) {
	n, err := v.from.Read(p)
	v.left -= int64(n)
	if v.left < 0 || errors.Is(err, io.EOF) && v.left > 0 {
		return 0, errNotVerified
	}
	return n, err
}

// cancelable ends a read with its context.
type cancelable struct {
	ctx  context.Context //nolint:containedctx // of one read
	from io.Reader
}

func (c cancelable) Read(p []byte) (int, error) {
	if err := c.ctx.Err(); err != nil {
		return 0, err
	}
	return c.from.Read(p)
}

type listFile struct {
	object  media.Object
	version string // the verified one
	size    int64  // of that version, in bytes
	check   func(io.Reader) error
	rows    func(io.Reader) iter.Seq2[manifest.Row, error]
}

// filesOf returns the files that have the rows of a manifest.
func filesOf(ctx context.Context, opener Opener, object media.Object) ([]listFile, error) {
	if !IsReport(object) {
		return []listFile{{object: object, check: manifest.Verify, rows: manifest.Rows}}, nil
	}
	report, err := readReport(ctx, opener, object)
	if err != nil {
		return nil, err
	}
	files := make([]listFile, len(report.Files))
	for i, file := range report.Files {
		files[i] = listFile{object: media.Object{Bucket: object.Bucket, Key: file.Key}, check: file.Verify, rows: report.Rows}
	}
	return files, nil
}

func (f *listFile) verify(ctx context.Context, opener Opener) error {
	stream, version, err := opener.Open(ctx, f.object, "")
	if err != nil {
		return err
	}
	defer stream.Close()
	if version == "" {
		return errors.New("the answer has no ETag: the rows could be read from another version")
	}
	from := &counted{from: stream}
	err = f.check(from)
	f.version, f.size = version, from.read
	return err
}

// read yields the candidates of the file. It reports whether the caller wants more.
func (f *listFile) read(ctx context.Context, opener Opener, yield func(Candidate, error) bool) bool {
	stream, _, err := opener.Open(ctx, f.object, f.version)
	if err != nil {
		return yield(Candidate{}, fmt.Errorf("manifest: %w", err))
	}
	defer stream.Close()
	return candidates("manifest "+f.object.String(), f.rows(&verified{stream, f.size}), yield)
}

// candidates yields the candidates of rows. It reports whether the caller wants more.
func candidates(of string, rows iter.Seq2[manifest.Row, error], yield func(Candidate, error) bool) bool {
	for row, err := range rows {
		if err != nil {
			err = fmt.Errorf("%s: %w", of, err)
		}
		c := Candidate{MediaID: row.MediaID, Object: row.Object, Modified: row.Modified}
		if c.MediaID != "" && !c.Object.IsZero() {
			c.Beside, c.Object = Hash(objectName(c.Object)), media.Object{}
		}
		if !yield(c, err) {
			return false
		}
	}
	return true
}

func readReport(ctx context.Context, opener Opener, object media.Object) (*manifest.Inventory, error) {
	data, err := readAll(ctx, opener, object, maxInventory)
	if err != nil {
		return nil, err
	}
	beside := media.Object{Bucket: object.Bucket, Key: path.Join(path.Dir(object.Key), manifest.ChecksumName)}
	checksum, err := readAll(ctx, opener, beside, maxChecksum)
	for _, pause := range checksumPauses {
		missing := errors.Is(err, objects.ErrNotFound) || objects.Denied(err)
		if !missing && (err != nil || len(bytes.TrimSpace(checksum)) > 0) {
			break
		}
		if err := task.Sleep(ctx, pause); err != nil {
			return nil, err
		}
		checksum, err = readAll(ctx, opener, beside, maxChecksum)
	}
	if err != nil {
		return nil, err
	}
	return manifest.ParseInventory(data, string(checksum))
}

func readAll(ctx context.Context, opener Opener, object media.Object, most int64) ([]byte, error) {
	stream, _, err := opener.Open(ctx, object, "")
	if err != nil {
		return nil, err
	}
	defer stream.Close()
	data, err := io.ReadAll(io.LimitReader(stream, most+1))
	if err == nil && int64(len(data)) > most {
		err = fmt.Errorf("read %s: it has more than %d bytes", object, most)
	}
	return data, err
}
