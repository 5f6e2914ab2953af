package mps

import (
	"context"
	"time"
)

// headroom is the part of the share that is used. Calls leave in their time, but
// the way to the service bunches them: a window of a second there may hold what
// left within a second and the headroom, which is 25 ms.
const headroom = 0.975

// pace lets calls leave one by one, and no more of them in any window of time
// than the quota has room for. It counts calls when they leave, not when they
// were to leave: a process that was held up does not send in a heap what it
// missed, and catches up as far as the window has room.
type pace struct {
	turn   chan struct{}
	window time.Duration
	gap    time.Duration // between two calls
	left   []time.Time   // when the latest calls left: as many as a window may hold
	oldest int           // the index in left of the one that leaves the window first
}

// newPace returns the pace of a limit in calls a second.
func newPace(limit float64) *pace {
	// Part of a call is none: 1.5 a second would otherwise be two in some of them.
	calls := max(1, int(limit))
	window := time.Duration(float64(time.Second) * max(1, 1/limit) / headroom)
	return &pace{
		turn:   make(chan struct{}, 1),
		window: window,
		// Slightly less than even, which leaves room to catch up.
		gap:  window * 9 / 10 / time.Duration(calls),
		left: make([]time.Time, calls),
	}
}

// wait returns when a call may leave, and counts it; or when the context ends.
func (p *pace) wait(ctx context.Context) error {
	select {
	case p.turn <- struct{}{}:
		defer func() { <-p.turn }()
	case <-ctx.Done():
		return ctx.Err()
	}
	latest := p.left[(p.oldest+len(p.left)-1)%len(p.left)]
	timer := time.NewTimer(max(time.Until(p.left[p.oldest].Add(p.window)), time.Until(latest.Add(p.gap))))
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
	if ctx.Err() != nil { // also when both had come
		return ctx.Err()
	}
	p.left[p.oldest] = time.Now()
	p.oldest = (p.oldest + 1) % len(p.left)
	return nil
}
