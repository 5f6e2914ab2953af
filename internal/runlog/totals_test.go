package runlog

import (
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"strings"
	"testing"
	"testing/synctest"
	"time"
	_ "time/tzdata"

	"github.com/google/go-cmp/cmp"

	"github.com/mediasweep/mediasweep/internal/fuzztest"
	"github.com/mediasweep/mediasweep/internal/report"
	"github.com/mediasweep/mediasweep/internal/retention"
	"github.com/mediasweep/mediasweep/internal/state"
	"github.com/mediasweep/mediasweep/internal/state/statetest"
	"github.com/mediasweep/mediasweep/internal/trigger"
)

// deleting returns the report of a run that deleted media by rules.
func deleting(run string, kind trigger.Kind, at time.Time, rules map[string]int) *report.Report {
	r := &report.Report{Run: run, Trigger: kind, Status: report.Done, FinishedAt: at}
	for name, deleted := range rules {
		r.Rules = append(r.Rules, report.Rule{Name: name, Kind: "expire", Deleted: deleted})
		r.Counts.Deleted += deleted
	}
	return r
}

// perDay returns the totals of days in a form to compare.
func perDay(days []*Day) map[string]string {
	all := map[string]string{}
	for _, day := range days {
		all[day.Date.Format(time.DateOnly)] = fmt.Sprint(day.StatsTotal, day.Rules)
	}
	return all
}

func zoneOf(t *testing.T, name string) *time.Location {
	t.Helper()
	zone, err := time.LoadLocation(name)
	no(t, err)
	return zone
}

// Totals are the sums of the reports, whether their days are saved, are not, or are damaged.
func TestDeletions(t *testing.T) {
	for _, name := range []string{"UTC", "Asia/Shanghai", "America/Sao_Paulo", "Asia/Kathmandu"} {
		t.Run(name, func(t *testing.T) {
			zone, store, random := zoneOf(t, name), statetest.New(), rand.New(rand.NewPCG(1, 2))
			no(t, Begin(t.Context(), store))
			now := time.Date(2018, 11, 6, 1, 30, 0, 0, zone) // São Paulo skips the midnight of the 4th
			want := map[string]*Day{}
			for i := range 300 {
				at := now.Add(-time.Duration(random.IntN(12*24*60)) * time.Minute)
				if i < 12 {
					at = retention.StartOf(retention.DateOf(now, zone).AddDate(0, 0, -i), zone) // counts for the day that it begins
				}
				rules := map[string]int{"drafts": min(1, 12/(i+1)) + random.IntN(3), "其他": random.IntN(3)}
				if i%50 == 0 {
					for n := range 20 {
						rules[fmt.Sprint("rule-", n)] = 1
					}
				}
				r := deleting(fmt.Sprint("run-", i), trigger.Kinds()[i%5], at, rules)
				total := report.StatsTotal{Runs: 1, Deleted: r.Counts.Deleted}
				for i := range r.Rules {
					r.Rules[i].Lost = random.IntN(10) / 9
					total.Lost += r.Rules[i].Lost
				}
				no(t, Log(t.Context(), store, r))
				if total.Deleted+total.Lost == 0 {
					continue
				}
				key := at.In(zone).Format(time.DateOnly)
				if want[key] == nil {
					want[key] = &Day{Date: retention.DateOf(at, zone), Rules: map[string]report.StatsTotal{}}
				}
				want[key].StatsTotal = want[key].And(total)
				for _, rule := range r.Rules {
					if rule.Deleted+rule.Lost > 0 {
						want[key].countRule(rule.Name, report.StatsTotal{Runs: 1, Deleted: rule.Deleted, Lost: rule.Lost})
					}
				}
			}
			days := make([]*Day, 0, len(want))
			for _, day := range want {
				days = append(days, day)
			}
			check := func(when string, skipped int) {
				t.Helper()
				got, err := ReadDeletions(t.Context(), store, zone, time.Time{}, now)
				no(t, err)
				if diff := cmp.Diff(perDay(days), perDay(got.Days)); diff != "" || len(got.Skipped) != skipped || !got.Uncounted.IsZero() {
					t.Errorf("%s: %s\nskipped %v, uncounted %v", when, diff, got.Skipped, got.Uncounted)
				}
			}
			check("not saved", 0)
			for _, at := range []time.Time{now.AddDate(0, 0, -9), now.AddDate(0, 0, -3), now, now} {
				no(t, SaveDays(t.Context(), store, zone, at))
				check("saved", 0)
			}
			names := store.Names("totals/")
			if last := names[len(names)-1]; !strings.HasSuffix(last, "/2018-11-04.json") {
				t.Errorf("%s is saved: the day before may still get a report at 01:30", last)
			}
			store.Put(names[len(names)-1], []byte(`{"format":1}`))
			store.Put(names[len(names)-4], []byte(strings.Replace(string(store.Records[names[len(names)-4]]), `"deleted":`, `"deleted":-`, 1)))
			check("with damaged days", 2)
			since, err := ReadDeletions(t.Context(), store, zone, now.AddDate(0, 0, -2), now)
			no(t, err)
			if len(since.Days) != 3 || since.Days[0].Date.Day() != 4 {
				t.Errorf("%d days since the 4th", len(since.Days))
			}
		})
	}
}

// A saved day does not need the log any more. Days before the start of the log are noted.
func TestDeletionsOfSavedDays(t *testing.T) {
	store, now := statetest.New(), noon.Add(48*time.Hour)
	no(t, Begin(t.Context(), store))
	no(t, Log(t.Context(), store, deleting("a", trigger.Timer, noon, map[string]int{"drafts": 3})))
	no(t, SaveDays(t.Context(), store, time.UTC, now))
	maps.DeleteFunc(store.Records, func(name string, _ []byte) bool { return strings.HasPrefix(name, "log/timer/") })
	got, err := ReadDeletions(t.Context(), store, time.UTC, time.Time{}, now)
	no(t, err)
	if perDay(got.Days)["2026-11-25"] != "{1 3 0} map[drafts:{1 3 0}]" {
		t.Errorf("%v", perDay(got.Days))
	}
	if got, err = ReadDeletions(t.Context(), statetest.New(), time.UTC, time.Time{}, now); err != nil || len(got.Days) > 0 || !got.Uncounted.After(now) {
		t.Errorf("%+v, %v: nothing of a store without a log is counted", got, err)
	}
	old := state.Folder(t.TempDir())
	no(t, Save(t.Context(), old, ended("a", trigger.Timer, report.Done, 0)))
	no(t, Begin(t.Context(), old))
	if got, err = ReadDeletions(t.Context(), old, time.UTC, time.Time{}, now); err != nil || got.Uncounted.IsZero() {
		t.Errorf("%+v, %v: reports before the log are not counted", got, err)
	}
}

// A day is not saved while a report of it cannot be read; its total says so.
func TestDeletionsOfDamagedReports(t *testing.T) {
	store, now := statetest.New(), noon.Add(48*time.Hour)
	no(t, Begin(t.Context(), store))
	r := deleting("a", trigger.Timer, noon, map[string]int{"drafts": 3})
	store.Put(logName(r, 1), []byte("{"))
	if err := SaveDays(t.Context(), store, time.UTC, now); err == nil || !strings.Contains(err.Error(), logName(r, 1)) {
		t.Errorf("%v", err)
	}
	got, err := ReadDeletions(t.Context(), store, time.UTC, time.Time{}, now)
	no(t, err)
	if len(got.Days) != 1 || got.Days[0].Deleted != 3 || len(got.Skipped) != 1 || len(store.Names("totals/")) > 0 {
		t.Errorf("%v, skipped %v", perDay(got.Days), got.Skipped)
	}
	for _, folder := range []string{"log/timer/", "totals/"} {
		store.Down, store.Of = "list", folder
		if _, err := ReadDeletions(t.Context(), store, time.UTC, time.Time{}, now); !errors.Is(err, statetest.ErrDown) {
			t.Errorf("%s: %v", folder, err)
		}
		if err := SaveDays(t.Context(), store, time.UTC, now); !errors.Is(err, statetest.ErrDown) {
			t.Errorf("%s: %v", folder, err)
		}
	}
}

func FuzzTotals(f *testing.F) {
	f.Add([]byte(`{"format":1,"timezone":"UTC","date":"2026-11-25","runs":1,"deleted":3,"rules":{"drafts":{"runs":1,"deleted":3}}}`))
	f.Add([]byte(`{"format":1,"timezone":"UTC","date":"2026-11-25","runs":9223372036854775807,"deleted":3}`))
	date := time.Date(2026, 11, 25, 0, 0, 0, 0, time.UTC)
	f.Add([]byte(`{"format":1,"timezone":"UTC","date":"2026-11-25","runs":4,"deleted":3,"lost":1,"rules":{"drafts":{"runs":2,"deleted":1,"lost":1}}}`))
	fuzztest.Fuzz(f, func(t *testing.T, data []byte) {
		day, err := decodeTotals(data, time.UTC, date)
		if (err == nil) != (day != nil) || err != nil && !errors.Is(err, state.ErrDamaged) || err == nil && (min(day.Runs, day.Deleted, day.Lost) < 0 || day.Lost < day.Runs-day.Deleted) {
			t.Errorf("%+v, %v", day, err)
		}
	})
}

// A year of totals and a day with 10,000 event runs need no report of each.
func TestDeletionsOfAYear(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &slowStore{Memory: statetest.New()}
		no(t, Begin(t.Context(), store))
		rules := map[string]report.StatsTotal{"drafts": {Runs: 1, Deleted: 1000}, "everything-else": {Runs: 10_001, Deleted: 14_000}}
		for i := range 365 {
			date := retention.DateOf(noon.AddDate(0, 0, -i-2), time.UTC)
			no(t, saveDay(t.Context(), store.Memory, time.UTC, &Day{date, report.StatsTotal{Runs: 10_001, Deleted: 15_000}, rules}))
		}
		record, err := store.Memory.Read(t.Context(), store.Names("totals/")[0])
		no(t, err)
		r := deleting("event", trigger.OSS, noon.Add(-24*time.Hour), map[string]int{"drafts": 1})
		no(t, Log(t.Context(), store.Memory, r))
		sample := store.Records[logName(r, 1)]
		for range 10_000 {
			r.FinishedAt = r.FinishedAt.Add(time.Second)
			store.Put(logName(r, 1), sample)
		}
		for _, test := range []struct {
			name string
			do   func() error
			most time.Duration
		}{
			{"save a day", func() error { return SaveDays(t.Context(), store, time.UTC, noon.Add(24*time.Hour)) }, time.Second},
			{"a year", func() error {
				got, err := ReadDeletions(t.Context(), store, time.UTC, time.Time{}, noon.Add(25*time.Hour))
				if len(got.Days) != 366 && len(got.Days) != 367 {
					t.Errorf("%d days", len(got.Days))
				}
				return err
			}, 2 * time.Second},
		} {
			store.index()
			start, before := time.Now(), store.requests.Load()
			no(t, test.do())
			t.Logf("%s: %v, %d requests; a saved day has %d bytes", test.name, time.Since(start), store.requests.Load()-before, len(record))
			if took := time.Since(start); took > test.most {
				t.Errorf("%s took %v, want %v", test.name, took, test.most)
			}
		}
	})
}
