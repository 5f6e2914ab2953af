package runlog

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/mediasweep/mediasweep/internal/report"
	"github.com/mediasweep/mediasweep/internal/retention"
	"github.com/mediasweep/mediasweep/internal/state"
	"github.com/mediasweep/mediasweep/internal/text"
)

// Day has the deletions of a day, all of them and by rule.
type Day struct {
	Date time.Time // in UTC, whatever the timezone
	report.StatsTotal
	Rules map[string]report.StatsTotal
}

// totalsFolder holds a record of each day that has ended, in a folder for each timezone. A record has
// about 100 bytes and 50 for each rule. Days without a record are totalled from the log.
const totalsFolder = "totals/"

func totalsFolderOf(zone *time.Location) string {
	return totalsFolder + state.SafeName(strings.ReplaceAll(zone.String(), "/", "_")) + "/"
}

func totalsName(zone *time.Location, date time.Time) string {
	return totalsFolderOf(zone) + date.Format(time.DateOnly) + reportSuffix
}

type totalsRecord struct {
	Format   int    `json:"format"`
	Timezone string `json:"timezone"`
	Date     string `json:"date"`
	report.StatsTotal
	Rules map[string]report.StatsTotal `json:"rules"`
}

const (
	totalsFormat = 1
	// maxTotals bounds the record of a day, in bytes. A policy has at most 5,000 rules.
	maxTotals = 1 << 20
	// LateReports is the time after which no report of a day is expected, but those of killed runs: a report is saved
	// within seconds, by a clock that may be an hour slow.
	LateReports = 2 * time.Hour
	// maxCatchUp is the number of days that SaveDays goes back.
	maxCatchUp = 31
)

func decodeTotals(data []byte, zone *time.Location, date time.Time) (*Day, error) {
	var record totalsRecord
	err := state.Decode(data, maxTotals, &record)
	if err == nil && (record.Format != totalsFormat || record.Timezone != zone.String() || record.Date != date.Format(time.DateOnly)) {
		err = fmt.Errorf("format %d of %s in %s: want format %d of its name", record.Format, text.Quote(record.Date), text.Quote(record.Timezone), totalsFormat)
	}
	for name, one := range record.Rules {
		if err == nil && (min(one.Runs, one.Deleted, one.Lost) < 0 || one.Runs > record.Runs || one.Deleted > record.Deleted || one.Lost > record.Lost) {
			err = fmt.Errorf("the counts of rule %s are impossible", text.Quote(name))
		}
	}
	if err == nil && (min(record.Runs, record.Deleted, record.Lost) < 0 || record.Lost < record.Runs-record.Deleted) {
		err = errors.New("its counts are impossible")
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %w", state.ErrDamaged, err)
	}
	return &Day{date, record.StatsTotal, record.Rules}, nil
}

// SaveDays saves the totals of the days that have ended since its last call, up to a month.
func SaveDays(ctx context.Context, store state.Store, zone *time.Location, now time.Time) error {
	began, _, err := begun(ctx, store)
	today := retention.DateOf(now.Add(-LateReports), zone)
	first := today.AddDate(0, 0, -maxCatchUp)
	if logged := retention.DateOf(began, zone); logged.After(first) {
		first = logged
	}
	var saved []time.Time
	if err == nil && first.Before(today) {
		saved, err = savedDays(ctx, store, zone, first)
	}
	for first.Before(today) && slices.ContainsFunc(saved, first.Equal) {
		first = first.AddDate(0, 0, 1)
	}
	t := newTally(store, zone)
	if err == nil && first.Before(today) {
		err = t.scan(ctx, retention.StartOf(first, zone), retention.StartOf(today, zone))
	}
	if err == nil && len(t.skipped) > 0 {
		err = errors.New(t.skipped[0].String())
	}
	for date := first; err == nil && date.Before(today); date = date.AddDate(0, 0, 1) {
		if !slices.ContainsFunc(saved, date.Equal) {
			err = saveDay(ctx, store, zone, t.day(date))
		}
	}
	if err != nil {
		return fmt.Errorf("save the totals of %s and later: %w", first.Format(time.DateOnly), err)
	}
	return nil
}

// savedDays returns the days from a first one on that have a record, in order.
func savedDays(ctx context.Context, store state.Store, zone *time.Location, first time.Time) (dates []time.Time, err error) {
	for record, err := range store.List(ctx, totalsFolderOf(zone), totalsName(zone, first.AddDate(0, 0, -1))) {
		if err != nil {
			return nil, err
		}
		date, err := time.Parse(time.DateOnly, strings.TrimSuffix(path.Base(record.Name), reportSuffix))
		if err == nil && record.Name == totalsName(zone, date) {
			dates = append(dates, date)
		}
	}
	return dates, nil
}

func saveDay(ctx context.Context, store state.Store, zone *time.Location, day *Day) error {
	err := state.CreateJSON(ctx, store, totalsName(zone, day.Date), totalsRecord{totalsFormat, zone.String(), day.Date.Format(time.DateOnly), day.StatsTotal, day.Rules})
	if errors.Is(err, state.ErrExists) {
		return nil // another run was faster
	}
	return err
}

// Deletions are the totals of days with deletions, oldest first.
type Deletions struct {
	Days    []*Day
	Skipped []state.Skipped // records that could not be used
	// Uncounted is the time before which reports are not counted: the log lacks them. It is zero if the
	// log has all.
	Uncounted time.Time
}

// ReadDeletions returns the totals from the day of since to now. A saved day that is damaged is
// totalled again.
func ReadDeletions(ctx context.Context, store state.Store, zone *time.Location, since, now time.Time) (Deletions, error) {
	t := newTally(store, zone)
	from := time.Time{}
	if !since.IsZero() {
		from = retention.DateOf(since, zone)
	}
	saved, err := t.readSaved(ctx, from)
	tomorrow := retention.DateOf(now, zone).AddDate(0, 0, 1)
	for _, date := range append(saved, tomorrow) {
		if err == nil && from.Before(date) {
			err = t.scan(ctx, retention.StartOf(from, zone), retention.StartOf(date, zone))
		}
		from = date.AddDate(0, 0, 1)
	}
	var d Deletions
	if err == nil {
		var began time.Time
		var older bool
		if began, older, err = begun(ctx, store); older && since.Before(began) {
			d.Uncounted = began
		}
	}
	if err != nil {
		return Deletions{}, fmt.Errorf("total the deletions: %w", err)
	}
	for _, key := range slices.Sorted(maps.Keys(t.days)) {
		if day := t.days[key]; day.Runs > 0 {
			d.Days = append(d.Days, day)
		}
	}
	d.Skipped = t.skipped
	return d, nil
}
