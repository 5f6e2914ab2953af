package service

import (
	"context"
	"log/slog"
	"time"

	"github.com/mediasweep/mediasweep/internal/journal"
	"github.com/mediasweep/mediasweep/internal/plan"
	"github.com/mediasweep/mediasweep/internal/report"
	"github.com/mediasweep/mediasweep/internal/state"
)

// results writes the results of a restore by the thousand. A dry run writes none. Nothing depends on
// them: a restore that is repeated asks MPS what is there.
type results struct {
	store     state.Store
	log       *slog.Logger
	report    *report.Report
	last      int // the number of the last record
	unwritten []report.RestoredMedium
	tried     int // the number of unwritten results after a failed write
}

// storeTime bounds the time for which a restore waits for its results to be written.
const storeTime = 5 * time.Second

func (o *results) add(ctx context.Context, m report.RestoredMedium) {
	if o.report.Restore.DryRun {
		return
	}
	if o.unwritten = append(o.unwritten, m); len(o.unwritten) < o.tried+plan.SegmentEntries {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, storeTime)
	defer cancel()
	o.flush(ctx)
}

func (o *results) flush(ctx context.Context) {
	if len(o.unwritten) == 0 {
		return
	}
	last, err := journal.AddRestored(ctx, o.store, o.report.Run, o.last, o.unwritten)
	if o.last = last; err != nil {
		o.tried = len(o.unwritten)
		o.log.Warn("results of the restore not recorded", "error", err.Error())
		return
	}
	o.unwritten, o.tried = nil, 0
	o.report.Restore.Records = journal.RestoredFolder(o.report.Run)
}
