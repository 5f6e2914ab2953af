package runlog

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"strings"
	"time"

	"github.com/mediasweep/mediasweep/internal/report"
	"github.com/mediasweep/mediasweep/internal/retention"
	"github.com/mediasweep/mediasweep/internal/state"
	"github.com/mediasweep/mediasweep/internal/text"
)

// tally adds up deletions by day.
type tally struct {
	store   state.Store
	zone    *time.Location
	days    map[string]*Day
	rules   map[string]string // names by their hashes
	skipped []state.Skipped
}

func newTally(store state.Store, zone *time.Location) *tally {
	return &tally{store: store, zone: zone, days: map[string]*Day{}, rules: map[string]string{}}
}

func (t *tally) day(date time.Time) *Day {
	key := date.Format(time.DateOnly)
	if t.days[key] == nil {
		t.days[key] = &Day{Date: date, Rules: map[string]report.StatsTotal{}}
	}
	return t.days[key]
}

// readSaved reads the saved days from a date on, and returns their dates in order.
func (t *tally) readSaved(ctx context.Context, from time.Time) (dates []time.Time, err error) {
	listed, err := savedDays(ctx, t.store, t.zone, from)
	if err != nil {
		return nil, err
	}
	for date, record := range state.ReadAll(ctx, t.store, listed, func(date time.Time) string { return totalsName(t.zone, date) }) {
		var day *Day
		err := record.Err
		if err == nil {
			day, err = decodeTotals(record.Data, t.zone, date)
		}
		if err != nil {
			t.skip(totalsName(t.zone, date), err)
			continue
		}
		t.days[date.Format(time.DateOnly)] = day
		dates = append(dates, date)
	}
	return dates, ctx.Err()
}

func (t *tally) skip(name string, err error) {
	t.skipped = append(t.skipped, state.Skipped{Record: name, Problem: text.Bound(err.Error())})
}

// hashed starts the hash of a rule where its name is not known yet. No rule's name starts so.
const hashed = "#"

// scan adds the runs that ended from one time to before another, newest first. It reads their names, and
// one report for each rule: the names have hashes. Names without room for the rules need their reports.
func (t *tally) scan(ctx context.Context, from, to time.Time) error {
	samples := map[string]logged{}
	var partly []logged
	q := Query{Since: from, Before: state.Stamp(to) + "-0.0"}
	for l, err := range q.logged(ctx, t.store) {
		switch {
		case err != nil:
			return err
		case l.total.Deleted+l.total.Lost == 0 || !l.at.Before(to):
			continue
		}
		day := t.day(retention.DateOf(l.at, t.zone))
		day.StatsTotal = day.And(l.total)
		for rule, total := range l.rules {
			day.countRule(hashed+rule, total)
			samples[rule] = l
		}
		if l.partly {
			partly = append(partly, l)
		}
		if len(partly) == state.AtOnce {
			t.readRules(ctx, partly, true)
			partly = nil
		}
	}
	t.readRules(ctx, partly, true)
	var unknown []logged
	for rule, l := range samples {
		if t.rules[rule] == "" {
			unknown = append(unknown, l)
		}
	}
	t.readRules(ctx, unknown, false)
	t.nameRules()
	return ctx.Err()
}

func (d *Day) countRule(rule string, n report.StatsTotal) { d.Rules[rule] = d.Rules[rule].And(n) }

// readRules reads reports for the names of their rules. If count is true, it counts their rules too.
func (t *tally) readRules(ctx context.Context, list []logged, count bool) {
	for l, record := range state.ReadAll(ctx, t.store, list, logged.recordName) {
		r, err := l.read(record.Data)
		if err = cmp.Or(record.Err, err); err != nil {
			t.skip(l.name, fmt.Errorf("its rules are not counted or named: %w", err))
			continue
		}
		for _, rule := range r.Rules {
			t.rules[hashRule(rule.Name)] = rule.Name
			if count && rule.Deleted+rule.Lost > 0 {
				t.day(retention.DateOf(l.at, t.zone)).countRule(rule.Name, report.StatsTotal{Runs: 1, Deleted: rule.Deleted, Lost: rule.Lost})
			}
		}
	}
}

// nameRules replaces the hashes of rules by their names. A rule whose name no report had keeps its hash.
func (t *tally) nameRules() {
	for _, day := range t.days {
		for key, total := range maps.Clone(day.Rules) {
			hash, is := strings.CutPrefix(key, hashed)
			if name := t.rules[hash]; is && name != "" {
				delete(day.Rules, key)
				day.countRule(name, total)
			}
		}
	}
}
