package mps

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/mediasweep/mediasweep/internal/task"
)

// Calls leave evenly at headroom of the share. The network bunches them: calls that left within 1.02 s
// may arrive within a second. While delayed calls are caught up, at most the share leaves within
// 1.01 s.
const (
	headroom = 0.98
	crowding = 0.99
)

// The pace adapts to other users of the account's quota. A throttled call costs one call a second, so
// that a lone one costs little, and the pace falls as fast as others displace calls. It recovers over
// time.
const (
	slowDown  = 1.0  // calls a second, for a throttled call
	mostDown  = 0.15 // of the full pace, for a throttled call
	recovery  = 0.06 // of the full pace, per second
	leastPart = 0.05 // of the full pace
)

// catchUp is the largest delay, for want of a processor, that is caught up.
const catchUp = 100 * time.Millisecond

// pace bounds the calls in any window of time. It counts calls when they leave, so that a process that
// was delayed catches up within the limit and sends no burst.
type pace struct {
	turn   queue   // held by the call that leaves next; guards the fields up to mu
	limit  float64 // in calls a second; changes with the turn and mu held
	window time.Duration
	gap    time.Duration // between two calls
	next   time.Time     // the planned time of the next call
	latest []*departure  // of the latest calls, in order, one for each that a window may hold

	mu      sync.Mutex
	wanted  float64   // the limit from the next call on
	part    float64   // of the full pace
	changed time.Time // when part last changed
	held    time.Time // the end of the delay that the service requested
}

// departure is one call that the pace has allowed. The call counts from then, and again when it has left: a process that
// waits for a processor, or for a connection, sends it later.
type departure struct {
	pace *pace
	at   time.Time // pace.mu guards it
}

// leave notes that the call leaves now.
func (d *departure) leave() {
	d.pace.mu.Lock()
	defer d.pace.mu.Unlock()
	d.at = time.Now()
}

// newPace returns the pace of a limit in calls a second.
func newPace(limit float64) *pace { return &pace{wanted: limit, part: 1} }

func (p *pace) setLimit(limit float64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.wanted = limit
}

// adopt changes to the wanted limit. Calls that have left count towards it. The caller holds the turn.
func (p *pace) adopt() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.limit == p.wanted {
		return
	}
	p.limit = p.wanted
	// Fractions are dropped: with 1.5 calls a second, some seconds would have two.
	calls := max(1, int(p.limit))
	window := float64(time.Second) * max(1, 1/p.limit)
	p.window = time.Duration(window / crowding)
	p.gap = time.Duration(window / headroom / float64(calls))
	latest := p.latest[max(0, len(p.latest)-calls):]
	never := &departure{pace: p}
	p.latest = append(slices.Repeat([]*departure{never}, calls-len(latest)), latest...)
}

// wait waits until a call of a line may leave, and counts it.
func (p *pace) wait(ctx context.Context, line int) (*departure, error) {
	if err := p.turn.enter(ctx, line); err != nil {
		return nil, err
	}
	defer p.turn.leave()
	p.adopt()
	gap := time.Duration(float64(p.gap) / p.now())
	// A delay up to catchUp is caught up, at half a gap. After a longer one there were no calls to
	// send.
	if now := time.Now(); now.Sub(p.next) > catchUp {
		p.next = now
	}
	for wait := p.untilNext(gap); wait > 0; wait = p.untilNext(gap) { // it may grow meanwhile
		if err := task.Sleep(ctx, wait); err != nil {
			return nil, err
		}
	}
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	p.next = p.next.Add(gap)
	d := &departure{p, time.Now()}
	p.latest = append(p.latest[1:], d)
	return d, nil
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

// untilNext returns how long no call may leave. The caller holds the turn.
func (p *pace) untilNext(gap time.Duration) time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	first, last := p.latest[0].at.Add(p.window), p.latest[len(p.latest)-1].at.Add(gap/2)
	return time.Until(slices.MaxFunc([]time.Time{p.next, p.held, first, last}, time.Time.Compare))
}

// throttled reduces the pace, and pauses it for the requested delay.
func (p *pace) throttled(retryAfter time.Duration) {
	p.now()
	p.mu.Lock()
	defer p.mu.Unlock()
	if until := p.changed.Add(retryAfter); until.After(p.held) {
		p.held = until
	}
	p.part = max(leastPart, p.part-min(slowDown/p.limit, mostDown))
}
