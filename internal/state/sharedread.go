package state

import (
	"context"
	"sync/atomic"

	"golang.org/x/sync/semaphore"
)

// SharedRead lets the callers that wait for a read of the same records share the next one: a call to the
// store takes tens of milliseconds, and there may be a hundred events at once. Waiters give up with their
// contexts, because a store may hang.
type SharedRead struct {
	turn  *semaphore.Weighted
	begun atomic.Int64 // reads
	good  int64        // the number of the last read that succeeded; turn guards it
}

// NewSharedRead returns one without a read.
func NewSharedRead() *SharedRead { return &SharedRead{turn: semaphore.NewWeighted(1)} }

// Lock keeps reads away until Unlock. It returns the error of the context if that ends first.
func (r *SharedRead) Lock(ctx context.Context) error { return r.turn.Acquire(ctx, 1) }

// Unlock lets the next reader in.
func (r *SharedRead) Unlock() { r.turn.Release(1) }

// Do returns once a read has succeeded that began after the call: its own, or that of another caller.
func (r *SharedRead) Do(ctx context.Context, read func(context.Context) error) error {
	before := r.begun.Load()
	if err := r.Lock(ctx); err != nil {
		return err
	}
	defer r.Unlock()
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
