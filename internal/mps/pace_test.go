package mps

import (
	"context"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
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

// TestPace is promise 6: the limit is used, and no second has more calls than the limit. This holds however
// long the process pauses, and however many calls wait. The network may delay some calls by 20 ms,
// or by 10 ms while the pace catches up.
func TestPace(t *testing.T) {
	for name, test := range map[string]struct {
		limit   float64
		calls   int
		way     time.Duration // at most
		stalls  bool
		late    bool    // 60 ms of 1.7 s: calls that the pace allows then leave together at their end
		atLeast float64 // of the limit
	}{
		"the whole quota":             {limit: 100, calls: 1000, way: 20 * time.Millisecond, atLeast: 0.975},
		"half of it":                  {limit: 50, calls: 500, way: 20 * time.Millisecond, atLeast: 0.975},
		"in a process that stalls":    {limit: 100, calls: 1000, way: 10 * time.Millisecond, stalls: true, atLeast: 0.96},
		"in a process that is late":   {limit: 100, calls: 1000, way: 5 * time.Millisecond, late: true, atLeast: 0.95},
		"one and a half a second":     {limit: 1.5, calls: 20, way: 20 * time.Millisecond, atLeast: 0.97 / 1.5},
		"less than one call a second": {limit: 0.3, calls: 10, way: 20 * time.Millisecond, atLeast: 0.97},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p, started := newPace(test.limit), time.Now()
				random := rand.New(rand.NewPCG(1, 2))
				arrived := make(chan time.Time, test.calls)
				var workers sync.WaitGroup
				calls := make(chan time.Duration, test.calls) // how long each is on its way
				for range test.calls {
					calls <- time.Duration(random.Int64N(int64(test.way)))
				}
				close(calls)
				for range 8 {
					workers.Go(func() {
						for way := range calls {
							d, err := p.wait(t.Context(), foreground)
							if err != nil {
								t.Error(err)
								return
							}
							if into := time.Since(started) % (1700 * time.Millisecond); test.late && into < 60*time.Millisecond {
								time.Sleep(60*time.Millisecond - into)
							}
							d.leave()
							arrived <- time.Now().Add(way)
						}
					})
				}
				if test.stalls {
					workers.Go(func() {
						for len(arrived) < test.calls {
							time.Sleep(time.Second)
							_ = p.turn.enter(t.Context(), foreground)
							time.Sleep(60 * time.Millisecond)
							p.turn.leave()
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
				took := arrivals[len(arrivals)-1].Sub(arrivals[0])
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

// TestPaceChangesItsLimit: calls come at a new limit soon, and no second that reaches over
// the change holds more calls than the larger limit of the two.
func TestPaceChangesItsLimit(t *testing.T) {
	for name, limits := range map[string][]float64{
		"more":           {10, 100},
		"less":           {100, 10},
		"there and back": {100, 1, 100, 3, 50, 1, 2},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := newPace(limits[0])
				ctx, cancel := context.WithCancel(t.Context())
				var left []time.Time
				var worker sync.WaitGroup
				worker.Go(func() {
					for {
						if _, err := p.wait(ctx, foreground); err != nil {
							return
						}
						left = append(left, time.Now())
					}
				})
				before := limits[0]
				for _, limit := range limits {
					changed := time.Now()
					p.setLimit(limit)
					time.Sleep(4567 * time.Millisecond) // the next change comes amid a wait
					synctest.Wait()
					after := func(d time.Duration) []time.Time {
						return left[slices.IndexFunc(left, func(at time.Time) bool { return at.After(changed.Add(d)) }):]
					}
					if n := busiest(after(-time.Second), time.Second); n > int(max(limit, before)) {
						t.Errorf("%d calls within a second, the limit was %v and became %v", n, before, limit)
					}
					if n := busiest(after(1500*time.Millisecond), time.Second); n > int(limit) || float64(n) < 0.97*limit-1 {
						t.Errorf("%d calls within a second, long after the limit became %v", n, limit)
					}
					before = limit
				}
				cancel()
				worker.Wait()
			})
		})
	}
}

// TestPaceRemembersCalls: a new limit keeps the times of the calls that have left, on which
// it rests while a process that stalled catches up.
func TestPaceRemembersCalls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPace(4)
		var left []time.Time
		for range 6 {
			if _, err := p.wait(t.Context(), foreground); err != nil {
				t.Fatal(err)
			}
			left = append(left, time.Now())
		}
		for _, step := range []struct {
			limit float64
			want  []time.Time
		}{
			{3, left[3:]},
			{5, append(make([]time.Time, 2), left[3:]...)},
			{1, left[5:]},
		} {
			p.setLimit(step.limit)
			p.adopt()
			var latest []time.Time
			for _, d := range p.latest {
				latest = append(latest, d.at)
			}
			if !slices.Equal(latest, step.want) {
				t.Errorf("limit %v: %v, want %v", step.limit, latest, step.want)
			}
		}
	})
}

// TestPaceSlowsDown: each throttled call costs a call a second, down to the least pace, and the pace
// comes back by itself.
func TestPaceSlowsDown(t *testing.T) {
	for name, test := range map[string]struct {
		limit            float64
		throttled, calls int // the calls leave in the five seconds after
	}{
		"none":                        {100, 0, 490},
		"one":                         {100, 1, 489},
		"ten":                         {100, 10, 480},
		"a hundred":                   {100, 100, 97}, // it recovers from 5 to 35 calls a second
		"of few calls, at most a bit": {2, 1, 9},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := newPace(test.limit)
				leaving := func() (calls int) {
					for start := time.Now(); time.Since(start) < 5*time.Second; calls++ {
						if _, err := p.wait(t.Context(), foreground); err != nil {
							t.Fatal(err)
						}
					}
					return calls
				}
				full := leaving()
				var answers sync.WaitGroup
				for range test.throttled {
					answers.Go(func() { p.throttled(0) })
				}
				answers.Wait()
				if n := leaving(); n < test.calls-2 || n > test.calls+2 {
					t.Errorf("%d calls in five seconds, want %d", n, test.calls)
				}
				time.Sleep(20 * time.Second)
				if n := leaving(); n < full-1 {
					t.Errorf("%d calls in five seconds, long after; %d before", n, full)
				}
			})
		})
	}
}

// TestPaceHonoursADelay: no call leaves while the service asks for none, neither one that
// waits already, and a call's own deadline ends its waiting.
func TestPaceHonoursADelay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPace(1)
		start := time.Now()
		if _, err := p.wait(t.Context(), foreground); err != nil {
			t.Fatal(err)
		}
		left := make(chan time.Duration)
		go func() {
			_, _ = p.wait(t.Context(), foreground) // never cancelled
			left <- time.Since(start)
		}()
		synctest.Wait()
		p.throttled(5 * time.Second)
		p.throttled(2 * time.Second) // the longer delay holds
		if at := <-left; at < 5*time.Second || at > 6*time.Second {
			t.Errorf("a call left after %v", at)
		}
		p.throttled(MaxRetryAfter)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		start = time.Now()
		if _, err := p.wait(ctx, foreground); err == nil || time.Since(start) > time.Second {
			t.Errorf("%v after %v; want the deadline's error", err, time.Since(start))
		}
	})
}

// TestSessionsTakeTurns: a session that has many calls to make does not keep one
// that has a single call waiting.
func TestSessionsTakeTurns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &Client{pace: map[Operation]*pace{QueryMediaList: newPace(10)}}
		ctx, cancel := context.WithCancel(t.Context())
		sweep, event := c.Session(nil), c.Session(nil)
		var workers sync.WaitGroup
		for range 300 {
			workers.Go(func() { _, _ = sweep.acquire(ctx, QueryMediaList) }) // until it is cancelled
		}
		time.Sleep(5 * time.Second)
		start := time.Now()
		if _, err := event.acquire(ctx, QueryMediaList); err != nil {
			t.Error(err)
		}
		if waited := time.Since(start); waited > time.Second {
			t.Errorf("the event waited %v", waited)
		}
		cancel()
		workers.Wait()
	})
}

// TestSurveysGiveWay: a run that uses the whole pace keeps nearly all of it, however
// many surveys wait; these come on all the same, and get what the run leaves.
func TestSurveysGiveWay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &Client{pace: map[Operation]*pace{QueryMediaList: newPace(100)}}
		var workers sync.WaitGroup
		start := func(s *Session) (sent *atomic.Int64, stop func()) {
			ctx, cancel := context.WithCancel(t.Context())
			sent = new(atomic.Int64)
			for range 10 {
				workers.Go(func() {
					for {
						if _, err := s.acquire(ctx, QueryMediaList); err != nil {
							return
						}
						sent.Add(1)
					}
				})
			}
			return sent, cancel
		}
		run, endRun := start(c.Session(nil))
		var surveys []*atomic.Int64
		for range 10 {
			sent, end := start(c.Background(nil))
			defer end()
			surveys = append(surveys, sent)
		}
		surveyed := func() (n int64) {
			for _, sent := range surveys {
				n += sent.Load()
			}
			return n
		}
		time.Sleep(10 * time.Second)
		if n := run.Load(); n < 920 || n > 980 {
			t.Errorf("the run sent %d calls in ten seconds", n)
		}
		before := surveyed()
		if before < 40 {
			t.Errorf("the surveys sent %d calls in ten seconds", before)
		}
		endRun()
		time.Sleep(10 * time.Second)
		if n := surveyed() - before; n < 960 {
			t.Errorf("the surveys sent %d calls in ten seconds that they had to themselves", n)
		}
	})
}

func TestPaceEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPace(0.1)
		if _, err := p.wait(t.Context(), foreground); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		var workers sync.WaitGroup
		for range 2 { // one of them waits for its time, one for its permit
			workers.Go(func() {
				if _, err := p.wait(ctx, foreground); err == nil {
					t.Error("a call left after its context had ended")
				}
			})
		}
		workers.Wait()
	})
}
