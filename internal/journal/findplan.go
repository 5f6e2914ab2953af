package journal

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/mediasweep/mediasweep/internal/plan"
	"github.com/mediasweep/mediasweep/internal/state"
	"github.com/mediasweep/mediasweep/internal/text"
	"github.com/mediasweep/mediasweep/internal/trigger"
)

// AmbiguousPlanError means that a reference names several plans.
type AmbiguousPlanError struct {
	Reference string
	IDs       []string
}

func (e *AmbiguousPlanError) Error() string {
	return fmt.Sprintf("%s names several plans: give the whole ID of one: %s", text.Quote(e.Reference), strings.Join(text.First(e.IDs, "plans"), ", "))
}

// FindPlan returns the ID of the plan that a reference names; see trigger.IsPlanReference. The latest
// plan is the one that was saved last and has media. It returns state.ErrNotFound if there is none.
func FindPlan(ctx context.Context, store state.Store, reference string) (id string, err error) {
	var found []string
	switch {
	case trigger.IsPlanID(reference):
		return reference, nil
	case reference == trigger.LatestPlan:
		found, err = latestPlans(ctx, store)
	default:
		found, err = plansWithPrefix(ctx, store, reference)
	}
	switch {
	case err != nil:
		return "", fmt.Errorf("find plan %s: %w", text.Quote(reference), err)
	case len(found) == 0:
		return "", fmt.Errorf("plan %s: %w", text.Quote(reference), state.ErrNotFound)
	case len(found) > 1:
		return "", &AmbiguousPlanError{reference, found}
	}
	return found[0], nil
}

// latestPlans returns the ID of the plan that was saved last, or all of those that were saved at that
// time: the store's clock may have whole seconds.
func latestPlans(ctx context.Context, store state.Store) (ids []string, err error) {
	records, err := newestRecords(ctx, store, "plans/", "/plan.json")
	for _, record := range records {
		if id, ok := plan.IDOf(record.Name); ok && record.Written.Equal(records[0].Written) {
			ids = append(ids, id)
		}
	}
	return ids, err
}

// plansWithPrefix returns the IDs of the saved plans that begin so, with media or without.
func plansWithPrefix(ctx context.Context, store state.Store, reference string) (ids []string, err error) {
	digits := strings.TrimPrefix(reference, "sha256:")
	for _, folder := range []string{"plans/", "plans-empty/"} {
		prefix := folder + "sha256-" + digits
		for record, err := range store.List(ctx, folder, prefix) {
			if err != nil {
				return nil, err
			}
			if !strings.HasPrefix(record.Name, prefix) || len(ids) > text.MaxListed {
				break
			}
			if id, ok := plan.IDOf(record.Name); ok && !slices.Contains(ids, id) {
				ids = append(ids, id)
			}
		}
	}
	return ids, nil
}
