package journal

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"path"
	"slices"
	"strings"
	"time"

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
	var plans []listed
	for one, err := range savedPlans(ctx, store, before) {
		if err != nil {
			return PlanPage{}, err
		}
		if len(plans) == MaxListed {
			page.Next, _ = plan.IDOf(plans[MaxListed-1].name)
			break
		}
		plans = append(plans, one)
	}
	unread, failed := 0, error(nil)
	for one, read := range state.ReadAll(ctx, store, plans, func(one listed) string { return one.name }) {
		contents, err := plan.Contents{}, read.Err
		switch removed := errors.Is(err, state.ErrNotFound); {
		case err == nil:
			contents, err = planOf(one.name, read.Data)
		case removed && one.log != "":
			one.name, err = one.log, fmt.Errorf("its plan %s was removed: remove this record too", path.Dir(one.name))
		case !removed:
			unread, failed = unread+1, err
		}
		if err != nil {
			page.skip(one.name, err)
			continue
		}
		page.Plans = append(page.Plans, contents)
	}
	if failed != nil && (ctx.Err() != nil || unread == len(plans)) {
		return PlanPage{}, failed
	}
	if err := page.nameRuns(ctx, store); err != nil {
		return PlanPage{}, err
	}
	return page, nil
}

func (p *PlanPage) skip(name string, why error) {
	p.Skipped = append(p.Skipped, state.Skipped{Record: name, Problem: text.Bound(why.Error())})
}

// nameRuns names the runs that applied plans which were made for review. It skips a plan whose mark cannot be read.
func (p *PlanPage) nameRuns(ctx context.Context, store state.Store) error {
	var reviewed []*plan.Contents
	for i := range p.Plans {
		if one := &p.Plans[i]; one.Run == "" {
			reviewed = append(reviewed, one)
		}
	}
	unknown := map[string]bool{}
	for one, mark := range state.ReadAll(ctx, store, reviewed, func(one *plan.Contents) string { return plan.AppliedName(one.ID) }) {
		var err error
		if one.Run, err = appliedBy(mark.Data, mark.Err); err != nil {
			unknown[one.ID] = true
			p.skip(plan.Name(one.ID), err)
		}
	}
	p.Plans = slices.DeleteFunc(p.Plans, func(one plan.Contents) bool { return unknown[one.ID] })
	if len(unknown) > 0 {
		return ctx.Err()
	}
	return nil
}

// planLog holds an empty record for each plan with media. Its name has the inverted time at which the plan was saved, and
// the ID of the plan. So the first name is that of the latest plan.
const planLog = "plan-log/"

// LogPlan adds a saved plan to the list of plans.
func LogPlan(ctx context.Context, store state.Store, now time.Time, id string) error {
	if err := store.Create(ctx, planLog+state.Inverted(now)+"-"+strings.TrimPrefix(id, "sha256:"), state.Empty()); err != nil {
		return fmt.Errorf("add the plan to the list of plans: %w", err)
	}
	return nil
}

// listed is the record of a plan, and that of the log which lists it; the second is empty without one.
type listed struct{ name, log string }

// savedPlans yields the plans with media that were saved before a plan, or all: the logged ones, newest
// first, and then those that are not in the log. A plan that was saved before the log began is not.
func savedPlans(ctx context.Context, store state.Store, before string) iter.Seq2[listed, error] {
	return func(yield func(listed, error) bool) {
		begun, logged := before == "", map[string]bool{}
		for record, err := range store.List(ctx, planLog, "") {
			if err != nil {
				yield(listed{}, err)
				return
			}
			_, digits, _ := strings.Cut(strings.TrimPrefix(record.Name, planLog), "-")
			name := plan.Name("sha256:" + digits)
			id, ok := plan.IDOf(name)
			if !ok || logged[name] {
				continue
			}
			logged[name] = true
			if begun && !yield(listed{name, record.Name}, nil) {
				return
			}
			begun = begun || id == before
		}
		if begun {
			before = ""
		}
		names, err := unloggedPlans(ctx, store, before, logged)
		if err != nil {
			yield(listed{}, err)
			return
		}
		for _, name := range names {
			if !yield(listed{name: name}, nil) {
				return
			}
		}
	}
}

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
	record, err := state.First(ctx, store, "plans/", strings.TrimSuffix(name, ".json"))
	if err == nil && record.Name != name {
		err = fmt.Errorf("plan %s: %w", text.Quote(id), state.ErrNotFound)
	}
	return record, err
}

func newestFirst(a, b state.Record) int {
	return cmp.Or(b.Written.Compare(a.Written), strings.Compare(b.Name, a.Name))
}

// unloggedPlans returns the names of the MaxListed+1 plans that were written last before a plan, newest first, without
// those that the log has. It lists all records of plans.
func unloggedPlans(ctx context.Context, store state.Store, before string, logged map[string]bool) (names []string, err error) {
	var records []state.Record
	keepNewest := func() {
		slices.SortFunc(records, newestFirst)
		records = records[:min(len(records), MaxListed+1)]
	}
	var end state.Record
	if before != "" {
		if end, err = planRecord(ctx, store, before); err != nil {
			return nil, err
		}
	}
	for record, err := range store.List(ctx, "plans/", "") {
		if err != nil {
			return nil, err
		}
		if !strings.HasSuffix(record.Name, "/plan.json") || logged[record.Name] || before != "" && newestFirst(record, end) <= 0 {
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
	return names, nil
}
