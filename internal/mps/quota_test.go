package mps

import (
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// sharedQuota is a quota of 100 calls in any second, which several users share. A refused call does
// not count.
type sharedQuota struct {
	mu       sync.Mutex
	accepted []time.Time // in the last second
}

func (q *sharedQuota) accept() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	for len(q.accepted) > 0 && time.Since(q.accepted[0]) >= time.Second {
		q.accepted = q.accepted[1:]
	}
	if len(q.accepted) == 100 {
		return false
	}
	q.accepted = append(q.accepted, time.Now())
	return true
}

// traffic is the calls of one user, as times since its start.
type traffic struct {
	mu            sync.Mutex
	arrived, done []time.Duration
}

func (t *traffic) arrive(at time.Duration, done bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.arrived = append(t.arrived, at)
	if done {
		t.done = append(t.done, at)
	}
}

// rate returns the done calls a second between two times.
func (t *traffic) rate(from, to time.Duration) float64 {
	n := 0
	for _, at := range t.done {
		if at >= from && at < to {
			n++
		}
	}
	return float64(n) / (to - from).Seconds()
}

// most returns the most calls that arrived within a second.
func (t *traffic) most() (most int) {
	from := 0
	for i, at := range t.arrived {
		for at-t.arrived[from] >= time.Second {
			from++
		}
		most = max(most, i-from+1)
	}
	return most
}

// fate is the result of a call that the quota accepts.
type fate int

const (
	success fate = iota
	throttling
	lost // the call took no effect; as 5xx and lost connections
)

// fates returns the fates of calls, in random order. A part of them fails: a third by throttling, in
// bursts of five; a third with 5xx; a third by a lost connection, half of these after success.
func fates(faults float64) func() fate {
	random := rand.New(rand.NewPCG(1, 2))
	var deck []fate
	return func() (next fate) {
		if len(deck) == 0 { // 30 faults: 10 throttled calls are two cards, and 5 took effect
			deck = make([]fate, int(30/faults)-8)
			copy(deck, []fate{throttling, throttling, lost, lost, lost, lost, lost, lost, lost, lost, lost, lost, lost, lost, lost, lost, lost})
			random.Shuffle(len(deck), func(i, j int) { deck[i], deck[j] = deck[j], deck[i] })
			for i := len(deck) - 1; i >= 0; i-- {
				if deck[i] == throttling {
					deck = slices.Insert(deck, i, throttling, throttling, throttling, throttling)
				}
			}
		}
		next, deck = deck[0], deck[1:]
		return next
	}
}

// send sends calls at the pace of the whole quota for some time, without an end of work.
func send(t *testing.T, q *sharedQuota, length time.Duration, way func() time.Duration, next func() fate) *traffic {
	p, ours, start := newPace(100), &traffic{}, time.Now()
	for time.Since(start) < length {
		if _, err := p.wait(t.Context(), foreground); err != nil {
			t.Fatal(err)
		}
		fate, back := next(), way()
		time.AfterFunc(way(), func() {
			accepted := q.accept()
			ours.arrive(time.Since(start), accepted && fate == success)
			if !accepted || fate == throttling {
				time.AfterFunc(back, func() { p.throttled(0) })
			}
		})
	}
	time.Sleep(time.Second) // until the last has arrived
	synctest.Wait()
	return ours
}

// jitter returns ways of half a latency, and up to 20 ms more.
func jitter(latency time.Duration) func() time.Duration {
	random := rand.New(rand.NewPCG(3, 4))
	return func() time.Duration {
		return latency/2 + time.Duration(random.Int64N(int64(min(latency, 20*time.Millisecond))))
	}
}

// TestPaceUnderFaults: a throttled call costs little, and other faults cost no pace.
func TestPaceUnderFaults(t *testing.T) {
	latencies := []time.Duration{5 * time.Millisecond, 50 * time.Millisecond, 400 * time.Millisecond}
	for name, test := range map[string]struct {
		next    func() func() fate
		length  time.Duration
		atLeast float64 // of the quota
	}{
		"1 % of faults": {func() func() fate { return fates(0.01) }, 3 * time.Minute, 0.97},
		"5 % of faults": {func() func() fate { return fates(0.05) }, 3 * time.Minute, 0.93},
		"a lone throttled call": {func() func() fate {
			sent := 0
			return func() fate {
				if sent++; sent == 2000 {
					return throttling
				}
				return success
			}
		}, time.Minute, 0.99 * 0.979},
	} {
		for _, latency := range latencies {
			t.Run(name+" "+latency.String(), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					ours := send(t, &sharedQuota{}, test.length, jitter(latency), test.next())
					if used := ours.rate(latency, test.length) / 100; used < test.atLeast {
						t.Errorf("%.4f of the quota used, want %.4f", used, test.atLeast)
					}
					if most := ours.most(); most > 100 {
						t.Errorf("%d calls within a second", most)
					}
				})
			})
		}
	}
}

// TestPaceOnABunchingNetwork: once in five seconds the network holds calls back for 100 ms. Then ten
// arrive together, and the quota refuses about eight of the next hundred.
func TestPaceOnABunchingNetwork(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start, even := time.Now(), jitter(30*time.Millisecond)
		way := func() time.Duration {
			way := even()
			if into := (time.Since(start) + way) % (5 * time.Second); into < 100*time.Millisecond {
				way += 100*time.Millisecond - into
			}
			return way
		}
		ours := send(t, &sharedQuota{}, time.Minute, way, func() fate { return success })
		if used := ours.rate(time.Second, time.Minute) / 100; used < 0.945 {
			t.Errorf("%.4f of the quota used", used)
		}
	})
}

// rival sends 50 calls a second in bursts, eight at a time, and repeats what is refused at once.
func rival(q *sharedQuota, burst int, from, to time.Duration) *traffic {
	theirs, start := &traffic{}, time.Now()
	work := make(chan struct{}, 10_000)
	go func() {
		defer close(work)
		time.Sleep(from)
		for time.Since(start) < to {
			for range burst {
				work <- struct{}{}
			}
			time.Sleep(time.Duration(burst) * time.Second / 50)
		}
	}()
	for range 8 {
		go func() {
			for range work {
				for accepted := false; !accepted; {
					time.Sleep(15 * time.Millisecond)
					accepted = q.accept()
					theirs.arrive(time.Since(start), accepted)
					time.Sleep(15 * time.Millisecond)
				}
			}
		}()
	}
	return theirs
}

// TestPaceBesideARival: another user takes half of the quota, in bursts, for half a minute. The pace
// yields within two seconds, the quota stays used, and the pace comes back.
func TestPaceBesideARival(t *testing.T) {
	const from, to, end = 20 * time.Second, 50 * time.Second, 80 * time.Second
	for name, burst := range map[string]int{"bursts of 10": 10, "bursts of 25": 25, "bursts of 50": 50} {
		for _, latency := range []time.Duration{5 * time.Millisecond, 400 * time.Millisecond} {
			t.Run(name+" "+latency.String(), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					q := &sharedQuota{}
					theirs := rival(q, burst, from, to)
					ours := send(t, q, end, jitter(latency), func() fate { return success })
					settled := from + 2*time.Second
					if after := ours.rate(settled, settled+2*time.Second); after > 55 {
						t.Errorf("%.1f calls a second, two seconds after the rival's first", after)
					}
					if both := ours.rate(settled, to) + theirs.rate(settled, to); both < 97 {
						t.Errorf("%.2f calls a second together", both)
					}
					if after := ours.rate(to+12*time.Second, end); after < 97 {
						t.Errorf("%.1f calls a second after the rival has gone", after)
					}
				})
			})
		}
	}
}
