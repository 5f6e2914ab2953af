package mps

import (
	"context"
	"slices"
	"sync"
)

// backgroundEvery is the number of foreground calls before a background call, while both wait. A survey
// takes at most a twentieth of the pace, and never starves.
const backgroundEvery = 19

// queue is a mutex with two lines, in the order of arrival; the foreground has priority. The zero value
// is ready.
type queue struct {
	mu     sync.Mutex
	held   bool
	lines  [2][]chan struct{} // foreground and background; a channel is closed when its turn comes
	passed int                // foreground turns since the last background turn, while the background waits
}

const (
	foreground = iota
	background
)

// enter waits for a turn. The caller must end it with leave.
func (q *queue) enter(ctx context.Context, line int) error {
	q.mu.Lock()
	if !q.held {
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
	} else { // the turn came with the end of ctx
		q.next()
	}
	return ctx.Err()
}

func (q *queue) leave() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.next()
}

// next gives the turn to the first in line. The caller must hold mu.
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
