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
	"github.com/mediasweep/mediasweep/internal/state"
	"github.com/mediasweep/mediasweep/internal/text"
	"github.com/mediasweep/mediasweep/internal/trigger"
)

// Plans returns the latest plans that have media, newest first, and the records that it skipped.
func (s *Service) Plans(ctx context.Context, call Call) (list []plan.Contents, skipped []string, err error) {
	if s.broken != nil {
		return nil, nil, refusedError{s.broken}
	}
	list, unread, err := journal.LatestPlans(ctx, s.store(call))
	return list, s.noteSkipped(unread), err
}

// Entries returns a saved plan and its entries; see journal.Entries.
func (s *Service) Entries(ctx context.Context, call Call, id string) (plan.Contents, iter.Seq2[plan.Entry, error], error) {
	if s.broken != nil {
		return plan.Contents{}, nil, refusedError{s.broken}
	}
	if !trigger.IsPlanID(id) {
		return plan.Contents{}, nil, refusedError{fmt.Errorf("plan must be the whole ID of a plan, sha256: and 64 of 0-9 and a-f, not %s: list the plans, and copy one", text.Quote(id))}
	}
	store := s.store(call)
	contents, err := journal.ReadPlan(ctx, store, id)
	return contents, journal.Entries(ctx, store, contents), err
}

// checkPlan refuses the plan of a request if it does not exist or may not be applied.
func (s *Service) checkPlan(ctx context.Context, store state.Store, p *policy.Policy, request *trigger.Request, r *report.Report) error {
	contents, err := journal.ReadPlan(ctx, store, request.Plan)
	switch {
	case errors.Is(err, state.ErrNotFound):
		return refusedError{fmt.Errorf("there is no plan %s in the state store: mediasweep plans or GET /v1/plans lists the latest", request.Plan)}
	case err != nil:
		return err
	case request.Anyway:
		return nil
	}
	if err := checkAge(p, contents.Head.AsOf, contents.Head.Policy, r.AsOf); err != nil {
		return refusedError{err}
	}
	return nil
}

// clockSkew is the accepted lead of another machine's clock.
const clockSkew = time.Hour

// checkAge refuses a plan from the future, of another policy, or older than guard.planMaxAge.
func checkAge(p *policy.Policy, made time.Time, digest string, now time.Time) error {
	const remedy = "make a new plan, or add --anyway (?anyway=true over HTTP)"
	guard := p.Guard
	switch {
	case made.After(now.Add(clockSkew)):
		return fmt.Errorf("the plan was made at %s, which has not come: check the clocks, and make a new plan", made.Format(time.RFC3339))
	case digest != p.Digest():
		return fmt.Errorf("the plan was made under another policy (%s, and now it is %s): %s", digest, p.Digest(), remedy)
	case now.After(guard.PlanMaxAge.After(made, p.Timezone)):
		return fmt.Errorf("the plan is %s old and guard.planMaxAge is %s: %s", now.Sub(made).Round(time.Minute), guard.PlanMaxAge, remedy)
	}
	return nil
}
