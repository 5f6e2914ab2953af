package handler

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/mediasweep/mediasweep/internal/deadline"
	"github.com/mediasweep/mediasweep/internal/media"
	"github.com/mediasweep/mediasweep/internal/policy"
	"github.com/mediasweep/mediasweep/internal/report"
	"github.com/mediasweep/mediasweep/internal/retention"
	"github.com/mediasweep/mediasweep/internal/scan"
	"github.com/mediasweep/mediasweep/internal/trigger"
)

// Explain explains the decision on each medium that a request for media IDs or
// objects names. For a rule that keeps the latest of a group it looks at the
// group's other media in the inventory. The report is of the look that went worst.
func (f *Function) Explain(ctx context.Context, call Call, request *trigger.Request) ([]*retention.Explanation, *report.Report) {
	budget := deadline.New(ctx)
	found := map[string]media.Medium{}
	r := f.survey(ctx, budget, call, request, f.policy, func(m media.Medium) { found[m.ID] = m })
	list := []*retention.Explanation{}
	if r.Status == report.Failed {
		return list, r
	}
	for _, id := range request.MediaIDs {
		if _, ok := found[id]; !ok && r.Status == report.Done {
			list = append(list, retention.ExplainAbsent(id, r.AsOf))
		}
	}
	worst := r
	for _, id := range slices.Sorted(maps.Keys(found)) {
		m := found[id]
		facts := retention.Facts{AsOf: r.AsOf, NotLatest: true, Mark: f.marks.Of(&m)}
		var notes []string
		if !f.policy.Inventory.Names(&m) {
			notes = append(notes, "the policy's inventory does not name its object: only a request or an event can lead to it")
		}
		known := facts
		known.AsOf = retention.WhenKnown(&m, r.AsOf)
		if rank := retention.RankOf(f.policy, &m, known); len(rank.Groups) > 0 {
			where := scan.Where(f.policy, rank)
			forecaster := retention.NewForecaster(f.policy, r.AsOf)
			forecaster.Mark = f.marks.Of
			decided := func(other *media.Medium, _ retention.Decision, its retention.Facts) {
				if other.ID == m.ID {
					facts = its
				}
			}
			forecaster.Add(m, decided)
			if len(where) > 0 {
				inventory := *f.policy
				inventory.Inventory = policy.Inventory{Prefixes: where}
				others := f.survey(ctx, budget, call, &trigger.Request{Trigger: request.Trigger, Inventory: true}, &inventory, func(other media.Medium) {
					if other.ID != m.ID {
						forecaster.Add(other, decided)
					}
				})
				if others.Status != report.Done {
					notes = append(notes, "not all of its group could be looked at: "+others.Problem())
				}
				if goneWorse(others.Status, worst.Status) {
					worst = others
				}
			}
			forecaster.Finish(decided)
		}
		e := retention.Explain(f.policy, &m, facts)
		e.Notes = notes
		list = append(list, e)
	}
	return list, worst
}

// goneWorse reports whether a look of one status found less than one of another.
func goneWorse(a, b report.Status) bool {
	order := []report.Status{report.Done, report.Partial, report.Incomplete, report.Busy, report.Failed}
	return slices.Index(order, a) > slices.Index(order, b)
}

// Forecast tells what the inventory will lose on each of the coming days.
func (f *Function) Forecast(ctx context.Context, call Call, kind trigger.Kind, days int) (*retention.Forecast, *report.Report) {
	budget := deadline.New(ctx)
	if f.broken != nil {
		return nil, refuse(f.newReport(call, kind), f.broken, f.now())
	}
	if days < 1 || days > retention.MaxForecastDays {
		return nil, refuse(f.newReport(call, kind), fmt.Errorf("%d days: a forecast has 1 to %d", days, retention.MaxForecastDays), f.now())
	}
	forecast := retention.NewForecast(f.policy, f.judgedAt(), days)
	forecast.Remember(f.marks.Of)
	r := f.survey(ctx, budget, call, &trigger.Request{Trigger: kind, Inventory: true}, f.policy, forecast.Add)
	forecast.Finish()
	return forecast, r
}

// Diff holds another policy, which is to follow the function's, against the media
// that either inventory names. Each difference is handed over as it is found.
func (f *Function) Diff(ctx context.Context, call Call, next *policy.Policy, each func(retention.Difference)) (*retention.Diff, *report.Report) {
	budget := deadline.New(ctx)
	if f.broken != nil {
		return nil, refuse(f.newReport(call, trigger.CLI), f.broken, f.now())
	}
	either := *f.policy
	either.Inventory = f.policy.Inventory.And(next.Inventory)
	diff := retention.NewDiff(f.policy, next, f.judgedAt(), each)
	diff.Remember(f.marks.Of)
	r := f.survey(ctx, budget, call, &trigger.Request{Trigger: trigger.CLI, Inventory: true}, &either, diff.Add)
	diff.Finish()
	return diff, r
}

// errSurveyed says that a survey waited for another one until its time was up.
var errSurveyed = errors.New("another forecast, diff or explanation is under way: try again when it has ended")

// survey looks at what a request names and decides nothing. Of surveys of the
// inventory there is one at a time, and its calls give way to those of runs.
func (f *Function) survey(ctx context.Context, budget deadline.Budget, call Call, request *trigger.Request, p *policy.Policy, found func(media.Medium)) *report.Report {
	r := f.newReport(call, request.Trigger)
	if f.broken != nil {
		return refuse(r, f.broken, f.now())
	}
	if _, err := f.credentials(call).Current(); err != nil {
		return refuse(r, err, f.now())
	}
	if request.Inventory && p.Inventory.IsEmpty() {
		return refuse(r, errors.New("the policy has no inventory to look at"), f.now())
	}
	work, cancel := budget.Work(ctx)
	defer cancel()
	ended := func(status report.Status, err error) *report.Report {
		r.Error = err.Error()
		r.Finish(status, f.now())
		return r
	}
	library := f.library.Session(f.credentials(call))
	if request.Inventory {
		select {
		case f.surveys <- struct{}{}:
			defer func() { <-f.surveys }()
		case <-work.Done():
			return ended(report.Busy, errSurveyed)
		}
		library = f.library.Background(f.credentials(call))
	}
	if err := f.marks.Refresh(work, f.store(call)); err != nil {
		return ended(report.Failed, err)
	}
	s := f.sweepOf(call, r, library)
	s.Policy = p
	s.Survey(ctx, budget, request, r, found)
	r.Calls = callsOf(library)
	return r
}

// judgedAt returns the time for decisions on media.
func (f *Function) judgedAt() time.Time {
	if !f.asOf.IsZero() {
		return f.asOf.UTC().Truncate(time.Second)
	}
	return f.now().UTC().Truncate(time.Second)
}
