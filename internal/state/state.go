// Package state stores immutable records, in a folder or in OSS. Each is written once, under its own
// name.
package state

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"time"

	"github.com/mediasweep/mediasweep/internal/text"
)

// Decode decodes a record of JSON. More than most bytes are an error.
func Decode(data []byte, most int, into any) error {
	if len(data) > most {
		return fmt.Errorf("it has %d bytes: the limit is %d", len(data), most)
	}
	return json.Unmarshal(data, into)
}

// CreateJSON writes a record of JSON; see Store.
func CreateJSON(ctx context.Context, store Store, name string, record any) error {
	data, err := json.Marshal(record)
	if err != nil {
		return err
	}
	return store.Create(ctx, name, data)
}

// ErrExists means that a record of this name exists with other content. It was not changed.
var ErrExists = errors.New("the record exists already")

// ErrNotFound means that there is no record of this name.
var ErrNotFound = errors.New("there is no such record")

// ErrDamaged means that the content of a record is not valid. Packages that decode records return it.
var ErrDamaged = errors.New("the record cannot be read")

// IsLost reports whether an error is of a record that is missing or damaged. Other errors may pass.
func IsLost(err error) bool { return errors.Is(err, ErrNotFound) || errors.Is(err, ErrDamaged) }

// Empty returns the content of a record that has all information in its name.
func Empty() []byte { return []byte("{\"format\":1}\n") }

// MaxBytes bounds a stored record, in bytes. A larger one could not be read back, and is not written.
const MaxBytes = 64 << 20

// checkSize refuses a record above MaxBytes.
func checkSize(name string, size int64) error {
	if size > MaxBytes {
		return fmt.Errorf("record %s: %w: it has %d bytes: the limit is %d", name, ErrDamaged, size, MaxBytes)
	}
	return nil
}

// Record is a record of a listing.
type Record struct {
	Name string
	// Written is the time when the record was written. Now is the time of the listing. Both are by
	// the store's clock.
	Written, Now time.Time
}

// Store stores records. Names use slashes. A record never changes.
type Store interface {
	// Create writes a record atomically. Without an error the record, or one with the same
	// content, is durable. ErrExists: a record of this name has other content.
	Create(ctx context.Context, name string, data []byte) error
	// Read returns a record, or ErrNotFound.
	Read(ctx context.Context, name string) ([]byte, error)
	// List yields the records below a folder, which ends in a slash, in the order of their names.
	// It skips names up to after.
	List(ctx context.Context, folder, after string) iter.Seq2[Record, error]
}

// First returns the first record of a folder whose name comes after another one. It is zero if there is none.
func First(ctx context.Context, store Store, folder, after string) (Record, error) {
	for first, err := range store.List(ctx, folder, after) {
		return first, err
	}
	return Record{}, nil
}

// checkName refuses a name that would lead out of the location.
func checkName(name string) error {
	if !fs.ValidPath(name) || name == "." {
		return fmt.Errorf("record name %s is not valid", text.Quote(name))
	}
	return nil
}

// sameAs returns nil if the record of a name has this content, for example after a lost answer. Else it
// returns ErrExists.
func sameAs(ctx context.Context, s Store, name string, data []byte) error {
	there, err := s.Read(ctx, name)
	switch {
	case err != nil:
		return err
	case bytes.Equal(there, data):
		return nil
	}
	return fmt.Errorf("record %s: %w", name, ErrExists)
}

// Skipped is a record that a list lacks because it has vanished or cannot be read.
type Skipped struct{ Record, Problem string }

func (s Skipped) String() string { return fmt.Sprintf("record %s skipped: %s", s.Record, s.Problem) }
