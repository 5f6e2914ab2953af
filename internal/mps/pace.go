package mps

import (
	"context"
	"sync"
	"time"
)

// Calls leave evenly at headroom of the share. The network bunches them: calls that left within 1.02 s
// may arrive within a second. While delayed calls are caught up, at most the share leaves within
// 1.01 s.
const (
	headroom = 0.98
	crowding = 0.99
)

// The pace adapts to other users of the account's quota: a throttled call reduces it, and it recovers
// over time.
const (
	slowDown  = 0.7  // the factor after a throttled call
	recovery  = 0.03 // of the full pace, per second
	leastPart = 0.05 // of the full pace
)

// catchUp is the largest delay, for want of a processor, that is caught up.
const catchUp = 100 * time.Millisecond

// pace bounds the calls in any window of time. It counts calls when they leave, so that a process that
// was delayed catches up within the limit and sends no burst.
type pace struct {
	window time.Duration
	gap    time.Duration // between two calls
	turn   queue         // held by the call that leaves next; guards next, left and oldest
	next   time.Time     // the planned time of the next call
	left   []time.Time   // the times of the latest calls, one for each that a window may hold
	oldest int           // the index of the oldest time in left

	mu      sync.Mutex
	part    float64   // of the full pace
	changed time.Time // when part last changed
	slowed  time.Time // when it last fell
	held    time.Time // the end of the delay that the service requested
}

// newPace returns the pace of a limit in calls a second.
func newPace(limit float64) *pace {
	// Fractions are dropped: with 1.5 calls a second, some seconds would have two.
	calls := max(1, int(limit))
	window := float64(time.Second) * max(1, 1/limit)
	return &pace{
		window: time.Duration(window / crowding),
		gap:    time.Duration(window / headroom / float64(calls)),
		left:   make([]time.Time, calls),
		part:   1,
	}
}

// wait waits until a call of a line may leave, and counts it.
func (p *pace) wait(ctx context.Context, line int) error {
	if err := p.turn.enter(ctx, line); err != nil {
		return err
	}
	defer p.turn.leave()
	part := p.now()
	stretch := func(d time.Duration) time.Duration { return time.Duration(float64(d) / part) }
	// A delay up to catchUp is caught up, at half a gap. After a longer one there were no calls to
	// send.
	if now := time.Now(); now.Sub(p.next) > catchUp {
		p.next = now
	}
	latest := p.left[(p.oldest+len(p.left)-1)%len(p.left)]
	at := p.left[p.oldest].Add(stretch(p.window))
	for _, earliest := range []time.Time{p.next, latest.Add(stretch(p.gap / 2))} {
		if earliest.After(at) {
			at = earliest
		}
	}
	for {
		if err := sleep(ctx, time.Until(at)); err != nil {
			return err
		}
		held := p.heldUntil() // may have changed during the sleep
		if !held.After(at) {
			break
		}
		at = held
	}
	p.next = p.next.Add(stretch(p.gap))
	p.left[p.oldest] = time.Now()
	p.oldest = (p.oldest + 1) % len(p.left)
	return nil
}

// sleep waits for a time. It returns the context's error if that ends first.
func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
	return ctx.Err()
}

// now returns the current part of the full pace.
func (p *pace) now() float64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := time.Now()
	p.part = min(1, p.part+recovery*now.Sub(p.changed).Seconds())
	p.changed = now
	return p.part
}

// heldUntil returns the end of the delay that the service requested.
func (p *pace) heldUntil() time.Time {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.held
}

// throttled reduces the pace, and pauses it for the requested delay. Several throttled calls within a
// window reduce it once.
func (p *pace) throttled(retryAfter time.Duration) {
	part := p.now()
	p.mu.Lock()
	defer p.mu.Unlock()
	if until := p.changed.Add(retryAfter); until.After(p.held) {
		p.held = until
	}
	if p.changed.Sub(p.slowed) >= p.window {
		p.part, p.slowed = max(leastPart, part*slowDown), p.changed
	}
}
