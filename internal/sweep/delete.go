package sweep

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"time"

	"github.com/mediasweep/mediasweep/internal/deadline"
	"github.com/mediasweep/mediasweep/internal/journal"
	"github.com/mediasweep/mediasweep/internal/media"
	"github.com/mediasweep/mediasweep/internal/mps"
	"github.com/mediasweep/mediasweep/internal/plan"
	"github.com/mediasweep/mediasweep/internal/purge"
	"github.com/mediasweep/mediasweep/internal/report"
	"github.com/mediasweep/mediasweep/internal/retention"
	"github.com/mediasweep/mediasweep/internal/scan"
	"github.com/mediasweep/mediasweep/internal/segments"
	"github.com/mediasweep/mediasweep/internal/state"
	"github.com/mediasweep/mediasweep/internal/task"
	"github.com/mediasweep/mediasweep/internal/trigger"
)

// purge deletes the media of lines, and records their outcomes. interrupted is true if an earlier run
// may have deleted some without recording an outcome.
func (r *run) purge(ctx, admit context.Context, planID string, origin purge.Origin, interrupted bool, lines iter.Seq2[plan.Line, error]) {
	r.progress.deleting(r.report.Counts.Pending)
	r.outcomes.plan, r.outcomes.interrupted = planID, interrupted
	admit, stop := context.WithCancelCause(admit)
	holds := watchHolds(admit, r.Marks.Holds, r.Store, stop)
	defer func() { stop(nil); holds.wait() }()
	p := purge.Purger{Library: r.Library, Holds: holds, Claims: r.Claims, Now: r.Now, Recheck: &purge.Recheck{
		Judge:  purge.Judge{Policy: r.Policy, AsOf: r.report.AsOf, Mark: r.Marks.Of, Now: r.Now},
		Region: r.Region, Library: r.Library, Sources: r.Objects, Origin: origin, Interrupted: interrupted,
	}}
	var failed error
	err := task.Run(func() {
		failed = p.Run(ctx, admit, lines, func(some []purge.Outcome) {
			r.settle(some)
			r.outcomes.maybeFlush(ctx, r)
		})
	})
	if err = errors.Join(failed, err); err != nil {
		r.end(report.Failed, err)
	}
	if admit.Err() != nil {
		r.timeUp = deadline.Reason(admit)
	}
	ctx, cancel := r.budget.Record(ctx)
	defer cancel()
	if err := r.outcomes.close(ctx, r); err != nil {
		// The counts of the report stay as they are.
		r.partial, r.report.Unrecorded = true, true
		r.report.Fail(report.Failure{Message: "outcomes not recorded: " + err.Error()})
	}
}

// settle counts outcomes, and takes their media from pending.
func (r *run) settle(some []purge.Outcome) {
	for _, o := range some {
		r.report.Counts.Pending--
		if r.request.Trigger == trigger.OSS && o.Became != journal.Deleted && o.Became != journal.Unverified {
			r.spared[o.Line.MediaID] = true
		}
		if o.Became == "" {
			r.stays(o)
			continue
		}
		r.failed(o)
		o.Became.Count(&r.report.Counts, r.report.Rule(o.Line.Rule))
		outcome := r.outcomes.add(o, mps.CodeOf(o.Cause), r.report.Run)
		r.decisions.add(r, o.Line, outcome)
	}
	r.progress.deleted(len(some))
}

// stays counts a medium of the plan under its new verdict.
func (r *run) stays(o purge.Outcome) {
	before := r.report.Rule(o.Line.Rule)
	before.Applied--
	before.Expired--
	r.report.Counts.Expired--
	r.report.Count(o.Now.Verdict, o.Now.RuleName(), 1)
	r.failed(o)
	r.partial = r.partial || o.Cause != nil
	if o.Cause == nil && !r.Policy.Notice.IsZero() {
		r.outcomes.stayed = append(r.outcomes.stayed, o.Line.MediaID)
	}
	if o.Now.Verdict == retention.Unknown {
		r.Log.Warn("kept as unknown", "mediaId", o.Line.MediaID, "reason", o.Now.Reason())
	}
}

// failed adds the cause of an outcome, if it has one, to the failures of the report.
func (r *run) failed(o purge.Outcome) {
	if o.Cause != nil {
		r.report.Fail(report.Failure{MediaID: o.Line.MediaID, Code: mps.CodeOf(o.Cause), Message: o.Cause.Error()})
	}
}

// outcomes collects outcomes, and writes them by the thousand.
type outcomes struct {
	store       state.Store
	run, plan   string
	interrupted bool
	last        int // the number of the run's last record
	unwritten   []journal.Outcome
	tried       int // the number of unwritten outcomes after a failed write

	deleted, unverified []journal.Tombstone
	// stayed are media that have not expired any more: what was announced of them counts no more.
	stayed []string
}

func (o *outcomes) add(of purge.Outcome, code, by string) journal.Outcome {
	outcome := journal.Outcome{MediaID: of.Line.MediaID, Became: of.Became, Code: code, Plan: o.plan}
	if o.interrupted {
		outcome.Runs = []string{o.run, by}
		if of.Became == journal.Gone {
			outcome.Became = journal.Lost
		}
	}
	o.unwritten = append(o.unwritten, outcome)
	tombstone := journal.Tombstone{MediaID: of.Line.MediaID, Created: of.Line.Created}
	switch {
	case !of.Tombstone:
	case of.Became == journal.Unverified:
		o.unverified = append(o.unverified, tombstone)
	default:
		o.deleted = append(o.deleted, tombstone)
	}
	return outcome
}

// storeTime bounds the time for which the purge waits for outcomes to be written.
const storeTime = 5 * time.Second

// maybeFlush writes outcomes if there are a thousand more. After a failure it tries again with the
// next thousand.
func (o *outcomes) maybeFlush(ctx context.Context, r *run) {
	if len(o.unwritten) < o.tried+segments.MaxLines {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, storeTime)
	defer cancel()
	recorded := r.decisions.record(ctx, r)
	_ = o.flush(ctx) // close returns the error of the last try
	recorded()
	o.tried = len(o.unwritten)
}

func (o *outcomes) flush(ctx context.Context) error {
	if len(o.unwritten) == 0 {
		return nil
	}
	last, err := journal.AddOutcomes(ctx, o.store, o.run, o.last, o.unwritten)
	if o.last = last; err == nil {
		o.unwritten = nil
	}
	return err
}

// close writes the remaining outcomes, and the tombstones, and takes announcements back.
func (o *outcomes) close(ctx context.Context, r *run) error {
	recorded := r.decisions.record(ctx, r)
	err := o.flush(ctx)
	recorded()
	r.decisions.close(r)
	return errors.Join(err, journal.AddTombstones(ctx, o.store, r.Now(), o.deleted, o.unverified), journal.TakeBack(ctx, o.store, r.Now(), o.stayed))
}

// resumePlan deletes the remaining media of an unfinished plan. Each medium is read again. The guard
// applies: nothing is deleted of a blocked plan, or if more than guard.maxDelete media are left.
// A plan of the inventory deletes only media that the inventory still names. A plan that no person applied deletes
// only media that are still due by the notice.
func (r *run) resumePlan(ctx, admit context.Context) error {
	contents, done, err := r.reopenPlan(ctx)
	if err != nil {
		return err
	}
	isLeft := func(entry plan.Entry) bool {
		_, settled := done[entry.MediaID]
		rule := r.report.Rule(entry.Rule)
		return !settled && rule != nil && rule.Kind == "expire"
	}
	r.report.Plan = r.request.Plan
	r.decisions.approved = contents.Head.Scope.Plan
	scanner := r.scanner()
	ofInventory, listed := len(contents.Head.Scope.Inventory) > 0, false
	isDue, closeNotice, err := r.dueAgain(ctx, contents)
	if err != nil {
		return err
	}
	defer closeNotice()
	waiting := 0
	for left, err := range leftOf(ctx, r.Store, contents, isLeft) {
		due := false
		if err == nil {
			due, err = isDue(&left.medium)
		}
		if err != nil {
			return err
		}
		if !due {
			done[left.MediaID] = journal.Outcome{}
			waiting++
			continue
		}
		r.report.Counts.Looked++
		r.report.Counts.Pending++
		r.report.Count(retention.Expired, left.Rule, 1)
		listed = listed || ofInventory && !r.Policy.Inventory.Covers(left.medium.Object)
	}
	if waiting > 0 {
		r.note("%d media of the plan are left to the next sweep: they are not announced for long enough any more", waiting)
	}
	reason := contents.Blocked
	if c := r.report.Counts; reason == "" && c.Expired > r.Policy.Guard.MaxDelete {
		reason = fmt.Sprintf("%d media of the plan are left and guard.maxDelete is %d: apply the plan again", c.Expired, r.Policy.Guard.MaxDelete)
	}
	if r.trip(reason); reason != "" {
		return nil
	}
	origin := &scan.Found{}
	if ofInventory {
		origin = scanner.Named(ctx, admit, listed)
	}
	defer origin.Close()
	r.purge(ctx, admit, r.request.Plan, origin, true, func(yield func(plan.Line, error) bool) {
		for left, err := range leftOf(ctx, r.Store, contents, isLeft) {
			if !yield(left.Line, err) {
				return
			}
		}
	})
	return nil
}

// reopenPlan reads the plan of an earlier run and the outcomes that the run recorded. Further outcomes follow these.
func (r *run) reopenPlan(ctx context.Context) (contents plan.Contents, done map[string]journal.Outcome, err error) {
	done, records, err := journal.Outcomes(ctx, r.Store, r.request.Resume, r.request.Resume)
	if err != nil {
		return contents, nil, err
	}
	r.outcomes.run, r.outcomes.last = r.request.Resume, records // or less than the last number: the next free one is used
	contents, err = journal.ReadPlan(ctx, r.Store, r.request.Plan)
	if err == nil {
		err = contents.CheckRegion(r.Region)
	}
	return contents, done, err
}

// left is a medium of a plan that has no outcome.
type left struct {
	plan.Line
	medium media.Medium
}

// leftOf yields the media of a plan that are left.
func leftOf(ctx context.Context, store state.Store, contents plan.Contents, isLeft func(plan.Entry) bool) iter.Seq2[left, error] {
	return func(yield func(left, error) bool) {
		for entry, err := range journal.Entries(ctx, store, contents) {
			if err != nil {
				yield(left{}, err)
				return
			}
			if !isLeft(entry) {
				continue
			}
			l, m, err := plan.Saved(entry)
			if !yield(left{l, m}, err) || err != nil {
				return
			}
		}
	}
}
