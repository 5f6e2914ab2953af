// Package sweep is one run: look at the candidates, decide, write the plan,
// check the guard, delete exactly the plan, verify, and account for every medium.
//
// Two pipelines have the plan between them, because the guard needs the whole of
// it. A dry run stops there and is otherwise the same code.
package sweep

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/mediasweep/mediasweep/internal/inventory"
	"github.com/mediasweep/mediasweep/internal/media"
	"github.com/mediasweep/mediasweep/internal/mps"
	"github.com/mediasweep/mediasweep/internal/plan"
	"github.com/mediasweep/mediasweep/internal/policy"
	"github.com/mediasweep/mediasweep/internal/report"
	"github.com/mediasweep/mediasweep/internal/retention"
	"github.com/mediasweep/mediasweep/internal/state"
	"github.com/mediasweep/mediasweep/internal/trigger"
)

// inFlight is how many batches are under way at once. At the full quota of 100
// calls a second it fills the quota up to a latency of a third of a second.
const inFlight = 32

// maxAge is how long a decision holds: no ID is sent that was not read and
// decided within it, so that a hold added meanwhile is not missed for long.
const maxAge = time.Hour

// Library is the media library, asked for mps.MaxBatch media at a time.
type Library interface {
	inventory.Library
	// Delete deletes media; the service answers for the batch only.
	Delete(ctx context.Context, ids []string) error
	// Recall reads media again.
	Recall(ctx context.Context, ids []string) (mps.Found, error)
	// Pause waits before a call is repeated; see mps.Session.
	Pause(ctx context.Context, previous time.Duration) (time.Duration, error)
	// Answered reports whether any call has succeeded.
	Answered() bool
}

// Store keeps records that are written once; state.ErrExists says that a name is
// taken. What it has accepted is durable.
type Store interface {
	Create(ctx context.Context, name string, data []byte) error
}

// Sweep is what a run works with.
type Sweep struct {
	Policy  *policy.Policy
	Region  string
	Library Library
	Objects inventory.Lister
	Store   Store
	Now     func() time.Time
	Log     *slog.Logger
}

// Run carries out a request in the report's mode and accounts for it there, and
// finishes the report. The run stops early enough to account for what is under way
// before the context's deadline.
func (s *Sweep) Run(ctx context.Context, request *trigger.Request, r *report.Report) {
	run := &run{decider: retention.NewDecider(s.Policy, r.AsOf)}
	// The clock is the run's, so that every medium is held against one instant.
	run.look = look{Sweep: s, report: r, unclear: map[string]bool{}, found: func(m media.Medium) { run.decider.Add(m, false, run.decided) }}
	status := run.all(ctx, request)
	r.Finish(status, s.Now())
}

// run is the state of one run; look's mutex guards it.
type run struct {
	look
	decider *retention.Decider
	expired []expired
}

// expired is one medium of the plan, and when it was decided on.
type expired struct {
	plan.Entry
	decided time.Time
}

func (r *run) all(ctx context.Context, request *trigger.Request) report.Status {
	for _, reason := range request.Ignored {
		r.Log.Info("event record ignored", "reason", reason)
	}
	// What is in flight when soft ends is finished and verified in what is left.
	soft, cancel := Reserve(ctx, 0.2, 10*time.Second)
	defer cancel()
	candidates, scope := r.candidates(soft, request)
	if candidates == nil {
		return report.Done
	}
	r.lookAt(soft, candidates)
	r.decider.Finish(r.decided)
	r.report.Counts.Pending = r.report.Counts.Expired
	if status := r.outcome(); status != report.Done {
		return status
	}
	switch err := r.writePlan(ctx, scope); {
	case isContext(err):
		r.report.Error = err.Error()
		return report.Incomplete
	case err != nil:
		return r.nothingDone(err)
	}
	counts := &r.report.Counts
	if reason := tripped(r.Policy.Guard, counts); reason != "" {
		r.report.Guard = report.Guard{Tripped: true, Reason: reason}
		return report.Blocked
	}
	if r.report.Mode == policy.Enforce {
		r.deleteAll(ctx, soft)
	}
	switch {
	case r.fatal != nil && counts.Deleted == 0:
		return r.nothingDone(r.fatal)
	case r.fatal != nil:
		r.report.Error = r.fatal.Error()
		return report.Partial
	case r.report.Mode == policy.Enforce && counts.Pending > 0:
		r.report.Error = fmt.Sprintf("the time was up with %d media still to delete", counts.Pending)
		return report.Incomplete
	case r.partial || counts.Failed > 0 || counts.Unverified > 0:
		return report.Partial
	}
	return report.Done
}

// Reserve returns a context that ends before ctx's deadline, by the given part of
// the time that is left and at most by most. Without a deadline it ends with ctx.
func Reserve(ctx context.Context, part float64, most time.Duration) (context.Context, context.CancelFunc) {
	deadline, ok := ctx.Deadline()
	if !ok {
		return context.WithCancel(ctx)
	}
	reserved := time.Duration(part * float64(time.Until(deadline)))
	return context.WithDeadline(ctx, deadline.Add(-min(most, reserved)))
}

// decided counts a decision, and takes what has expired into the plan.
func (r *run) decided(m *media.Medium, d retention.Decision, _ retention.Facts) {
	r.report.Counts.Looked++
	r.count(m, d)
	if d.Verdict == retention.Expired {
		r.expired = append(r.expired, expired{plan.Entry{MediaID: m.ID, Rule: d.RuleName(), Reason: d.Reason(),
			ExpiresAt: d.ExpiresAt, State: m.State, Record: m.Record}, r.Now()})
	}
}

// count counts a decision by its verdict and its rule.
func (r *run) count(m *media.Medium, d retention.Decision) {
	counts, rule := &r.report.Counts, r.report.Rule(d.RuleName())
	if rule != nil && d.Verdict != retention.Unknown {
		rule.Applied++
	}
	switch d.Verdict {
	case retention.Absent:
		counts.Absent++
	case retention.Protected:
		counts.Protected++
	case retention.Keep:
		counts.Kept++
	case retention.Expired:
		counts.Expired++
		rule.Expired++
	case retention.Unknown:
		counts.Unknown++
		r.Log.Warn("kept as unknown", "mediaId", m.ID, "reason", d.Reason())
	}
}

// writePlan makes the plan durable. Nothing is deleted before, so the whole
// record of whatever goes can be found in it. A plan to delete nothing has an ID
// and no record: most events lead to one.
func (r *run) writePlan(ctx context.Context, scope plan.Scope) error {
	// Deleted in the plan's order, so that equal runs make equal calls.
	slices.SortFunc(r.expired, func(a, b expired) int { return strings.Compare(a.MediaID, b.MediaID) })
	p := plan.Plan{AsOf: r.report.AsOf, Policy: r.report.Policy, Scope: scope}
	for i := range r.expired {
		p.Entries = append(p.Entries, r.expired[i].Entry)
	}
	id, content, err := p.Seal()
	if err != nil {
		return err
	}
	if len(p.Entries) > 0 {
		if err := r.Store.Create(ctx, plan.Name(id), content); err != nil && !errors.Is(err, state.ErrExists) {
			return fmt.Errorf("write the plan: %w; nothing was deleted", err)
		}
	}
	r.report.Plan = id
	return nil
}

// tripped returns why a guard stops the run, or nothing.
func tripped(guard policy.Guard, counts *report.Counts) string {
	live := counts.Looked - counts.Absent
	switch {
	case counts.Expired > guard.MaxDelete:
		return fmt.Sprintf("%d media have expired and guard.maxDelete is %d", counts.Expired, guard.MaxDelete)
	case guard.MaxPercent >= 100 || counts.Expired == 0:
		return ""
	case live < guard.MinPopulation && guard.MaxPercent > 0:
		return ""
	case float64(counts.Expired)*100 > guard.MaxPercent*float64(live):
		return fmt.Sprintf("%d of %d live media have expired (%.1f %%) and guard.maxPercent is %g",
			counts.Expired, live, float64(counts.Expired)*100/float64(live), guard.MaxPercent)
	}
	return ""
}
