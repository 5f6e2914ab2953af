package sweep

import (
	"context"
	"errors"
	"iter"
	"time"

	"github.com/mediasweep/mediasweep/internal/announce"
	"github.com/mediasweep/mediasweep/internal/deadline"
	"github.com/mediasweep/mediasweep/internal/journal"
	"github.com/mediasweep/mediasweep/internal/mps"
	"github.com/mediasweep/mediasweep/internal/plan"
	"github.com/mediasweep/mediasweep/internal/purge"
	"github.com/mediasweep/mediasweep/internal/report"
	"github.com/mediasweep/mediasweep/internal/retention"
	"github.com/mediasweep/mediasweep/internal/segments"
	"github.com/mediasweep/mediasweep/internal/task"
	"github.com/mediasweep/mediasweep/internal/trigger"
)

// deletion deletes the media of a plan, counts what became of them, and records it.
type deletion struct {
	*run
	outcomes outcomes
	// decisions go to the history.
	decisions decisions
	// stayed are media that have not expired any more: what was announced of them counts no more.
	stayed []string
	// spared are the media of an event that it did not delete.
	spared map[string]bool
}

// newDeletion begins the deletion of a plan. approved is the plan that a person approved, if one did.
func (r *run) newDeletion(planID, approved string) *deletion {
	return &deletion{run: r, outcomes: outcomes{store: r.Store, run: r.report.Run, plan: planID}, decisions: decisions{approved: approved}, spared: map[string]bool{}}
}

// purge deletes the media of lines, and records their outcomes. It returns the media of an event that it spared.
func (d *deletion) purge(ctx, admit context.Context, origin purge.Origin, lines iter.Seq2[plan.Line, error]) (spared map[string]bool) {
	d.progress.deleting(d.report.Counts.Pending)
	admit, stop := context.WithCancelCause(admit)
	holds := watchHolds(admit, d.Marks.Holds, d.Store, stop)
	defer func() { stop(nil); holds.wait() }()
	judge := purge.Judge{Policy: d.Policy, AsOf: d.report.AsOf, Mark: d.Marks.Of, Sources: d.Objects, Origin: origin}
	p := purge.Purger{Library: d.Library, Holds: holds, Claims: d.Claims, Now: d.Now, Judge: judge, Interrupted: d.outcomes.interrupted}
	err := task.Do(func() error {
		return p.Run(ctx, admit, lines, func(some []purge.Outcome) {
			d.settle(some)
			d.maybeFlush(ctx)
		})
	})
	if err != nil {
		d.end(report.Failed, err)
	}
	if admit.Err() != nil {
		d.timeUp = deadline.Reason(admit)
	}
	ctx, cancel := d.budget.Record(ctx)
	defer cancel()
	if err := d.close(ctx); err != nil {
		// The counts of the report stay as they are.
		d.partial, d.report.Unrecorded = true, true
		d.report.Fail(report.Failure{Message: "outcomes not recorded: " + err.Error()})
	}
	return d.spared
}

// settle counts outcomes, and takes their media from pending.
func (d *deletion) settle(some []purge.Outcome) {
	for _, o := range some {
		d.report.Counts.Pending--
		if d.request.Trigger == trigger.OSS && o.Became != journal.Deleted && o.Became != journal.Unverified {
			d.spared[o.Line.MediaID] = true
		}
		if o.Became == "" {
			d.stays(o)
			continue
		}
		d.failed(o)
		outcome := d.outcomes.add(o, mps.CodeOf(o.Cause), d.report.Run)
		outcome.Became.Count(&d.report.Counts, d.report.Rule(o.Line.Rule))
		d.decisions.add(d.run, o.Line, outcome)
	}
	d.progress.deleted(len(some))
}

// stays counts a medium of the plan under its new verdict.
func (d *deletion) stays(o purge.Outcome) {
	before := d.report.Rule(o.Line.Rule)
	before.Applied--
	before.Expired--
	d.report.Counts.Expired--
	d.report.Count(o.Now.Verdict, o.Now.RuleName(), 1)
	d.failed(o)
	d.partial = d.partial || o.Cause != nil
	if o.Cause == nil && !d.Policy.Notice.IsZero() {
		d.stayed = append(d.stayed, o.Line.MediaID)
	}
	if o.Now.Verdict == retention.Unknown {
		d.Log.Warn("kept as unknown", "mediaId", o.Line.MediaID, "reason", o.Now.Reason())
	}
}

// failed adds the cause of an outcome, if it has one, to the failures of the report.
func (d *deletion) failed(o purge.Outcome) {
	if o.Cause != nil {
		d.report.Fail(report.Failure{MediaID: o.Line.MediaID, Code: mps.CodeOf(o.Cause), Message: o.Cause.Error()})
	}
}

// storeTime bounds the time for which the purge waits for outcomes to be written.
const storeTime = 5 * time.Second

// maybeFlush writes outcomes if there are a thousand more. After a failure it tries again with the
// next thousand.
func (d *deletion) maybeFlush(ctx context.Context) {
	o := &d.outcomes
	if len(o.unwritten) < o.tried+segments.MaxLines {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, storeTime)
	defer cancel()
	_ = d.flush(ctx) // close returns the error of the last try
	o.tried = len(o.unwritten)
}

// flush writes the outcomes, and the history beside them.
func (d *deletion) flush(ctx context.Context) error {
	defer d.decisions.record(ctx, d.run)()
	return d.outcomes.flush(ctx)
}

// close writes the remaining outcomes, and the tombstones, and takes announcements back.
func (d *deletion) close(ctx context.Context) error {
	err := d.flush(ctx)
	d.decisions.close(d.run)
	return errors.Join(err, journal.AddTombstones(ctx, d.Store, d.Now(), d.outcomes.deleted, d.outcomes.unverified), announce.TakeBack(ctx, d.Store, d.Now(), d.stayed))
}
