package console

import (
	"context"
	"sync"

	"github.com/mediasweep/mediasweep/internal/plan"
	"github.com/mediasweep/mediasweep/internal/review"
	"github.com/mediasweep/mediasweep/internal/service"
	"github.com/mediasweep/mediasweep/internal/task"
	"github.com/mediasweep/mediasweep/internal/trigger"
)

// reviews keeps the plan in memory that was reviewed last. A plan never changes: its ID is the hash of
// its content.
type reviews struct {
	service Service
	reading chan struct{} // holds a value while a plan is read

	mu       sync.Mutex
	contents plan.Contents
	list     *review.List
}

func newReviews(s Service) *reviews {
	return &reviews{service: s, reading: make(chan struct{}, 1)}
}

// of returns the plan that a reference names, and its media.
func (v *reviews) of(ctx context.Context, call service.Call, reference string) (plan.Contents, *review.List, error) {
	if contents, list := v.latest(); list != nil && contents.ID == reference {
		return contents, list, nil
	}
	select {
	case v.reading <- struct{}{}:
		defer func() { <-v.reading }()
	case <-ctx.Done():
		return plan.Contents{}, nil, context.Cause(ctx)
	}
	if contents, list := v.latest(); list != nil && contents.ID == reference { // another request has read it
		return contents, list, nil
	}
	contents, items, err := v.service.Items(ctx, call, reference)
	if err != nil {
		return contents, nil, err
	}
	if contents.Entries > review.MaxItems {
		return contents, nil, review.ErrTooLarge
	}
	v.keep(plan.Contents{}, nil) // two lists would take twice the memory
	list, err := review.NewList(contents.Head.AsOf, contents.Entries, items)
	if err != nil {
		return contents, nil, err
	}
	if trigger.IsPlanID(contents.ID) {
		v.keep(contents, list)
	}
	return contents, list, nil
}

// readAhead reads the latest plan of a list in the background, if no plan is in memory: its page is likely
// to be the next.
func (v *reviews) readAhead(runs *Runs, call service.Call, list []plan.Contents) {
	if _, kept := v.latest(); runs == nil || kept != nil || len(list) == 0 || len(v.reading) > 0 {
		return
	}
	runs.underWay.Go(func() {
		_ = task.Do(func() error { // the page itself shows the error
			_, _, err := v.of(runs.ctx, call, list[0].ID)
			return err
		})
	})
}

func (v *reviews) latest() (plan.Contents, *review.List) {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.contents, v.list
}

func (v *reviews) keep(contents plan.Contents, list *review.List) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.contents, v.list = contents, list
}
