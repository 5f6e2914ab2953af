package mps

import (
	"context"
	"slices"
	"sync"
)

// backgroundEvery is the number of foreground calls before a background call, while both
// wait. A survey so takes a twentieth of the pace at most, and never stops.
const backgroundEvery = 19

// queue lets in one holder at a time, each line in its order and the foreground first.
// Its zero value is ready.
type queue struct {
	mu     sync.Mutex
	held   bool
	lines  [2][]chan struct{} // foreground and background; a channel is closed when its turn comes
	passed int                // foreground turns since the background's last, while that waits
}

const (
	foreground = iota
	background
)

// enter waits for a turn, which ends with leave.
func (q *queue) enter(ctx context.Context, line int) error {
	q.mu.Lock()
	if !q.held { // then nobody waits
		q.held = true
		q.mu.Unlock()
		return nil
	}
	turn := make(chan struct{})
	q.lines[line] = append(q.lines[line], turn)
	q.mu.Unlock()
	select {
	case <-turn:
		return nil
	case <-ctx.Done():
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	if at := slices.Index(q.lines[line], turn); at >= 0 {
		q.lines[line] = slices.Delete(q.lines[line], at, at+1)
	} else { // its turn came meanwhile
		q.next()
	}
	return ctx.Err()
}

// leave ends a turn.
func (q *queue) leave() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.next()
}

// next gives the turn to who is first. The mutex is held.
func (q *queue) next() {
	line := foreground
	switch {
	case len(q.lines[background]) == 0:
	case len(q.lines[foreground]) == 0 || q.passed >= backgroundEvery:
		line, q.passed = background, 0
	default:
		q.passed++
	}
	if q.held = len(q.lines[line]) > 0; q.held {
		close(q.lines[line][0])
		q.lines[line] = q.lines[line][1:]
	}
}
