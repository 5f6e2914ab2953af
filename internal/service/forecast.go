package service

import (
	"context"
	"fmt"

	"github.com/mediasweep/mediasweep/internal/deadline"
	"github.com/mediasweep/mediasweep/internal/policy"
	"github.com/mediasweep/mediasweep/internal/report"
	"github.com/mediasweep/mediasweep/internal/retention"
	"github.com/mediasweep/mediasweep/internal/trigger"
)

// Forecast counts the media of the inventory that expire on each of the coming days.
func (s *Service) Forecast(ctx context.Context, call Call, kind trigger.Kind, days int) (*retention.Forecast, *report.Report) {
	budget := deadline.New(ctx)
	p, r := s.begin(ctx, budget, call, kind)
	if p == nil {
		return nil, r
	}
	if days < 1 || days > retention.MaxForecastDays {
		return nil, s.reject(r, fmt.Errorf("%d days: a forecast has 1 to %d", days, retention.MaxForecastDays))
	}
	forecast := retention.NewForecast(p, s.asOf(), days)
	work, cancel := budget.Work(ctx)
	defer cancel()
	announced, err := s.announcements(work, call, p, true)
	if err != nil {
		s.end(r, report.Failed, err)
		return nil, r
	}
	defer announced.Close()
	table, err := announced.Table(work)
	if err != nil {
		s.end(r, report.Failed, err)
		return nil, r
	}
	forecast.Remember(s.marks.Of, table.Since)
	r = s.survey(ctx, budget, call, &trigger.Request{Trigger: kind, Inventory: true}, p, forecast.Add)
	forecast.Finish()
	return forecast, r
}

// Diff compares the decisions of the service's policy with those of the next one on the media of
// both inventories. It passes each difference to each, which may be nil.
func (s *Service) Diff(ctx context.Context, call Call, next *policy.Policy, each func(retention.Difference)) (*retention.Diff, *report.Report) {
	budget := deadline.New(ctx)
	p, r := s.begin(ctx, budget, call, trigger.CLI)
	if p == nil {
		return nil, r
	}
	either := *p
	either.Inventory = p.Inventory.And(next.Inventory)
	diff := retention.NewDiff(p, next, s.asOf(), each)
	diff.Remember(s.marks.Of)
	r = s.survey(ctx, budget, call, &trigger.Request{Trigger: trigger.CLI, Inventory: true}, &either, diff.Add)
	diff.Finish()
	return diff, r
}
