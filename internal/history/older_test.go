package history

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mediasweep/mediasweep/internal/journal"
	"github.com/mediasweep/mediasweep/internal/plan"
)

// deletedBy writes what a run of an earlier version left of media: a plan, and outcomes. It returns the
// decisions that the history must have.
func deletedBy(tb testing.TB, store *memory, run string, ids ...int) []Decision {
	tb.Helper()
	now := time.Now().UTC().Truncate(time.Second)
	byID := map[string]int{}
	for _, id := range ids {
		byID[idOf(id)] = id
	}
	names := slices.Sorted(func(yield func(string) bool) {
		for name := range byID {
			if !yield(name) {
				return
			}
		}
	})
	var decisions []Decision
	var outcomes []journal.Outcome
	for _, name := range names {
		d := decision(byID[name], run, now)
		decisions = append(decisions, d)
		outcomes = append(outcomes, journal.Outcome{MediaID: name, Became: d.Outcome})
	}
	head := plan.Head{AsOf: now, Policy: decision(0, run, now).Policy}
	contents, err := journal.SavePlan(tb.Context(), store, plan.Contents{Head: head}, func(yield func(plan.Line, error) bool) {
		for _, d := range decisions {
			bucket, key, _ := strings.Cut(strings.TrimPrefix(d.Object, "oss://"), "/")
			record, _ := json.Marshal(map[string]any{
				"MediaId": d.MediaID, "Title": d.Title, "PublishState": "Published", "CreationTime": "2020-01-01T00:00:00Z",
				"File": map[string]string{"URL": "http://" + bucket + ".oss-cn-shanghai.aliyuncs.com/" + key, "State": "Normal"},
			})
			line, err := plan.LineOf(plan.Entry{MediaID: d.MediaID, Rule: d.Rule, Reason: d.Reason, State: "Published", Record: record}, now, now)
			if !yield(line, err) {
				return
			}
		}
	})
	if err != nil {
		tb.Fatal(err)
	}
	for i := range decisions {
		decisions[i].Plan, outcomes[i].Plan = contents.ID, contents.ID
	}
	if _, err := journal.AddOutcomes(tb.Context(), store, run, 0, outcomes); err != nil {
		tb.Fatal(err)
	}
	return decisions
}

func upTo(n int) (ids []int) {
	for id := range n {
		ids = append(ids, id)
	}
	return ids
}

// Outcomes of an earlier version are in the history after a fold, and a note says so before. Those of
// runs with a history are there once.
func TestHistoryTakesOlderOutcomes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.all = slices.Concat(deletedBy(t, w.memory, "a", upTo(2500)...), deletedBy(t, w.memory, "b", 1, 3000))
		resumed := decision(4000, "b", time.Now())
		resumed.Outcome, resumed.Run, resumed.Plan = journal.Lost, "resumed", w.all[2500].Plan
		if _, err := journal.AddOutcomes(t.Context(), w, "b", 1, []journal.Outcome{{MediaID: resumed.MediaID, Became: journal.Lost, Plan: resumed.Plan, Runs: []string{"b", "resumed"}}}); err != nil {
			t.Fatal(err)
		}
		resumed.Rule, resumed.Reason, resumed.Title, resumed.Object = "", "", "", "" // its plan does not have it
		w.all = append(w.all, resumed)
		time.Sleep(time.Hour)
		w.clock = time.Now()
		if notes := w.of(idOf(1)).Notes; len(notes) != 1 || !strings.Contains(notes[0], "earlier version") {
			t.Errorf("before any history: notes %q", notes)
		}
		newer := deletedBy(t, w.memory, "c", 1, 2)
		for i := range newer {
			newer[i].At = newer[i].At.Add(time.Second) // or duplicates are folded
		}
		w.record(w.clock, newer...)
		if notes := w.of(idOf(1)).Notes; len(notes) != 1 || !strings.Contains(notes[0], "earlier version") {
			t.Errorf("before a fold: notes %q", notes)
		}
		time.Sleep(time.Hour)
		w.clock = time.Now()
		if err := w.fold(); err != nil {
			t.Fatal(err)
		}
		w.check(idOf(0), idOf(1), idOf(2), idOf(1700), idOf(2499), idOf(3000), idOf(4000), w.all[0].Object, w.all[1234].Object, "oss://nobody/knows.mp4")
		if notes := w.of(idOf(1)).Notes; len(notes) > 0 {
			t.Errorf("after a fold: notes %q", notes)
		}
		w.requests = 0
		if err := w.fold(); err != nil || w.requests > 3 {
			t.Errorf("another fold: %v, %d requests", err, w.requests)
		}
	})
}

// The next scheduled run takes older outcomes also if it deletes nothing.
func TestHistoryTakesOlderOutcomesWithoutNewOnes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		if err := w.fold(); err != nil || len(w.names) > 0 {
			t.Errorf("a new store: %v, records %q", err, w.names)
		}
		w.all = deletedBy(t, w.memory, "a", 1)
		time.Sleep(time.Hour)
		w.clock = time.Now()
		if err := w.fold(); err != nil {
			t.Fatal(err)
		}
		w.check(idOf(1))
		w.record(w.clock, deletedBy(t, w.memory, "b", 1)...)
		for range 2 {
			w.check(idOf(1))
			if err := w.fold(); err != nil {
				t.Fatal(err)
			}
		}
	})
}

// What cannot be read of older outcomes hides nothing else.
func TestHistoryOfDamagedOlderOutcomes(t *testing.T) {
	for _, test := range []struct {
		name, of string
		damage   func(w *world, name string)
		says     func(d *Decision)
		unread   bool
	}{
		{"a plan is gone", "/plan.json", func(w *world, name string) { delete(w.records, name) }, func(d *Decision) { d.Policy = "" }, false},
		{"a plan is cut", "/plan.json", cutRecord, func(d *Decision) { d.Policy = "" }, false},
		{"entries are gone", "000001.jsonl.gz", func(w *world, name string) { delete(w.records, name) }, func(*Decision) {}, false},
		{"entries are cut", "000001.jsonl.gz", cutRecord, func(*Decision) {}, false},
		{"outcomes are cut", "ledger/bad/", cutRecord, nil, true},
		{"outcomes are gone", "ledger/bad/", func(w *world, name string) { delete(w.records, name) }, nil, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				w.all = slices.Concat(deletedBy(t, w.memory, "bad", 1), deletedBy(t, w.memory, "good", 1, 2))
				bad := w.all[0].Plan[len("sha256:"):]
				i := slices.IndexFunc(w.names, func(name string) bool {
					return strings.HasPrefix(name, test.of) || strings.HasSuffix(name, test.of) && strings.Contains(name, bad)
				})
				test.damage(w, w.names[i])
				if test.says == nil {
					w.all = w.all[1:]
				} else {
					d := &w.all[0]
					d.Rule, d.Reason, d.Title, d.Object = "", "", "", ""
					test.says(d)
				}
				time.Sleep(time.Hour)
				w.clock = time.Now()
				if err := w.fold(); err != nil {
					t.Fatal(err)
				}
				if found := w.of(idOf(1)); len(found.Unread) > 0 != test.unread || test.unread && !strings.Contains(found.Unread[0], "ledger/bad/") {
					t.Errorf("unread %q", found.Unread)
				}
				if !test.unread {
					w.check(idOf(1))
				} else if found := w.of(idOf(1)); len(found.Decisions) != 1 {
					t.Errorf("%d decisions", len(found.Decisions))
				}
			})
		})
	}
}

func cutRecord(w *world, name string) { w.records[name] = w.records[name][:len(w.records[name])/2] }

// A store that cannot be read for a while costs no detail. The next fold goes on.
func TestOlderOutcomesOfAnOutage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.all = deletedBy(t, w.memory, "a", 1)
		time.Sleep(time.Hour)
		w.clock = time.Now()
		for _, folder := range []string{"plans/", "ledger/"} {
			if err := Fold(t.Context(), t.Context(), outage{w.memory, folder}, w.now); !errors.Is(err, errOutage) {
				t.Errorf("%s: %v", folder, err)
			}
		}
		if err := w.fold(); err != nil {
			t.Fatal(err)
		}
		w.check(idOf(1))
	})
}

// outage is a store whose records of a folder cannot be read for now.
type outage struct {
	*memory
	folder string
}

var errOutage = errors.New("service unavailable")

func (s outage) Read(ctx context.Context, name string) ([]byte, error) {
	if strings.HasPrefix(name, s.folder) {
		return nil, errOutage
	}
	return s.memory.Read(ctx, name)
}

// Folds whose time is up take older outcomes little by little.
func TestOlderOutcomesAreTakenInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		const runs = 150
		for run := range runs {
			w.all = append(w.all, deletedBy(t, w.memory, fmt.Sprintf("run-%03d", run), run, 1000)...)
		}
		time.Sleep(time.Hour)
		w.clock = time.Now()
		w.latency = 100 * time.Millisecond
		folds := 0
		for last, done := "", false; !done; folds++ {
			admit, cancel := context.WithTimeout(t.Context(), 1200*time.Millisecond)
			started := time.Now()
			_ = Fold(t.Context(), admit, w, w.now)
			cancel()
			if took := time.Since(started); took > 2*time.Second {
				t.Fatalf("a fold took %v", took)
			}
			h, _, err := latestHead(t.Context(), w, w.clock)
			if err != nil || h.Older.Last <= last && !h.Older.Done {
				t.Fatalf("after fold %d: last %q, before %q, %v", folds, h.Older.Last, last, err)
			}
			last, done = h.Older.Last, h.Older.Done
		}
		if folds < 2 {
			t.Errorf("%d folds: the test's time is no limit", folds)
		}
		w.latency = 0
		w.check(idOf(0), idOf(75), idOf(runs-1), idOf(1000))
	})
}

// BenchmarkOlder measures the fold of what an earlier version left of 400 nights with 5,000 deletions
// each. A request takes 30 ms.
func BenchmarkOlder(b *testing.B) {
	const nights, media = 400, 5000
	for b.Loop() {
		store := newMemory()
		for night := range nights {
			ids := upTo(media)
			for i := range ids {
				ids[i] += night * media
			}
			deletedBy(b, store, fmt.Sprintf("%032d", night), ids...)
		}
		for name := range store.written {
			store.written[name] = time.Now().Add(-time.Hour)
		}
		store.latency, store.requests = 30*time.Millisecond, 0
		folds, started, err := 0, time.Now(), context.DeadlineExceeded
		for ; err != nil; folds++ {
			if err = Fold(b.Context(), b.Context(), store, time.Now); err != nil && !errors.Is(err, context.DeadlineExceeded) {
				b.Fatal(err)
			}
		}
		b.ReportMetric(float64(folds), "folds")
		b.ReportMetric(time.Since(started).Seconds(), "s")
		b.ReportMetric(float64(store.requests)/nights, "requests/night")
		started = time.Now()
		found, err := Of(b.Context(), store, time.Now(), idOf(nights*media/2))
		if err != nil || len(found.Decisions) != 1 || found.Decisions[0].Object == "" {
			b.Fatal(err, found)
		}
		b.ReportMetric(time.Since(started).Seconds(), "s/query")
	}
}
