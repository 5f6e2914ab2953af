// Package sweep carries out one run: it scans the candidates, checks the guard, saves the plan,
// deletes exactly the plan, and accounts for every medium. A dry run stops after the plan.
package sweep

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/mediasweep/mediasweep/internal/deadline"
	"github.com/mediasweep/mediasweep/internal/eventbudget"
	"github.com/mediasweep/mediasweep/internal/journal"
	"github.com/mediasweep/mediasweep/internal/plan"
	"github.com/mediasweep/mediasweep/internal/policy"
	"github.com/mediasweep/mediasweep/internal/purge"
	"github.com/mediasweep/mediasweep/internal/report"
	"github.com/mediasweep/mediasweep/internal/scan"
	"github.com/mediasweep/mediasweep/internal/state"
	"github.com/mediasweep/mediasweep/internal/task"
	"github.com/mediasweep/mediasweep/internal/text"
	"github.com/mediasweep/mediasweep/internal/trigger"
)

// Library is the media library.
type Library interface {
	scan.Library
	purge.Library
}

// Sweep holds the dependencies of a run.
type Sweep struct {
	Policy  *policy.Policy
	Region  string
	Library Library
	Objects scan.Objects
	Store   state.Store
	// Marks, Events and Claims are shared by all runs of the process.
	Marks  journal.Marks
	Events *eventbudget.Budget
	Claims *purge.Claims
	Now    func() time.Time
	Log    *slog.Logger
	// Stop is the full name of the kill switch.
	Stop string
	// Caller says who asked for the run.
	Caller string
	// Progress is called at intervals of Every.
	Progress Show
	Every    time.Duration
}

func (s *Sweep) scanner() *scan.Scanner {
	return &scan.Scanner{Policy: s.Policy, Region: s.Region, Library: s.Library, Objects: s.Objects, Store: s.Store, Mark: s.Marks.Of, Announced: &journal.Announcements{}, Now: s.Now, Log: s.Log}
}

// Run carries out a request in the mode of its report, and finishes the report. It stops early enough
// to finish the calls in flight and to answer.
func (s *Sweep) Run(ctx context.Context, budget deadline.Budget, request *trigger.Request, r *report.Report) {
	ctx, cancel := budget.Work(ctx)
	defer cancel()
	run := &run{Sweep: s, budget: budget, request: request, report: r, progress: NewMeter(s.Progress, s.Every), spared: map[string]bool{}}
	run.outcomes = outcomes{store: s.Store, run: r.Run}
	if err := task.Run(func() { run.carryOut(ctx) }); err != nil {
		run.end(report.Failed, err)
	}
	run.progress.Stop()
	status := run.status()
	if errors.Is(run.ended, ErrStopped) || errors.Is(run.timeUp, ErrStopped) {
		r.Stopped = s.Stop
	}
	r.Finish(status, s.Now())
}

// run is the state of one run. The caller's goroutine owns it.
type run struct {
	*Sweep
	budget   deadline.Budget
	request  *trigger.Request
	report   *report.Report
	progress *Meter
	outcomes outcomes
	// decisions go to the history.
	decisions decisions
	// ended is the error that ended the run early. how is failed or incomplete.
	ended error
	how   report.Status
	// partial is true if some candidates could not be read, or some outcomes not be recorded.
	partial bool
	// nothingSeen is true if there were candidates or sources, and none could be read.
	nothingSeen bool
	passed      int
	// spared are the media of an event that it did not delete.
	spared map[string]bool
	// timeUp is the reason why deletions were no longer started.
	timeUp error
}

// end sets the reason why the run ends. The first reason counts; failed replaces incomplete.
func (r *run) end(status report.Status, why error) {
	if r.ended == nil || r.how == report.Incomplete && status == report.Failed {
		r.how, r.ended = status, why
	}
}

// endBy ends the run if err is not nil: incomplete for the end of a context, else failed.
func (r *run) endBy(err error) {
	switch {
	case deadline.Passed(err):
		r.end(report.Incomplete, err)
	case err != nil:
		r.end(report.Failed, err)
	}
}

// carryOut scans, checks the guard, saves the plan and deletes it.
func (r *run) carryOut(ctx context.Context) {
	admit, cancel := r.budget.Admit(ctx)
	defer cancel()
	enforce := r.report.Mode == policy.Enforce
	admit, unwatch, err := WatchKillSwitch(ctx, admit, r.Store, enforce)
	defer unwatch()
	switch {
	case err != nil && enforce:
		r.endBy(fmt.Errorf("%w; nothing was deleted", err))
		return
	case err != nil:
		r.note("%v", err)
	}
	if r.request.Resume != "" {
		r.endBy(r.resumePlan(ctx, admit))
		return
	}
	announced, err := r.announcements(ctx, r.request.Inventory)
	if err != nil {
		r.endBy(r.suspend(ctx, &scan.Found{}, err))
		return
	}
	defer announced.Close()
	restores := r.Marks.Restores()
	scanner := r.scanner()
	scanner.Announced = announced
	found := scanner.Run(ctx, admit, r.budget, r.request, r.report, r.progress.scanned)
	defer found.Close()
	r.take(found)
	if r.ended != nil || r.nothingSeen && !r.Library.Answered() {
		return
	}
	if err := r.checkRestores(ctx, restores); err != nil {
		r.endBy(fmt.Errorf("%w; nothing was deleted", err))
		return
	}
	r.endBy(r.deleteFound(ctx, admit, found, announced))
}

// take copies the state of a scan into the run and its report.
func (r *run) take(found *scan.Found) {
	r.partial, r.passed, r.report.Resumes = found.Missing, found.Passed, found.Suspended
	c := &r.report.Counts
	r.nothingSeen = found.Missing && c.Looked+c.ObjectsWithoutMedia == 0
	switch {
	case found.Failed != nil:
		r.end(report.Failed, found.Failed)
	case found.Stopped != nil:
		r.end(report.Incomplete, found.Stopped)
	}
	if found.Passed > 0 {
		r.note("%d skipped: unchanged since an earlier sweep, and not due", found.Passed)
	}
	for _, rule := range r.report.Rules {
		if rule.Expired > 0 && rule.Kind == "expire" && r.Policy.TakesOrphans(rule.Name) {
			r.note("rule %s: the sources of %d media are gone: once deleted, these cannot be restored", rule.Name, rule.Expired)
		}
	}
	r.saveFailures(found)
}

func (r *run) note(format string, args ...any) {
	r.report.Notes = append(r.report.Notes, fmt.Sprintf(format, args...))
}

// deleteFound checks the guard, saves the plan, and deletes it.
func (r *run) deleteFound(ctx, admit context.Context, found *scan.Found, announced *journal.Announcements) error {
	var beside errgroup.Group
	defer func() { _ = beside.Wait() }() // it logs its errors
	now := r.Now()
	beside.Go(func() error {
		err := task.Do(func() error { return found.WriteIndex(ctx, now, r.report.Run) })
		if err != nil {
			r.Log.Warn("index not written: the next sweep looks up again what this one did", "error", text.Bound(err.Error()))
		}
		return nil
	})
	notice, err := r.split(ctx, found, announced)
	defer notice.retract()
	if err != nil {
		return r.suspend(ctx, found, err)
	}
	due := r.report.Counts.Pending
	draft := plan.Contents{Head: plan.Head{AsOf: r.report.AsOf, Policy: r.report.Policy, Scope: found.Scope}, Region: r.Region}
	spending, err := r.guard(ctx, found, notice, &draft)
	if err != nil {
		return r.suspend(ctx, found, err)
	}
	contents, doomed, err := r.savePlans(ctx, found, notice, draft)
	switch {
	case err == nil:
	case contents.ID != "" && contents.Entries == 0 && due == 0:
		r.Log.Warn("plan without media not saved", "plan", contents.ID, "error", err.Error())
	default:
		r.settleBudget(ctx, spending, eventbudget.All)
		if errors.Is(err, journal.ErrDamagedPlan) {
			r.closeCheckpoint(ctx, found) // a resumed scan would make the same plan
		}
		return r.suspend(ctx, found, err)
	}
	if err := notice.record(ctx); err != nil {
		r.settleBudget(ctx, spending, eventbudget.All)
		return r.suspend(ctx, found, err)
	}
	if r.report.Plan = contents.ID; r.report.Mode == policy.Enforce && r.request.Plan != "" {
		r.report.Plan = r.request.Plan
	}
	r.closeCheckpoint(ctx, found)
	if r.report.Mode != policy.Enforce || r.report.Guard.Tripped || due == 0 {
		return nil
	}
	return r.deletePlan(ctx, admit, doomed, found, notice.dueLines(found), spending)
}

// savePlans saves the plan of all expired media. If the run deletes only some of them, because the others are announced,
// it also saves the plan that the run deletes. It returns the ID of that plan.
func (r *run) savePlans(ctx context.Context, found *scan.Found, notice *notice, draft plan.Contents) (all plan.Contents, doomed string, err error) {
	c := &r.report.Counts
	deletes := r.report.Mode == policy.Enforce && draft.Blocked == ""
	if deletes && c.Announced == 0 {
		draft.Run = r.report.Run
	}
	all, err = journal.SavePlan(ctx, r.Store, draft, found.Draft.Lines())
	if err != nil || !deletes || c.Announced == 0 || c.Pending == 0 {
		return all, all.ID, err
	}
	draft.Run = r.report.Run
	due, err := journal.SavePlan(ctx, r.Store, draft, notice.dueLines(found))
	return all, due.ID, err
}

// deletePlan deletes the plan. Its intent is recorded first, so that the run may be killed: the next scheduled run
// finishes the plan. A run with a lease has one intent. The intent of another run ends with it, and if media
// are still pending, or without a recorded outcome, it leaves a second one.
func (r *run) deletePlan(ctx, admit context.Context, planID string, found *scan.Found, lines iter.Seq2[plan.Line, error], spending eventbudget.Spending) error {
	intent := journal.Intent{Run: r.report.Run, Plan: planID, Policy: r.report.Policy, AsOf: r.report.AsOf, Trigger: r.report.Trigger, Asked: r.report.Asked, Applied: r.request.Plan}
	r.decisions.approved = r.request.Plan
	underWay := intent
	if !r.request.OfLibrary() {
		underWay.Until = r.Now().Add(r.budget.Left(longestRun) + clockSkew)
	}
	underWay, err := journal.Begin(ctx, r.Store, r.Now(), underWay)
	if err != nil {
		r.settleBudget(ctx, spending, eventbudget.All)
		return fmt.Errorf("%w; nothing was deleted", err)
	}
	r.purge(ctx, admit, planID, found, false, lines)
	ctx, cancel := r.budget.Record(ctx)
	defer cancel()
	c := &r.report.Counts
	r.settleBudget(ctx, spending, func(id string) bool { return r.spared[id] })
	isLeft := c.Pending > 0 || r.report.Unrecorded
	if isLeft && !r.request.OfLibrary() {
		_, err = journal.Begin(ctx, r.Store, r.Now(), intent)
	}
	if err == nil && (!isLeft || !r.request.OfLibrary()) {
		err = underWay.Close(ctx, r.Store)
	}
	if err != nil {
		r.Log.Warn("intent not updated", "error", err.Error())
	}
	if r.request.Plan != "" && c.Pending == 0 && c.Deleted+c.Unverified > 0 {
		if err := journal.MarkApplied(ctx, r.Store, r.request.Plan, r.report.Run); err != nil {
			r.Log.Warn("plan not marked as applied", "error", err.Error())
		}
	}
	return nil
}

const (
	// longestRun is the longest time of a run without a time limit: that of a run on Function Compute.
	longestRun = 24 * time.Hour
	clockSkew  = time.Minute
)
