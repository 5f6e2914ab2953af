package sweep

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"strconv"
	"strings"

	"github.com/mediasweep/mediasweep/internal/eventbudget"
	"github.com/mediasweep/mediasweep/internal/journal"
	"github.com/mediasweep/mediasweep/internal/plan"
	"github.com/mediasweep/mediasweep/internal/policy"
	"github.com/mediasweep/mediasweep/internal/report"
	"github.com/mediasweep/mediasweep/internal/text"
	"github.com/mediasweep/mediasweep/internal/trigger"
)

// guarded is what the guard says of a run.
type guarded struct {
	guard    report.Guard
	next     string               // what a person may do if it trips; empty for the usual
	draft    plan.Contents        // of the new plan: why it is blocked, and the live media
	spending eventbudget.Spending // of an event
}

// blocked is the answer of a guard that trips, unless there is no reason.
func blocked(reason string) guarded {
	return guarded{guard: report.Guard{Tripped: reason != "", Reason: reason}, draft: plan.Contents{Blocked: reason}}
}

// guard checks whether the run would delete too much. It records the spending of an event before any deletion.
func (r *run) guard(ctx context.Context, notice *notice) (g guarded, err error) {
	if r.request.Plan != "" {
		return r.guardApply(ctx)
	}
	found, pending := notice.found, r.report.Counts.Pending
	reason := tripped(r.Policy.Guard, pending, found.Live, found.MostLive)
	var spending eventbudget.Spending
	if r.request.Trigger == trigger.OSS && pending > 0 && reason == "" {
		spending, reason, err = r.spend(ctx, notice.dueLines())
	}
	g = blocked(reason)
	g.spending, g.draft.Live, g.draft.MostLive = spending, found.Live, found.MostLive
	return g, err
}

// spend spends the budget of events for the media of lines. It returns the reason why the guard trips, if too little is left.
func (r *run) spend(ctx context.Context, lines iter.Seq2[plan.Line, error]) (spending eventbudget.Spending, reason string, err error) {
	var ids []string
	for l, err := range lines {
		if err != nil {
			return spending, "", err
		}
		ids = append(ids, strings.Clone(l.MediaID)) // the budget keeps it, and not the line's record
	}
	limit := r.Policy.Guard.MaxDelete
	spending, err = r.Events.Spend(ctx, r.Store, r.Now(), ids, limit, r.enforces())
	for _, skipped := range spending.Skipped {
		r.Log.Warn("refund not counted", "error", skipped.Error())
	}
	if err == nil && !spending.Allowed {
		reason = fmt.Sprintf("%d media have expired, earlier events within 24 hours have used %d, and guard.maxDelete is %d", len(ids), spending.Spent, limit)
	}
	return spending, reason, err
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

// tripped returns the reason why the guard trips, or nothing. The percentage applies if most is at
// least guard.minPopulation.
func tripped(guard policy.Guard, expired, live, most int) string {
	switch {
	case expired > guard.MaxDelete:
		return fmt.Sprintf("%d media have expired and guard.maxDelete is %d", expired, guard.MaxDelete)
	case guard.MaxPercent >= 100*policy.OnePercent || expired == 0:
		return ""
	case max(live, most) < guard.MinPopulation && guard.MaxPercent > 0:
		return ""
	case guard.MaxPercent.ExceededBy(expired, live):
		return fmt.Sprintf("%d of %d live media have expired (%s %%) and guard.maxPercent is %s",
			expired, live, percentAbove(guard.MaxPercent, expired, live), guard.MaxPercent)
	}
	return ""
}

// percentAbove writes which percentage a part is of a whole, with so many decimals that it reads as more than the limit.
func percentAbove(limit policy.Percent, part, whole int) (written string) {
	for decimals := 1; decimals < 10; decimals++ {
		written = strconv.FormatFloat(100*float64(part)/float64(whole), 'f', decimals, 64)
		shown, _ := strconv.ParseFloat(written, 64) // it was written as a number
		if shown > float64(limit)/float64(policy.OnePercent) {
			break
		}
	}
	return written
}

// guardApply checks a saved plan. A person who applies a blocked plan overrides the guard, once. What is left of another
// plan is checked again: the guard may have changed since, and it did not count the announced media of a plan.
func (r *run) guardApply(ctx context.Context) (g guarded, err error) {
	contents, err := journal.ReadPlan(ctx, r.Store, r.request.Plan)
	if err != nil {
		return g, err
	}
	if !r.enforces() {
		g.draft = plan.Contents{Blocked: r.guardRest(contents), Live: contents.Live, MostLive: contents.MostLive}
		return g, nil
	}
	reason, overridden := contents.Blocked, "plan %s was blocked: %s; applied by %s"
	if reason == "" {
		reason, overridden = r.guardRest(contents), "plan %s was not blocked when it was made, and would be now: %s; applied by %s"
	}
	if reason == "" || r.report.Counts.Expired == 0 {
		return g, nil
	}
	applied, err := journal.AppliedBy(ctx, r.Store, r.request.Plan)
	switch {
	case err != nil:
		return g, err
	case applied != "":
		g = blocked("the plan was blocked, and was applied before: " + reason)
		g.next = "make a new plan: a blocked plan can be applied once"
	default:
		g.guard.Overridden = fmt.Sprintf(overridden, r.request.Plan, text.Bound(reason), r.Caller)
	}
	return g, nil
}

// guardResume returns why what is left of an unfinished plan is blocked, or nothing.
func (r *run) guardResume(of plan.Contents) string {
	left, most := r.report.Counts.Pending, r.Policy.Guard.MaxDelete
	switch {
	case left == 0:
		return ""
	case of.Blocked != "":
		return of.Blocked
	case left > most:
		return fmt.Sprintf("%d media of the plan are left and guard.maxDelete is %d: apply the plan again", left, most)
	case of.Head.Scope.Plan != "": // a person may have overridden the percentage
		return ""
	}
	return r.guardRest(of)
}

// guardRest returns why what is left of a plan is blocked, or nothing. The share is that of the media that
// were live when the plan was made. If an earlier version did not record these, its reason stays.
func (r *run) guardRest(of plan.Contents) string {
	left := r.report.Counts.Pending
	if of.Live < 1 && r.Policy.Guard.MaxPercent > 0 && 0 < left && left <= r.Policy.Guard.MaxDelete {
		return of.Blocked
	}
	return tripped(r.Policy.Guard, left, max(of.Live, left), of.MostLive)
}

// checkRestores refuses to delete if media were restored since a scan began, which may have taken them for the latest
// of their group. A run with the lease runs beside no restore.
func (r *run) checkRestores(ctx context.Context, before int) error {
	if r.request.OfLibrary() || !r.enforces() || r.report.Counts.Expired == 0 || !r.Policy.KeepsLatest() {
		return nil
	}
	if err := r.Marks.Tombstones.Refresh(ctx, r.Store); err != nil {
		return err
	}
	if r.Marks.Restores() != before {
		return errors.New("media were restored while this run looked at them: send the request again")
	}
	return nil
}
