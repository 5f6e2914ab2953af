package sweep

import (
	"context"
	"fmt"
	"iter"

	"github.com/mediasweep/mediasweep/internal/announce"
	"github.com/mediasweep/mediasweep/internal/journal"
	"github.com/mediasweep/mediasweep/internal/media"
	"github.com/mediasweep/mediasweep/internal/plan"
	"github.com/mediasweep/mediasweep/internal/retention"
	"github.com/mediasweep/mediasweep/internal/scan"
	"github.com/mediasweep/mediasweep/internal/state"
)

// resumePlan deletes the remaining media of an unfinished plan. Each medium is read again. The guard
// applies: nothing is deleted of a blocked plan, or if more than guard.maxDelete media are left.
// A plan of the inventory deletes only media that the inventory still names. A plan that no person applied deletes
// only media that are still due by the notice.
func (r *run) resumePlan(ctx, admit context.Context) error {
	deletion, contents, done, err := r.reopenPlan(ctx)
	if err != nil {
		return err
	}
	isLeft := func(entry plan.Entry) bool {
		_, settled := done[entry.MediaID]
		rule := r.report.Rule(entry.Rule)
		return !settled && rule != nil && rule.Kind == "expire"
	}
	r.report.Plan, r.report.Begun = r.request.Plan, true
	ofInventory, listed := len(contents.Head.Scope.Inventory) > 0, false
	announced := &announce.Reader{}
	if contents.Head.Scope.Plan == "" {
		if announced, err = r.openAnnouncements(ctx); err != nil {
			return err
		}
		defer announced.Close()
	}
	waiting := 0
	for left, err := range leftOf(ctx, r.Store, contents, isLeft) {
		due := false
		if err == nil {
			due, err = announced.IsDue(ctx, &left.medium)
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
		origin = r.scanner().Named(ctx, admit, listed)
	}
	defer origin.Close()
	deletion.purge(ctx, admit, origin, func(yield func(plan.Line, error) bool) {
		for left, err := range leftOf(ctx, r.Store, contents, isLeft) {
			if !yield(left.Line, err) {
				return
			}
		}
	})
	return nil
}

// reopenPlan reads the plan of an earlier run and the outcomes that the run recorded. Further outcomes follow these.
func (r *run) reopenPlan(ctx context.Context) (d *deletion, contents plan.Contents, done map[string]journal.Outcome, err error) {
	done, records, err := journal.Outcomes(ctx, r.Store, r.request.Resume, r.request.Resume)
	if err != nil {
		return nil, contents, nil, err
	}
	contents, err = journal.ReadPlan(ctx, r.Store, r.request.Plan)
	if err == nil {
		err = contents.CheckRegion(r.Region)
	}
	d = r.newDeletion(r.request.Plan, contents.Head.Scope.Plan)
	d.outcomes.run, d.outcomes.interrupted = r.request.Resume, true
	d.outcomes.last = records // or less than the last number: the next free one is used
	return d, contents, done, err
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
