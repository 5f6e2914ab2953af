package journal

import (
	"context"
	"sync/atomic"
)

// lock is a mutex whose waiters give up with their contexts. It may be held during calls to the
// store, which may hang.
type lock chan struct{}

func newLock() lock { return make(lock, 1) }

// take waits for the lock. It returns the error of the context if that ends first.
func (l lock) take(ctx context.Context) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	select {
	case l <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (l lock) giveBack() { <-l }

// reading lets the callers that wait for a read share the next one: a call to the store takes tens of
// milliseconds, and there may be a hundred events at once.
type reading struct {
	lock
	begun atomic.Int64 // reads
	good  int64        // the number of the last read that succeeded; the lock guards it
}

func newReading() *reading { return &reading{lock: newLock()} }

// do returns once a read has succeeded that began after the call: its own, or that of another caller.
func (r *reading) do(ctx context.Context, read func(context.Context) error) error {
	before := r.begun.Load()
	if err := r.take(ctx); err != nil {
		return err
	}
	defer r.giveBack()
	if r.good > before {
		return nil
	}
	number := r.begun.Add(1)
	if err := read(ctx); err != nil {
		return err
	}
	r.good = number
	return nil
}
