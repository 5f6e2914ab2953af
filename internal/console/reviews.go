package console

import (
	"context"
	"iter"
	"sync"
	"time"

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
	begun    begun
}

// begun is the first page of a plan that is being read. The plan's ID has not been checked yet.
type begun struct {
	reference string
	contents  plan.Contents
	items     []review.Item
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
	list, err := review.NewList(contents.Head.AsOf, contents.Entries, v.begin(reference, contents, items))
	if err != nil {
		return contents, nil, err
	}
	if trigger.IsPlanID(contents.ID) {
		v.keep(contents, list)
	}
	return contents, list, nil
}

// begin yields the items of a plan, and keeps the first page of them until the plan has been read.
func (v *reviews) begin(reference string, contents plan.Contents, items iter.Seq2[review.Item, error]) iter.Seq2[review.Item, error] {
	return func(yield func(review.Item, error) bool) {
		var first []review.Item
		defer v.setBegun(begun{})
		for item, err := range items {
			if len(first) < pageItems {
				if first = append(first, item); len(first) == pageItems {
					v.setBegun(begun{reference, contents, first})
				}
			}
			if !yield(item, err) {
				return
			}
		}
	}
}

func (v *reviews) setBegun(b begun) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.begun = b
}

// patience is the time after which a page shows the first media of a plan that is still being read.
const patience = 300 * time.Millisecond

// soon does what of does, in the background. If that takes long it returns the first media instead of a list.
func (v *reviews) soon(ctx context.Context, runs *Runs, call service.Call, reference string) (plan.Contents, *review.List, []review.Item, error) {
	type answer struct {
		contents plan.Contents
		list     *review.List
		err      error
	}
	read := make(chan answer, 1)
	runs.underWay.Go(func() {
		var a answer
		a.err = task.Do(func() (err error) {
			a.contents, a.list, err = v.of(runs.ctx, call, reference)
			return err
		})
		read <- a
	})
	late := time.NewTicker(patience)
	defer late.Stop()
	for {
		select {
		case a := <-read:
			return a.contents, a.list, nil, a.err
		case <-ctx.Done():
			return plan.Contents{}, nil, nil, context.Cause(ctx)
		case <-late.C:
			if b := v.whatBegun(); b.reference == reference {
				return b.contents, nil, b.items, nil
			}
		}
	}
}

func (v *reviews) whatBegun() begun {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.begun
}

// readAhead reads a plan in the background, if none is in memory: its page is likely to be the next.
func (v *reviews) readAhead(runs *Runs, call service.Call, id string) {
	if _, kept := v.latest(); runs == nil || kept != nil || id == "" || len(v.reading) > 0 {
		return
	}
	runs.underWay.Go(func() {
		_ = task.Do(func() error { // the page itself shows the error
			_, _, err := v.of(runs.ctx, call, id)
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
