package console

import (
	"context"
	"sync"
	"time"

	"github.com/mediasweep/mediasweep/internal/report"
	"github.com/mediasweep/mediasweep/internal/sweep"
)

// Runs carries out runs, and reads plans, in the background of a process.
type Runs struct {
	ctx      context.Context
	most     time.Duration // of each run, and of each plan that is read; 0 for no limit
	underWay sync.WaitGroup

	mu    sync.Mutex
	open  map[string]sweep.Progress
	ended map[string]*report.Report // of runs that have no saved report
}

// NewRuns returns the runs of a process. They end early when the context ends, and each after a time; 0 is no limit.
func NewRuns(ctx context.Context, most time.Duration) *Runs {
	return &Runs{ctx: ctx, most: most, open: map[string]sweep.Progress{}, ended: map[string]*report.Report{}}
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
		ctx, cancel := b.begin()
		defer cancel()
		r := run(ctx)
		b.mu.Lock()
		defer b.mu.Unlock()
		delete(b.open, id)
		b.ended[id] = r
	})
}

// begin returns the context of what begins now in the background.
func (b *Runs) begin() (context.Context, context.CancelFunc) { return limited(b.ctx, b.most) }

// limited returns a context that ends after a time; 0 is no limit.
func limited(ctx context.Context, most time.Duration) (context.Context, context.CancelFunc) {
	if most == 0 {
		return context.WithCancel(ctx)
	}
	return context.WithTimeout(ctx, most)
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
