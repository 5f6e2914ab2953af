package sweep

import (
	"cmp"
	"context"
	"errors"
	"iter"
	"time"

	"github.com/mediasweep/mediasweep/internal/announce"
	"github.com/mediasweep/mediasweep/internal/deadline"
	"github.com/mediasweep/mediasweep/internal/history"
	"github.com/mediasweep/mediasweep/internal/journal"
	"github.com/mediasweep/mediasweep/internal/mps"
	"github.com/mediasweep/mediasweep/internal/plan"
	"github.com/mediasweep/mediasweep/internal/purge"
	"github.com/mediasweep/mediasweep/internal/report"
	"github.com/mediasweep/mediasweep/internal/retention"
	"github.com/mediasweep/mediasweep/internal/segments"
	"github.com/mediasweep/mediasweep/internal/task"
	"github.com/mediasweep/mediasweep/internal/text"
	"github.com/mediasweep/mediasweep/internal/trigger"
)

// deletion deletes the media of a plan, counts what became of them, and records it.
type deletion struct {
	*run
	planID     string
	approved   string // the plan that a person approved, if one did: planID has what was still expired of it
	lastRecord int    // the number of the last record of outcomes
	tried      int    // the number of unrecorded outcomes after a failed write
	unrecorded
	historyErr error           // of the last write
	spared     map[string]bool // media of an event that it did not delete
}

// unrecorded waits for the next flush, or for the end of the deletion.
type unrecorded struct {
	outcomes  []journal.Outcome
	decisions []history.Decision
	// deleted and unverified are media that MPS still shows.
	deleted, unverified []journal.Tombstone
	lost                []string // the rules of the lost media among the outcomes
	stayed              []string // media that have not expired any more: what was announced of them counts no more
}

func (r *run) newDeletion(planID, approved string) *deletion {
	return &deletion{run: r, planID: planID, approved: approved, spared: map[string]bool{}}
}

// purge deletes the media of lines, and records their outcomes.
func (d *deletion) purge(ctx, admit context.Context, origin purge.Origin, lines iter.Seq2[plan.Line, error]) {
	d.progress.Set(Progress{Deleting: true, Total: d.report.Counts.Pending})
	admit, stop := context.WithCancelCause(admit)
	holds := watchHolds(admit, d.Marks.Holds, d.Store, stop)
	defer func() { stop(nil); holds.over.Wait() }()
	judge := purge.Judge{Policy: d.Policy, AsOf: d.report.AsOf, Mark: d.Marks.Of, Sources: d.Objects, Origin: origin}
	p := purge.Purger{Library: d.Library, Holds: holds, Claims: d.Claims, Now: d.Now, Judge: judge, Interrupted: d.isResumed()}
	err := task.Do(func() error {
		return p.Run(ctx, admit, lines, func(some []purge.Outcome) {
			d.settle(some)
			d.maybeFlush(ctx)
		})
	})
	if err != nil && (ctx.Err() == nil || !deadline.Passed(err)) { // else the media that are left are pending
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
}

// settle counts outcomes, and takes their media from pending.
func (d *deletion) settle(some []purge.Outcome) {
	for _, o := range some {
		d.report.Counts.Pending--
		if d.request.Trigger == trigger.OSS && o.Became != journal.Deleted && o.Became != journal.Unverified {
			d.spared[o.Line.MediaID] = true
		}
		if o.Cause != nil {
			d.report.Fail(report.Failure{MediaID: o.Line.MediaID, Code: mps.CodeOf(o.Cause), Message: o.Cause.Error()})
		}
		if o.Became == "" {
			d.countKept(o)
		} else {
			d.countOutcome(o)
		}
	}
	d.progress.Add(len(some))
}

// countKept counts a medium of the plan under its new verdict.
func (d *deletion) countKept(o purge.Outcome) {
	before := d.report.Rule(o.Line.Rule)
	before.Applied--
	before.Expired--
	d.report.Counts.Expired--
	d.report.Count(o.Now.Verdict, o.Now.RuleName(), 1)
	d.partial = d.partial || o.Cause != nil
	if o.Cause == nil && o.Now.Cause != retention.AmongLatest && !d.Policy.Notice.IsZero() { // a sweep ranks the whole group
		d.stayed = append(d.stayed, o.Line.MediaID)
	}
	if o.Now.Verdict == retention.Unknown {
		d.Log.Warn("kept as unknown", "mediaId", o.Line.MediaID, "reason", o.Now.Reason())
	}
}

// countOutcome counts the outcome of a medium, which is to be recorded.
func (d *deletion) countOutcome(o purge.Outcome) {
	outcome := journal.Outcome{MediaID: o.Line.MediaID, Became: o.Became, Code: mps.CodeOf(o.Cause), Plan: d.planID}
	if d.isResumed() {
		outcome.Runs = []string{d.request.Resume, d.report.Run}
		if o.Became == journal.Gone {
			outcome.Became = journal.Lost
			d.lost = append(d.lost, o.Line.Rule)
		}
	}
	outcome.Became.Count(&d.report.Counts, d.report.Rule(o.Line.Rule))
	d.outcomes = append(d.outcomes, outcome)
	d.decisions = append(d.decisions, d.decisionOf(o.Line, outcome))
	tombstone := journal.Tombstone{MediaID: o.Line.MediaID, Created: o.Line.Created}
	switch {
	case !o.Tombstone:
	case o.Became == journal.Unverified:
		d.unverified = append(d.unverified, tombstone)
	default:
		d.deleted = append(d.deleted, tombstone)
	}
}

func (d *deletion) decisionOf(line plan.Line, o journal.Outcome) history.Decision {
	one := history.Decision{
		At: d.Now(), MediaID: line.MediaID, Outcome: o.Became, Code: o.Code, Run: d.report.Run, Plan: cmp.Or(d.approved, o.Plan), Policy: d.report.Policy, Rule: line.Rule,
		Orphan: d.Policy.TakesOrphans(line.Rule),
	}
	if line.Parse() == nil {
		one.Describe(line.Rule, line.Reason, line.Medium)
	}
	return one
}

// storeTime bounds the time for which the purge waits for outcomes to be written.
const storeTime = 5 * time.Second

// maybeFlush writes outcomes if there are a thousand more. After a failure it tries again with the
// next thousand.
func (d *deletion) maybeFlush(ctx context.Context) {
	if len(d.outcomes) < d.tried+segments.MaxLines {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, storeTime)
	defer cancel()
	_ = d.flush(ctx) // close returns the error of the last try
	d.tried = len(d.outcomes)
}

// flush writes the outcomes, and the history beside them.
func (d *deletion) flush(ctx context.Context) (err error) {
	now := d.Now()
	written := task.Go(func() error { return history.Record(ctx, d.Store, now, d.decisions) })
	if len(d.outcomes) > 0 {
		d.lastRecord, err = journal.AddOutcomes(ctx, d.Store, cmp.Or(d.request.Resume, d.report.Run), d.lastRecord, d.outcomes)
	}
	if err == nil {
		d.outcomes, d.lost = nil, nil
	}
	if d.historyErr = written(); d.historyErr == nil {
		d.decisions = nil
	}
	return err
}

// close writes the remaining outcomes, and the tombstones, and takes announcements back. A gap in the history changes
// nothing else of the run.
func (d *deletion) close(ctx context.Context) error {
	err := d.flush(ctx)
	for _, rule := range d.lost { // the run that finishes the plan finds them lost again
		d.report.Rule(rule).Lost--
	}
	if d.historyErr != nil {
		d.Log.Warn("history not recorded", "media", len(d.decisions), "error", text.Bound(d.historyErr.Error()))
		d.report.Note("history lacks %d media of this run: they could not be recorded", len(d.decisions))
	}
	return errors.Join(err, journal.AddTombstones(ctx, d.Store, d.Now(), d.deleted, d.unverified), announce.TakeBack(ctx, d.Store, d.Now(), d.stayed))
}
