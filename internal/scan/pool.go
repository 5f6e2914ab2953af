package scan

import (
	"context"
	"runtime"

	"github.com/mediasweep/mediasweep/internal/inventory"
	"github.com/mediasweep/mediasweep/internal/lookup"
	"github.com/mediasweep/mediasweep/internal/media"
	"github.com/mediasweep/mediasweep/internal/mps"
	"github.com/mediasweep/mediasweep/internal/task"
)

// checked is a result of a look-up. gone has the source objects that are gone, and with an error those that could not be
// checked.
type checked struct {
	lookup.Result
	gone map[media.Object]error
}

// pool looks batches up concurrently.
type pool struct {
	Cloud
	ctx, admit context.Context //nolint:containedctx // of one call
	results    chan []checked
	inFlight   int
	again      []inventory.Candidate // objects to look up with escaped slashes
	cancel     func()                // cancels the look-ups in flight
}

func newPool(ctx, admit context.Context, cloud Cloud) *pool {
	ctx, cancel := context.WithCancel(ctx)
	admit, cancelAdmit := context.WithCancel(admit)
	both := func() { cancel(); cancelAdmit() }
	return &pool{Cloud: cloud, ctx: ctx, admit: admit, results: make(chan []checked, mps.InFlight), cancel: both}
}

func (p *pool) start(batch lookup.Batch) {
	runtime.Gosched() // look-ups that can go on do so first: each in flight takes tens of kilobytes
	p.inFlight++
	go func() {
		var results []checked
		err := task.Run(func() {
			for _, result := range lookup.Run(p.ctx, p.admit, p.Library, batch) {
				results = append(results, p.check(result))
			}
		})
		if err != nil {
			results = []checked{{Result: lookup.Result{Candidates: batch.Candidates, Err: err}}}
		}
		p.results <- results
	}()
}

// check checks whether the source objects of orphans are gone. An object whose check fails is taken to exist.
func (p *pool) check(result lookup.Result) checked {
	one := checked{Result: result, gone: map[media.Object]error{}}
	for _, found := range result.Answer.Found {
		if !found.Candidate.Orphan {
			continue
		}
		object := found.Medium.Object
		if exists, err := p.Objects.Exists(p.ctx, object); err != nil || !exists {
			one.gone[object] = err
		}
	}
	return one
}

func (p *pool) next() []checked {
	results := <-p.results
	p.inFlight--
	return results
}

// close cancels the look-ups in flight, and waits for them.
func (p *pool) close() {
	p.cancel()
	for p.inFlight > 0 {
		p.next()
	}
}
