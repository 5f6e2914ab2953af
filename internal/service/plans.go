package service

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"time"

	"github.com/mediasweep/mediasweep/internal/journal"
	"github.com/mediasweep/mediasweep/internal/plan"
	"github.com/mediasweep/mediasweep/internal/policy"
	"github.com/mediasweep/mediasweep/internal/report"
	"github.com/mediasweep/mediasweep/internal/review"
	"github.com/mediasweep/mediasweep/internal/runlog"
	"github.com/mediasweep/mediasweep/internal/state"
	"github.com/mediasweep/mediasweep/internal/text"
	"github.com/mediasweep/mediasweep/internal/trigger"
)

// PlanList is a page of plans that have media, newest first, with notes on records that it skipped.
type PlanList struct {
	Plans []plan.Contents
	Notes []string
	Next  string // before for the next page; empty on the last one
}

// Plans returns a page of plans. Before is the Next of an earlier page, or names a plan; empty for the latest plans.
func (s *Service) Plans(ctx context.Context, call Call, before string) (PlanList, error) {
	store, err := s.records(ctx, call)
	if err != nil {
		return PlanList{}, err
	}
	id, page := "", journal.PlanPage{}
	if before != "" {
		id, err = findPlan(ctx, store, before)
	}
	if err == nil {
		page, err = journal.ListPlans(ctx, store, id)
	}
	if _, noID := errors.AsType[refusedError](err); before != "" && (noID || errors.Is(err, state.ErrNotFound)) {
		err = refusedError{fmt.Errorf("before %s: there is no such plan with media: take the value that the page before gives", text.Quote(before))}
	}
	return PlanList{page.Plans, s.noteSkipped(page.Skipped), page.Next}, err
}

// Entries returns the saved plan that a reference names, and its entries; see trigger.CheckPlan and
// journal.Entries.
func (s *Service) Entries(ctx context.Context, call Call, reference string) (plan.Contents, iter.Seq2[plan.Entry, error], error) {
	store, contents, err := s.readPlan(ctx, call, reference)
	return contents, journal.Entries(ctx, store, contents), err
}

// Items returns the saved plan that a reference names, and its media; see Entries.
func (s *Service) Items(ctx context.Context, call Call, reference string) (plan.Contents, iter.Seq2[review.Item, error], error) {
	store, contents, err := s.readPlan(ctx, call, reference)
	return contents, journal.MapEntries(ctx, store, contents, review.ItemOf), err
}

// ErrNoPlan rejects a request for the plan of a run that ended before it made one.
var ErrNoPlan = errors.New("made no plan")

// Decisions returns the plan of a run and its media, or ErrNoPlan. A plan without media need not have been saved.
func (s *Service) Decisions(ctx context.Context, call Call, run *report.Report) (plan.Contents, iter.Seq2[review.Item, error], error) {
	if run.Plan == "" && run.Status != report.Done {
		return plan.Contents{}, nil, refusedError{fmt.Errorf("run %s %w: it ended %s", run.Run, ErrNoPlan, run.Status)}
	}
	contents, items, err := s.Items(ctx, call, run.Plan)
	if run.Counts.Expired == 0 && (run.Plan == "" || errors.Is(err, state.ErrNotFound)) {
		return plan.Contents{ID: run.Plan, Head: plan.Head{AsOf: run.AsOf, Policy: run.Policy}}, func(func(review.Item, error) bool) {}, nil
	}
	return contents, items, err
}

func (s *Service) readPlan(ctx context.Context, call Call, reference string) (store state.Store, contents plan.Contents, err error) {
	if store, err = s.records(ctx, call); err != nil {
		return nil, contents, err
	}
	id, err := findPlan(ctx, store, reference)
	if err == nil {
		contents, err = journal.ReadPlan(ctx, store, id)
	}
	if err == nil && contents.Run == "" {
		contents.Run, err = journal.AppliedBy(ctx, store, id)
	}
	return store, contents, err
}

func findPlan(ctx context.Context, store state.Store, reference string) (id string, err error) {
	if err := trigger.CheckPlan(reference); err != nil {
		return "", refusedError{err}
	}
	return runlog.FindPlan(ctx, store, reference)
}

// checkPlan replaces the reference to the plan of a request by the plan's ID. It refuses a plan that
// does not exist or may not be applied.
func (j *job) checkPlan(ctx context.Context) error {
	request, r := j.request, j.report
	var contents plan.Contents
	id, err := runlog.FindPlan(ctx, j.store(), request.Plan) // checkRequest has checked the reference
	if err == nil {
		request.Plan, r.Plan = id, id
		contents, err = journal.ReadPlan(ctx, j.store(), id)
	}
	switch {
	case errors.Is(err, state.ErrNotFound):
		return refusedError{errors.New(trigger.NoSuch("plan", request.Plan, "mediasweep plans or GET /v1/plans lists the latest", "mediasweep plan or POST /v1/plans makes one"))}
	case err != nil:
		return err
	}
	if err := contents.CheckRegion(j.account.Region); err != nil {
		return err
	}
	if err := CheckAge(j.policy, contents.Head, r.AsOf); err != nil && (!request.Anyway || isAhead(contents.Head.AsOf, r.AsOf)) {
		return refusedError{err}
	}
	return nil
}

// clockSkew is the accepted lead of another machine's clock.
const clockSkew = time.Hour

// isAhead reports whether a plan is of a time to come: it is for review only.
func isAhead(made, now time.Time) bool { return made.After(now.Add(clockSkew)) }

// CheckAge returns why a plan may not be applied now: it is from the future, of another policy, or older than
// guard.planMaxAge.
func CheckAge(p *policy.Policy, head plan.Head, now time.Time) error {
	const remedy = "make a new plan, or add --anyway (?anyway=true over HTTP)"
	guard := p.Guard
	switch {
	case isAhead(head.AsOf, now):
		return fmt.Errorf("the plan was made at %s, which is in the future: make a new plan, without --as-of; if none was given, check the clocks", head.AsOf.Format(time.RFC3339))
	case head.Policy != p.Digest():
		return fmt.Errorf("the plan was made under another policy (%s, and now it is %s): %s", head.Policy, p.Digest(), remedy)
	case now.After(guard.PlanMaxAge.After(head.AsOf, p.Timezone)):
		return fmt.Errorf("the plan was made at %s and guard.planMaxAge is %s: %s", head.AsOf.Format(time.RFC3339), guard.PlanMaxAge, remedy)
	}
	return nil
}
