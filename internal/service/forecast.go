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
	announced, err := j.allAnnounced(work)
	if err != nil {
		return nil, j.stop(err)
	}
	forecast := retention.NewForecast(j.policy, s.asOf(), days, s.marks.Of)
	r := j.survey(ctx, j.request, j.policy, passes(forecast.Rank, func(m media.Medium) { forecast.Add(m, announced.Since(&m)) }, j.policy)...)
	forecast.Finish()
	return forecast, r
}

// allAnnounced reads all announcements. A hold that has ended ends some: the holds come first.
func (j *job) allAnnounced(ctx context.Context) (all announce.Table, err error) {
	if !j.policy.Notice.IsZero() {
		if err := j.marks.Refresh(ctx, j.store()); err != nil {
			return all, err
		}
	}
	reader, err := j.announced(ctx)
	if err != nil {
		return all, err
	}
	defer reader.Close()
	return reader.Table(ctx)
}

// Diff compares the decisions of the service's policy with those of the next one on the media of
// both inventories. It passes each difference to each.
func (s *Service) Diff(ctx context.Context, call Call, next *policy.Policy, each func(retention.Difference)) (*retention.Diff, *report.Report) {
	j := s.newJob(ctx, call, &trigger.Request{Trigger: trigger.CLI, Inventory: true})
	if err := j.readPolicy(ctx); err != nil {
		return nil, j.stop(err)
	}
	diff := retention.NewDiff(j.policy, next, s.asOf(), s.marks.Of, each)
	r := j.survey(ctx, j.request, scan.ForBoth(j.policy, next), passes(diff.Rank, diff.Add, j.policy, next)...)
	diff.Finish()
	return diff, r
}

// passes returns the passes of a survey under some policies: it reads the media twice only if one of these ranks them.
func passes(rank, add func(media.Medium), under ...*policy.Policy) []func(media.Medium) {
	if slices.ContainsFunc(under, (*policy.Policy).KeepsLatest) {
		return []func(media.Medium){rank, add}
	}
	return []func(media.Medium){add}
}
