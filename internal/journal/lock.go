package journal

import "context"

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
