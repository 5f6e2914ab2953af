// Package eventbudget limits the deletions of all runs of events within 24 hours, together, to guard.maxDelete.
// Each of these runs is small. A storm of them would otherwise have no limit.
//
// Call Spend before a deletion, and Spending.Settle after it. The state store has a record of each spending and of
// each refund. A budget whose records cannot be read or written allows nothing.
//
// Instances have no lock. An instance writes its spending, and then reads the records of all. Of two spendings, at
// least the one that was written last sees both. A spending that exceeds the limit with the others is taken back.
package eventbudget

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"maps"
	mathrand "math/rand/v2"
	"sync"
	"time"

	"github.com/mediasweep/mediasweep/internal/state"
)

// Budget is the budget of the runs of a process. It is safe for concurrent use.
type Budget struct {
	reading *state.SharedRead // of the ledger

	mu      sync.Mutex // guards the fields below, and what they refer to
	ledger  ledger
	charges charges
}

// New returns a budget that has read no record.
func New() *Budget {
	return &Budget{reading: state.NewSharedRead(), ledger: ledger{own: map[record]bool{}}, charges: charges{}}
}

// maxTries bounds the tries of a run whose spending exceeds the limit together with that of another
// instance. It waits up to maxPause before each.
const (
	maxTries = 4
	maxPause = 3 * time.Second
)

// overspentError says that another instance spent at the same time, and that both together exceed the limit.
type overspentError struct {
	others int // media of other runs
}

func (*overspentError) Error() string { return "another instance spends the budget too" }

// errNotSpent: another run of the process could not record its spending.
var errNotSpent = errors.New("the media are not spent")

// Spend requests budget for the deletion of media. If commit is true, it records the spending. What the latest reading
// allows needs no other one before the record: the one behind it sees the others.
func (b *Budget) Spend(ctx context.Context, store state.Store, now time.Time, ids []string, limit int, commit bool) (Spending, error) {
	for try := 1; ; try++ {
		var s Spending
		var own *spender
		if commit && try == 1 {
			s, own = b.reserve(now, ids, limit, commit)
		}
		if !s.Allowed {
			if err := b.read(ctx, store, now); err != nil {
				return Spending{}, err
			}
			s, own = b.reserve(now, ids, limit, commit)
		}
		if !s.Allowed || !commit {
			return s, nil
		}
		err := b.record(ctx, store, own, limit)
		if err == nil {
			err = s.wait(ctx)
		}
		if err == nil {
			return s, nil
		}
		err = errors.Join(err, s.Settle(ctx, store, now.Add(1), All)) // a refund sorts behind its spending
		overspent, isOverspent := errors.AsType[*overspentError](err)
		switch {
		case isOverspent && try >= maxTries:
			return Spending{Spent: overspent.others}, nil
		case isOverspent:
			select {
			case <-ctx.Done():
				return Spending{}, ctx.Err()
			case <-time.After(mathrand.N(maxPause)): // one of two instances comes first
			}
		case !errors.Is(err, errNotSpent):
			return Spending{}, fmt.Errorf("record the spending: %w", err)
		}
	}
}

// read reads the records that were written before the call.
func (b *Budget) read(ctx context.Context, store state.Store, now time.Time) error {
	err := b.reading.Do(ctx, func(ctx context.Context) error {
		b.mu.Lock()
		from := b.ledger.unsettled(now)
		b.mu.Unlock()
		listed, err := list(ctx, store, from)
		if err != nil {
			return err
		}
		b.mu.Lock()
		defer b.mu.Unlock()
		b.ledger.update(from, listed, now)
		return nil
	})
	if err != nil {
		return fmt.Errorf("read the event budget: %w", err)
	}
	return nil
}

// reserve spends budget in memory, if commit is true. It allows nothing before the first reading. own is nil if there is
// nothing to record: other runs have spent all of the media.
func (b *Budget) reserve(now time.Time, ids []string, limit int, commit bool) (s Spending, own *spender) {
	b.mu.Lock()
	defer b.mu.Unlock()
	s.Spent, s.Skipped = b.ledger.spent.sum, b.ledger.skipped
	fresh := b.charges.without(ids, now)
	if s.Allowed = b.ledger.isRead() && s.Spent+len(fresh) <= limit; !s.Allowed || !commit {
		return s, nil
	}
	if len(fresh) > 0 {
		own = &spender{id: rand.Text(), at: now, media: len(fresh), done: make(chan struct{})}
		b.ledger.reserve(own.record())
		for _, id := range fresh {
			b.charges[id] = &charge{by: own}
		}
	}
	s.budget, s.charges = b, b.charges.join(ids)
	return s, own
}

// record writes the record of a spending, and confirms it.
func (b *Budget) record(ctx context.Context, store state.Store, own *spender, limit int) error {
	if own == nil {
		return nil
	}
	err := store.Create(ctx, own.name(), state.Empty())
	isWritten := err == nil
	if isWritten {
		err = b.confirm(ctx, store, own, limit)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	defer close(own.done)
	if own.failed = err != nil; own.failed {
		maps.DeleteFunc(b.charges, func(_ string, one *charge) bool { return one.by == own })
	}
	if !isWritten {
		b.ledger.forget(own.record())
	}
	return err
}

// confirm reads the records after a spending was written. It takes a spending back that exceeds the limit together with
// the others.
func (b *Budget) confirm(ctx context.Context, store state.Store, own *spender, limit int) error {
	err := b.read(ctx, store, own.at)
	if err == nil {
		b.mu.Lock()
		spent := b.ledger.spent.sum
		b.mu.Unlock()
		if spent <= limit {
			return nil
		}
		err = &overspentError{others: spent - own.media}
	}
	if refundErr := refund(ctx, store, own.at.Add(1), own.media, own.id); refundErr != nil { // it sorts behind its spending
		return refundErr
	}
	return err
}
