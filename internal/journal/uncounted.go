package journal

import (
	"context"

	"github.com/mediasweep/mediasweep/internal/state"
)

// The second record of an intent has the first suffix if the runs that were killed on its plan are not in the totals yet. A
// third one follows when they are.
const (
	uncountedSuffix = ".uncounted"
	countedSuffix   = ".counted"
)

// CloseUncounted is Close for a plan whose killed runs remain to be counted.
func (i Intent) CloseUncounted(ctx context.Context, store state.Store) error {
	return i.mark(ctx, store, uncountedSuffix)
}

// MarkCounted records that the killed runs on a plan of Uncounted are in the totals.
func (i Intent) MarkCounted(ctx context.Context, store state.Store) error {
	return i.mark(ctx, store, countedSuffix)
}

// Uncounted returns the intents whose killed runs remain to be counted, oldest first, and the errors of damaged ones.
func (l Intents) Uncounted(ctx context.Context) (list []Intent, damaged []error, err error) {
	return l.read(ctx, l.uncounted)
}
