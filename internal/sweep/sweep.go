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

	"github.com/mediasweep/mediasweep/internal/announce"
	"github.com/mediasweep/mediasweep/internal/deadline"
	"github.com/mediasweep/mediasweep/internal/eventbudget"
	"github.com/mediasweep/mediasweep/internal/history"
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

// Sweep holds the dependencies of a run.
type Sweep struct {
	Policy *policy.Policy
	scan.Cloud
	Deleter purge.Library // of the same media
	Store   state.Store
	// All runs of the process share these three. Only runs of events spend the budget, and only deletions claim media.
	Marks  journal.Marks
	Events *eventbudget.Budget
	Claims *purge.Claims
	Display
	// Stop is the full name of the kill switch, and Caller says who asked for the run: reports quote them.
	Stop, Caller string
	Now          func() time.Time
	Log          *slog.Logger
}

// Run carries out a request in the mode of its report, and finishes the report. It stops early enough
// to finish the calls in flight and to answer. The caller must log the report, and then close the result: a plan is open
// until its deletions are in the totals.
func (s *Sweep) Run(ctx context.Context, budget deadline.Budget, request *trigger.Request, r *report.Report) Begun {
	ctx, cancel := budget.Work(ctx)
	defer cancel()
	run := s.newRun(budget, request, r)
	run.finish(task.Do(func() error { return run.carryOut(ctx) }))
	return run.begun
}

// Survey scans the candidates of a request, calls one pass after another with every medium, and finishes the report. It
// decides nothing and writes nothing.
func (s *Sweep) Survey(ctx context.Context, budget deadline.Budget, request *trigger.Request, r *report.Report, passes ...func(media.Medium)) {
	ctx, cancel := budget.Work(ctx)
	defer cancel()
	run := s.newRun(budget, request, r)
	run.finish(task.Run(func() {
		found := run.scanner(&announce.Reader{}).Survey(ctx, run.asked(), passes...)
		defer found.Close()
		run.adopt(ctx, found)
	}))
}

// Inventory returns what the policy's inventory names. It reads the lists.
func (s *Sweep) Inventory(ctx context.Context, budget deadline.Budget, announced *announce.Reader) *scan.Origin {
	ctx, cancel := budget.Work(ctx)
	defer cancel()
	return (&run{Sweep: s}).scanner(announced).Inventory(ctx, ctx, true)
}

// run is one run: its request, its limits, and its report. The caller's goroutine owns it.
type run struct {
	*Sweep
	budget   deadline.Budget
	request  *trigger.Request
	report   *report.Report
	progress *Meter
	begun    Begun
	earlier  *history.Earlier // of a resumed run
	ending
}

func (s *Sweep) newRun(budget deadline.Budget, request *trigger.Request, r *report.Report) *run {
	return &run{Sweep: s, budget: budget, request: request, report: r, progress: NewMeter(s.Display, r.Run)}
}

// carryOut finishes the plan of an earlier run, or sweeps, unless the kill switch is on. It reads announcements beside the
// kill switch: a run with little time has none for calls in sequence.
func (r *run) carryOut(ctx context.Context) error {
	announced := &announce.Reader{}
	opened := task.Go(func() (err error) {
		if !r.isResumed() {
			announced, err = r.openAnnouncements(ctx)
		}
		return err
	})
	admit, end, err := Admit(ctx, r.budget, r.Store, r.enforces())
	defer end()
	unread := opened()
	if unread == nil {
		defer announced.Close()
	}
	switch {
	case err != nil && r.enforces():
		return fmt.Errorf("%w; nothing was deleted", err)
	case err != nil:
		r.report.Note("%v", err)
	}
	switch {
	case unread != nil:
		return r.suspend(ctx, &scan.Found{}, unread)
	case r.isResumed():
		return r.resumePlan(ctx, admit)
	}
	return r.sweep(ctx, admit, announced)
}

// enforces reports whether the run deletes what its guard lets pass.
func (r *run) enforces() bool { return r.report.Mode == policy.Enforce }

// isResumed reports whether the run finishes the plan of an earlier one, which may have deleted media without recording
// an outcome.
func (r *run) isResumed() bool { return r.request.Resume != "" }

// sweep scans, checks the guard, saves the plan, and deletes exactly the plan. Each of these is durable before the next:
// the spending of an event, the plan, the announcements, the intent, and outcomes. The report follows, and then the end of
// the intent.
func (r *run) sweep(ctx, admit context.Context, announced *announce.Reader) error {
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
	defer r.retract(notice)
	if err != nil {
		return r.suspend(ctx, found, err)
	}
	g, err := r.guard(ctx, notice)
	r.report.Guard, r.report.Next = g.guard, g.next
	spared := eventbudget.All
	defer func() { r.settleBudget(ctx, g.spending, spared) }()
	if err != nil {
		return r.suspend(ctx, found, err)
	}
	draft := g.draft
	draft.Head, draft.Region = found.Head, r.Region
	planID, err := r.savePlans(ctx, notice, draft)
	if err != nil {
		return r.suspend(ctx, found, err)
	}
	r.closeCheckpoint(ctx, found)
	if !r.enforces() || r.report.Guard.Tripped || r.report.Counts.Pending == 0 {
		return nil
	}
	intent, err := r.saveIntent(ctx, planID)
	if err != nil {
		return fmt.Errorf("%w; nothing was deleted", err)
	}
	r.report.Begun = true
	l := r.newLedger(planID, r.request.Plan)
	spared = func(id string) bool { return l.spared[id] }
	r.purge(ctx, admit, l, &found.Origin, notice.dueLines())
	r.begun = Begun{r, intent}
	r.markApplied(ctx, r.request.Plan, r.report.Counts.Deleted+r.report.Counts.Unverified)
	return nil
}

// savePlans makes the plan of all expired media durable, and the announcements. If the run deletes only some of the media,
// because it announces the others, it also saves the plan of these. It returns the ID of the plan that the run deletes.
func (r *run) savePlans(ctx context.Context, notice *notice, draft plan.Contents) (planID string, err error) {
	c := &r.report.Counts
	deletes := r.enforces() && draft.Blocked == ""
	if deletes && c.Announced == 0 {
		draft.Run = r.report.Run
	}
	all, err := r.savePlan(ctx, draft, notice.found.Draft.Lines())
	doomed := all
	if err == nil && deletes && c.Announced > 0 && c.Pending > 0 {
		draft.Run = r.report.Run
		doomed, err = r.savePlan(ctx, draft, notice.dueLines())
	}
	if errors.Is(err, journal.ErrDamagedPlan) {
		r.closeCheckpoint(ctx, notice.found) // a resumed scan would make the same plan
	}
	if err == nil {
		err = notice.record(ctx, r.Now())
	}
	if err != nil {
		return "", err
	}
	if r.report.Plan = all.ID; r.enforces() && r.request.Plan != "" {
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

// saveIntent records the intent to delete a plan, so that the run may be killed: the next scheduled run finishes the plan.
func (r *run) saveIntent(ctx context.Context, planID string) (journal.Intent, error) {
	intent := journal.Intent{Run: r.report.Run, Plan: planID, Policy: r.report.Policy, AsOf: r.report.AsOf, Trigger: r.report.Trigger, Asked: r.report.Asked, Applied: r.request.Plan}
	if !r.request.OfLibrary() {
		intent.Until = r.Now().Add(r.budget.Left(longestRun) + state.ClockSkew)
	}
	return journal.SaveIntent(ctx, r.Store, r.Now(), intent)
}

// longestRun is the longest time of a run without a time limit: that of a run on Function Compute.
const longestRun = 24 * time.Hour

// markApplied marks the plan that a person applied, once media of it are deleted and none is left.
func (r *run) markApplied(ctx context.Context, planID string, deleted int) {
	ctx, cancel := r.budget.Record(ctx)
	defer cancel()
	if planID == "" || r.report.Counts.Pending > 0 || deleted == 0 {
		return
	}
	if err := journal.MarkApplied(ctx, r.Store, planID, r.report.Run); err != nil {
		r.Log.Warn("plan not marked as applied", "error", err.Error())
	}
}
