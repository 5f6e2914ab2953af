package runlog

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"

	"github.com/mediasweep/mediasweep/internal/journal"
	"github.com/mediasweep/mediasweep/internal/plan"
	"github.com/mediasweep/mediasweep/internal/report"
	"github.com/mediasweep/mediasweep/internal/state"
	"github.com/mediasweep/mediasweep/internal/text"
	"github.com/mediasweep/mediasweep/internal/trigger"
)

// AmbiguousError means that a reference names several plans or runs.
type AmbiguousError struct {
	Kind, Reference string
	IDs             []string
}

func (e *AmbiguousError) Error() string {
	return fmt.Sprintf("%s names several %s: give the whole ID of one: %s", text.Quote(e.Reference), e.Kind, strings.Join(text.First(e.IDs, e.Kind), ", "))
}

// FindPlan returns the ID of the plan that a reference names; see trigger.LatestPlan. It returns
// state.ErrNotFound if there is none.
func FindPlan(ctx context.Context, store state.Store, reference string) (id string, err error) {
	var found []string
	switch {
	case trigger.IsPlanID(reference):
		return reference, nil
	case reference == trigger.LatestPlan:
		id, err = latestPlan(ctx, store)
		found = []string{id}
	default:
		found, err = plansWithPrefix(ctx, store, reference)
	}
	if err != nil {
		return "", fmt.Errorf("find plan %s: %w", text.Quote(reference), err)
	}
	return only("plans", reference, found)
}

// only returns the one ID that was found for a reference. Its error is an AmbiguousError, or has state.ErrNotFound.
func only(kind, reference string, found []string) (id string, err error) {
	switch {
	case len(found) == 0 || found[0] == "":
		return "", fmt.Errorf("%s %s: %w", strings.TrimSuffix(kind, "s"), text.Quote(reference), state.ErrNotFound)
	case len(found) > 1:
		return "", &AmbiguousError{kind, reference, found}
	}
	return found[0], nil
}

// latestPlan returns the ID of the latest plan, or nothing. It reads the latest reports, and does not
// depend on the number of plans or of OSS events.
func latestPlan(ctx context.Context, store state.Store) (id string, err error) {
	next, stop := iter.Pull2(Query{except: trigger.OSS}.candidates(ctx, store))
	defer stop()
	for reads := 0; reads < maxPageReads; {
		batch, err := take(next, min(reads+1, state.AtOnce)) // mostly the first report is the one
		if err != nil || len(batch) == 0 {
			return "", err
		}
		reads += len(batch)
		for one, record := range state.ReadAll(ctx, store, batch, logged.recordName) {
			if errors.Is(record.Err, state.ErrNotFound) {
				continue
			}
			if record.Err != nil {
				return "", record.Err
			}
			r, err := one.read(record.Data)
			if err != nil {
				return "", err
			}
			if made, err := madePlan(ctx, store, r); err != nil || made {
				return r.Plan, err
			}
		}
	}
	return "", fmt.Errorf("none of the latest %d runs made a plan: give its ID", maxPageReads)
}

// madePlan reports whether a run made the plan of its report, and the plan has media. A run that
// deletes an earlier plan has a later clock than that plan. A plan as of another time is not one to apply.
func madePlan(ctx context.Context, store state.Store, r *report.Report) (bool, error) {
	if r.Trigger == trigger.OSS || r.IsWhatIf() || r.Counts.Expired == 0 || !trigger.IsPlanID(r.Plan) {
		return false, nil
	}
	contents, err := journal.ReadPlan(ctx, store, r.Plan)
	if errors.Is(err, state.ErrNotFound) {
		return false, nil
	}
	return err == nil && contents.Entries > 0 && contents.Head.AsOf.Equal(r.AsOf), err
}

// plansWithPrefix returns the IDs of the saved plans that begin so, with media or without.
func plansWithPrefix(ctx context.Context, store state.Store, reference string) ([]string, error) {
	return idsWithPrefix(ctx, store, "sha256-"+strings.TrimPrefix(reference, "sha256:"), plan.IDOf, "plans/", "plans-empty/")
}

// idsWithPrefix returns the IDs of the records of folders whose names start so, each once, until there is one more than a
// message lists.
func idsWithPrefix(ctx context.Context, store state.Store, start string, idOf func(name string) (string, bool), folders ...string) (ids []string, err error) {
	for _, folder := range folders {
		for record, err := range store.List(ctx, folder, folder+start) {
			if err != nil {
				return nil, err
			}
			if !strings.HasPrefix(record.Name, folder+start) || len(ids) > text.MaxListed {
				break
			}
			if id, ok := idOf(record.Name); ok && !slices.Contains(ids, id) {
				ids = append(ids, id)
			}
		}
	}
	return ids, nil
}
