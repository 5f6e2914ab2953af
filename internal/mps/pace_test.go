package mps

import (
	"context"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// busiest returns the most of the given times that lie within one window.
func busiest(times []time.Time, window time.Duration) int {
	most := 0
	for i, last := range times {
		within := 0
		for _, earlier := range times[:i+1] {
			if last.Sub(earlier) < window {
				within++
			}
		}
		most = max(most, within)
	}
	return most
}

// TestPace is promise 6: however the process is held up, and however many wait,
// no second holds more calls than the limit even if the way to the service
// delays some of them by 25 ms, and the limit is used.
func TestPace(t *testing.T) {
	for name, test := range map[string]struct {
		limit   float64
		calls   int
		stalls  bool
		atLeast float64 // of the limit
	}{
		"the whole quota":             {limit: 100, calls: 1000, atLeast: 0.975},
		"half of it":                  {limit: 50, calls: 500, atLeast: 0.975},
		"in a process that stalls":    {limit: 100, calls: 1000, stalls: true, atLeast: 0.95},
		"one and a half a second":     {limit: 1.5, calls: 20, atLeast: 0.97 / 1.5},
		"less than one call a second": {limit: 0.3, calls: 10, atLeast: 0.97},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := newPace(test.limit)
				random := rand.New(rand.NewPCG(1, 2))
				arrived := make(chan time.Time, test.calls)
				var workers sync.WaitGroup
				start := time.Now()
				for range test.calls {
					way := time.Duration(random.IntN(25)) * time.Millisecond
					workers.Go(func() {
						if err := p.wait(t.Context()); err != nil {
							t.Error(err)
						}
						arrived <- time.Now().Add(way)
					})
				}
				if test.stalls {
					workers.Go(func() {
						for len(arrived) < test.calls {
							time.Sleep(time.Second)
							p.turn <- struct{}{}
							time.Sleep(30 * time.Millisecond)
							<-p.turn
						}
					})
				}
				workers.Wait()
				close(arrived)
				var arrivals []time.Time
				for at := range arrived {
					arrivals = append(arrivals, at)
				}
				slices.SortFunc(arrivals, time.Time.Compare)
				took := time.Since(start)
				window := time.Duration(float64(time.Second) * max(1, 1/test.limit))
				if most := busiest(arrivals, window); most > max(1, int(test.limit)) {
					t.Errorf("%d calls within %v, the limit is %v a second", most, window, test.limit)
				}
				if used := float64(test.calls-1) / took.Seconds() / test.limit; used < test.atLeast {
					t.Errorf("%.3f of the limit used, want %.3f", used, test.atLeast)
				}
			})
		})
	}
}

func TestPaceEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPace(0.1)
		if err := p.wait(t.Context()); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		var workers sync.WaitGroup
		for range 2 { // one of them waits for its time, one for its turn
			workers.Go(func() {
				if err := p.wait(ctx); err == nil {
					t.Error("a call left after its context had ended")
				}
			})
		}
		workers.Wait()
	})
}
