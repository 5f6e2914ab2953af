package sweep

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/mediasweep/mediasweep/internal/plan"
	"github.com/mediasweep/mediasweep/internal/policy"
	"github.com/mediasweep/mediasweep/internal/report"
	"github.com/mediasweep/mediasweep/internal/state"
	"github.com/mediasweep/mediasweep/internal/trigger"
)

// guarded checks the guards, and says in the reports which of them tripped.
func (r *run) guarded(ctx context.Context) error {
	if r.request.Plan != "" {
		return r.guardedApply(ctx)
	}
	for _, one := range r.reports {
		live, most, err := r.live(ctx, &one.Counts)
		if err != nil {
			return err
		}
		if reason := tripped(r.Policy.Guard, one.Counts.Expired, live, most); reason != "" {
			one.Guard = report.Guard{Tripped: true, Reason: reason}
		}
	}
	if r.request.Trigger == trigger.OSS {
		return r.spend(ctx)
	}
	return nil
}

// blocked returns why guards tripped.
func (r *run) blocked() string {
	var reasons []string
	for _, one := range r.reports {
		if one.Guard.Tripped && !slices.Contains(reasons, one.Guard.Reason) {
			reasons = append(reasons, one.Guard.Reason)
		}
	}
	return strings.Join(reasons, "; ")
}

// live returns the number of live media, and the most that there may be. Media that an
// earlier sweep looked at count too. The counts of a checkpoint are believed only up to the
// number of candidates that the inventory has there.
func (r *run) live(ctx context.Context, counts *report.Counts) (live, most int, err error) {
	live = counts.Looked - counts.Absent + r.population()
	if r.named == nil || r.Policy.Guard.MaxPercent >= 100*policy.OnePercent || counts.Expired == 0 {
		return live, live, nil
	}
	names, err := r.countNamed(ctx, r.claimedTo)
	if err != nil {
		return 0, 0, fmt.Errorf("count what the inventory names: %w", err)
	}
	own := live - r.claimed
	return own + min(r.claimed, names), own + max(r.claimed, names), nil
}

// tripped returns the reason why a guard stops a run, or nothing. The percentage applies if
// most reaches the least population.
func tripped(guard policy.Guard, expired, live, most int) string {
	switch {
	case expired > guard.MaxDelete:
		return fmt.Sprintf("%d media have expired and guard.maxDelete is %d", expired, guard.MaxDelete)
	case guard.MaxPercent >= 100*policy.OnePercent || expired == 0:
		return ""
	case max(live, most) < guard.MinPopulation && guard.MaxPercent > 0:
		return ""
	case guard.MaxPercent.ExceededBy(expired, live):
		return fmt.Sprintf("%d of %d live media have expired (%.1f %%) and guard.maxPercent is %s",
			expired, live, float64(expired)*100/float64(live), guard.MaxPercent)
	}
	return ""
}

// guardedApply lets a plan pass that was checked when it was made, against the
// library that was then looked at. Who applies one that a guard has blocked has seen
// how much it deletes: it passes, until it has been used up.
func (r *run) guardedApply(ctx context.Context) error {
	contents, err := Kept(ctx, r.Store, r.request.Plan)
	if err != nil || contents.Blocked == "" || r.mode != policy.Enforce || r.reports[0].Counts.Expired == 0 {
		return err
	}
	one := r.reports[0]
	switch _, err := r.Store.Read(ctx, plan.AppliedName(r.request.Plan)); {
	case err == nil:
		one.Guard = report.Guard{Tripped: true, Reason: "the plan was blocked, and has been applied before: " + contents.Blocked}
	case !errors.Is(err, state.ErrNotFound):
		return fmt.Errorf("look whether the plan has been applied: %w; nothing was deleted", err)
	}
	return nil
}

// useUp notes that a plan has been applied to its end. One that was cut off, or of
// which nothing could be deleted, may be applied again.
func (r *run) useUp(ctx context.Context) {
	counts := &r.reports[0].Counts
	if r.request.Plan == "" || counts.Pending > 0 || counts.Deleted+counts.Unverified == 0 {
		return
	}
	record, err := json.Marshal(struct {
		Format int    `json:"format"`
		Run    string `json:"run"`
	}{1, r.reports[0].Run})
	if err == nil {
		err = r.Store.Create(ctx, plan.AppliedName(r.request.Plan), record)
	}
	if err != nil && !errors.Is(err, state.ErrExists) {
		r.Log.Warn("it is not noted that the plan has been applied", "error", err.Error())
	}
}
