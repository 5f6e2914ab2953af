package journal

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"hash/maphash"
	"sync"
	"time"

	"github.com/mediasweep/mediasweep/internal/media"
	"github.com/mediasweep/mediasweep/internal/retention"
	"github.com/mediasweep/mediasweep/internal/state"
	"github.com/mediasweep/mediasweep/internal/text"
)

// holdTime is the time for which an unverified or restored medium is not deleted.
const holdTime = 30 * 24 * time.Hour

// restoreTime is the time around a tombstone in which a medium of its object is the restored one. The clock of
// the library, and the length of a restore, are within it. A later upload is another medium.
const restoreTime = 24 * time.Hour

// tombstoneFolder holds the tombstones of runs. Most runs write none.
const tombstoneFolder = "marks/"

// tombstoneFormat is the version of tombstoneRecord. Other versions are refused.
const tombstoneFormat = 1

type tombstoneRecord struct {
	Format int       `json:"format"`
	At     time.Time `json:"at"`
	// Deleted and Unverified are valid for one record: the same ID with another
	// CreationTime is another medium.
	Deleted    []Tombstone `json:"deleted,omitempty"`
	Unverified []Tombstone `json:"unverified,omitempty"`
	// Restored are objects, because a restored medium has a new ID.
	Restored []string `json:"restored,omitempty"`
}

// Tombstone names a medium by its ID and CreationTime.
type Tombstone struct {
	MediaID string `json:"mediaId"`
	Created int64  `json:"created"` // seconds since 1970
}

// Tombstones caches the tombstones of all runs. It reads each record once, since records never
// change. It is safe for concurrent use.
type Tombstones struct {
	reading *state.SharedRead
	read    map[string]bool // records; reading guards it

	mu sync.Mutex
	// deleted has hashes: if MPS shows deleted media as Initiated, each deletion leaves a tombstone. A live medium with the hash
	// of another one stays.
	deleted    map[uint64]struct{}
	seed       maphash.Seed
	unverified map[Tombstone]time.Time
	restored   map[string]time.Time
	restores   int // records of restores
}

// NewTombstones returns an empty cache.
func NewTombstones() *Tombstones {
	return &Tombstones{reading: state.NewSharedRead(), read: map[string]bool{},
		deleted: map[uint64]struct{}{}, seed: maphash.MakeSeed(), unverified: map[Tombstone]time.Time{}, restored: map[string]time.Time{}}
}

// Refresh reads the records written since the last call.
func (t *Tombstones) Refresh(ctx context.Context, store state.Store) error {
	err := t.reading.Do(ctx, func(ctx context.Context) error { return t.refresh(ctx, store) })
	if err != nil {
		return fmt.Errorf("read the tombstones: %w", err)
	}
	return nil
}

func (t *Tombstones) refresh(ctx context.Context, store state.Store) error {
	for listed, err := range store.List(ctx, tombstoneFolder, "") {
		if err != nil {
			return err
		}
		if t.read[listed.Name] {
			continue
		}
		data, err := store.Read(ctx, listed.Name)
		var record tombstoneRecord
		if err == nil {
			record, err = decodeTombstones(data)
		}
		if err != nil {
			return fmt.Errorf("record %s is needed to spare restored media: repair or remove it: %w", listed.Name, err)
		}
		t.add(record)
		t.read[listed.Name] = true
	}
	return nil
}

func decodeTombstones(data []byte) (tombstoneRecord, error) {
	var record tombstoneRecord
	if err := state.Decode(data, maxTombstoneBytes, &record); err != nil {
		return tombstoneRecord{}, err
	}
	switch {
	case record.Format != tombstoneFormat:
		return tombstoneRecord{}, text.OtherFormat(record.Format, tombstoneFormat)
	case record.At.IsZero():
		return tombstoneRecord{}, errors.New("it has no time")
	case len(record.Deleted)+len(record.Unverified)+len(record.Restored) == 0:
		return tombstoneRecord{}, errors.New("it has no tombstone")
	}
	return record, nil
}

// add adds a record. If a medium has several tombstones of a kind, the latest counts.
func (t *Tombstones) add(record tombstoneRecord) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, one := range record.Deleted {
		t.deleted[maphash.Comparable(t.seed, one)] = struct{}{}
	}
	for _, one := range record.Unverified {
		t.unverified[one] = latest(t.unverified[one], record.At)
	}
	if len(record.Restored) > 0 {
		t.restores++
	}
	for _, object := range record.Restored {
		t.restored[object] = latest(t.restored[object], record.At)
	}
}

func latest(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// Restores returns the number of records of restores that were read.
func (t *Tombstones) Restores() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.restores
}

// Of returns the mark of a medium. If two holds apply, it returns the longer one.
func (t *Tombstones) Of(medium *media.Medium) retention.Mark {
	t.mu.Lock()
	defer t.mu.Unlock()
	one := Tombstone{medium.ID, medium.Created.Unix()}
	if _, isDeleted := t.deleted[maphash.Comparable(t.seed, one)]; isDeleted {
		return retention.Mark{Kind: retention.Deleted}
	}
	var mark retention.Mark
	if at, ok := t.unverified[one]; ok {
		mark = retention.Mark{Kind: retention.Unverified, Until: heldUntil(at)}
	}
	if len(t.restored) == 0 {
		return mark // without the name of the object
	}
	at, ok := t.restored[medium.Object.String()]
	if ok && !heldUntil(at).Before(mark.Until) {
		mark = retention.Mark{Kind: retention.Restored, Until: heldUntil(at)}
	}
	mark.Unranked = ok && medium.Created.Sub(at).Abs() < restoreTime
	return mark
}

// heldUntil returns the end of the hold that a tombstone is, rounded up: decisions are as of whole seconds.
func heldUntil(at time.Time) time.Time { return media.WholeSecond(at.Add(holdTime)) }

// HoldRestored records that media of restored objects must not be deleted for 30 days.
func HoldRestored(ctx context.Context, store state.Store, at time.Time, objects []media.Object) error {
	record := tombstoneRecord{At: at.UTC()}
	for _, object := range objects {
		record.Restored = append(record.Restored, object.String())
	}
	return record.write(ctx, store)
}

// AddTombstones records media that a run deleted and MPS shows as Initiated, and media whose
// deletion could not be verified. Without any it writes nothing.
func AddTombstones(ctx context.Context, store state.Store, at time.Time, deleted, unverified []Tombstone) error {
	return tombstoneRecord{At: at.UTC(), Deleted: deleted, Unverified: unverified}.write(ctx, store)
}

// A record has at most maxTombstones of each kind, and at most maxTombstoneBytes bytes.
const (
	maxTombstones     = 1000
	maxTombstoneBytes = 8 << 20
)

// write writes the tombstones, in as many records as they need.
func (record tombstoneRecord) write(ctx context.Context, store state.Store) error {
	for len(record.Deleted)+len(record.Unverified)+len(record.Restored) > 0 {
		part := tombstoneRecord{Format: tombstoneFormat, At: record.At}
		part.Deleted, record.Deleted = firstOf(record.Deleted)
		part.Unverified, record.Unverified = firstOf(record.Unverified)
		part.Restored, record.Restored = firstOf(record.Restored)
		name := fmt.Sprintf("%s%s-%s.json", tombstoneFolder, record.At.UTC().Format(secondForm), rand.Text())
		if err := state.CreateJSON(ctx, store, name, part); err != nil {
			return err
		}
	}
	return nil
}

func firstOf[T any](all []T) (first, rest []T) {
	n := min(len(all), maxTombstones)
	return all[:n], all[n:]
}
