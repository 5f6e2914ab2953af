package service

import (
	"context"
	"errors"
	"fmt"

	"github.com/mediasweep/mediasweep/internal/journal"
	"github.com/mediasweep/mediasweep/internal/plan"
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
func (j *job) sweepInventory(ctx context.Context) {
	r := j.report
	finished := 0
	if j.request.Trigger == trigger.Timer && r.Mode == policy.Enforce {
		var err error
		if finished, err = j.finishPlans(ctx); err != nil {
			j.end(report.Incomplete, err)
			return
		}
	}
	j.run(ctx)
	if finished > 0 && r.Status == report.Failed {
		j.end(report.Incomplete, fmt.Errorf("plans that were cut off are finished, and the sweep that followed failed: %s", r.Error))
	}
}

// finishPlans finishes the plans of earlier scheduled runs that were cut off, each in a run of its
// own. It returns the number of finished plans. An error means that a plan is left. The report of the sweep that
// follows notes the plans that were dropped.
func (j *job) finishPlans(ctx context.Context) (finished int, err error) {
	work, cancel := j.budget.Work(ctx)
	defer cancel()
	intents, damaged, err := journal.Unfinished(work, j.store(), j.now())
	if err != nil {
		return 0, err
	}
	for _, err := range damaged {
		j.log.Error("record damaged", "error", err.Error())
	}
	isLeft := false
	for _, intent := range intents {
		r, dropped := j.finishPlan(ctx, intent)
		if dropped != "" {
			j.report.Notes = append(j.report.Notes, dropped)
		}
		switch r.Status {
		case report.Failed: // the sweep that follows finds its media
			isLeft = true
			continue
		case report.Incomplete, report.Busy:
			j.report.Stopped = r.Stopped
			return finished, fmt.Errorf("the plan of run %s is not finished yet: %s", text.Quote(intent.Run), r.Error)
		case report.Done, report.Partial, report.Blocked: // a person applies a blocked plan
		}
		if r.Unrecorded { // the next scheduled run tries again
			isLeft = true
			continue
		}
		closeIntent := intent.Close
		if j.reportKilled(work, intent) != nil { // deleting matters more than counting
			closeIntent = intent.CloseUncounted
		}
		if err := j.recordEnd(ctx, closeIntent); err != nil {
			return finished, err
		}
		if dropped == "" {
			finished++
		}
	}
	if !isLeft { // after some looks later runs would not list it any more
		j.noteLook(work)
	}
	if len(intents) == 0 {
		return 0, nil
	}
	return finished, j.marks.Refresh(work, j.store()) // these runs left new ones
}

// noteLook records once a day that the unfinished plans are finished. Without the record later runs list more.
func (j *job) noteLook(ctx context.Context) {
	now := j.now()
	today := now.Unix() / (24 * 60 * 60)
	if j.lookedOn.Load() == today {
		return
	}
	if err := journal.NoteLook(ctx, j.store(), now); err != nil {
		j.log.Warn("look for unfinished plans not recorded", "error", text.Bound(err.Error()))
		return
	}
	j.lookedOn.Store(today)
}

// reportKilled saves the reports of runs that were killed while they deleted the plan. Without them,
// their deletions are in no total. Those on a plan with a damaged record cannot be counted.
func (j *job) reportKilled(ctx context.Context, intent journal.Intent) error {
	killed, err := runlog.Killed(ctx, j.store(), intent)
	for _, r := range killed {
		if err == nil {
			err = j.saveCounted(ctx, r)
		}
		if err == nil {
			j.logFinished(r)
		}
	}
	if err != nil {
		j.log.Warn("deletions of killed runs not counted", "run", intent.Run, "error", text.Bound(err.Error()))
	}
	if errors.Is(err, state.ErrDamaged) {
		return nil
	}
	return err
}

// saveCounted saves the report of a run on the plan of another. It adds it to the log of runs first: totals come from there,
// and runlog.Killed makes no report for a run that has saved one.
func (j *job) saveCounted(ctx context.Context, r *report.Report) error {
	if err := runlog.Log(ctx, j.store(), r); err != nil {
		return err
	}
	return runlog.Save(ctx, j.store(), r)
}

// finishPlan reads the media of a plan without an outcome again, and deletes the expired ones.
// It drops a plan that may not be applied any more, and then says why.
func (j *job) finishPlan(ctx context.Context, intent journal.Intent) (r *report.Report, dropped string) {
	r = report.New(newRunID(), trigger.Timer, j.policy, j.now())
	own := *j
	own.request, own.report = &trigger.Request{Trigger: trigger.Timer, Plan: intent.Plan, Resume: intent.Run}, r
	r.Mode, r.Ledger = policy.Enforce, intent.Run
	j.log.Info("finishing a plan that was cut off", "run", r.Run, "of", intent.Run, "plan", intent.Plan)
	if err := CheckAge(j.policy, plan.Head{AsOf: intent.AsOf, Policy: intent.Policy}, r.AsOf); err != nil {
		j.log.Info("unfinished plan dropped: the sweep that follows makes a new one", "plan", intent.Plan, "reason", err.Error())
		dropped = own.dropPlan(ctx, intent)
	} else {
		own.run(ctx)
	}
	record, cancel := j.budget.Record(ctx)
	defer cancel()
	if err := own.saveCounted(record, r); err != nil {
		j.log.Error("report not saved", "run", r.Run, "error", err.Error())
	}
	own.logFinished(r)
	own.sendDigest(ctx, own.request.OfLibrary(), r)
	return r, dropped
}

// dropPlan records which media of a plan are gone, and returns a note on the plan for the sweep that follows.
func (j *job) dropPlan(ctx context.Context, intent journal.Intent) (note string) {
	r := j.report
	why := "guard.planMaxAge has passed"
	if intent.Policy != j.policy.Digest() {
		why = "the policy has changed"
	}
	r.Policy, r.Plan, r.Rules = intent.Policy, intent.Plan, []report.Rule{}
	library := j.library.Session(j.credentials())
	found, err := j.newSweep(library).FindLost(ctx, j.budget, intent, r)
	r.Calls = callsOf(library)
	what := fmt.Sprintf("%d of its %d media have no outcome, and %d of these are gone", found.Left, found.Entries, found.Gone)
	if err != nil {
		j.log.Warn("media of a dropped plan not read", "plan", intent.Plan, "error", text.Bound(err.Error()))
		what = "not all of its media could be read"
	}
	note = fmt.Sprintf("unfinished plan %s of run %s dropped, because %s: %s; the sweep decides on the others again", trigger.ShortPlan(intent.Plan), text.Quote(intent.Run), why, what)
	r.Note("%s", note)
	return note
}

// countKilled counts the killed runs that earlier scheduled runs had no time for.
func (j *job) countKilled(ctx context.Context, all journal.Intents) error {
	intents, damaged, err := all.Uncounted(ctx)
	for _, err := range damaged {
		j.log.Error("record damaged", "error", err.Error())
	}
	for _, intent := range intents {
		if err == nil && isAwaited(intent, j.now()) {
			err = j.reportKilled(ctx, intent)
		}
		if err == nil {
			err = intent.MarkCounted(ctx, j.store())
		}
	}
	return err
}

// recordEnd records that a plan is finished, also when the time for work is up: the next run
// would repeat it.
func (j *job) recordEnd(ctx context.Context, closeIntent func(context.Context, state.Store) error) error {
	ctx, cancel := j.budget.Record(ctx)
	defer cancel()
	return closeIntent(ctx, j.store())
}
