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
		if reason := tripped(r.Policy.Guard, &one.Counts, r.population()); reason != "" {
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

// tripped returns why a guard stops a run with these counts, or nothing.
//
// The live media that were not looked at, since an earlier sweep had, count among those
// that were.
func tripped(guard policy.Guard, counts *report.Counts, known int) string {
	live := counts.Looked - counts.Absent + known
	switch {
	case counts.Expired > guard.MaxDelete:
		return fmt.Sprintf("%d media have expired and guard.maxDelete is %d", counts.Expired, guard.MaxDelete)
	case guard.MaxPercent >= 100*policy.OnePercent || counts.Expired == 0:
		return ""
	case live < guard.MinPopulation && guard.MaxPercent > 0:
		return ""
	case guard.MaxPercent.ExceededBy(counts.Expired, live):
		return fmt.Sprintf("%d of %d live media have expired (%.1f %%) and guard.maxPercent is %s",
			counts.Expired, live, float64(counts.Expired)*100/float64(live), guard.MaxPercent)
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
