package console

import (
	"context"
	"iter"
	"sync/atomic"
	"time"

	"github.com/mediasweep/mediasweep/internal/plan"
	"github.com/mediasweep/mediasweep/internal/review"
	"github.com/mediasweep/mediasweep/internal/service"
	"github.com/mediasweep/mediasweep/internal/task"
	"github.com/mediasweep/mediasweep/internal/trigger"
)

// reviews keeps the media of the plan in memory that was reviewed last. They never change: a plan's ID is the
// hash of its content.
type reviews struct {
	plans   planLists
	reading chan struct{}        // holds a value while a plan is read
	kept    atomic.Pointer[kept] // nil for none
}

// kept holds the media of a plan. While they are read it holds the first page of them, and the plan's ID is not
// checked yet.
type kept struct {
	id    string
	list  *review.List
	first []review.Item
}

func (v *reviews) of(ctx context.Context, call service.Call, reference string) (plan.Contents, *review.List, error) {
	contents, items, err := v.plans.Items(ctx, call, reference)
	if err != nil {
		return contents, nil, err
	}
	list, err := v.read(ctx, contents, items)
	return contents, list, err
}

func (v *reviews) read(ctx context.Context, contents plan.Contents, items iter.Seq2[review.Item, error]) (*review.List, error) {
	if k := v.get(contents.ID); k.list != nil {
		return k.list, nil
	}
	select {
	case v.reading <- struct{}{}:
		defer func() { <-v.reading }()
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	if k := v.get(contents.ID); k.list != nil { // another request has read it
		return k.list, nil
	}
	if contents.Entries > review.MaxItems {
		return nil, review.ErrTooLarge
	}
	v.kept.Store(nil) // two lists would take twice the memory
	list, err := review.NewList(contents.Head.AsOf, contents.Entries, v.keepFirst(contents.ID, items))
	if err != nil || !trigger.IsPlanID(contents.ID) {
		v.kept.Store(nil)
		return list, err
	}
	v.kept.Store(&kept{id: contents.ID, list: list})
	return list, nil
}

// keepFirst yields the items of a plan, and keeps the first page of them.
func (v *reviews) keepFirst(id string, items iter.Seq2[review.Item, error]) iter.Seq2[review.Item, error] {
	return func(yield func(review.Item, error) bool) {
		var first []review.Item
		for item, err := range items {
			if len(first) < pageItems {
				if first = append(first, item); len(first) == pageItems {
					v.kept.Store(&kept{id: id, first: first})
				}
			}
			if !yield(item, err) {
				return
			}
		}
	}
}

// patience is the time after which a page shows the first media of a plan that is still being read.
const patience = 300 * time.Millisecond

// soon returns the plan that a reference names and its media, or only the first page if they take long to read.
// It returns neither for a reference that is not the plan's ID.
func (v *reviews) soon(ctx context.Context, runs *Runs, call service.Call, reference string) (contents plan.Contents, list *review.List, first []review.Item, err error) {
	reading, cancel := runs.begin()
	contents, items, err := v.plans.Items(reading, call, reference)
	if err != nil || contents.ID != reference {
		cancel()
		return contents, nil, nil, err
	}
	var whole *review.List
	done := make(chan error, 1)
	runs.underWay.Go(func() {
		defer cancel()
		done <- task.Do(func() (err error) {
			whole, err = v.read(reading, contents, items)
			return err
		})
	})
	late := time.NewTicker(patience)
	defer late.Stop()
	for {
		select {
		case err := <-done:
			return contents, whole, nil, err
		case <-ctx.Done():
			return contents, nil, nil, context.Cause(ctx)
		case <-late.C:
			if k := v.get(contents.ID); k.first != nil {
				return contents, nil, k.first, nil
			}
		}
	}
}

// readAhead reads a plan in the background, if none is in memory: its page is likely to be the next.
func (v *reviews) readAhead(runs *Runs, call service.Call, id string) {
	if runs == nil || id == "" || len(v.reading) > 0 || v.kept.Load() != nil {
		return
	}
	runs.underWay.Go(func() {
		ctx, cancel := runs.begin()
		defer cancel()
		_ = task.Run(func() { _, _, _ = v.of(ctx, call, id) }) // the page itself shows the error
	})
}

func (v *reviews) get(id string) kept {
	if k := v.kept.Load(); k != nil && k.id == id {
		return *k
	}
	return kept{}
}
