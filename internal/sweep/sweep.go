// Package sweep carries out one run: it scans the candidates, checks the guard, saves the plan,
// deletes exactly the plan, and accounts for every medium. A dry run stops after the plan.
package sweep

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/mediasweep/mediasweep/internal/deadline"
	"github.com/mediasweep/mediasweep/internal/eventbudget"
	"github.com/mediasweep/mediasweep/internal/journal"
	"github.com/mediasweep/mediasweep/internal/media"
	"github.com/mediasweep/mediasweep/internal/plan"
	"github.com/mediasweep/mediasweep/internal/policy"
	"github.com/mediasweep/mediasweep/internal/purge"
	"github.com/mediasweep/mediasweep/internal/report"
	"github.com/mediasweep/mediasweep/internal/scan"
	"github.com/mediasweep/mediasweep/internal/state"
	"github.com/mediasweep/mediasweep/internal/task"
	"github.com/mediasweep/mediasweep/internal/trigger"
)

// Library is the media library.
type Library interface {
	scan.Library
	purge.Library
}

// Sweep holds the dependencies of a run.
type Sweep struct {
	Policy *policy.Policy
	Cloud
	Store state.Store
	Shared
	Names
	Display
	Now func() time.Time
	Log *slog.Logger
}

// Cloud has the services that a run calls.
type Cloud struct {
	Region  string
	Library Library
	Objects scan.Objects
}

// Shared is common to all runs of the process.
type Shared struct {
	Marks  journal.Marks
	Events *eventbudget.Budget
	Claims *purge.Claims
}

// Names are quoted by the report of a run.
type Names struct {
	// Stop is the full name of the kill switch.
	Stop string
	// Caller says who asked for the run.
	Caller string
}

// Run carries out a request in the mode of its report, and finishes the report. It stops early enough
// to finish the calls in flight and to answer.
func (s *Sweep) Run(ctx context.Context, budget deadline.Budget, request *trigger.Request, r *report.Report) {
	ctx, cancel := budget.Work(ctx)
	defer cancel()
	run := s.newRun(budget, request, r)
	run.finish(task.Do(func() error { return run.carryOut(ctx) }))
}

// Survey scans the candidates of a request, calls each with every medium, and finishes the report. It
// decides nothing and writes nothing.
func (s *Sweep) Survey(ctx context.Context, budget deadline.Budget, request *trigger.Request, r *report.Report, each func(media.Medium)) {
	ctx, cancel := budget.Work(ctx)
	defer cancel()
	run := s.newRun(budget, request, r)
	run.finish(task.Run(func() {
		found := run.scanner().Survey(ctx, request, r, each)
		defer found.Close()
		run.adopt(found)
	}))
}

// run is one run: its request, its limits, and its report. The caller's goroutine owns it.
type run struct {
	*Sweep
	budget   deadline.Budget
	request  *trigger.Request
	report   *report.Report
	progress *Meter
	ending
}

func (s *Sweep) newRun(budget deadline.Budget, request *trigger.Request, r *report.Report) *run {
	return &run{Sweep: s, budget: budget, request: request, report: r, progress: NewMeter(s.Display, r.Run)}
}

func (r *run) note(format string, args ...any) {
	r.report.Notes = append(r.report.Notes, fmt.Sprintf(format, args...))
}

// carryOut finishes the plan of an earlier run, or sweeps, unless the kill switch is on.
func (r *run) carryOut(ctx context.Context) error {
	enforce := r.report.Mode == policy.Enforce
	admit, end, err := Admit(ctx, r.budget, r.Store, enforce)
	defer end()
	switch {
	case err != nil && enforce:
		return fmt.Errorf("%w; nothing was deleted", err)
	case err != nil:
		r.note("%v", err)
	}
	if r.request.Resume != "" {
		return r.resumePlan(ctx, admit)
	}
	return r.sweep(ctx, admit)
}

// sweep scans, checks the guard, saves the plan, and deletes exactly the plan.
func (r *run) sweep(ctx, admit context.Context) error {
	announced, err := r.openAnnouncements(ctx)
	if err != nil {
		return r.suspend(ctx, &scan.Found{}, err)
	}
	defer announced.Close()
	restores := r.Marks.Restores()
	found, ok := r.scan(ctx, admit, announced)
	defer found.Close()
	if !ok {
		return nil
	}
	if err := r.checkRestores(ctx, restores); err != nil {
		return fmt.Errorf("%w; nothing was deleted", err)
	}
	defer r.writeIndex(ctx, found)()
	notice, err := r.split(ctx, found, announced)
	defer notice.retract()
	if err != nil {
		return r.suspend(ctx, found, err)
	}
	draft := plan.Contents{Head: plan.Head{AsOf: r.report.AsOf, Policy: r.report.Policy, Scope: found.Scope}, Region: r.Region}
	spending, err := r.guard(ctx, found, notice, &draft)
	if err != nil {
		return r.suspend(ctx, found, err)
	}
	planID, err := r.save(ctx, found, notice, draft)
	if err != nil {
		r.settleBudget(ctx, spending, eventbudget.All)
		return r.suspend(ctx, found, err)
	}
	r.closeCheckpoint(ctx, found)
	if r.report.Mode != policy.Enforce || r.report.Guard.Tripped || r.report.Counts.Pending == 0 {
		return nil
	}
	intent, err := r.begin(ctx, planID)
	if err != nil {
		r.settleBudget(ctx, spending, eventbudget.All)
		return fmt.Errorf("%w; nothing was deleted", err)
	}
	r.report.Begun = true
	spared := r.newDeletion(planID, r.request.Plan).purge(ctx, admit, found, notice.dueLines(found))
	r.settleBudget(ctx, spending, func(id string) bool { return spared[id] })
	r.closeIntent(ctx, intent)
	return nil
}
