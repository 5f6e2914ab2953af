package scan

import (
	"context"
	"runtime"
	"slices"

	"github.com/mediasweep/mediasweep/internal/lookup"
	"github.com/mediasweep/mediasweep/internal/media"
	"github.com/mediasweep/mediasweep/internal/mps"
	"github.com/mediasweep/mediasweep/internal/policy"
	"github.com/mediasweep/mediasweep/internal/retention"
	"github.com/mediasweep/mediasweep/internal/task"
)

// checked is a result of a look-up. An orphan among its media has no source object. unchecked has the errors of media whose
// source objects could not be checked, by media ID.
type checked struct {
	lookup.Result
	unchecked map[string]error
}

// pool looks batches up concurrently.
type pool struct {
	Cloud
	policy     *policy.Policy
	ctx, admit context.Context //nolint:containedctx // of one call
	workers    task.Workers
	results    chan []checked
	inFlight   int
	cancel     func() // cancels the look-ups in flight
}

func newPool(ctx, admit context.Context, cloud Cloud, p *policy.Policy) *pool {
	ctx, cancel := context.WithCancel(ctx)
	admit, cancelAdmit := context.WithCancel(admit)
	both := func() { cancel(); cancelAdmit() }
	return &pool{Cloud: cloud, policy: p, ctx: ctx, admit: admit, workers: task.NewWorkers(), results: make(chan []checked, mps.InFlight), cancel: both}
}

func (p *pool) start(batch lookup.Batch) {
	runtime.Gosched() // look-ups that can go on do so first: each in flight takes tens of kilobytes
	p.inFlight++
	p.workers.Go(func() {
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
	})
}

// check checks whether the source objects of orphans are gone, if a rule asks. An object whose check fails is taken to exist.
func (p *pool) check(result lookup.Result) checked {
	one := checked{Result: result, unchecked: map[string]error{}}
	for i := range result.Answer.Found {
		found := &result.Answer.Found[i]
		if !found.Candidate.Orphan {
			continue
		}
		gone, err := LacksSource(p.ctx, p.Objects, &found.Medium, p.policy)
		if found.Candidate.Orphan = gone; err != nil {
			one.unchecked[found.Medium.ID] = err
		}
	}
	return one
}

// LacksSource reports whether the source object of a medium is gone, if the decision under one of some policies asks for that.
func LacksSource(ctx context.Context, objects Objects, m *media.Medium, under ...*policy.Policy) (bool, error) {
	if !slices.ContainsFunc(under, func(p *policy.Policy) bool { return retention.NewCase(p, m).AsksSource() }) {
		return false, nil
	}
	exists, err := objects.Exists(ctx, m.Object)
	return err == nil && !exists, err
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
	p.workers.Close()
}
