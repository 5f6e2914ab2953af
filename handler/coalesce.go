package handler

import (
	"context"
	"sync"
	"time"

	"github.com/mediasweep/mediasweep/internal/media"
	"github.com/mediasweep/mediasweep/internal/mps"
	"github.com/mediasweep/mediasweep/internal/report"
	"github.com/mediasweep/mediasweep/internal/sweep"
	"github.com/mediasweep/mediasweep/internal/task"
)

// longestWait is how long an OSS event waits for others to share its calls with.
const longestWait = 20 * time.Millisecond

// coalescer lets OSS events that come close together share one run: its look-ups,
// its plan, its deletions. Each event keeps a report of its own. A group leaves
// when it has as many objects as one call takes, or when its first event has
// waited longestWait.
type coalescer struct {
	mu   sync.Mutex
	open *group
}

// group is the events of one run.
type group struct {
	parts   []sweep.Part
	objects map[media.Object]bool
	call    Call // the latest event's, whose credentials last longest
	members []context.Context
	budget  sweep.Budget // of the member whose time ends first
	leave   func()
	done    chan struct{}
}

// runFunc carries out the parts of a run.
type runFunc func(ctx context.Context, budget sweep.Budget, call Call, parts ...sweep.Part)

// join adds an event of at most mps.MaxBatch objects to a group and returns when
// its report is finished.
func (c *coalescer) join(ctx context.Context, budget sweep.Budget, call Call, part sweep.Part, run runFunc) {
	c.mu.Lock()
	g := c.open
	if g != nil && !g.hasRoomFor(part.Request.Objects) {
		g.leave()
		g = nil
	}
	if g == nil {
		g = c.start(run)
	}
	for _, object := range part.Request.Objects {
		g.objects[object] = true
	}
	g.parts, g.members, g.budget, g.call = append(g.parts, part), append(g.members, ctx), g.budget.Earlier(budget), call
	if len(g.objects) == mps.MaxBatch {
		g.leave()
	}
	c.mu.Unlock()
	<-g.done
}

func (g *group) hasRoomFor(objects []media.Object) bool {
	more := 0
	for _, object := range objects {
		if !g.objects[object] {
			more++
		}
	}
	return len(g.objects)+more <= mps.MaxBatch
}

// start opens a group, which leaves after longestWait if nobody makes it leave
// before; c.mu is held, here and by whoever calls leave.
func (c *coalescer) start(run runFunc) *group {
	g := &group{objects: map[media.Object]bool{}, done: make(chan struct{})}
	g.leave = sync.OnceFunc(func() {
		c.open = nil
		go func() {
			defer close(g.done)
			ctx, cancel := g.context()
			defer cancel()
			for _, part := range g.parts { // one clock for all of them
				part.Report.AsOf = g.parts[len(g.parts)-1].Report.AsOf
			}
			err := task.Run(func() { run(ctx, g.budget, g.call, g.parts...) })
			if err != nil {
				for _, part := range g.parts {
					part.Report.Error = err.Error()
					part.Report.Finish(report.Failed, time.Now())
				}
			}
		}()
	})
	time.AfterFunc(longestWait, func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		g.leave()
	})
	c.open = g
	return g
}

// context ends at the first of the members' deadlines, and when all of them have
// been given up.
func (g *group) context() (context.Context, context.CancelFunc) {
	first := time.Now().Add(24 * time.Hour) // longer than any function may take
	for _, member := range g.members {
		if deadline, ok := member.Deadline(); ok && deadline.Before(first) {
			first = deadline
		}
	}
	ctx, cancel := context.WithDeadline(context.Background(), first)
	go func() {
		defer cancel()
		for _, member := range g.members {
			select {
			case <-member.Done():
			case <-ctx.Done():
			}
		}
	}()
	return ctx, cancel
}
