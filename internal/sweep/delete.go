package sweep

import (
	"context"
	"iter"

	"github.com/mediasweep/mediasweep/internal/deadline"
	"github.com/mediasweep/mediasweep/internal/journal"
	"github.com/mediasweep/mediasweep/internal/mps"
	"github.com/mediasweep/mediasweep/internal/plan"
	"github.com/mediasweep/mediasweep/internal/purge"
	"github.com/mediasweep/mediasweep/internal/report"
	"github.com/mediasweep/mediasweep/internal/retention"
	"github.com/mediasweep/mediasweep/internal/task"
	"github.com/mediasweep/mediasweep/internal/text"
	"github.com/mediasweep/mediasweep/internal/trigger"
)

// purge deletes the media of lines. It counts them in the report, and records them in the ledger.
func (r *run) purge(ctx, admit context.Context, l *ledger, origin purge.Origin, lines iter.Seq2[plan.Line, error]) {
	r.progress.Set(Progress{Deleting: true, Total: r.report.Counts.Pending})
	admit, stop := context.WithCancelCause(admit)
	holds := watchHolds(admit, r.Marks.Holds, r.Store, stop)
	defer func() { stop(nil); holds.over.Wait() }()
	judge := purge.Judge{Policy: r.Policy, AsOf: r.report.AsOf, Mark: r.Marks.Of, Sources: r.Objects, Origin: origin}
	p := purge.Purger{Library: r.Deleter, Holds: holds, Claims: r.Claims, Now: r.Now, Judge: judge, Interrupted: r.isResumed()}
	err := task.Do(func() error {
		return p.Run(ctx, admit, lines, func(some []purge.Outcome) {
			r.settle(ctx, some, l)
			l.maybeFlush(ctx)
		})
	})
	if err != nil && (ctx.Err() == nil || !deadline.Passed(err)) { // else the media that are left are pending
		r.end(report.Failed, err)
	}
	if admit.Err() != nil {
		r.timeUp = deadline.Reason(admit)
	}
	if err := r.closeLedger(ctx, l); err != nil {
		// The counts of the report stay as they are.
		r.partial, r.report.Unrecorded = true, true
		r.report.Fail(report.Failure{Message: "outcomes not recorded: " + err.Error()})
	}
}

// settle counts outcomes, takes their media from pending, and adds them to the ledger. A medium of a resumed plan that could
// not be read gets no outcome: an earlier run may have deleted it, and a later one reads it.
func (r *run) settle(ctx context.Context, some []purge.Outcome, l *ledger) {
	for _, o := range some {
		r.report.Counts.Pending--
		if r.isResumed() && o.Became == journal.Gone && !r.isElsewhere(ctx, o.Line.MediaID) {
			o.Became = journal.Lost
		}
		if r.request.Trigger == trigger.OSS && o.Became != journal.Deleted && o.Became != journal.Unverified {
			l.spared[o.Line.MediaID] = true
		}
		if o.Cause != nil {
			r.report.Fail(report.Failure{MediaID: o.Line.MediaID, Code: mps.CodeOf(o.Cause), Message: o.Cause.Error()})
		}
		if o.Became == "" {
			r.countKept(o)
			l.keep(o)
			continue
		}
		rule := r.report.Rule(o.Line.Rule)
		o.Became.Count(&r.report.Counts, rule)
		if o.Unread && r.isResumed() {
			r.report.Unrecorded = true
			continue
		}
		if o.Became == journal.Lost && r.earlier.TakeCounted(rule.Name) {
			rule.Lost--
		}
		l.add(o)
	}
	r.progress.Add(len(some))
}

// isElsewhere reports whether a run counts a medium of the resumed plan with another plan.
func (r *run) isElsewhere(ctx context.Context, mediaID string) bool {
	ctx, cancel := r.budget.Record(ctx)
	defer cancel()
	elsewhere, err := r.earlier.IsElsewhere(ctx, mediaID)
	if err != nil {
		r.Log.Warn("media of a resumed plan may be counted twice", "plan", r.request.Plan, "error", text.Bound(err.Error()))
	}
	return elsewhere
}

// countKept counts a medium of the plan under its new verdict.
func (r *run) countKept(o purge.Outcome) {
	before := r.report.Rule(o.Line.Rule)
	before.Applied--
	before.Expired--
	r.report.Counts.Expired--
	r.report.Count(o.Now.Verdict, o.Now.RuleName())
	r.partial = r.partial || o.Cause != nil
	if o.Now.Verdict == retention.Unknown {
		r.Log.Warn("kept as unknown", "mediaId", o.Line.MediaID, "reason", o.Now.Reason())
	}
}

// closeLedger closes a ledger. A gap in the history changes nothing else of the run.
func (r *run) closeLedger(ctx context.Context, l *ledger) error {
	ctx, cancel := r.budget.Record(ctx)
	defer cancel()
	err, gap := l.close(ctx)
	if gap != nil {
		r.Log.Warn("history not recorded", "media", len(l.decisions), "error", text.Bound(gap.Error()))
		r.report.Note("history lacks %d media of this run: they could not be recorded", len(l.decisions))
	}
	return err
}
