package state_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mediasweep/mediasweep/internal/state"
)

// memory is a store with a clock of its own, for tests that turn the clock.
type memory struct {
	mu      sync.Mutex
	records map[string][]byte
	written map[string]time.Time
	skew    time.Duration
	fail    error // of every write
}

func newMemory() *memory {
	return &memory{records: map[string][]byte{}, written: map[string]time.Time{}, skew: 10 * time.Minute}
}

func (m *memory) Create(_ context.Context, name string, data []byte) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.fail != nil {
		return m.fail
	}
	if there, ok := m.records[name]; ok && !bytes.Equal(there, data) {
		return fmt.Errorf("%s: %w", name, state.ErrExists)
	}
	m.records[name], m.written[name] = data, time.Now().Add(m.skew)
	return nil
}

func (m *memory) Read(_ context.Context, name string) ([]byte, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if data, ok := m.records[name]; ok {
		return data, nil
	}
	return nil, state.ErrNotFound
}

func (m *memory) List(_ context.Context, folder, after string) iter.Seq2[state.Record, error] {
	m.mu.Lock()
	defer m.mu.Unlock()
	var records []state.Record
	for name := range m.records {
		if strings.HasPrefix(name, folder) && name > after {
			records = append(records, state.Record{Name: name, Written: m.written[name], Now: time.Now().Add(m.skew)})
		}
	}
	slices.SortFunc(records, func(a, b state.Record) int { return strings.Compare(a.Name, b.Name) })
	return func(yield func(state.Record, error) bool) {
		for _, record := range records {
			if !yield(record, nil) {
				return
			}
		}
	}
}

// The lease is one run's at a time, for as long as that renews it; one that has
// crashed keeps it for half a minute of the store's clock, whatever the others'.
func TestLease(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMemory()
		first, err := state.Acquire(t.Context(), m, "first")
		if err != nil {
			t.Fatal(err)
		}
		held := first.Hold(t.Context())
		for range 10 { // renewed
			time.Sleep(29 * time.Second)
			if _, err := state.Acquire(t.Context(), m, "second"); !errors.Is(err, state.ErrBusy) || held.Err() != nil {
				t.Fatalf("while the first runs: %v, %v", err, held.Err())
			}
		}
		if err := first.Release(t.Context()); err != nil || held.Err() != nil {
			t.Fatal(err, held.Err())
		}
		second, err := state.Acquire(t.Context(), m, "second")
		if err != nil {
			t.Fatalf("after it was released: %v", err)
		}
		if err := second.Release(t.Context()); err != nil {
			t.Fatal(err)
		}
	})
}

func TestLeaseOfACrashedHolder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMemory()
		crashed, err := state.Acquire(t.Context(), m, "crashed")
		if err != nil {
			t.Fatal(err)
		}
		held := crashed.Hold(t.Context())
		m.mu.Lock()
		m.fail = errors.New("unreachable") // for the holder: it cannot renew
		m.mu.Unlock()
		time.Sleep(29 * time.Second)
		if held.Err() != nil {
			t.Error("the lease is lost while its term lasts")
		}
		time.Sleep(12 * time.Second)
		if held.Err() == nil || !errors.Is(context.Cause(held), state.ErrBusy) {
			t.Errorf("the holder that cannot renew it: %v", context.Cause(held))
		}
		m.mu.Lock()
		m.fail = nil
		m.mu.Unlock()
		next, err := state.Acquire(t.Context(), m, "next")
		if err != nil {
			t.Fatal(err)
		}
		_ = crashed.Release(t.Context()) // it has nothing to give back: a later record is another's
		if _, err := state.Acquire(t.Context(), m, "third"); !errors.Is(err, state.ErrBusy) {
			t.Errorf("a third: %v", err)
		}
		if err := next.Release(t.Context()); err != nil {
			t.Fatal(err)
		}
	})
}

// A run that is cut off keeps its lease until its time is over, and not for a whole term.
func TestLeaseOfARunThatIsCutOff(t *testing.T) {
	for _, test := range []struct{ run, alive, freed time.Duration }{
		{4 * time.Second, 3900 * time.Millisecond, 7 * time.Second},
		{28 * time.Second, 27 * time.Second, 31 * time.Second},
		{time.Minute, 59 * time.Second, 63 * time.Second},
		{24 * time.Hour, 48 * time.Second, 24*time.Hour + 3*time.Second},
	} {
		t.Run(test.run.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				m := newMemory()
				began := time.Now()
				ctx, cancel := context.WithTimeout(t.Context(), test.run)
				defer cancel()
				cut, err := state.Acquire(ctx, m, "cut off")
				if err != nil {
					t.Fatal(err)
				}
				held := cut.Hold(ctx)
				time.Sleep(test.alive)
				if _, err := state.Acquire(t.Context(), m, "second"); !errors.Is(err, state.ErrBusy) || held.Err() != nil {
					t.Errorf("while it runs: %v, %v", err, held.Err())
				}
				time.Sleep(time.Until(began.Add(test.freed)))
				next, err := state.Acquire(t.Context(), m, "next")
				if err != nil {
					t.Fatalf("after its time: %v", err)
				}
				if err := next.Release(t.Context()); err != nil {
					t.Fatal(err)
				}
			})
		})
	}
}

// No record holds a lease for longer than a term, whatever it says.
func TestLeaseWithAnOddTerm(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, seconds := range []string{"-1", "0", "30", "31", "9223372036854775807"} {
			m := newMemory()
			lease, err := state.Acquire(t.Context(), m, "first")
			if err != nil {
				t.Fatal(err)
			}
			_ = lease // its run was killed
			for name := range m.records {
				m.records[name] = []byte(`{"format":1,"holder":"x","run":"first","seconds":` + seconds + `}`)
			}
			time.Sleep(29 * time.Second)
			if _, err := state.Acquire(t.Context(), m, "second"); !errors.Is(err, state.ErrBusy) {
				t.Errorf("%s: in its term: %v", seconds, err)
			}
			time.Sleep(2 * time.Second)
			if _, err := state.Acquire(t.Context(), m, "third"); err != nil {
				t.Errorf("%s: after its term: %v", seconds, err)
			}
		}
	})
}

// A record that is damaged is held like any other, and not for ever.
func TestLeaseThatIsDamaged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMemory()
		first, err := state.Acquire(t.Context(), m, "first")
		if err != nil {
			t.Fatal(err)
		}
		if err := first.Release(t.Context()); err != nil {
			t.Fatal(err)
		}
		for name := range m.records {
			m.records[name] = []byte("{\"format\":1,\"hol")
		}
		if _, err := state.Acquire(t.Context(), m, "next"); !errors.Is(err, state.ErrBusy) {
			t.Errorf("at once: %v", err)
		}
		time.Sleep(31 * time.Second)
		next, err := state.Acquire(t.Context(), m, "next")
		if err != nil {
			t.Fatalf("after its term: %v", err)
		}
		if err := next.Release(t.Context()); err != nil {
			t.Fatal(err)
		}
	})
}

// Of many that come at once one gets it, and the others name that one.
func TestLeaseUnderContention(t *testing.T) {
	for range 20 {
		folder := state.Folder(t.TempDir())
		var got, refused sync.Map
		var workers sync.WaitGroup
		for i := range 8 {
			workers.Go(func() {
				lease, err := state.Acquire(context.Background(), folder, fmt.Sprint(i))
				switch {
				case err == nil:
					got.Store(i, lease)
				case !errors.Is(err, state.ErrBusy):
					t.Error(err)
				default:
					refused.Store(i, err.Error())
				}
			})
		}
		workers.Wait()
		n := 0
		got.Range(func(holder, lease any) bool {
			n++
			refused.Range(func(_, why any) bool {
				if want := fmt.Sprint("another run is under way: ", holder); why != want {
					t.Errorf("%q, want %q", why, want)
				}
				return true
			})
			if err := lease.(*state.Lease).Release(context.Background()); err != nil {
				t.Error(err)
			}
			return true
		})
		if n != 1 {
			t.Fatalf("%d hold the lease", n)
		}
	}
}

// outrun is a store in which another run is always faster. It can be listed once.
type outrun struct {
	*memory
	listed bool
}

func (o *outrun) Create(context.Context, string, []byte) error { return state.ErrExists }

func (o *outrun) List(ctx context.Context, folder, after string) iter.Seq2[state.Record, error] {
	if !o.listed {
		o.listed = true
		return o.memory.List(ctx, folder, after)
	}
	return func(yield func(state.Record, error) bool) { yield(state.Record{}, errors.New("the store is down")) }
}

// A run that was slower is busy, even if it cannot read which run was faster.
func TestLeaseOfARunThatCannotBeNamed(t *testing.T) {
	if _, err := state.Acquire(t.Context(), &outrun{memory: newMemory()}, "slow"); !errors.Is(err, state.ErrBusy) {
		t.Errorf("%v, want %v", err, state.ErrBusy)
	}
}
