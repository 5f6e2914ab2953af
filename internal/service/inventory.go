package service

import (
	"context"
	"fmt"

	"github.com/mediasweep/mediasweep/internal/deadline"
	"github.com/mediasweep/mediasweep/internal/journal"
	"github.com/mediasweep/mediasweep/internal/notify"
	"github.com/mediasweep/mediasweep/internal/policy"
	"github.com/mediasweep/mediasweep/internal/report"
	"github.com/mediasweep/mediasweep/internal/runlog"
	"github.com/mediasweep/mediasweep/internal/state"
	"github.com/mediasweep/mediasweep/internal/text"
	"github.com/mediasweep/mediasweep/internal/trigger"
)

// sweepInventory sweeps the inventory, under the lease of the context if the run deletes. A
// scheduled run first finishes the plans of earlier ones. Once it has finished one, a sweep that
// fails makes the call incomplete, not failed.
func (s *Service) sweepInventory(ctx context.Context, budget deadline.Budget, call Call, p *policy.Policy, request *trigger.Request, r *report.Report) {
	finished := 0
	if request.Trigger == trigger.Timer && r.Mode == policy.Enforce {
		var err error
		if finished, err = s.finishPlans(ctx, budget, call, p, r); err != nil {
			s.end(r, report.Incomplete, err)
			return
		}
	}
	s.run(ctx, budget, call, p, request, r)
	if finished > 0 && r.Status == report.Failed {
		s.end(r, report.Incomplete, fmt.Errorf("plans that were cut off are finished, and the sweep that followed failed: %s", r.Error))
	}
}

// finishPlans finishes the plans of earlier scheduled runs that were cut off, each in a run of its
// own. It returns the number of finished plans. An error means that a plan is left. The report of the sweep that
// follows notes the plans that were dropped.
func (s *Service) finishPlans(ctx context.Context, budget deadline.Budget, call Call, p *policy.Policy, following *report.Report) (finished int, err error) {
	store := s.store(call)
	work, cancel := budget.Work(ctx)
	defer cancel()
	intents, damaged, err := journal.Unfinished(work, store, s.now())
	if err != nil {
		return 0, err
	}
	for _, err := range damaged {
		s.log.Error("record damaged", "error", err.Error())
	}
	for _, intent := range intents {
		r, dropped := s.finishPlan(ctx, budget, call, p, intent)
		if dropped != "" {
			following.Notes = append(following.Notes, dropped)
		}
		switch r.Status {
		case report.Failed: // the sweep that follows finds its media
			continue
		case report.Incomplete, report.Busy:
			following.Stopped = r.Stopped
			return finished, fmt.Errorf("the plan of run %s is not finished yet: %s", text.Quote(intent.Run), r.Error)
		case report.Done, report.Partial, report.Blocked: // a person applies a blocked plan
		}
		if r.Unrecorded { // the next scheduled run tries again
			continue
		}
		s.reportKilled(work, call, intent)
		if err := closeIntent(ctx, budget, store, intent); err != nil {
			return finished, err
		}
		if dropped == "" {
			finished++
		}
	}
	if len(intents) == 0 {
		return 0, nil
	}
	return finished, s.marks.Refresh(work, store) // these runs left new ones
}

// reportKilled saves the reports of runs that were killed while they deleted the plan. Without them,
// their deletions are in no total. It comes last, because deleting matters more than counting.
func (s *Service) reportKilled(ctx context.Context, call Call, intent journal.Intent) {
	killed, err := runlog.Killed(ctx, s.store(call), intent)
	if err != nil {
		s.log.Warn("deletions of killed runs not counted", "run", intent.Run, "error", text.Bound(err.Error()))
	}
	for _, r := range killed {
		s.finish(ctx, call, r)
	}
}

// finishPlan reads the media of a plan without an outcome again, and deletes the expired ones.
// It drops a plan that may not be applied any more, and then says why.
func (s *Service) finishPlan(ctx context.Context, budget deadline.Budget, call Call, p *policy.Policy, intent journal.Intent) (r *report.Report, dropped string) {
	r = report.New(newRunID(), trigger.Timer, p, s.now())
	r.Mode, r.Ledger = policy.Enforce, intent.Run
	s.log.Info("finishing a plan that was cut off", "run", r.Run, "of", intent.Run, "plan", intent.Plan)
	if err := checkAge(p, intent.AsOf, intent.Policy, r.AsOf); err != nil {
		s.log.Info("unfinished plan dropped: the sweep that follows makes a new one", "plan", intent.Plan, "reason", err.Error())
		dropped = s.dropPlan(ctx, budget, call, p, intent, r)
	} else {
		s.run(ctx, budget, call, p, &trigger.Request{Trigger: trigger.Timer, Plan: intent.Plan, Resume: intent.Run}, r)
	}
	record, cancel := budget.Record(ctx)
	defer cancel()
	s.finish(record, call, r)
	s.tell(ctx, budget, call, notify.Library, r)
	return r, dropped
}

// dropPlan records which media of a plan are gone, and returns a note on the plan for the sweep that follows.
func (s *Service) dropPlan(ctx context.Context, budget deadline.Budget, call Call, p *policy.Policy, intent journal.Intent, r *report.Report) (note string) {
	why := "guard.planMaxAge has passed"
	if intent.Policy != p.Digest() {
		why = "the policy has changed"
	}
	r.Policy, r.Plan, r.Rules = intent.Policy, intent.Plan, []report.Rule{}
	library := s.library.Session(s.credentials(call))
	found, err := s.newSweep(call, p, r, library).Account(ctx, budget, intent, r)
	r.Calls = callsOf(library)
	what := fmt.Sprintf("%d of its %d media have no outcome, and %d of these are gone", found.Left, found.Entries, found.Gone)
	if err != nil {
		s.log.Warn("media of a dropped plan not read", "plan", intent.Plan, "error", text.Bound(err.Error()))
		what = "not all of its media could be read"
	}
	note = fmt.Sprintf("unfinished plan %s of run %s dropped, because %s: %s; the sweep decides on the others again", trigger.ShortPlan(intent.Plan), text.Quote(intent.Run), why, what)
	r.Notes = append(r.Notes, note)
	return note
}

// closeIntent records that a plan is finished, also when the time for work is up: the next run
// would repeat it.
func closeIntent(ctx context.Context, budget deadline.Budget, store state.Store, intent journal.Intent) error {
	ctx, cancel := budget.Record(ctx)
	defer cancel()
	return intent.Close(ctx, store)
}
