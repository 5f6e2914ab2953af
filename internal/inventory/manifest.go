package inventory

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"path"
	"time"

	"github.com/mediasweep/mediasweep/internal/manifest"
	"github.com/mediasweep/mediasweep/internal/media"
	"github.com/mediasweep/mediasweep/internal/objects"
)

// Opener reads objects.
type Opener interface {
	// Open returns the content of an object as a stream.
	Open(ctx context.Context, object media.Object) (io.ReadCloser, error)
}

// maxInventory bounds a manifest.json: it has some two hundred bytes for each file.
const maxInventory = 64 << 20

// OSS may write the checksum of a report a little after the report. One that is not there,
// or empty, is looked for again after each of these pauses.
var checksumPauses = [...]time.Duration{500 * time.Millisecond, time.Second, 2 * time.Second, 4 * time.Second}

// IsReport reports whether a manifest is a report of OSS Inventory, which names whatever is
// in a bucket.
func IsReport(object media.Object) bool { return path.Base(object.Key) == manifest.InventoryName }

// OfManifest reads a manifest: CSV, JSON Lines or, where that is its name, the
// manifest.json of a report of OSS Inventory. A row that cannot be read is an error that
// names manifest and line, and so is a file of a report; the others go on.
func OfManifest(ctx context.Context, opener Opener, object media.Object) iter.Seq2[Candidate, error] {
	return func(yield func(Candidate, error) bool) {
		if !IsReport(object) {
			ofFile(ctx, opener, object, manifest.Rows, yield)
			return
		}
		report, err := readReport(ctx, opener, object)
		if err != nil {
			yield(Candidate{}, fmt.Errorf("manifest %s: %w", object, err))
			return
		}
		for _, file := range report.Files {
			rows := func(r io.Reader) iter.Seq2[manifest.Row, error] { return report.Rows(file, r) }
			if !ofFile(ctx, opener, media.Object{Bucket: object.Bucket, Key: file.Key}, rows, yield) {
				return
			}
		}
	}
}

// ofFile yields the rows of one file, and reports whether more is wanted.
func ofFile(ctx context.Context, opener Opener, object media.Object, rows func(io.Reader) iter.Seq2[manifest.Row, error], yield func(Candidate, error) bool) bool {
	text, err := opener.Open(ctx, object)
	if err != nil {
		return yield(Candidate{}, fmt.Errorf("manifest: %w", err))
	}
	defer text.Close()
	for row, err := range rows(text) {
		if err != nil {
			err = fmt.Errorf("manifest %s: %w", object, err)
		}
		c := Candidate{MediaID: row.MediaID, Object: row.Object}
		if !row.Modified.IsZero() {
			c.Modified = row.Modified.Unix()
		}
		if !yield(c, err) {
			return false
		}
	}
	return true
}

func readReport(ctx context.Context, opener Opener, object media.Object) (*manifest.Inventory, error) {
	data, err := readAll(ctx, opener, object)
	if err != nil {
		return nil, err
	}
	beside := media.Object{Bucket: object.Bucket, Key: path.Join(path.Dir(object.Key), manifest.ChecksumName)}
	checksum, err := readAll(ctx, opener, beside)
	for _, pause := range checksumPauses {
		if !errors.Is(err, objects.ErrNotFound) && (err != nil || len(bytes.TrimSpace(checksum)) > 0) {
			break
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(pause):
			checksum, err = readAll(ctx, opener, beside)
		}
	}
	if err != nil {
		return nil, err
	}
	return manifest.ParseInventory(data, string(checksum))
}

func readAll(ctx context.Context, opener Opener, object media.Object) ([]byte, error) {
	text, err := opener.Open(ctx, object)
	if err != nil {
		return nil, err
	}
	defer text.Close()
	data, err := io.ReadAll(io.LimitReader(text, maxInventory+1))
	if err == nil && len(data) > maxInventory {
		err = fmt.Errorf("read %s: it has more than %d bytes", object, maxInventory)
	}
	return data, err
}
