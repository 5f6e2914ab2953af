package state

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"strings"

	"github.com/mediasweep/mediasweep/internal/media"
	"github.com/mediasweep/mediasweep/internal/objects"
)

// ErrVersioned means that the bucket has versioning, and records could be overwritten.
var ErrVersioned = errors.New("the bucket has versioning, enabled or suspended, and there OSS ignores that a record must not be overwritten: use another one")

// Bucket stores records as objects below a prefix. It writes only there.
type Bucket struct {
	OSS    *objects.Session
	Prefix media.Object
}

// Create writes a record; see Store.
func (b Bucket) Create(ctx context.Context, name string, data []byte) error {
	object, err := b.object(name)
	if err = errors.Join(err, checkSize(name, int64(len(data)))); err != nil {
		return err
	}
	for range conflictTries {
		if err = b.OSS.Create(ctx, object, data); !errors.Is(err, objects.ErrExists) {
			return err
		}
		// The SDK repeats a write whose answer was lost: then the record is our own. If it cannot be
		// read, a concurrent write had failed.
		if err = sameAs(ctx, b, name, data); !errors.Is(err, ErrNotFound) {
			return err
		}
	}
	return err
}

// conflictTries bounds the writes of a record that OSS says exists and then cannot read.
const conflictTries = 3

func (b Bucket) object(name string) (media.Object, error) {
	return media.Object{Bucket: b.Prefix.Bucket, Key: b.Prefix.Key + name}, checkName(name)
}

// Read returns a record; see Store.
func (b Bucket) Read(ctx context.Context, name string) ([]byte, error) {
	object, err := b.object(name)
	if err != nil {
		return nil, err
	}
	data, err := b.OSS.Read(ctx, object, MaxBytes)
	if errors.Is(err, objects.ErrNotFound) {
		return nil, fmt.Errorf("record %s: %w", name, ErrNotFound)
	}
	return data, err
}

// List yields records; see Store.
func (b Bucket) List(ctx context.Context, folder, after string) iter.Seq2[Record, error] {
	return func(yield func(Record, error) bool) {
		prefix := media.Object{Bucket: b.Prefix.Bucket, Key: b.Prefix.Key + folder}
		if after != "" {
			after = b.Prefix.Key + after
		}
		for entry, err := range b.OSS.Entries(ctx, prefix, after) {
			record := Record{Name: strings.TrimPrefix(entry.Object.Key, b.Prefix.Key), Written: entry.Modified, Now: entry.Listed}
			if !yield(record, err) {
				return
			}
		}
	}
}

// Check refuses a bucket with versioning.
func (b Bucket) Check(ctx context.Context) error {
	versioned, err := b.OSS.Versioned(ctx, b.Prefix.Bucket)
	switch {
	case err != nil:
		return fmt.Errorf("state: %w: the function's role needs oss:GetBucketVersioning on the bucket", err)
	case versioned:
		return fmt.Errorf("state in bucket %s: %w", b.Prefix.Bucket, ErrVersioned)
	}
	return nil
}
