package runlog

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/mediasweep/mediasweep/internal/journal"
	"github.com/mediasweep/mediasweep/internal/policy"
	"github.com/mediasweep/mediasweep/internal/report"
	"github.com/mediasweep/mediasweep/internal/state"
	"github.com/mediasweep/mediasweep/internal/trigger"
)

// Killed returns a report for each run that recorded outcomes of an unfinished plan and was killed
// before it saved its own. Each call returns the same reports, so that a repeated save changes nothing.
// They count what the runs recorded, on the day of the plan. A report that was saved and not logged is logged.
func Killed(ctx context.Context, store state.Store, i journal.Intent) ([]*report.Report, error) {
	outcomes, _, err := journal.Outcomes(ctx, store, i.Run, i.Run)
	if err != nil {
		return nil, err
	}
	maps.DeleteFunc(outcomes, func(_ string, o journal.Outcome) bool { return o.Plan != i.Plan })
	killed := map[string]*report.Report{i.Run: nil}
	for _, o := range outcomes {
		killed[o.By(i.Run)] = nil
	}
	for run := range killed {
		switch reported, err := logSaved(ctx, store, run, i); {
		case err != nil:
			return nil, err
		case reported:
			delete(killed, run)
		default:
			killed[run] = newKilled(run, i)
		}
	}
	if len(killed) == 0 {
		return nil, nil
	}
	contents, err := journal.ReadPlan(ctx, store, i.Plan)
	if err != nil {
		return nil, err
	}
	for entry, err := range journal.Entries(ctx, store, contents) {
		if err != nil {
			return nil, err
		}
		o, ok := outcomes[entry.MediaID]
		if r := killed[o.By(i.Run)]; ok && r != nil {
			countKilled(r, entry.Rule, o.Became)
		}
	}
	for _, r := range killed {
		r.Error = fmt.Sprintf("the run saved no report, for example because it was killed: it recorded the outcome of %d media, and its plan has %d", r.Counts.Expired, contents.Entries)
		r.Next = "a later scheduled run has taken the plan over: mediasweep runs lists it"
		r.Finish(report.Incomplete, i.AsOf)
	}
	return slices.SortedFunc(maps.Values(killed), func(a, b *report.Report) int {
		return slices.Compare([]string{a.Ledger, a.Run}, []string{b.Ledger, b.Run})
	}), nil
}

// logSaved reports whether a run saved a report on a plan. It adds the report to the log if that has none: a store can refuse
// one of two writes. A damaged report counts: no deletion is counted twice.
func logSaved(ctx context.Context, store state.Store, run string, i journal.Intent) (saved bool, err error) {
	r, saved, err := readSaved(ctx, store, run, i)
	if err != nil || saved && r == nil {
		return saved, err
	}
	logged, err := isLogged(ctx, store, run, i)
	if err == nil && saved && !logged {
		err = Log(ctx, store, r)
	}
	return saved || logged, err
}

// readSaved returns the report that a run saved on a plan, if it is not damaged. The run that began the plan has several reports
// if its request was repeated: their clocks differ.
func readSaved(ctx context.Context, store state.Store, run string, i journal.Intent) (r *report.Report, saved bool, err error) {
	for number := 1; ; number++ {
		data, err := store.Read(ctx, reportName(run, number))
		if errors.Is(err, state.ErrNotFound) {
			return nil, false, nil
		}
		if err != nil {
			return nil, false, err
		}
		r, err := decodeReport(run, data)
		if err != nil {
			return nil, true, nil //nolint:nilerr // it was saved
		}
		if run != i.Run || r.AsOf.Equal(i.AsOf) {
			return r, true, nil
		}
	}
}

// isLogged reports whether the log has a report of a run on the plan since the plan was made: a totalled run counts as
// reported. The reports that Killed returns are of the time of the plan, and may be logged again.
func isLogged(ctx context.Context, store state.Store, run string, i journal.Intent) (bool, error) {
	for l, err := range (Query{Since: i.AsOf}).logged(ctx, store) {
		if err != nil {
			return false, err
		}
		if l.run != state.SafeName(run) || !l.at.After(i.AsOf) {
			continue
		}
		data, err := store.Read(ctx, l.name)
		if err != nil {
			return false, err
		}
		if r, err := l.read(data); err != nil || run != i.Run || r.AsOf.Equal(i.AsOf) {
			return true, nil
		}
	}
	return false, nil
}

// newKilled returns the report of a killed run without its counts.
func newKilled(run string, i journal.Intent) *report.Report {
	kind := i.Trigger
	if kind == "" || run != i.Run {
		kind = trigger.Timer
	}
	r := report.New(run, kind, nil, i.AsOf)
	r.Mode, r.Plan, r.Policy = policy.Enforce, cmp.Or(i.Applied, i.Plan), i.Policy
	if run == i.Run {
		r.Asked = i.Asked
	} else {
		r.Ledger = i.Run
	}
	return r
}

func countKilled(r *report.Report, rule string, became journal.Became) {
	r.AddRule(rule)
	c, line := &r.Counts, r.Rule(rule)
	c.Looked, c.Expired, line.Applied, line.Expired = c.Looked+1, c.Expired+1, line.Applied+1, line.Expired+1
	became.Count(c, line)
}

// OnPlan returns the reports of all runs on a plan: the one that began it, and scheduled ones that resumed it.
func OnPlan(ctx context.Context, store state.Store, i journal.Intent) (reports []*report.Report, err error) {
	var list []logged
	for l, err := range (Query{Since: i.AsOf}).logged(ctx, store) {
		if err != nil {
			return nil, err
		}
		if l.run == state.SafeName(i.Run) || strings.HasPrefix(l.name, logFolder+string(trigger.Timer)+"/") { // only these resume
			list = append(list, l)
		}
	}
	hasFirst := false
	for l, record := range state.ReadAll(ctx, store, list, logged.recordName) {
		if record.Err != nil && !state.IsLost(record.Err) {
			return nil, record.Err
		}
		r, err := l.read(record.Data)
		isFirst := err == nil && r.Run == i.Run && r.AsOf.Equal(i.AsOf)
		hasFirst = hasFirst || isFirst
		if isFirst || err == nil && r.Ledger == i.Run && r.Plan == i.Plan {
			reports = append(reports, r)
		}
	}
	if !hasFirst { // it will be logged
		r, _, err := readSaved(ctx, store, i.Run, i)
		if err != nil {
			return nil, err
		}
		if r != nil {
			reports = append(reports, r)
		}
	}
	return reports, nil
}
