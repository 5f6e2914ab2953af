package handler

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/mediasweep/mediasweep/internal/media"
	"github.com/mediasweep/mediasweep/internal/policy"
	"github.com/mediasweep/mediasweep/internal/report"
	"github.com/mediasweep/mediasweep/internal/retention"
	"github.com/mediasweep/mediasweep/internal/sweep"
	"github.com/mediasweep/mediasweep/internal/trigger"
)

// Explain explains the decision on each medium that a request for media IDs or
// objects names. For a rule that keeps the latest of a group it looks at the
// group's other media in the inventory.
func (f *Function) Explain(ctx context.Context, call Call, request *trigger.Request) ([]*retention.Explanation, *report.Report) {
	found := map[string]media.Medium{}
	r := f.survey(ctx, call, request, f.policy, func(m media.Medium) { found[m.ID] = m })
	list := []*retention.Explanation{}
	if r.Status == report.Failed {
		return list, r
	}
	for _, id := range request.MediaIDs {
		if _, ok := found[id]; !ok && r.Status == report.Done {
			list = append(list, retention.ExplainAbsent(id, r.AsOf))
		}
	}
	for _, id := range slices.Sorted(maps.Keys(found)) {
		m := found[id]
		facts := retention.Facts{AsOf: r.AsOf, NotLatest: true, Mark: f.marks.Of(r.AsOf)(&m)}
		var notes []string
		if !f.policy.Inventory.Names(&m) {
			notes = append(notes, "the policy's inventory does not name its object: only a request or an event can lead to it")
		}
		if retention.IsRanked(f.policy, &m, facts) {
			where := sweep.Where(f.policy, &m, r.AsOf)
			decider := retention.NewForeseer(f.policy, r.AsOf)
			decider.Marks = f.marks.Of(r.AsOf)
			decided := func(other *media.Medium, _ retention.Decision, its retention.Facts) {
				if other.ID == m.ID {
					facts = its
				}
			}
			decider.Add(m, false, decided)
			if len(where) > 0 {
				others := *f.policy
				others.Inventory = policy.Inventory{Prefixes: where}
				r = f.survey(ctx, call, &trigger.Request{Trigger: request.Trigger, Inventory: true}, &others, func(other media.Medium) {
					if other.ID != m.ID {
						decider.Add(other, false, decided)
					}
				})
			}
			decider.Finish(decided)
			if r.Status != report.Done {
				notes = append(notes, "not all of its group could be looked at: "+r.Error)
			}
		}
		e := retention.Explain(f.policy, &m, facts)
		e.Notes = notes
		list = append(list, e)
	}
	return list, r
}

// Forecast tells what the inventory will lose on each of the coming days.
func (f *Function) Forecast(ctx context.Context, call Call, kind trigger.Kind, days int) (*retention.Forecast, *report.Report) {
	if f.broken != nil {
		return nil, refuse(f.newReport(call, kind), f.broken, f.now())
	}
	if days < 1 || days > retention.MaxForecastDays {
		return nil, refuse(f.newReport(call, kind), fmt.Errorf("%d days: a forecast has 1 to %d", days, retention.MaxForecastDays), f.now())
	}
	forecast := retention.NewForecast(f.policy, f.now().UTC().Truncate(time.Second), days)
	forecast.Remember(f.marks.Of(forecast.AsOf))
	r := f.survey(ctx, call, &trigger.Request{Trigger: kind, Inventory: true}, f.policy, forecast.Add)
	forecast.Finish()
	return forecast, r
}

// Diff holds another policy, which is to follow the function's, against the media
// that either inventory names. Each difference is handed over as it is found.
func (f *Function) Diff(ctx context.Context, call Call, next *policy.Policy, each func(retention.Difference)) (*retention.Diff, *report.Report) {
	if f.broken != nil {
		return nil, refuse(f.newReport(call, trigger.CLI), f.broken, f.now())
	}
	either := *f.policy
	either.Inventory = f.policy.Inventory.And(next.Inventory)
	diff := retention.NewDiff(f.policy, next, f.now().UTC().Truncate(time.Second), each)
	diff.Remember(f.marks.Of(diff.AsOf))
	r := f.survey(ctx, call, &trigger.Request{Trigger: trigger.CLI, Inventory: true}, &either, diff.Add)
	diff.Finish()
	return diff, r
}

// survey looks at what a request names and decides nothing.
func (f *Function) survey(ctx context.Context, call Call, request *trigger.Request, p *policy.Policy, found func(media.Medium)) *report.Report {
	r := f.newReport(call, request.Trigger)
	if f.broken != nil {
		return refuse(r, f.broken, f.now())
	}
	if _, err := f.credentials(call).Current(); err != nil {
		return refuse(r, err, f.now())
	}
	if err := f.marks.Refresh(ctx, f.store(call)); err != nil {
		r.Error = err.Error()
		r.Finish(report.Failed, f.now())
		return r
	}
	if request.Inventory && p.Inventory.IsEmpty() {
		return refuse(r, errors.New("the policy has no inventory to look at"), f.now())
	}
	s, library := f.sweepOf(call, r)
	s.Policy = p
	s.Survey(ctx, request, r, found)
	r.Calls = callsOf(library)
	return r
}
