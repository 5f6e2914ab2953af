package journal

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"

	"github.com/mediasweep/mediasweep/internal/plan"
	"github.com/mediasweep/mediasweep/internal/report"
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
	switch {
	case err != nil:
		return "", fmt.Errorf("find plan %s: %w", text.Quote(reference), err)
	case len(found) == 0 || found[0] == "":
		return "", fmt.Errorf("plan %s: %w", text.Quote(reference), state.ErrNotFound)
	case len(found) > 1:
		return "", &AmbiguousPlanError{reference, found}
	}
	return found[0], nil
}

// latestPlan returns the ID of the latest plan, or nothing. It reads the latest reports, and does not
// depend on the number of plans or of OSS events.
func latestPlan(ctx context.Context, store state.Store) (id string, err error) {
	next, stop := iter.Pull2(RunQuery{except: trigger.OSS}.candidates(ctx, store))
	defer stop()
	for reads := 0; reads < maxPageReads; {
		batch, err := take(next, min(reads+1, state.AtOnce)) // mostly the first report is the one
		if err != nil || len(batch) == 0 {
			return "", err
		}
		reads += len(batch)
		records, errs := readAll(ctx, store, batch)
		for i, one := range batch {
			if errors.Is(errs[i], state.ErrNotFound) {
				continue
			}
			if errs[i] != nil {
				return "", errs[i]
			}
			r, err := one.read(records[i])
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
	contents, err := ReadPlan(ctx, store, r.Plan)
	if errors.Is(err, state.ErrNotFound) {
		return false, nil
	}
	return err == nil && contents.Entries > 0 && contents.Head.AsOf.Equal(r.AsOf), err
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

// MaxListed is the number of plans on a page.
const MaxListed = 100

// PlanPage is a page of plans with media, the one that was saved last first.
type PlanPage struct {
	Plans   []plan.Contents
	Skipped []Skipped
	Next    string // the ID of the plan before which the next page begins; empty on the last one
}

// ListPlans returns a page of the plans that were saved before a plan, or the first page. It fails if it can read
// none of them.
func ListPlans(ctx context.Context, store state.Store, before string) (PlanPage, error) {
	page := PlanPage{Plans: []plan.Contents{}}
	names, applied, err := newestPlans(ctx, store, before)
	if err != nil {
		return PlanPage{}, err
	}
	if len(names) > MaxListed {
		names = names[:MaxListed]
		page.Next, _ = plan.IDOf(names[MaxListed-1].name)
	}
	unread := 0
	for batch := range slices.Chunk(names, state.AtOnce) {
		records, errs := readAll(ctx, store, batch)
		for i, one := range batch {
			contents, err := plan.Contents{}, errs[i]
			switch {
			case err == nil:
				contents, err = planOf(one.name, records[i])
				if err == nil && contents.Run == "" && applied[plan.AppliedName(contents.ID)] {
					contents.Run, err = AppliedBy(ctx, store, contents.ID)
				}
			case !errors.Is(err, state.ErrNotFound):
				unread++
			}
			if err != nil {
				page.Skipped = append(page.Skipped, Skipped{one.name, text.Bound(err.Error())})
				continue
			}
			page.Plans = append(page.Plans, contents)
		}
		if err := errors.Join(errs...); err != nil && (ctx.Err() != nil || unread == len(names)) {
			return PlanPage{}, err
		}
	}
	return page, nil
}

// planOf decodes the record of a plan.
func planOf(name string, data []byte) (plan.Contents, error) {
	contents, err := plan.ParseContents(data)
	if err == nil && plan.Name(contents.ID) != name {
		err = fmt.Errorf("it is the record of %s", text.Quote(contents.ID))
	}
	return contents, err
}

// planRecord returns the record that completes a plan with media.
func planRecord(ctx context.Context, store state.Store, id string) (state.Record, error) {
	name := plan.Name(id)
	for record, err := range store.List(ctx, "plans/", strings.TrimSuffix(name, ".json")) {
		if err != nil || record.Name == name {
			return record, err
		}
		break
	}
	return state.Record{}, fmt.Errorf("plan %s: %w", text.Quote(id), state.ErrNotFound)
}

// newestFirst orders the records of plans.
func newestFirst(a, b state.Record) int {
	return cmp.Or(b.Written.Compare(a.Written), strings.Compare(b.Name, a.Name))
}

// newestPlans lists the MaxListed+1 records of plans that were written last before a plan, newest first, and all
// that mark a plan as applied.
func newestPlans(ctx context.Context, store state.Store, before string) (names []candidate, applied map[string]bool, err error) {
	applied = map[string]bool{}
	var records []state.Record
	keepNewest := func() {
		slices.SortFunc(records, newestFirst)
		records = records[:min(len(records), MaxListed+1)]
	}
	var end state.Record
	if before != "" {
		if end, err = planRecord(ctx, store, before); err != nil {
			return nil, nil, err
		}
	}
	for record, err := range store.List(ctx, "plans/", "") {
		if err != nil {
			return nil, nil, err
		}
		if strings.HasSuffix(record.Name, "/applied.json") {
			applied[record.Name] = true
		}
		if !strings.HasSuffix(record.Name, "/plan.json") || before != "" && newestFirst(record, end) <= 0 {
			continue
		}
		if records = append(records, record); len(records) == 4*MaxListed {
			keepNewest()
		}
	}
	keepNewest()
	for _, record := range records {
		names = append(names, candidate{name: record.Name})
	}
	return names, applied, nil
}
