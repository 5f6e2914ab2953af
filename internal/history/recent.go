package history

import (
	"context"
	"fmt"
	"time"

	"github.com/mediasweep/mediasweep/internal/journal"
	"github.com/mediasweep/mediasweep/internal/segments"
	"github.com/mediasweep/mediasweep/internal/state"
)

// Recent has the media that runs deleted lately. Its zero value has none.
type Recent struct {
	store   state.Store
	except  map[string]bool // runs and plans
	deleted map[string]bool // media of records with many decisions
	// few has the names of the other records by the keys in them. These are read when a medium is asked for.
	few map[string][]string
}

// RecentOf reads the deletions since a time, but those of some runs and plans. A record that is damaged or gone has none.
func RecentOf(ctx context.Context, store state.Store, since time.Time, except map[string]bool) (Recent, error) {
	r := Recent{store, except, map[string]bool{}, map[string][]string{}}
	var many []string
	for record, err := range store.List(ctx, looseFolder, looseFolder+state.Stamp(since.Add(-lateness))) {
		if err != nil {
			return Recent{}, fmt.Errorf("list the history: %w", err)
		}
		keys, few := keysIn(record.Name)
		if !few {
			many = append(many, record.Name)
		}
		for _, k := range keys {
			r.few[k] = append(r.few[k], record.Name)
		}
	}
	return r, r.read(ctx, many)
}

// Has reports whether one of the runs has deleted a medium.
func (r *Recent) Has(ctx context.Context, mediaID string) (bool, error) {
	k := keyOf(mediaID).String()
	err := r.read(ctx, r.few[k])
	if err == nil {
		delete(r.few, k)
	}
	return r.deleted[mediaID], err
}

func (r *Recent) read(ctx context.Context, names []string) error {
	for name, record := range state.ReadAll(ctx, r.store, names, func(name string) string { return name }) {
		if record.Err != nil && !state.IsLost(record.Err) {
			return fmt.Errorf("read the history: %w", record.Err)
		}
		for d, err := range segments.Decode(name, record.Data, decode) {
			if err == nil && d.Outcome == journal.Deleted && !r.except[d.Run] && !r.except[d.Plan] {
				r.deleted[d.MediaID] = true
			}
		}
	}
	return nil
}
