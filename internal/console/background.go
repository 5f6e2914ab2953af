package console

import (
	"context"
	"sync"

	"github.com/mediasweep/mediasweep/internal/report"
	"github.com/mediasweep/mediasweep/internal/sweep"
)

// Runs carries out runs in the background of a process.
type Runs struct {
	ctx      context.Context
	underWay sync.WaitGroup

	mu    sync.Mutex
	open  map[string]sweep.Progress
	ended map[string]*report.Report // of runs that have no saved report
}

// NewRuns returns the runs of a process. They end early when the context ends.
func NewRuns(ctx context.Context) *Runs {
	return &Runs{ctx: ctx, open: map[string]sweep.Progress{}, ended: map[string]*report.Report{}}
}

// Show notes the progress of a run, if it is open.
func (b *Runs) Show(p sweep.Progress) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if _, ok := b.open[p.Run]; ok {
		b.open[p.Run] = p
	}
}

func (b *Runs) start(id string, run func(context.Context) *report.Report) {
	b.mu.Lock()
	b.open[id] = sweep.Progress{}
	b.mu.Unlock()
	b.underWay.Go(func() {
		r := run(b.ctx)
		b.mu.Lock()
		defer b.mu.Unlock()
		delete(b.open, id)
		b.ended[id] = r
	})
}

// of returns the progress of an open run, or the report of an ended one. Both are nil for an unknown run.
func (b *Runs) of(id string) (*sweep.Progress, *report.Report) {
	if b == nil {
		return nil, nil
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if p, ok := b.open[id]; ok {
		return &p, nil
	}
	return nil, b.ended[id]
}

// Wait returns when no run is under way.
func (b *Runs) Wait() { b.underWay.Wait() }
