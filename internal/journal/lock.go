package journal

import "context"

// lock is a mutex that may be held while a store is asked: who waits for it goes by a
// context, since a store that hangs must not keep anybody beyond the end of their time.
type lock chan struct{}

func newLock() lock { return make(lock, 1) }

// take waits for the lock, or returns why it was not waited for any longer.
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
