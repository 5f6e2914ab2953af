package sweep

import (
	"context"
	"errors"
	"iter"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mediasweep/mediasweep/internal/holds"
	"github.com/mediasweep/mediasweep/internal/state"
	"github.com/mediasweep/mediasweep/internal/state/statetest"
	"github.com/mediasweep/mediasweep/internal/task"
)

// holdStore is a store of holds that fails, or hangs, or has a damaged hold.
type holdStore struct {
	state.Store
	does atomic.Value // "", fail, hang or damage
}

var errStore = statetest.ErrDown

func (s *holdStore) List(ctx context.Context, folder, _ string) iter.Seq2[state.Record, error] {
	return func(yield func(state.Record, error) bool) {
		switch s.does.Load() {
		case "fail":
			yield(state.Record{}, errStore)
		case "hang":
			<-ctx.Done()
			yield(state.Record{}, ctx.Err())
		case "damage":
			if folder == "holds/" {
				yield(state.Record{Name: "holds/0000000001.json", Written: time.Now()}, nil)
			}
		}
	}
}

func (s *holdStore) Read(_ context.Context, name string) ([]byte, error) {
	if s.does.Load() == "damage" && name == "holds/0000000001.json" {
		return []byte("{"), nil
	}
	return nil, state.ErrNotFound
}

// Reads may fail for ten seconds. The watch begins with what was read within the last second, and ends with a panic of its own.
func TestHowLongHoldsAreGood(t *testing.T) {
	begin := func(t *testing.T, store *holdStore, held *holds.Holds) (ctx context.Context, w *holdWatch) {
		ctx, stop := context.WithCancelCause(t.Context())
		w = watchHolds(ctx, held, store, stop)
		t.Cleanup(func() { stop(nil); w.over.Wait() })
		return ctx, w
	}
	for after, ended := range map[time.Duration]bool{10500 * time.Millisecond: false, 11500 * time.Millisecond: true} {
		synctest.Test(t, func(t *testing.T) {
			store := &holdStore{}
			store.does.Store("")
			ctx, _ := begin(t, store, holds.New())
			synctest.Wait()
			store.does.Store("fail")
			time.Sleep(after)
			if (ctx.Err() != nil) != ended {
				t.Errorf("%v without holds: ended by %v", after, context.Cause(ctx))
			}
		})
	}
	for age, offered := range map[time.Duration]bool{time.Second - 1: true, time.Second: false} {
		synctest.Test(t, func(t *testing.T) {
			store, held := &holdStore{}, holds.New()
			store.does.Store("")
			if err := held.Refresh(t.Context(), store); err != nil {
				t.Fatal(err)
			}
			time.Sleep(age)
			store.does.Store("hang")
			ctx, w := begin(t, store, held)
			soon, cancel := context.WithTimeout(ctx, time.Second)
			defer cancel()
			if _, err := w.Current(soon); (err == nil) != offered {
				t.Errorf("holds of %v ago: %v", age, err)
			}
		})
	}
	synctest.Test(t, func(t *testing.T) {
		ctx, w := begin(t, &holdStore{}, nil)
		var mistake *task.Panic
		if w.over.Wait(); !errors.As(context.Cause(ctx), &mistake) {
			t.Errorf("ended by %v", context.Cause(ctx))
		}
	})
}

// While the holds cannot be read, nothing is sent. If that lasts, or a hold is damaged, the run ends.
func TestWatchHolds(t *testing.T) {
	for name, test := range map[string]struct {
		does string
		ends error // the reason for which the run ends at once
		late error // the reason for which it ends later
	}{
		"a store that fails": {"fail", nil, errStore},
		"a read that hangs":  {"hang", nil, nil},
		"a damaged hold":     {"damage", state.ErrDamaged, state.ErrDamaged},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				store := &holdStore{}
				store.does.Store("")
				ctx, stop := context.WithCancelCause(t.Context())
				w := watchHolds(ctx, holds.New(), store, stop)
				defer func() { stop(nil); w.over.Wait() }()
				current, err := w.Current(ctx)
				if time.Sleep(3 * time.Second); err != nil || current.Err() != nil {
					t.Fatalf("good holds: %v, %v", err, current.Err())
				}
				store.does.Store(test.does)
				time.Sleep(3 * time.Second)
				soon, cancel := context.WithTimeout(ctx, time.Second)
				defer cancel()
				if _, err := w.Current(soon); err == nil || current.Err() == nil {
					t.Errorf("media may be sent: %v, %v", err, current.Err())
				}
				if ended := context.Cause(ctx); !errors.Is(ended, test.ends) {
					t.Errorf("ended by %v, want %v", ended, test.ends)
				}
				if test.ends == nil && test.does != "hang" { // that ends by the time of a call
					store.does.Store("")
					time.Sleep(2 * time.Second)
					if current, err := w.Current(ctx); err != nil || current.Err() != nil {
						t.Errorf("good again: %v", err)
					}
					store.does.Store(test.does)
				}
				time.Sleep(holdsGone + 2*time.Second)
				if ended := context.Cause(ctx); !errors.Is(ended, test.late) {
					t.Errorf("then ended by %v, want %v", ended, test.late)
				}
			})
		})
	}
}
