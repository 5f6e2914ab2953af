package journal

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"

	"github.com/mediasweep/mediasweep/internal/state"
)

// spendTries bounds the tries of a run whose spending exceeds the limit together with that of another
// instance. Each waits for up to spendPause.
const (
	spendTries = 4
	spendPause = 3 * time.Second
)

// errOverspent: another instance spent at the same time, and both together exceed the limit.
var errOverspent = errors.New("another instance spends the budget too")

// avoid waits for a random time, so that one of two instances comes first, and reads the records again.
func (b *EventBudget) avoid(ctx context.Context, store state.Store, now time.Time) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(rand.N(spendPause)):
		return b.reread(ctx, store, now)
	}
}

// confirm reads the records after the spending was written. Another instance may have spent since the last read:
// of two spendings, at least the one that was written last sees both. A spending that exceeds the limit is
// taken back.
func (b *EventBudget) confirm(ctx context.Context, store state.Store, now time.Time, own *spender, limit int) error {
	err := b.reread(ctx, store, now)
	if err == nil {
		err = b.checkSum(own, limit)
	}
	if err == nil {
		return nil
	}
	record, refundErr := refund(ctx, store, now.Add(1), own.media, own.id) // it sorts behind its spending
	if refundErr != nil {
		return refundErr
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.own[record] = b.reading.Begun()
	return err
}

// checkSum refuses a spending that exceeds the limit together with the other records that were read.
func (b *EventBudget) checkSum(own *spender, limit int) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	day, _, err := b.day(b.names)
	if err != nil {
		return err
	}
	if own.others = day.sum() - own.media; own.others+own.media > limit {
		return errOverspent
	}
	return nil
}
