package runlog

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mediasweep/mediasweep/internal/fuzztest"
	"github.com/mediasweep/mediasweep/internal/report"
	"github.com/mediasweep/mediasweep/internal/state"
	"github.com/mediasweep/mediasweep/internal/state/statetest"
	"github.com/mediasweep/mediasweep/internal/trigger"
)

var noon = time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC)

// ended returns the report of a run that ended minutes before noon.
func ended(run string, kind trigger.Kind, status report.Status, minutes int) *report.Report {
	return &report.Report{Run: run, Trigger: kind, Status: status, FinishedAt: noon.Add(-time.Duration(minutes) * time.Minute)}
}

// pages returns the runs of all pages of a query.
func pages(t *testing.T, store state.Store, q Query) (runs []string) {
	t.Helper()
	for range 1000 {
		page, err := List(t.Context(), store, q)
		no(t, err)
		if len(page.Reports) > q.Limit {
			t.Fatalf("a page of %d runs, with limit %d", len(page.Reports), q.Limit)
		}
		for _, r := range page.Reports {
			runs = append(runs, r.Run)
		}
		if q.Before = page.Next; q.Before == "" {
			return runs
		}
	}
	t.Fatal("the pages do not end")
	return nil
}

func TestListReports(t *testing.T) {
	store := statetest.New()
	no(t, Begin(t.Context(), store))
	for i := range 70 {
		kind, status := trigger.OSS, report.Done
		switch {
		case i%10 == 3:
			kind = trigger.Timer
		case i%10 == 7:
			status = report.Failed
		}
		no(t, Log(t.Context(), store, ended(fmt.Sprintf("run-%02d", i), kind, status, i/2))) // pairs end at once
	}
	all := pages(t, store, Query{Limit: MaxRuns})
	if len(all) != 70 || !slices.IsSorted(all) {
		t.Fatalf("%d runs, want each of 70 once, the latest first: %v", len(all), all)
	}
	for _, limit := range []int{1, 2, 7, 69, 70} {
		if got := pages(t, store, Query{Limit: limit}); !slices.Equal(got, all) {
			t.Errorf("limit %d: %v", limit, got)
		}
	}
	for _, test := range []struct {
		name string
		q    Query
		want string
	}{
		{"of a trigger", Query{Trigger: trigger.Timer}, "run-03 run-13 run-23 run-33 run-43 run-53 run-63"},
		{"of a status", Query{Status: report.Failed}, "run-07 run-17 run-27 run-37 run-47 run-57 run-67"},
		{"of both", Query{Trigger: trigger.Timer, Status: report.Failed}, ""},
		{"since a time", Query{Since: noon.Add(-time.Minute)}, "run-00 run-01 run-02 run-03"},
		{"of a trigger since a time", Query{Trigger: trigger.Timer, Since: noon.Add(-6 * time.Minute)}, "run-03 run-13"},
	} {
		t.Run(test.name, func(t *testing.T) {
			for _, limit := range []int{1, 100} {
				test.q.Limit = limit
				if got := strings.Join(pages(t, store, test.q), " "); got != test.want {
					t.Errorf("limit %d: %s, want %s", limit, got, test.want)
				}
			}
		})
	}
}

// The reports of one run at one time are listed each.
func TestListReportsOfOneTime(t *testing.T) {
	store := statetest.New()
	for i := range 12 {
		r := ended("run", trigger.HTTP, report.Done, 0)
		r.Counts.Looked = i
		no(t, Log(t.Context(), store, r))
	}
	if got := pages(t, store, Query{Limit: 1}); len(got) != 12 {
		t.Errorf("%d reports, want 12", len(got))
	}
}

// A page of large reports is cut, and the next one goes on.
func TestListReportsIsBounded(t *testing.T) {
	store := statetest.New()
	for i := range 200 {
		r := ended(fmt.Sprint("run-", i), trigger.HTTP, report.Done, i)
		r.Notes = []string{strings.Repeat("n", 100<<10)}
		no(t, Log(t.Context(), store, r))
	}
	page, err := List(t.Context(), store, Query{Limit: MaxRuns})
	no(t, err)
	if size := len(page.Reports) * 100 << 10; size > maxPageBytes+state.AtOnce*100<<10 || page.Next == "" {
		t.Errorf("a page of %d bytes, next %q", size, page.Next)
	}
	if all := pages(t, store, Query{Limit: MaxRuns}); len(all) != 200 {
		t.Errorf("%d runs, want 200", len(all))
	}
}

// A record that cannot be read is skipped with its name. If that is all, the list is an error.
func TestListReportsSkips(t *testing.T) {
	store := statetest.New()
	other := logName(ended("other", trigger.HTTP, report.Done, 1), 1)
	for i := range 40 {
		no(t, Log(t.Context(), store, ended(fmt.Sprint("run-", i), trigger.HTTP, report.Done, i)))
	}
	record, err := store.Read(t.Context(), logName(ended("run-3", trigger.HTTP, report.Done, 3), 1))
	no(t, err)
	store.Put(other, record)
	store.Put(logName(ended("cut", trigger.Timer, report.Busy, 2), 1), []byte("{"))
	store.Put("log/http/done/note.txt", nil)
	store.Put("log/http/done/9223372036854775807", nil)
	page, err := List(t.Context(), store, Query{Limit: 100})
	no(t, err)
	if len(page.Reports) != 40 || len(page.Skipped) != 2 || page.Skipped[0].Record != other || !strings.Contains(page.Skipped[0].Problem, "another run") {
		t.Errorf("%d reports, skipped %v", len(page.Reports), page.Skipped)
	}
	for _, operation := range []string{"read", "list"} {
		store.Down, store.Of = operation, "log/"
		if _, err := List(t.Context(), store, Query{Limit: 100}); !errors.Is(err, statetest.ErrDown) {
			t.Errorf("%s: %v, want the store's error", operation, err)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := List(ctx, statetest.New(), Query{Limit: 100}); err != nil {
		t.Error(err)
	}
}

// Reports of the version before the log are listed behind those of the log, and no other store is
// searched for them.
func TestListReportsOlderThanTheLog(t *testing.T) {
	folder := t.TempDir()
	old := state.Folder(folder)
	for i := range 5 {
		kind := []trigger.Kind{trigger.Timer, trigger.OSS}[i%2]
		run := fmt.Sprint("old-", i)
		no(t, Save(t.Context(), old, ended(run, kind, report.Done, 0)))
		written := time.Now().Add(time.Duration(i-5) * time.Second) // the names do not have the order: the times of the files do
		no(t, os.Chtimes(filepath.Join(folder, filepath.FromSlash(reportName(run, 1))), written, written))
	}
	q := Query{Limit: 2}
	if got := pages(t, old, q); strings.Join(got, " ") != "old-4 old-3 old-2 old-1 old-0" {
		t.Errorf("before the log: %v", got)
	}
	no(t, Begin(t.Context(), old))
	no(t, Begin(t.Context(), old))
	for i := range 2 {
		r := ended(fmt.Sprint("new-", i), trigger.Timer, report.Done, -60*24*365*100) // whatever the clock says
		no(t, Save(t.Context(), old, r))
		no(t, Log(t.Context(), old, r))
	}
	if got := pages(t, old, q); strings.Join(got, " ") != "new-0 new-1 old-4 old-3 old-2 old-1 old-0" {
		t.Errorf("%v", got)
	}
	q.Trigger = trigger.Timer
	if got := pages(t, old, q); strings.Join(got, " ") != "new-0 new-1 old-4 old-2 old-0" {
		t.Errorf("of the timer: %v", got)
	}
	if got := pages(t, old, Query{Limit: 2, Since: time.Now()}); strings.Join(got, " ") != "new-0 new-1" {
		t.Errorf("since now: %v", got)
	}

	fresh := statetest.New()
	no(t, Begin(t.Context(), fresh))
	no(t, Save(t.Context(), fresh, ended("a", trigger.CLI, report.Done, 0)))
	fresh.Down, fresh.Of = "list", "runs/"
	if _, err := List(t.Context(), fresh, q); err != nil {
		t.Errorf("%v: a store that has no older report is searched for them", err)
	}
}

// A lifecycle rule removes the first record of the log before others: the reports are not listed twice.
func TestListReportsOfAnExpiredLog(t *testing.T) {
	store := state.Folder(t.TempDir())
	no(t, Begin(t.Context(), store))
	r := ended("a", trigger.Timer, report.Done, 0)
	no(t, errors.Join(Save(t.Context(), store, r), Log(t.Context(), store, r)))
	no(t, os.RemoveAll(filepath.Join(string(store), begunFolder)))
	for range 2 {
		if got := pages(t, store, Query{Limit: 10}); len(got) != 1 {
			t.Errorf("%v", got)
		}
		no(t, Begin(t.Context(), store))
	}
}

func TestCursor(t *testing.T) {
	for cursor, want := range map[string]bool{
		Cursor(ended("run-1", trigger.CLI, report.Done, 0)):    true,
		Cursor(ended("a/../b c", trigger.CLI, report.Done, 0)): true,
		"":                                     false,
		"run-1":                                false,
		"20261125T120000.000000000Z-run":       false,
		"20261125T120000.000000000Z-../x.1":    false,
		"20261325T120000.000000000Z-run.1":     false,
		"20261125T120000.000000000Z-run.1/..":  false,
		"20261125T120000.000000000Z-run.1.2":   false,
		"20261125T120000.000000000Z-run.1~~~~": false,
	} {
		if got := IsCursor(cursor); got != want {
			t.Errorf("%q: %t", cursor, got)
		}
	}
}

// FuzzLogName parses names: one that was written gives its fields, and no other one panics.
func FuzzLogName(f *testing.F) {
	f.Add(logName(&report.Report{Run: "a b", FinishedAt: noon, Tally: report.Tally{Counts: report.Counts{Deleted: 3}, Rules: []report.Rule{{Name: "drafts", Deleted: 3}}}}, 1))
	f.Add("log/timer/done/0000000000000000000-a.1.5.more")
	f.Add("log/timer/done/-.1.5.x.")
	f.Add("log/timer/done/+000000000000000000-a.1.5.more")
	f.Add(logName(&report.Report{Run: "a", FinishedAt: noon, Tally: report.Tally{Counts: report.Counts{Deleted: 3}, Rules: []report.Rule{{Name: "drafts", Deleted: 3, Lost: 2}, {Name: "rest", Lost: 1}}}}, 1))
	f.Add("log/timer/done/0000000000000000000-a.1.5l.0l0.l1x1l1")
	fuzztest.Fuzz(f, func(t *testing.T, name string) {
		l, err := parseLogName(name)
		if err == nil && (l.run == "" || min(l.total.Deleted, l.total.Lost) < 0 || l.at.IsZero() || state.Inverted(l.at) != l.key[:19]) {
			t.Errorf("%+v", l)
		}
	})
}

func TestLogName(t *testing.T) {
	r := ended(strings.Repeat("r", 128), trigger.OSS, report.Partial, 0)
	for i := range 3 {
		r.Counts.Deleted += i
		r.Rules = append(r.Rules, report.Rule{Name: fmt.Sprint("规则", i), Kind: "expire", Deleted: i, Lost: 2 * max(0, i-1)})
	}
	r.Rules = append(r.Rules, report.Rule{Name: "gone", Kind: "expire", Lost: 5})
	l, err := parseLogName(logName(r, 7))
	no(t, err)
	if !l.at.Equal(r.FinishedAt) || l.run != r.Run || l.total != (report.StatsTotal{Runs: 1, Deleted: 3, Lost: 7}) || len(l.rules) != 3 || l.partly ||
		l.rules[hashRule("规则1")] != (report.StatsTotal{Runs: 1, Deleted: 1}) || l.rules[hashRule("规则2")] != (report.StatsTotal{Runs: 1, Deleted: 2, Lost: 2}) || l.rules[hashRule("gone")] != (report.StatsTotal{Runs: 1, Lost: 5}) {
		t.Errorf("%+v", l)
	}
	for _, wrong := range []string{".3.", ".3l.", ".3l07.", ".3l-7.", ".3l7l7.", ".03l7.", ".3l4.", ".1l7.", ".3l9999999999."} {
		if _, err := parseLogName(strings.Replace(logName(r, 7), ".3l7.", wrong, 1)); err == nil {
			t.Errorf("counts %s are taken", wrong)
		}
	}
	for i := range 20 {
		r.Rules = append(r.Rules, report.Rule{Name: fmt.Sprint("more", i), Deleted: 1})
	}
	l, err = parseLogName(logName(r, 7))
	if no(t, err); !l.partly || len(l.rules) > 0 || len(logName(r, 7)) > 255+len("log/oss/partial/") {
		t.Errorf("%+v", l)
	}
}

// slowStore answers each request after 30 ms, and a list in pages of 1,000.
type slowStore struct {
	*statetest.Memory
	sorted   map[string][]string // the names of each folder
	requests atomic.Int64
}

func (s *slowStore) wait() {
	s.requests.Add(1)
	time.Sleep(30 * time.Millisecond)
}

func (s *slowStore) Read(ctx context.Context, name string) ([]byte, error) {
	s.wait()
	return s.Memory.Read(ctx, name)
}

func (s *slowStore) Create(ctx context.Context, name string, data []byte) error {
	s.wait()
	return s.Memory.Create(ctx, name, data)
}

func (s *slowStore) List(_ context.Context, folder, after string) iter.Seq2[state.Record, error] {
	return func(yield func(state.Record, error) bool) {
		s.wait()
		names := s.sorted[folder]
		first, found := slices.BinarySearch(names, after)
		if found {
			first++
		}
		for i, name := range names[first:] {
			if i > 0 && i%1000 == 0 {
				s.wait()
			}
			if !yield(state.Record{Name: name}, nil) {
				return
			}
		}
	}
}

// index sorts the names of the store.
func (s *slowStore) index() {
	s.sorted = map[string][]string{}
	for name := range s.Records {
		for i := range len(name) {
			if name[i] == '/' {
				s.sorted[name[:i+1]] = append(s.sorted[name[:i+1]], name)
			}
		}
	}
	for _, names := range s.sorted {
		slices.Sort(names)
	}
}

// Event runs do not hide last night's timer run. Nothing is read of them, so their number does not matter.
func TestListReportsBehindManyEvents(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &slowStore{Memory: statetest.New()}
		no(t, Begin(t.Context(), store))
		for i := range 400 {
			no(t, Log(t.Context(), store.Memory, ended(fmt.Sprint("night-", i), trigger.Timer, report.Done, 600+i*24*60)))
		}
		record, _ := store.Memory.Read(t.Context(), logName(ended("night-0", trigger.Timer, report.Done, 600), 1))
		for i := range 10_000 { // its content is not read
			r := ended(fmt.Sprint("event-", i), trigger.OSS, report.Done, 0)
			r.FinishedAt = noon.Add(-time.Duration(i) * time.Second)
			store.Put(logName(r, 1), record)
		}
		store.index()
		for _, test := range []struct {
			name string
			q    Query
			want int
		}{
			{"last night", Query{Trigger: trigger.Timer, Limit: 1}, 1},
			{"a page of the timer", Query{Trigger: trigger.Timer, Limit: 100}, 100},
			{"all of the timer", Query{Trigger: trigger.Timer, Limit: MaxRuns}, 400},
			{"nothing", Query{Status: report.Blocked, Limit: 100}, 0},
		} {
			start, before := time.Now(), store.requests.Load()
			page, err := List(t.Context(), store, test.q)
			no(t, err)
			took, requests := time.Since(start), store.requests.Load()-before
			t.Logf("%s: %v, %d requests", test.name, took, requests)
			if took > time.Second || len(page.Reports) != test.want {
				t.Errorf("%s: %d runs in %v, want %d within 1 s", test.name, len(page.Reports), took, test.want)
			}
		}
	})
}
