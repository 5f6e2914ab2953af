package history

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"iter"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/mediasweep/mediasweep/internal/journal"
	"github.com/mediasweep/mediasweep/internal/segments"
	"github.com/mediasweep/mediasweep/internal/state"
)

// memory is a store in memory. Each request takes a time, and a listing has a thousand names.
type memory struct {
	mu      sync.Mutex
	names   []string // in order
	records map[string][]byte
	written map[string]time.Time
	latency time.Duration
	// creates is the number of writes after which all fail; negative for none.
	creates                 int
	requests, read, created int // bytes for the last two
}

func newMemory() *memory {
	return &memory{records: map[string][]byte{}, written: map[string]time.Time{}, creates: -1}
}

var errFull = errors.New("no space left")

func (s *memory) request(ctx context.Context) error {
	s.mu.Lock()
	s.requests++
	s.mu.Unlock()
	if s.latency > 0 {
		time.Sleep(s.latency)
	}
	return ctx.Err()
}

func (s *memory) Create(ctx context.Context, name string, data []byte) error {
	if err := s.request(ctx); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.creates == 0 {
		return errFull
	}
	s.creates--
	if old, ok := s.records[name]; ok {
		if bytes.Equal(old, data) {
			return nil
		}
		return state.ErrExists
	}
	i, _ := slices.BinarySearch(s.names, name)
	s.names = slices.Insert(s.names, i, name)
	s.records[name], s.written[name] = data, time.Now()
	s.created += len(data)
	return nil
}

func (s *memory) Read(ctx context.Context, name string) ([]byte, error) {
	if err := s.request(ctx); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	data, ok := s.records[name]
	if !ok {
		return nil, state.ErrNotFound
	}
	s.read += len(data)
	return data, nil
}

func (s *memory) List(ctx context.Context, folder, after string) iter.Seq2[state.Record, error] {
	return func(yield func(state.Record, error) bool) {
		for {
			if err := s.request(ctx); err != nil {
				yield(state.Record{}, err)
				return
			}
			var page []state.Record
			s.mu.Lock()
			i, _ := slices.BinarySearch(s.names, max(folder, after))
			for ; i < len(s.names) && len(page) < 1000 && strings.HasPrefix(s.names[i], folder); i++ {
				if name := s.names[i]; name > after {
					page = append(page, state.Record{Name: name, Written: s.written[name], Now: time.Now()})
				}
			}
			s.mu.Unlock()
			for _, record := range page {
				if after = record.Name; !yield(record, nil) {
					return
				}
			}
			if len(page) < 1000 {
				return
			}
		}
	}
}

// decision returns a decision with texts of usual lengths.
func decision(id int, run string, at time.Time) Decision {
	return Decision{
		At: at, MediaID: idOf(id), Outcome: journal.Deleted, Run: run, Plan: "sha256:" + strings.Repeat(run, 64)[:64], Policy: "sha256:" + strings.Repeat("5", 64),
		Rule: "drafts", Reason: fmt.Sprintf("CreationTime %s and 180d have passed", at.AddDate(0, 0, -200).Format(time.RFC3339)),
		Title: fmt.Sprintf("Evening news, part %d", id%1000), Object: fmt.Sprintf("oss://media-in/drafts/%s/%08d.mp4", at.Format("2006/01"), id),
	}
}

func idOf(id int) string {
	k := keyOf(fmt.Sprint(id))
	return k.String() + (k * 0x9e3779b97f4a7c15).String()
}

// world is a store with a model of what its history must say.
type world struct {
	*memory
	t     *testing.T
	clock time.Time
	all   []Decision
}

func newWorld(t *testing.T) *world {
	return &world{memory: newMemory(), t: t, clock: time.Now()}
}

func (w *world) now() time.Time { return w.clock }

func (w *world) record(at time.Time, decisions ...Decision) {
	w.t.Helper()
	if err := Record(w.t.Context(), w, at, decisions); err != nil {
		w.t.Fatal(err)
	}
	w.all = append(w.all, decisions...)
}

func (w *world) fold() error { return Fold(w.t.Context(), w.t.Context(), w, w.now) }

func (w *world) of(name string) *History {
	w.t.Helper()
	found, err := Of(w.t.Context(), w, w.clock, name)
	if err != nil {
		w.t.Fatal(err)
	}
	return found
}

// check compares the histories of names with the model.
func (w *world) check(names ...string) {
	w.t.Helper()
	for _, name := range names {
		want := History{Decisions: []Decision{}}
		for _, d := range w.all {
			if d.isOf(name) {
				d.At = d.At.UTC().Truncate(time.Second)
				want.Decisions = append(want.Decisions, d)
			}
		}
		want.order()
		found := w.of(name)
		if diff := cmp.Diff(want.Decisions, found.Decisions); diff != "" {
			w.t.Errorf("history of %s (-want +got):\n%s", name, diff)
		}
		if len(found.Unread) > 0 || found.Next != want.Next {
			w.t.Errorf("history of %s: next %q, want %q; unread %q", name, found.Next, want.Next, found.Unread)
		}
	}
}

// Every decision is found by its media ID, object and new ID, whatever was folded, merged, late, or
// cut off.
func TestHistoryHasEveryDecision(t *testing.T) {
	for seed := range uint64(2) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				random := rand.New(rand.NewPCG(seed, 0))
				w := newWorld(t)
				for run := range 50 {
					time.Sleep(time.Duration(random.IntN(3600)) * time.Second)
					w.clock = time.Now()
					size := []int{1, 1, 1, 3, 4, 5, 40}[random.IntN(7)]
					if run == 20 {
						size = 2500 // several shards
					}
					var some []Decision
					for range size {
						d := decision(random.IntN(60), fmt.Sprint(run), w.clock)
						if random.IntN(9) == 0 {
							d.Outcome, d.NewID = Restored, idOf(1000+random.IntN(5))
						}
						some = append(some, d)
					}
					w.record(w.clock.Add(-time.Duration(random.IntN(100))*time.Minute), some...)
					if random.IntN(2) == 0 {
						if w.creates = -1; random.IntN(2) == 0 {
							w.creates = random.IntN(4)
						}
						if err := w.fold(); err != nil && !errors.Is(err, errFull) {
							t.Fatal(err)
						}
						w.creates = -1
					}
					if run%10 == 0 {
						w.check(idOf(random.IntN(60)), idOf(1000+random.IntN(5)), w.all[random.IntN(len(w.all))].Object, "oss://nobody/knows.mp4")
					}
				}
				if err := w.fold(); err != nil {
					t.Fatal(err)
				}
				for id := range 20 {
					w.check(idOf(id))
				}
				h, _, err := latestHead(t.Context(), w, w.clock)
				if err != nil || len(h.Tables) > 2*fanIn+2 {
					t.Errorf("%d tables are left, %v", len(h.Tables), err)
				}
			})
		})
	}
}

// A run whose clock is behind that of the fold before it adds more decisions than one step takes. None is left out,
// wherever the next fold is cut off.
func TestFoldOfManyLateRecords(t *testing.T) {
	for _, cut := range []int{70, -1} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t)
			ahead := w.clock.Add(5 * time.Minute)
			w.record(ahead, decision(1, "ahead", ahead))
			if err := Fold(t.Context(), t.Context(), w, func() time.Time { return ahead.Add(time.Second) }); err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Minute)
			w.clock = time.Now()
			for part := range 18 {
				var some []Decision
				for i := range 1000 {
					some = append(some, decision(1000*(part+1)+i, "late", w.clock))
				}
				w.record(w.clock, some...)
			}
			for _, creates := range []int{cut, -1} {
				time.Sleep(time.Minute)
				w.clock = time.Now()
				w.creates = creates
				if err := w.fold(); err != nil && !errors.Is(err, errFull) {
					t.Fatal(err)
				}
				w.creates = -1
				for id := 1000; id < 19000; id += 6000 {
					w.check(idOf(id))
				}
			}
		})
	}
}

// A damaged record is named, and the rest of the history is there. A damaged head costs nothing.
func TestHistoryNamesDamagedRecords(t *testing.T) {
	damages := map[string]func([]byte) []byte{
		"cut":    func(data []byte) []byte { return data[:len(data)/2] },
		"empty":  func([]byte) []byte { return nil },
		"{}":     func([]byte) []byte { return []byte("{}") },
		"random": func([]byte) []byte { return []byte("\x1f\x8b\x08\x00random") },
		"a line that is no decision": func([]byte) []byte {
			return pack(newSqueezer(), []line{{keyOf(idOf(1)), []byte("{}\n")}})
		},
	}
	for name, damage := range damages {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				for _, folder := range []string{looseFolder, tableFolder, headFolder} {
					w := newWorld(t)
					w.record(w.clock, decision(1, "a", w.clock))
					if folder != looseFolder {
						time.Sleep(time.Minute)
						w.clock = time.Now()
						if err := w.fold(); err != nil {
							t.Fatal(err)
						}
					}
					time.Sleep(time.Hour)
					w.clock = time.Now()
					w.record(w.clock, decision(1, "b", w.clock))
					i := slices.IndexFunc(w.names, func(name string) bool { return strings.HasPrefix(name, folder) })
					bad := w.names[i]
					w.records[bad] = damage(w.records[bad])
					for step := range fanIn + 2 { // damage survives folds and merges
						found := w.of(idOf(1))
						if folder == headFolder {
							w.check(idOf(1))
							if step == 0 && !strings.Contains(strings.Join(found.Notes, " "), bad) {
								t.Errorf("notes %q do not name %s", found.Notes, bad)
							}
						} else if len(found.Unread) != 1 || name != "a line that is no decision" && !strings.Contains(found.Unread[0], bad) || found.Decisions[len(found.Decisions)-1].Run != "b" {
							t.Fatalf("%s, step %d: unread %q, %d decisions", folder, step, found.Unread, len(found.Decisions))
						}
						time.Sleep(24 * time.Hour)
						w.clock = time.Now()
						w.record(w.clock, decision(1, fmt.Sprint("c", step), w.clock))
						if err := w.fold(); err != nil {
							t.Fatal(err)
						}
					}
				}
			})
		})
	}
}

// A head of a wrong clock hides nothing.
func TestHistoryOfAWrongClock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.record(w.clock, decision(1, "a", w.clock))
		ahead := func() time.Time { return w.clock.AddDate(1, 0, 0) }
		w.record(ahead(), decision(1, "ahead", ahead()))
		if err := Fold(t.Context(), t.Context(), w, ahead); err != nil {
			t.Fatal(err)
		}
		for range 3 {
			time.Sleep(24 * time.Hour)
			w.clock = time.Now()
			w.record(w.clock, decision(1, "b", w.clock))
			w.check(idOf(1))
			if err := w.fold(); err != nil {
				t.Fatal(err)
			}
			w.check(idOf(1))
		}
	})
}

// Of a medium with very many decisions the latest are listed.
func TestHistoryIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		for run := range 3 {
			var some []Decision
			for i := range maxOfKey {
				some = append(some, decision(1, fmt.Sprintf("%d-%d", run, i), w.clock.Add(time.Duration(run*maxOfKey+i)*time.Second)))
			}
			w.record(w.clock, some...)
		}
		for range 2 {
			time.Sleep(time.Minute)
			w.clock = time.Now()
			found := w.of(idOf(1))
			if len(found.Decisions) != maxOfKey || found.Decisions[0].Run != fmt.Sprint("2-", maxOfKey-1) || len(found.Notes) == 0 {
				t.Errorf("%d decisions, the latest of run %s, notes %q", len(found.Decisions), found.Decisions[0].Run, found.Notes)
			}
			if err := w.fold(); err != nil {
				t.Fatal(err)
			}
		}
	})
}

// A second fold of the same records writes nothing.
func TestFoldOfNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.record(w.clock, decision(1, "a", w.clock))
		w.record(w.clock.Add(time.Second), decision(2, "a", w.clock))
		before := 0
		for step := range 3 {
			time.Sleep(time.Minute)
			w.clock = time.Now()
			if err := w.fold(); err != nil {
				t.Fatal(err)
			}
			if step > 0 && len(w.names) != before {
				t.Errorf("fold %d left %d more records", step, len(w.names)-before)
			}
			before = len(w.names)
		}
	})
}

// A shard that is in the place of another one is damaged: its decisions are of other media.
func TestAShardOfOtherMedia(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		var some []Decision
		for i := range 2500 {
			some = append(some, decision(i, "a", w.clock))
		}
		w.record(w.clock, some...)
		time.Sleep(time.Minute)
		w.clock = time.Now()
		if err := w.fold(); err != nil {
			t.Fatal(err)
		}
		h, _, err := latestHead(t.Context(), w, w.clock)
		if err != nil || len(h.Tables) != 1 || h.Tables[0].Bits == 0 {
			t.Fatalf("%+v, %v", h.Tables, err)
		}
		of, shard := h.Tables[0], h.Tables[0].shard(keyOf(idOf(7)))
		w.records[of.shardName(shard)] = w.records[of.shardName(shard^1)]
		if found := w.of(idOf(7)); len(found.Unread) != 1 || len(found.Decisions) != 0 {
			t.Errorf("unread %q, %d decisions", found.Unread, len(found.Decisions))
		}
	})
}

// A damaged head costs one step back: the head before it is used.
func TestTheHeadBeforeADamagedOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		for range 2 {
			w.record(w.clock, decision(1, "a", w.clock))
			time.Sleep(time.Minute)
			w.clock = time.Now()
			if err := w.fold(); err != nil {
				t.Fatal(err)
			}
		}
		whole, _, err := latestHead(t.Context(), w, w.clock)
		if err != nil {
			t.Fatal(err)
		}
		w.records[state.NumberedName(headFolder, whole.number)] = []byte("{")
		h, damaged, err := latestHead(t.Context(), w, w.clock)
		if err != nil || len(damaged) != 1 || len(h.Tables) != 1 || h.number != whole.number {
			t.Errorf("damaged %q, %d tables, number %d: %v", damaged, len(h.Tables), h.number, err)
		}
	})
}

// A record that vanished is named, but for an old one: a lifecycle rule removed that.
func TestHistoryOfRemovedRecords(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.record(w.clock, decision(1, "a", w.clock))
		time.Sleep(time.Minute)
		w.clock = time.Now()
		if err := w.fold(); err != nil {
			t.Fatal(err)
		}
		for name := range w.records {
			if strings.HasPrefix(name, tableFolder) {
				delete(w.records, name)
			}
		}
		for _, days := range []int{0, 31} {
			w.clock = w.clock.AddDate(0, 0, days)
			if found := w.of(idOf(1)); len(found.Unread) == 0 != (days > 30) || len(found.Notes) == 0 != (days == 0) {
				t.Errorf("after %d days: unread %q, notes %q", days, found.Unread, found.Notes)
			}
		}
	})
}

// A fold whose time is up keeps what it read, and the next goes on.
func TestFoldEndsInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		for i := range 200 {
			w.record(w.clock, decision(i, "a", w.clock))
		}
		w.latency = 100 * time.Millisecond
		time.Sleep(time.Minute)
		w.clock = time.Now()
		folds := 0
		for left := 200; left > 0; folds++ {
			admit, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
			started := time.Now()
			_ = Fold(t.Context(), admit, w, w.now)
			cancel()
			if took := time.Since(started); took > time.Second {
				t.Fatalf("a fold took %v", took)
			}
			h, _, err := latestHead(t.Context(), w, w.clock)
			if err != nil {
				t.Fatal(err)
			}
			before := left
			left = 0
			for _, err := range h.loose(t.Context(), w, "") {
				if left++; err != nil {
					t.Fatal(err)
				}
			}
			if left >= before {
				t.Fatalf("%d records left after a fold of %d", left, before)
			}
		}
		if folds < 2 {
			t.Errorf("%d folds: the test's time is no limit", folds)
		}
		for _, id := range []int{0, 99, 199} {
			w.check(idOf(id))
		}
	})
}

// careless is a store that writes also after the time is up, as a folder does.
type careless struct{ *memory }

func (s careless) Create(ctx context.Context, name string, data []byte) error {
	return s.memory.Create(context.WithoutCancel(ctx), name, data)
}

// A merge whose time is up takes no table for a damaged one.
func TestMergeEndsInTime(t *testing.T) {
	for tenths := range 20 {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t)
			for i := range fanIn {
				time.Sleep(time.Minute)
				w.clock = time.Now()
				w.record(w.clock, decision(i, "a", w.clock))
				if i == fanIn-1 {
					w.latency = 100 * time.Millisecond
				}
				admit, cancel := context.WithTimeout(t.Context(), time.Duration(tenths)*100*time.Millisecond+50*time.Millisecond)
				_ = Fold(t.Context(), admit, careless{w.memory}, w.now)
				cancel()
			}
			w.latency = 0
			h, _, err := latestHead(t.Context(), w, w.clock)
			if err != nil || slices.ContainsFunc(h.Tables, func(t table) bool { return t.Level == topLevel }) {
				t.Errorf("after %d tenths of a second: %+v, %v", tenths, h.Tables, err)
			}
		})
	}
}

// The latest decision of a medium says how to get it back, or why it cannot.
func TestHistorySaysHowToGetAMediumBack(t *testing.T) {
	for _, one := range []struct {
		name   string
		latest Decision
		want   string
		before []journal.Became
	}{
		{"deleted", Decision{Outcome: journal.Deleted}, "to get it back: mediasweep restore run --only a", nil},
		{"orphan", Decision{Outcome: journal.Deleted, Orphan: true}, "it cannot be restored: its source object was removed", nil},
		{"unverified", Decision{Outcome: journal.Unverified}, "it may still be there: see mediasweep explain a; if not, to get it back: mediasweep restore run --only a", nil},
		{"restored", Decision{Outcome: Restored, NewID: "b"}, "", nil},
		{"deleted and restored", Decision{Outcome: Restored, NewID: "b"}, "", []journal.Became{journal.Deleted}},
		{"restored and deleted again", Decision{Outcome: journal.Deleted}, "to get it back: mediasweep restore run --only a", []journal.Became{journal.Deleted, Restored}},
		{"failed", Decision{Outcome: journal.Failed}, "", nil},
	} {
		t.Run(one.name, func(t *testing.T) {
			store, now := state.Folder(t.TempDir()), time.Date(2026, 7, 1, 0, 0, 0, 0, time.UTC)
			d := one.latest
			d.At, d.MediaID, d.Run, d.Plan = now, "a", "run", "sha256:00"
			all := []Decision{d}
			for i, outcome := range one.before {
				all = append(all, Decision{At: now.Add(time.Duration(i-9) * time.Hour), MediaID: "a", Outcome: outcome, Run: "earlier", Plan: d.Plan})
			}
			if err := Record(t.Context(), store, now, all); err != nil {
				t.Fatal(err)
			}
			found, err := Of(t.Context(), store, now, "a")
			if err != nil || len(found.Decisions) != len(all) || found.Next != one.want {
				t.Errorf("%v, %+v", err, found)
			}
		})
	}
}

// What a run only found to be gone is not taken for its deletion, if another run says that it deleted or restored it.
func TestHistoryPrefersTheRunThatDeleted(t *testing.T) {
	now := time.Date(2026, 7, 1, 0, 0, 0, 0, time.UTC)
	for want, outcomes := range map[string][]journal.Became{
		"lost":                            {journal.Lost},
		"deleted":                         {journal.Deleted, journal.Lost},
		"restored deleted":                {journal.Deleted, Restored, journal.Lost},
		"restored":                        {Restored, journal.Lost},
		"lost unverified":                 {journal.Unverified, journal.Lost},
		"deleted failed":                  {journal.Deleted, journal.Failed}, // in one second
		"deleted deleted deleted deleted": {journal.Deleted, journal.Deleted, journal.Deleted, journal.Deleted},
	} {
		found := &History{}
		for i, outcome := range outcomes {
			at := now.Add(time.Duration(i) * time.Minute)
			if want == "deleted failed" {
				at = now
			}
			found.Decisions = append(found.Decisions, Decision{At: at, MediaID: "a", Outcome: outcome, Run: fmt.Sprint(i)})
		}
		found.Decisions = append(found.Decisions, Decision{At: now, MediaID: "b", Outcome: journal.Lost, Run: "x"})
		found.order()
		var got []string
		for _, d := range found.Decisions {
			if d.MediaID == "a" {
				got = append(got, string(d.Outcome))
			}
		}
		if strings.Join(got, " ") != want || !slices.ContainsFunc(found.Decisions, func(d Decision) bool { return d.MediaID == "b" }) {
			t.Errorf("%v: %v", outcomes, got)
		}
	}
}

// A table has a key before each line. A line that is too long for one is damage of its own record only.
func TestTheLongestLine(t *testing.T) {
	for over, unread := range []int{0, 1} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t)
			w.record(w.clock, decision(1, "a", w.clock))
			short, err := decision(2, "b", w.clock).encode()
			written := segments.NewWriter(func(_ int, record []byte) error {
				return w.Create(t.Context(), looseFolder+state.Stamp(w.clock)+"-"+many+"-x", record)
			})
			err = errors.Join(err, written.Add(append(bytes.Repeat([]byte(" "), maxLine-keyLength+over-len(short)), short...)), written.Close())
			time.Sleep(time.Minute)
			w.clock = time.Now()
			if err := errors.Join(err, w.fold()); err != nil {
				t.Fatal(err)
			}
			for id, want := range map[int]int{1: 1, 2: 1 - unread} {
				if found := w.of(idOf(id)); len(found.Decisions) != want || len(found.Unread) != unread {
					t.Errorf("%d too long, medium %d: %d decisions, unread %q", over, id, len(found.Decisions), found.Unread)
				}
			}
		})
	}
}
