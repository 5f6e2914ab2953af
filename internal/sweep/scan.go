package sweep

import (
	"context"
	"fmt"

	"github.com/mediasweep/mediasweep/internal/announce"
	"github.com/mediasweep/mediasweep/internal/deadline"
	"github.com/mediasweep/mediasweep/internal/report"
	"github.com/mediasweep/mediasweep/internal/runlog"
	"github.com/mediasweep/mediasweep/internal/scan"
	"github.com/mediasweep/mediasweep/internal/task"
	"github.com/mediasweep/mediasweep/internal/text"
)

func (r *run) scanner(announced *announce.Reader) *scan.Scanner {
	return &scan.Scanner{
		Policy: r.Policy, Cloud: r.Cloud, Store: r.Store, Announced: announced, Mark: r.Marks.Of,
		Progress: func(done int) { r.progress.Set(Progress{Done: done}) }, Now: r.Now, Log: r.Log,
	}
}

// scan looks up the candidates, and decides on each. ok is false if nothing may be deleted of what it found.
func (r *run) scan(ctx, admit context.Context, announced *announce.Reader) (found *scan.Found, ok bool) {
	found = r.scanner(announced).Run(ctx, admit, r.budget, r.asked())
	r.adopt(ctx, found)
	return found, r.ended == nil && (!r.nothingSeen || r.Library.Answered())
}

func (r *run) asked() scan.Request {
	return scan.Request{Request: r.request, Run: r.report.Run, Mode: r.report.Mode, AsOf: r.report.AsOf}
}

// adopt copies the state of a scan into the run and its report.
func (r *run) adopt(ctx context.Context, found *scan.Found) {
	r.partial, r.skipped = found.Missing, found.Skipped
	r.nothingSeen = found.Missing && found.Counts.Looked+found.Counts.ObjectsWithoutMedia+found.BadRows == 0
	to := r.report
	to.AsOf, to.Resumes, to.Tally, to.Due = found.Head.AsOf, found.Resumes, found.Tally, found.Due
	to.Sources, to.Notes = append(to.Sources, found.Sources...), append(to.Notes, found.Notes...)
	for _, failure := range found.Failures {
		to.Fail(failure)
	}
	switch {
	case found.Failed != nil:
		r.end(report.Failed, found.Failed)
	case found.Stopped != nil:
		r.end(report.Incomplete, found.Stopped)
	}
	if found.Skipped > 0 {
		to.Note("%d skipped: unchanged since an earlier sweep, and not due", found.Skipped)
	}
	for _, rule := range to.Rules {
		if rule.Expired > 0 && r.Policy.TakesOrphans(rule.Name) {
			to.Note("rule %s: the sources of %d media are gone: once deleted, these cannot be restored", rule.Name, rule.Expired)
		}
	}
	r.saveFailures(ctx, found)
}

// saveFailures stores the failures for which the report has no room.
func (r *run) saveFailures(ctx context.Context, found *scan.Found) {
	count, failures := found.Unlisted()
	if count == 0 {
		return
	}
	ctx, cancel := r.budget.Record(ctx)
	defer cancel()
	folder, err := runlog.SaveFailures(ctx, r.Store, r.Now(), r.report.Run, failures)
	if err != nil {
		r.Log.Error("failures not listed", "failures", count, "error", err.Error())
		return
	}
	r.report.Note("%d more failures are in %s", count, folder)
}

// writeIndex writes the index beside the steps that follow. wait waits for the write.
func (r *run) writeIndex(ctx context.Context, found *scan.Found) (wait func()) {
	now := r.Now()
	written := task.Go(func() error { return found.WriteIndex(ctx, now, r.report.Run) })
	return func() {
		if err := written(); err != nil {
			r.Log.Warn("index not written: the next sweep looks up again what this one did", "error", text.Bound(err.Error()))
		}
	}
}

// suspend returns an error that ended the run before the first deletion. A later run resumes a scan whose time was up.
func (r *run) suspend(ctx context.Context, found *scan.Found, err error) error {
	if deadline.Passed(err) {
		err = found.Suspend(ctx, r.budget, err)
		r.report.Resumes = found.Resumes
		return err
	}
	return fmt.Errorf("%w; nothing was deleted", err)
}

func (r *run) closeCheckpoint(ctx context.Context, found *scan.Found) {
	if err := found.CloseCheckpoint(ctx); err != nil {
		r.Log.Warn("checkpoint not closed", "error", err.Error())
	}
}
