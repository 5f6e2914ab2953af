package sweep

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/mediasweep/mediasweep/internal/media"
	"github.com/mediasweep/mediasweep/internal/retention"
	"github.com/mediasweep/mediasweep/internal/state"
)

// holdTime is how long a medium is left alone whose deletion could not be verified,
// or that was restored.
const holdTime = 30 * 24 * time.Hour

// marksFolder holds what runs leave to later ones. Most leave nothing.
const marksFolder = "marks/"

// marksFormat is the version of markRecord. A reader refuses others.
const marksFormat = 1

// markRecord is what one run left.
type markRecord struct {
	Format int       `json:"format"`
	At     time.Time `json:"at"`
	// Deleted and Unverified are valid for one record: the same ID with another
	// CreationTime is another medium.
	Deleted    []mark `json:"deleted,omitempty"`
	Unverified []mark `json:"unverified,omitempty"`
	// Restored are objects: a medium that is restored gets a new ID.
	Restored []string `json:"restored,omitempty"`
}

type mark struct {
	MediaID string `json:"mediaId"`
	Created int64  `json:"created"` // seconds since 1970
}

// Marks remembers the marks of all runs of a process. It is safe for concurrent use;
// records never change, so that each is read once.
type Marks struct {
	spending lock // held by a run of events while it checks its guard
	reading  lock // held while records are read
	read     map[string]bool

	mu         sync.Mutex
	deleted    map[mark]bool
	unverified map[mark]time.Time
	restored   map[string]time.Time
}

// NewMarks returns marks of which none has been read.
func NewMarks() *Marks {
	return &Marks{spending: newLock(), reading: newLock(), read: map[string]bool{},
		deleted: map[mark]bool{}, unverified: map[mark]time.Time{}, restored: map[string]time.Time{}}
}

// Refresh reads the records that have been written since.
func (m *Marks) Refresh(ctx context.Context, store state.Store) error {
	if err := m.reading.take(ctx); err != nil {
		return fmt.Errorf("read what earlier runs left: %w", err)
	}
	defer m.reading.giveBack()
	for listed, err := range store.List(ctx, marksFolder, "") {
		if err != nil {
			return fmt.Errorf("read what earlier runs left: %w", err)
		}
		if m.read[listed.Name] {
			continue
		}
		data, err := store.Read(ctx, listed.Name)
		var record markRecord
		if err == nil {
			record, err = decodeMarks(data)
		}
		if err != nil {
			return fmt.Errorf("read what earlier runs left: record %s, without which nobody knows what must be left alone: mend or remove it: %w", listed.Name, err)
		}
		m.take(record)
		m.read[listed.Name] = true
	}
	return nil
}

func decodeMarks(data []byte) (markRecord, error) {
	var record markRecord
	if err := state.Decode(data, maxMarkBytes, &record); err != nil {
		return markRecord{}, err
	}
	switch {
	case record.Format != marksFormat:
		return markRecord{}, fmt.Errorf("format %d: this program reads format %d", record.Format, marksFormat)
	case record.At.IsZero():
		return markRecord{}, errors.New("it has no time")
	case len(record.Deleted)+len(record.Unverified)+len(record.Restored) == 0:
		return markRecord{}, errors.New("it marks nothing")
	}
	return record, nil
}

// take takes a record. Of several marks of a medium the latest counts: none ends another.
func (m *Marks) take(record markRecord) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, one := range record.Deleted {
		m.deleted[one] = true
	}
	for _, one := range record.Unverified {
		m.unverified[one] = latest(m.unverified[one], record.At)
	}
	for _, object := range record.Restored {
		m.restored[object] = latest(m.restored[object], record.At)
	}
}

func latest(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// Of returns the mark of a medium. Of two holds it is the one that lasts longer.
func (m *Marks) Of(medium *media.Medium) retention.Mark {
	m.mu.Lock()
	defer m.mu.Unlock()
	one := mark{medium.ID, medium.Created.Unix()}
	if m.deleted[one] { // a restored medium is another
		return retention.Mark{Kind: retention.Deleted}
	}
	var left retention.Mark
	if at, ok := m.unverified[one]; ok {
		left = retention.Mark{Kind: retention.Unverified, Until: at.Add(holdTime)}
	}
	if at, ok := m.restored[medium.Object.String()]; ok && !at.Add(holdTime).Before(left.Until) {
		left = retention.Mark{Kind: retention.Restored, Until: at.Add(holdTime)}
	}
	return left
}

// Hold marks objects whose media are restored: no run deletes these for 30 days.
func Hold(ctx context.Context, store state.Store, at time.Time, objects []media.Object) error {
	return markRecord{At: at.UTC(), Restored: addresses(objects)}.write(ctx, store)
}

// A record of marks has at most maxMarks of each kind, and is read if it has at most
// maxMarkBytes.
const (
	maxMarks     = 1000
	maxMarkBytes = 8 << 20
)

// write makes marks durable, in as many records as they need; nothing is written of none.
func (record markRecord) write(ctx context.Context, store state.Store) error {
	for len(record.Deleted)+len(record.Unverified)+len(record.Restored) > 0 {
		part := markRecord{Format: marksFormat, At: record.At}
		part.Deleted, record.Deleted = firstOf(record.Deleted)
		part.Unverified, record.Unverified = firstOf(record.Unverified)
		part.Restored, record.Restored = firstOf(record.Restored)
		data, err := json.Marshal(part)
		if err != nil {
			return err
		}
		name := fmt.Sprintf("%s%s-%s.json", marksFolder, record.At.UTC().Format(secondForm), rand.Text())
		if err := store.Create(ctx, name, data); err != nil {
			return err
		}
	}
	return nil
}

func firstOf[T any](marks []T) (first, rest []T) {
	n := min(len(marks), maxMarks)
	return marks[:n], marks[n:]
}
