package service

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/mediasweep/mediasweep/internal/journal"
	"github.com/mediasweep/mediasweep/internal/report"
	"github.com/mediasweep/mediasweep/internal/runlog"
	"github.com/mediasweep/mediasweep/internal/text"
	"github.com/mediasweep/mediasweep/internal/trigger"
)

// Stats totals the deletions of the reports since a day, by month, week or rule.
func (s *Service) Stats(ctx context.Context, call Call, by, since string) (*report.Stats, error) {
	store, err := s.records(ctx, call)
	if err != nil {
		return nil, err
	}
	if !slices.Contains(report.StatsBy(), by) {
		return nil, refusedError{fmt.Errorf("by %s: totals are by %s", text.Quote(by), strings.Join(report.StatsBy(), ", "))}
	}
	zone, notes := s.Zone(ctx, call)
	var from time.Time
	if since != "" {
		if from, err = s.since(since, zone); err != nil {
			return nil, err
		}
	}
	found, err := runlog.ReadDeletions(ctx, store, zone, from, s.now())
	if err != nil {
		return nil, err
	}
	stats := report.NewStats(by, zone.String())
	for _, day := range found.Days {
		stats.Add(day.Date, day.StatsTotal, day.Rules)
	}
	stats.Finish()
	stats.Notes = append(notes, s.noteSkipped(found.Skipped)...)
	switch {
	case found.Uncounted.IsZero():
	case found.Uncounted.After(s.now()):
		stats.Notes = append(stats.Notes, "no run is counted yet: the totals begin with the first run of this version")
	default:
		stats.Notes = append(stats.Notes, fmt.Sprintf("runs before %s are not counted: an older version ran them", found.Uncounted.UTC().Format(time.RFC3339)))
	}
	return stats, nil
}

// maxTotalling is the longest time that a scheduled run spends on the totals of days.
const maxTotalling = 30 * time.Second

// isAwaited reports whether the day of a plan waits for the reports of killed runs: for a month.
func isAwaited(i journal.Intent, now time.Time) bool { return i.AsOf.After(now.AddDate(0, -1, 0)) }

// saveDays saves the totals of the days that have ended, after a scheduled run of the inventory with
// time left. The next such run goes on.
func (j *job) saveDays(ctx context.Context) {
	if j.request.Trigger != trigger.Timer || !j.request.Inventory {
		return
	}
	ctx, cancel := j.budget.Admit(ctx)
	defer cancel()
	ctx, cancelToo := context.WithTimeout(ctx, maxTotalling)
	defer cancelToo()
	if ctx.Err() != nil {
		return
	}
	now := j.now()
	// A killed run has no report until another run has finished its plan. The report then counts for the day of the plan.
	all, err := journal.ListIntents(ctx, j.store(), now)
	var intents []journal.Intent
	if err == nil {
		intents, _, err = all.Open(ctx)
	}
	isLate := func(i journal.Intent) bool {
		return i.Run != j.report.Run && isAwaited(i, now) && i.AsOf.Before(now.Add(-runlog.LateReports))
	}
	if slices.ContainsFunc(intents, isLate) {
		return
	}
	if err == nil {
		err = j.countKilled(ctx, all)
	}
	if err == nil {
		err = runlog.SaveDays(ctx, j.store(), j.policy.Timezone, now)
	}
	if err != nil {
		j.log.Warn("days not totalled: stats reads their runs", "error", text.Bound(err.Error()))
	}
}
