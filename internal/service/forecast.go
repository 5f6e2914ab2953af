package service

import (
	"context"
	"fmt"
	"slices"

	"github.com/mediasweep/mediasweep/internal/announce"
	"github.com/mediasweep/mediasweep/internal/media"
	"github.com/mediasweep/mediasweep/internal/policy"
	"github.com/mediasweep/mediasweep/internal/report"
	"github.com/mediasweep/mediasweep/internal/retention"
	"github.com/mediasweep/mediasweep/internal/scan"
	"github.com/mediasweep/mediasweep/internal/trigger"
)

// Forecast counts the media of the inventory that expire on each of the coming days.
func (s *Service) Forecast(ctx context.Context, call Call, kind trigger.Kind, days int) (*retention.Forecast, *report.Report) {
	j := s.newJob(ctx, call, &trigger.Request{Trigger: kind, Inventory: true})
	if err := j.readPolicy(ctx); err != nil {
		return nil, j.stop(err)
	}
	if days < 1 || days > retention.MaxForecastDays {
		return nil, j.stop(refusedError{fmt.Errorf("%d days: a forecast has 1 to %d", days, retention.MaxForecastDays)})
	}
	work, cancel := j.budget.Work(ctx)
	defer cancel()
	announced, sources, err := j.beforeSurvey(work, j.policy)
	if err != nil {
		return nil, j.stop(err)
	}
	defer announced.Close()
	table, err := announced.Table(work)
	if err != nil {
		return nil, j.stop(err)
	}
	forecast := retention.NewForecast(j.policy, s.asOf(), days, sources.mark)
	r := j.survey(ctx, j.request, j.policy, passes(forecast.Rank, func(m media.Medium) { forecast.Add(m, table.Since(&m)) }, j.policy)...)
	if sources.err != nil {
		return nil, j.stop(sources.err)
	}
	forecast.Finish()
	return forecast, r
}

// beforeSurvey reads what a sweep of the inventory would know of media before it looks at them.
func (j *job) beforeSurvey(ctx context.Context, under ...*policy.Policy) (announced *announce.Reader, sources *removedSources, err error) {
	if _, err := j.credentials().Current(ctx); err != nil {
		return nil, nil, refusedError{err}
	}
	if err := j.marks.Refresh(ctx, j.store()); err != nil {
		return nil, nil, err
	}
	if announced, err = j.announced(ctx); err != nil {
		return nil, nil, err
	}
	if sources, err = j.removedSources(ctx, announced, under...); err != nil {
		announced.Close()
	}
	return announced, sources, err
}

// Diff compares the decisions of the service's policy with those of the next one on the media of
// both inventories. It passes each difference to each.
func (s *Service) Diff(ctx context.Context, call Call, next *policy.Policy, each func(retention.Difference)) (*retention.Diff, *report.Report) {
	j := s.newJob(ctx, call, &trigger.Request{Trigger: trigger.CLI, Inventory: true})
	if err := j.readPolicy(ctx); err != nil {
		return nil, j.stop(err)
	}
	work, cancel := j.budget.Work(ctx)
	defer cancel()
	announced, sources, err := j.beforeSurvey(work, j.policy, next)
	if err != nil {
		return nil, j.stop(err)
	}
	defer announced.Close()
	diff := retention.NewDiff(j.policy, next, s.asOf(), sources.mark, j.inventories(work, next, announced), each)
	r := j.survey(ctx, j.request, scan.ForBoth(j.policy, next), passes(diff.Rank, diff.Add, j.policy, next)...)
	if sources.err != nil {
		return nil, j.stop(sources.err)
	}
	diff.Finish()
	return diff, r
}

// inventories returns which media a sweep under one of two policies looks at. A policy without an inventory uses the other's.
func (j *job) inventories(ctx context.Context, next *policy.Policy, announced *announce.Reader) func(*policy.Policy, *media.Medium) bool {
	if next.Inventory.IsEmpty() || j.policy.Inventory.IsEmpty() || next.Inventory.Equal(j.policy.Inventory) {
		return func(*policy.Policy, *media.Medium) bool { return true }
	}
	origins := map[*policy.Policy]*scan.Origin{j.policy: {}, next: {}}
	for p := range origins {
		origins[p] = j.with(j.request, p).newSweep(j.library.Background(j.credentials())).Inventory(ctx, j.budget, announced)
	}
	return func(p *policy.Policy, m *media.Medium) bool { return origins[p].Names(m) }
}

// passes returns the passes of a survey under some policies: it reads the media twice only if one of these ranks them.
func passes(rank, add func(media.Medium), under ...*policy.Policy) []func(media.Medium) {
	if slices.ContainsFunc(under, (*policy.Policy).KeepsLatest) {
		return []func(media.Medium){rank, add}
	}
	return []func(media.Medium){add}
}
