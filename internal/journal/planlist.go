package journal

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/mediasweep/mediasweep/internal/plan"
	"github.com/mediasweep/mediasweep/internal/state"
	"github.com/mediasweep/mediasweep/internal/text"
)

// MaxListed is the number of plans on a page.
const MaxListed = 100

// PlanPage is a page of plans with media, the one that was saved last first.
type PlanPage struct {
	Plans   []plan.Contents
	Skipped []state.Skipped
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
		page.Next, _ = plan.IDOf(names[MaxListed-1])
	}
	unread := 0
	for batch := range slices.Chunk(names, state.AtOnce) {
		records, errs := state.ReadAll(ctx, store, batch)
		for i, name := range batch {
			contents, err := plan.Contents{}, errs[i]
			switch {
			case err == nil:
				contents, err = planOf(name, records[i])
				if err == nil && contents.Run == "" && applied[plan.AppliedName(contents.ID)] {
					contents.Run, err = AppliedBy(ctx, store, contents.ID)
				}
			case !errors.Is(err, state.ErrNotFound):
				unread++
			}
			if err != nil {
				page.Skipped = append(page.Skipped, state.Skipped{Record: name, Problem: text.Bound(err.Error())})
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
func newestPlans(ctx context.Context, store state.Store, before string) (names []string, applied map[string]bool, err error) {
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
		names = append(names, record.Name)
	}
	return names, applied, nil
}
