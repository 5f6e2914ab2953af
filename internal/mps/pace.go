package mps

import (
	"context"
	"sync"
	"time"
)

// Calls leave evenly at headroom of the share. The way to the service bunches them:
// a second there may hold what left within a second and 20 ms. While calls that were
// held up are caught up, no more than the share leave within a second and 10 ms.
const (
	headroom = 0.98
	crowding = 0.99
)

// How the pace follows an account whose quota others use as well: a call that is
// throttled takes a part off it at once, and each second gives a little back.
const (
	slowDown  = 0.7  // the pace after a throttled call, of what it was
	recovery  = 0.03 // of the full pace, a second
	leastPart = 0.05 // of the full pace
)

// catchUp is by how much calls may be late, for want of a processor, and still be
// caught up.
const catchUp = 100 * time.Millisecond

// pace lets calls leave one by one, and no more of them in any window of time
// than the quota has room for. It counts calls when they leave, not when they
// were to leave: a process that was held up does not send in a heap what it
// missed, and catches up as far as the window has room.
type pace struct {
	window time.Duration
	gap    time.Duration // between two calls that leave evenly
	turn   queue         // held by the call that leaves next; guards next, left and oldest
	next   time.Time     // when the next call is to leave
	left   []time.Time   // when the latest calls left: as many as a window may hold
	oldest int           // the index in left of the one that leaves the window first

	mu      sync.Mutex
	part    float64   // of the full pace
	changed time.Time // when part last changed
	slowed  time.Time // when it last fell
	held    time.Time // until when the service asked for no call
}

// newPace returns the pace of a limit in calls a second.
func newPace(limit float64) *pace {
	// Part of a call is none: 1.5 a second would otherwise be two in some of them.
	calls := max(1, int(limit))
	window := float64(time.Second) * max(1, 1/limit)
	return &pace{
		window: time.Duration(window / crowding),
		gap:    time.Duration(window / headroom / float64(calls)),
		left:   make([]time.Time, calls),
		part:   1,
	}
}

// wait returns when a call of a line may leave, and counts it; or when the context
// ends.
func (p *pace) wait(ctx context.Context, line int) error {
	if err := p.turn.enter(ctx, line); err != nil {
		return err
	}
	defer p.turn.leave()
	part := p.now()
	stretch := func(d time.Duration) time.Duration { return time.Duration(float64(d) / part) }
	// What is late by little is caught up, half a gap faster than even; what is
	// late by more was not there to be sent.
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
		held := p.heldUntil() // perhaps since this call began to wait
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

// sleep returns after a time, or with the context's error once that has ended.
func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
	return ctx.Err() // also when both had come
}

// now returns which part of the full pace holds now.
func (p *pace) now() float64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := time.Now()
	p.part = min(1, p.part+recovery*now.Sub(p.changed).Seconds())
	p.changed = now
	return p.part
}

// heldUntil returns until when the service asked for no call.
func (p *pace) heldUntil() time.Time {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.held
}

// throttled slows the pace down, and stops it for as long as the service asks. What was
// under way together is throttled together, and counts once.
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
