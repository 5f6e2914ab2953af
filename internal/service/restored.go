package service

import (
	"context"
	"fmt"
	"iter"
	"log/slog"
	"slices"

	"github.com/mediasweep/mediasweep/internal/deadline"
	"github.com/mediasweep/mediasweep/internal/report"
	"github.com/mediasweep/mediasweep/internal/runlog"
	"github.com/mediasweep/mediasweep/internal/segments"
	"github.com/mediasweep/mediasweep/internal/state"
	"github.com/mediasweep/mediasweep/internal/text"
)

// results writes the results of a restore by the thousand. A failed write is tried again with the next thousand. A dry run
// writes none. Nothing depends on them: a restore that is repeated asks MPS what is there.
type results struct {
	store     state.Store
	log       *slog.Logger
	report    *report.Report
	last      int // the number of the last record
	unwritten []report.RestoredMedium
}

func (o *results) add(ctx context.Context, m report.RestoredMedium) {
	if o.report.Restore.DryRun {
		return
	}
	if o.unwritten = append(o.unwritten, m); len(o.unwritten)%segments.MaxLines != 0 {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, deadline.MaxRecord)
	defer cancel()
	o.flush(ctx)
}

func (o *results) flush(ctx context.Context) {
	if len(o.unwritten) == 0 {
		return
	}
	folder := runlog.RestoredFolder(o.report.Run)
	last, err := segments.Append(ctx, o.store, folder, o.last, o.unwritten)
	if o.last = last; err != nil {
		o.log.Warn("results of the restore not recorded", "error", err.Error())
		return
	}
	o.unwritten = nil
	o.report.Restore.Records = folder
}

// RestoredBy returns the results of the run of a report, which is a restore. A dry run has those of
// its report.
func (s *Service) RestoredBy(ctx context.Context, call Call, r *report.Report) (iter.Seq2[report.RestoredMedium, error], error) {
	store, err := s.records(ctx, call)
	if err != nil {
		return nil, err
	}
	c := r.Restore
	if c.Records != "" {
		return runlog.Restored(ctx, store, r.Run, c.Restored+c.Skipped+c.Failed), nil
	}
	listed := slices.Clone(c.Media)
	for _, f := range r.Failures {
		listed = append(listed, report.RestoredMedium{MediaID: f.MediaID, Object: f.Object, Result: report.NotRestored, Reason: f.Message})
	}
	if len(listed) < c.Restored+c.Skipped+c.Failed {
		return nil, refusedError{fmt.Errorf("run %s did not record its results, and its report lists only the first of them: read it as JSON", text.Quote(r.Run))}
	}
	return func(yield func(report.RestoredMedium, error) bool) {
		for _, m := range listed {
			if !yield(m, nil) {
				return
			}
		}
	}, nil
}
