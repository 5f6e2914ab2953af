package sweep

import (
	"context"
	"errors"
	"iter"
	"time"

	"github.com/mediasweep/mediasweep/internal/journal"
	"github.com/mediasweep/mediasweep/internal/plan"
	"github.com/mediasweep/mediasweep/internal/policy"
	"github.com/mediasweep/mediasweep/internal/scan"
)

// save makes the plan of all expired media durable, and the announcements. If the run deletes only some of the media,
// because it announces the others, it also saves the plan of these. It returns the ID of the plan that the run deletes.
func (r *run) save(ctx context.Context, found *scan.Found, notice *notice, draft plan.Contents) (planID string, err error) {
	c := &r.report.Counts
	deletes := r.report.Mode == policy.Enforce && draft.Blocked == ""
	if deletes && c.Announced == 0 {
		draft.Run = r.report.Run
	}
	all, err := r.savePlan(ctx, draft, found.Draft.Lines())
	doomed := all
	if err == nil && deletes && c.Announced > 0 && c.Pending > 0 {
		draft.Run = r.report.Run
		doomed, err = r.savePlan(ctx, draft, notice.dueLines(found))
	}
	if errors.Is(err, journal.ErrDamagedPlan) {
		r.closeCheckpoint(ctx, found) // a resumed scan would make the same plan
	}
	if err == nil {
		err = notice.record(ctx)
	}
	if err != nil {
		return "", err
	}
	if r.report.Plan = all.ID; r.report.Mode == policy.Enforce && r.request.Plan != "" {
		r.report.Plan = r.request.Plan
	}
	return doomed.ID, nil
}

// savePlan saves a plan, and adds it to the list of plans. The list has a plan that the log lacks too, after all others.
// A plan without media is for review only, and need not be saved.
func (r *run) savePlan(ctx context.Context, draft plan.Contents, lines iter.Seq2[plan.Line, error]) (plan.Contents, error) {
	saved, err := journal.SavePlan(ctx, r.Store, draft, lines)
	isEmpty := saved.ID != "" && saved.Entries == 0
	switch {
	case isEmpty && err != nil:
		r.Log.Warn("plan without media not saved", "plan", saved.ID, "error", err.Error())
		return saved, nil
	case isEmpty || err != nil:
		return saved, err
	}
	if err := journal.LogPlan(ctx, r.Store, r.Now(), saved.ID); err != nil {
		r.Log.Warn("plan not logged", "plan", saved.ID, "error", err.Error())
	}
	return saved, nil
}

// begin records the intent to delete a plan, so that the run may be killed: the next scheduled run finishes the plan.
func (r *run) begin(ctx context.Context, planID string) (journal.Intent, error) {
	intent := journal.Intent{Run: r.report.Run, Plan: planID, Policy: r.report.Policy, AsOf: r.report.AsOf, Trigger: r.report.Trigger, Asked: r.report.Asked, Applied: r.request.Plan}
	if !r.request.OfLibrary() {
		intent.Until = r.Now().Add(r.budget.Left(longestRun) + clockSkew)
	}
	return journal.Begin(ctx, r.Store, r.Now(), intent)
}

const (
	// longestRun is the longest time of a run without a time limit: that of a run on Function Compute.
	longestRun = 24 * time.Hour
	clockSkew  = time.Minute
)

// closeIntent closes the intent of a run, and marks the plan that a person applied. With media still pending, or without a
// recorded outcome, the intent of a run with a lease stays open. A run without a lease leaves a second one: the first
// ends with the run.
func (r *run) closeIntent(ctx context.Context, intent journal.Intent) {
	ctx, cancel := r.budget.Record(ctx)
	defer cancel()
	c := &r.report.Counts
	var err error
	isLeft := c.Pending > 0 || r.report.Unrecorded
	if isLeft && !r.request.OfLibrary() {
		rest := intent
		rest.Until = time.Time{}
		_, err = journal.Begin(ctx, r.Store, r.Now(), rest)
	}
	if err == nil && (!isLeft || !r.request.OfLibrary()) {
		err = intent.Close(ctx, r.Store)
	}
	if err != nil {
		r.Log.Warn("intent not updated", "error", err.Error())
	}
	if r.request.Plan != "" && c.Pending == 0 && c.Deleted+c.Unverified > 0 {
		if err := journal.MarkApplied(ctx, r.Store, r.request.Plan, r.report.Run); err != nil {
			r.Log.Warn("plan not marked as applied", "error", err.Error())
		}
	}
}
