package journal

import (
	"context"

	"github.com/mediasweep/mediasweep/internal/holds"
	"github.com/mediasweep/mediasweep/internal/media"
	"github.com/mediasweep/mediasweep/internal/retention"
	"github.com/mediasweep/mediasweep/internal/state"
)

// Marks holds the tombstones of earlier runs, and the holds of people.
type Marks struct {
	*Tombstones
	*holds.Holds
}

// NewMarks returns empty caches.
func NewMarks() Marks { return Marks{NewTombstones(), holds.New()} }

// Refresh reads the records written since the last call.
func (m Marks) Refresh(ctx context.Context, store state.Store) error {
	both := []func(context.Context, state.Store) error{m.Tombstones.Refresh, m.Holds.Refresh}
	return state.Each(ctx, len(both), len(both), func(ctx context.Context, i int) error { return both[i](ctx, store) })
}

// Of returns the mark of a medium.
func (m Marks) Of(medium *media.Medium) retention.Mark {
	return m.Latest().Mark(medium, m.Tombstones.Of(medium))
}
