package sweep

import (
	"context"
	"fmt"

	"github.com/mediasweep/mediasweep/internal/deadline"
	"github.com/mediasweep/mediasweep/internal/eventbudget"
	"github.com/mediasweep/mediasweep/internal/runlog"
	"github.com/mediasweep/mediasweep/internal/scan"
)

// saveFailures stores the failures for which the report has no room.
func (r *run) saveFailures(found *scan.Found) {
	count, failures := found.Unlisted()
	if count == 0 {
		return
	}
	ctx, cancel := r.budget.Record(context.Background())
	defer cancel()
	folder, err := runlog.SaveFailures(ctx, r.Store, r.Now(), r.report.Run, failures)
	if err != nil {
		r.Log.Error("failures not listed", "failures", count, "error", err.Error())
		return
	}
	r.note("%d more failures are in %s", count, folder)
}

// suspend returns an error that ended the run before the first deletion. A later run resumes a scan whose time was up.
func (r *run) suspend(ctx context.Context, found *scan.Found, err error) error {
	if deadline.Passed(err) {
		err = found.Suspend(ctx, r.budget, err)
		r.report.Resumes = found.Suspended
		return err
	}
	return fmt.Errorf("%w; nothing was deleted", err)
}

// settleBudget returns the spared media to the event budget. Other runs spend nothing, and have
// nothing to return.
func (r *run) settleBudget(ctx context.Context, spending eventbudget.Spending, spared func(id string) bool) {
	ctx, cancel := r.budget.Record(ctx)
	defer cancel()
	if err := spending.Settle(ctx, r.Store, r.Now(), spared); err != nil {
		r.Log.Warn("refund of the event budget not recorded", "error", err.Error())
	}
}

func (r *run) closeCheckpoint(ctx context.Context, found *scan.Found) {
	if err := found.CloseCheckpoint(ctx); err != nil {
		r.Log.Warn("checkpoint not closed", "error", err.Error())
	}
}
