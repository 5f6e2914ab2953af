package journal

import (
	"context"

	"golang.org/x/sync/errgroup"

	"github.com/mediasweep/mediasweep/internal/media"
	"github.com/mediasweep/mediasweep/internal/retention"
	"github.com/mediasweep/mediasweep/internal/state"
	"github.com/mediasweep/mediasweep/internal/task"
)

// Marks are what earlier runs and people have left for media: tombstones and holds.
type Marks struct {
	*Tombstones
	*Holds
}

// NewMarks returns empty caches.
func NewMarks() Marks { return Marks{NewTombstones(), NewHolds()} }

// Refresh reads the records written since the last call.
func (m Marks) Refresh(ctx context.Context, store state.Store) error {
	group, ctx := errgroup.WithContext(ctx)
	for _, refresh := range []func(context.Context, state.Store) error{m.Tombstones.Refresh, m.Holds.Refresh} {
		group.Go(func() error { return task.Do(func() error { return refresh(ctx, store) }) })
	}
	return group.Wait()
}

// Of returns the mark of a medium.
func (m Marks) Of(medium *media.Medium) retention.Mark {
	return m.Now().Mark(medium, m.Tombstones.Of(medium))
}
