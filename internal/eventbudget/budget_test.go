package eventbudget

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"iter"
	mathrand "math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mediasweep/mediasweep/internal/state"
	"github.com/mediasweep/mediasweep/internal/state/statetest"
)

// someIDs returns IDs that differ for each call.
func someIDs(n int) (ids []string) {
	for range n {
		ids = append(ids, rand.Text())
	}
	return ids
}

var asOf = time.Date(2026, 6, 30, 0, 0, 0, 0, time.UTC)

// no fails the test on an error.
func no(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestSpend(t *testing.T) {
	store, budget := statetest.New(), New()
	at := func(hours int) time.Time { return asOf.Add(time.Duration(hours) * time.Hour) }
	spend := func(hours, want int, commit bool) Spending {
		t.Helper()
		s, err := budget.Spend(t.Context(), store, at(hours), someIDs(want), 10, commit)
		if err != nil || s.Skipped != nil {
			t.Fatal(err, s.Skipped)
		}
		return s
	}
	if s := spend(0, 11, true); s.Allowed || s.Spent != 0 {
		t.Errorf("more than the limit: %+v", s)
	}
	if s := spend(0, 10, false); !s.Allowed || len(store.Records) > 0 {
		t.Errorf("a dry run: %+v, records %q", s, store.Created)
	}
	first := spend(0, 6, true)
	if s := spend(1, 5, true); !first.Allowed || s.Allowed || s.Spent != 6 {
		t.Errorf("%+v, then %+v", first, s)
	}
	if s := spend(2, 4, true); !s.Allowed {
		t.Errorf("exactly the limit: %+v", s)
	}
	spared := 0
	no(t, first.Settle(t.Context(), store, at(3), func(string) bool { spared++; return spared <= 5 }))
	if s := spend(4, 5, true); !s.Allowed || s.Spent != 5 {
		t.Errorf("after a refund: %+v", s)
	}
	// The first run is more than a day old now. Its refund counts for nobody.
	s, err := budget.Spend(t.Context(), store, at(25), someIDs(1), 10, true)
	if err != nil || len(s.Skipped) != 1 || !errors.Is(s.Skipped[0], errUncovered) || !s.Allowed || s.Spent != 9 {
		t.Errorf("after a day: %+v, %v", s, err)
	}
	if s := spend(60, 10, true); !s.Allowed || s.Spent != 0 {
		t.Errorf("after two days: %+v", s)
	}
}

// Runs that spend at the same time stay within the limit together.
func TestSpendConcurrently(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store, budget := statetest.New(), New()
		store.Slow = time.Second
		var allowed atomic.Int64
		var group sync.WaitGroup
		for range 30 {
			group.Go(func() {
				s, err := budget.Spend(t.Context(), store, asOf, someIDs(3), 20, true)
				if err != nil {
					t.Error(err)
				}
				if s.Allowed {
					allowed.Add(3)
				}
			})
		}
		group.Wait()
		if got := allowed.Load(); got != 18 {
			t.Errorf("%d media were allowed, want 18", got)
		}
		if names := store.Names(folder); len(names) != 6 {
			t.Errorf("%d records, want 6: runs of one process do not spend beyond the limit and take it back: %q", len(names), names)
		}
	})
}

// A budget lists again only the last records, and counts those that other instances write late.
func TestSpendReadsOnce(t *testing.T) {
	store, budget := statetest.New(), New()
	spend := func(minutes, want int) {
		t.Helper()
		now := asOf.Add(time.Duration(minutes) * time.Minute)
		s, err := budget.Spend(t.Context(), store, now, someIDs(1), 1000, false)
		if err != nil || s.Spent != want {
			t.Errorf("after %d minutes: %+v, %v; want %d", minutes, s, err, want)
		}
		if s, err = budget.Spend(t.Context(), store, now, someIDs(1), 1000, true); err != nil || !s.Allowed {
			t.Errorf("after %d minutes: %+v, %v", minutes, s, err)
		}
	}
	other := func(minutes int, name string) {
		store.Put("spent/"+state.Stamp(asOf.Add(time.Duration(minutes)*time.Minute))+name, nil)
	}
	other(-60, "-100-OLD")
	spend(0, 100)
	other(-5, "-10-LATE") // named before the first reading, and written after it
	spend(1, 111)
	delete(store.Records, store.Names("spent/")[0])
	spend(30, 112) // the old record is not listed again
	other(25, "-1-OTHER")
	spend(31, 114)
	spend(-60+24*60+1, 15) // it is older than a day
	spend(2*24*60, 0)
	if again := len(budget.ledger.listed) + len(budget.ledger.settled); again > 1 {
		t.Errorf("%d names of earlier days are kept", again)
	}
}

// counting is a store that counts its listings.
type counting struct {
	*statetest.Memory
	lists int
}

func (s *counting) List(ctx context.Context, folder, after string) iter.Seq2[state.Record, error] {
	s.lists++
	return s.Memory.List(ctx, folder, after)
}

// What the latest reading allows is read once, after its record. What it does not allow, or a dry run asks for, is read first.
func TestSpendByTheLatestReading(t *testing.T) {
	for name, test := range map[string]struct {
		other   string // a record that the latest reading did not see
		media   int
		unread  bool // by this process
		dry     bool
		allowed bool
		spent   int // of others, if it is not allowed
		lists   int
	}{
		"allowed":                           {media: 4, allowed: true, lists: 1},
		"a dry run":                         {media: 4, dry: true, allowed: true, lists: 1},
		"too much":                          {media: 5, spent: 6, lists: 1},
		"allowed since":                     {other: "--3-FIRST", media: 5, allowed: true, lists: 2},
		"not allowed any more":              {other: "-2-OTHER", media: 3, spent: 8, lists: 2},
		"not allowed to a new process":      {other: "-2-OTHER", media: 3, unread: true, spent: 8, lists: 1},
		"not allowed any more to a dry run": {other: "-2-OTHER", media: 3, dry: true, spent: 8, lists: 1},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				store, budget := &counting{Memory: statetest.New()}, New()
				store.Put(folder+state.Stamp(asOf)+"-6-FIRST", nil)
				if s, err := budget.Spend(t.Context(), store, asOf, someIDs(1), 10, false); err != nil || s.Spent != 6 {
					t.Fatalf("%+v, %v", s, err)
				}
				if test.unread {
					budget = New()
				}
				if test.other != "" {
					store.Put(folder+state.Stamp(asOf.Add(time.Second))+test.other, nil)
				}
				before := store.lists
				s, err := budget.Spend(t.Context(), store, asOf.Add(time.Minute), someIDs(test.media), 10, !test.dry)
				if err != nil || s.Allowed != test.allowed || !s.Allowed && s.Spent != test.spent || store.lists-before != test.lists {
					t.Errorf("%+v, %v, %d listings", s, err, store.lists-before)
				}
			})
		})
	}
}

// A budget that cannot be read or written allows nothing.
func TestSpendFails(t *testing.T) {
	for _, down := range []string{"list", "create"} {
		store := statetest.New()
		store.Down = down
		if s, err := New().Spend(t.Context(), store, asOf, someIDs(1), 10, true); !errors.Is(err, statetest.ErrDown) {
			t.Errorf("%s fails: %+v, %v", down, s, err)
		}
	}
	store := statetest.New()
	damaged := "spent/" + state.Stamp(asOf.Add(-time.Hour)) + "-x-A"
	store.Put(damaged, nil)
	budget := New()
	if s, err := budget.Spend(t.Context(), store, asOf, someIDs(1), 10, true); err == nil || s.Allowed {
		t.Errorf("a record without a number: %+v, %v", s, err)
	}
	delete(store.Records, damaged)
	if s, err := budget.Spend(t.Context(), store, asOf, someIDs(1), 10, true); err != nil || !s.Allowed {
		t.Errorf("when the record is removed: %+v, %v", s, err)
	}
	store = statetest.New()
	s, err := New().Spend(t.Context(), store, asOf, someIDs(1), 10, true)
	no(t, err)
	store.Down = "create"
	if err := s.Settle(t.Context(), store, asOf, All); !errors.Is(err, statetest.ErrDown) {
		t.Errorf("Settle: %v", err)
	}
}

// failing is a store that cannot be listed any more once it has a record.
type failing struct{ *statetest.Memory }

func (s failing) Create(ctx context.Context, name string, data []byte) error {
	s.Down = "list"
	return s.Memory.Create(ctx, name, data)
}

// A spending that cannot be confirmed is taken back. It counts neither then nor after a day.
func TestSpendWithoutAConfirmation(t *testing.T) {
	for _, later := range []time.Duration{time.Minute, 25 * time.Hour} {
		store, budget := statetest.New(), New()
		if s, err := budget.Spend(t.Context(), failing{store}, asOf, someIDs(6), 10, true); !errors.Is(err, statetest.ErrDown) || s.Allowed {
			t.Errorf("%+v, %v", s, err)
		}
		store.Down = ""
		if s, err := budget.Spend(t.Context(), store, asOf.Add(later), someIDs(10), 10, true); err != nil || !s.Allowed || s.Spent != 0 || s.Skipped != nil {
			t.Errorf("%v later: %+v, %v", later, s, err)
		}
	}
}

// Runs that want the same medium spend it once. It is refunded when the last of them has spared it.
func TestSpendAMediumOnce(t *testing.T) {
	spared, deleted := true, false
	for name, test := range map[string]struct {
		runs []bool // what becomes of the medium in each run, in the order of their ends
		want int    // of the budget
	}{
		"the first run deletes it": {[]bool{deleted, spared, spared}, 1},
		"another run deletes it":   {[]bool{spared, deleted, spared}, 1},
		"nobody deletes it":        {[]bool{spared, spared, spared}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			store, budget := statetest.New(), New()
			var runs []Spending
			for range test.runs {
				s, err := budget.Spend(t.Context(), store, asOf, []string{"m1"}, 1, true)
				if err != nil || s.Skipped != nil || !s.Allowed {
					t.Fatalf("%+v, %v", s, err)
				}
				runs = append(runs, s)
			}
			for i, isSpared := range test.runs {
				no(t, runs[i].Settle(t.Context(), store, asOf.Add(time.Second), func(string) bool { return isSpared }))
			}
			s, err := budget.Spend(t.Context(), store, asOf.Add(time.Minute), []string{"m2"}, 1, true)
			if err != nil || s.Skipped != nil || s.Spent != test.want || s.Allowed != (test.want == 0) {
				t.Errorf("%+v, %v", s, err)
			}
		})
	}
}

// trickling is a store whose records take time, before and after they are there. Some are not written.
type trickling struct {
	*statetest.Memory
	random *mathrand.Rand
	failed int // one in so many; 0 for none
}

func (s *trickling) Create(ctx context.Context, name string, data []byte) error {
	s.Lock()
	before, after, fails := s.random.IntN(1000), s.random.IntN(1000), s.failed > 0 && s.random.IntN(s.failed) == 0
	s.Unlock()
	time.Sleep(time.Duration(before) * time.Millisecond)
	defer time.Sleep(time.Duration(after) * time.Millisecond)
	if fails {
		return statetest.ErrDown
	}
	return s.Memory.Create(ctx, name, data)
}

// Runs whose spendings overlap in any way delete no more than the limit together. Each has its media on record before
// it may delete one. A record that cannot be written costs only its run.
func TestSpendOverlapping(t *testing.T) {
	for seed := range uint64(200) {
		synctest.Test(t, func(t *testing.T) {
			const limit, media = 8, 12
			random := mathrand.New(mathrand.NewPCG(seed, 1))
			store := &trickling{Memory: statetest.New(), random: mathrand.New(mathrand.NewPCG(seed, 2)), failed: []int{0, 5}[seed%2]}
			store.Slow = time.Second
			budget := New()
			deleted := map[string]bool{}
			var mu sync.Mutex
			var group sync.WaitGroup
			for range 20 {
				start := time.Duration(random.IntN(3000)) * time.Millisecond
				var ids []string
				for _, i := range random.Perm(media)[:1+random.IntN(3)] {
					ids = append(ids, fmt.Sprint("m", i))
				}
				group.Go(func() {
					time.Sleep(start)
					s, err := budget.Spend(t.Context(), store, asOf, ids, limit, true)
					if err != nil && !errors.Is(err, statetest.ErrDown) {
						t.Error(err)
					}
					if err != nil || !s.Allowed {
						return
					}
					mu.Lock()
					defer mu.Unlock()
					for _, id := range ids {
						deleted[id] = true
					}
					spent := tally{}
					for _, name := range store.Names(folder) {
						one, err := parse(name)
						no(t, err)
						spent.add(one)
					}
					if len(deleted) > spent.sum {
						t.Errorf("seed %d: %d media may be deleted, and %d are on record", seed, len(deleted), spent.sum)
					}
				})
			}
			group.Wait()
			if len(deleted) > limit || len(deleted) == 0 {
				t.Errorf("seed %d: %d media may be deleted, the limit is %d", seed, len(deleted), limit)
			}
			if names := strings.Join(store.Names(folder), " "); store.failed == 0 && strings.Contains(names, "--") {
				t.Errorf("seed %d: runs of one process took a spending back: %s", seed, names)
			}
		})
	}
}

// Ten events at once wait for a few listings and one record, and not for ten of each.
func TestSpendTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store, budget := &trickling{Memory: statetest.New(), random: mathrand.New(mathrand.NewPCG(1, 2))}, New()
		store.Slow = time.Second
		began := time.Now()
		var group sync.WaitGroup
		for range 10 {
			group.Go(func() {
				s, err := budget.Spend(t.Context(), store, asOf, someIDs(1), 10, true)
				if err != nil || !s.Allowed {
					t.Errorf("%+v, %v", s, err)
				}
			})
		}
		group.Wait()
		if took := time.Since(began); took > 6*time.Second {
			t.Errorf("it took %v: two listings of a second before a record of at most two, and two after it", took)
		}
	})
}

// A run that wants the medium of another one, whose spending cannot be recorded, spends it itself.
func TestSpendWhatAnotherCouldNot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store, budget := &trickling{Memory: statetest.New(), random: mathrand.New(mathrand.NewPCG(1, 2)), failed: 1}, New()
		var first error
		var group sync.WaitGroup
		group.Go(func() { _, first = budget.Spend(t.Context(), store, asOf, []string{"m"}, 1, true) })
		synctest.Wait() // it is written
		store.Lock()
		store.failed = 0
		store.Unlock()
		s, err := budget.Spend(t.Context(), store, asOf, []string{"m"}, 1, true)
		group.Wait()
		if !errors.Is(first, statetest.ErrDown) || err != nil || !s.Allowed || len(store.Names(folder)) != 1 {
			t.Errorf("the first: %v; the second: %+v, %v; records %q", first, s, err, store.Names(folder))
		}
	})
}

// A store that hangs keeps no caller beyond its context, and none is kept by another.
func TestCallersWaitForTheirContext(t *testing.T) {
	statetest.CallersWaitForTheirContext(t, func(store *statetest.Memory) func(context.Context) error {
		budget := New()
		return func(ctx context.Context) error {
			_, err := budget.Spend(ctx, store, asOf, someIDs(1), 1, true)
			return err
		}
	})
}
