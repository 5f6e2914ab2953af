package sweep

import (
	"context"
	"time"

	"github.com/mediasweep/mediasweep/internal/journal"
)

// Begun is a plan that a run has begun to delete. Its zero value is that of a run that has begun none.
type Begun struct {
	run    *run
	intent journal.Intent
}

// Close closes the intent of the run, whose report is logged. With media still pending, or without a recorded outcome, the
// intent of a run with a lease stays open. A run without a lease leaves a second one: the first ends with the run.
func (b Begun) Close(ctx context.Context) {
	if b.run == nil {
		return
	}
	r := b.run
	ctx, cancel := r.budget.Finish(ctx)
	defer cancel()
	var err error
	isLeft := r.report.Counts.Pending > 0 || r.report.Unrecorded
	if isLeft && !r.request.OfLibrary() {
		rest := b.intent
		rest.Until = time.Time{}
		_, err = journal.SaveIntent(ctx, r.Store, r.Now(), rest)
	}
	if err == nil && (!isLeft || !r.request.OfLibrary()) {
		err = b.intent.Close(ctx, r.Store)
	}
	if err != nil {
		r.Log.Warn("intent not updated", "error", err.Error())
	}
}
