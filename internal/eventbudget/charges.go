package eventbudget

import (
	"context"
	"maps"
	"slices"
	"time"

	"github.com/mediasweep/mediasweep/internal/state"
)

// Spending is the answer to a request for budget.
type Spending struct {
	Allowed bool
	Spent   int     // media of other runs, within 24 hours
	Skipped []error // refunds that were not counted

	budget  *Budget
	charges charges // of the media of the request
}

// spender is a run that spends media. Its record has the number of them.
type spender struct {
	id     string
	at     time.Time
	media  int
	done   chan struct{} // closed when the spending is on record, or has failed
	failed bool          // it is not on record, or was taken back
}

func (s *spender) name() string   { return recordName(s.at, s.media, s.id) }
func (s *spender) record() record { return record{s.at.UnixNano(), s.media, hashOf(s.id)} }

// charge is a medium that was spent. Runs that want to delete a medium at the same time spend it once.
type charge struct {
	by      *spender
	runs    int  // that may still delete it
	deleted bool // by one of them, perhaps
}

type charges map[string]*charge

// chargeTime is the time for which a medium is not spent again. Later events find it deleted.
const chargeTime = 10 * time.Minute

// without returns the media that have no charge. Charges of the past end.
func (c charges) without(ids []string, now time.Time) (fresh []string) {
	maps.DeleteFunc(c, func(_ string, one *charge) bool { return now.Sub(one.by.at) > chargeTime })
	for _, id := range ids {
		if c[id] == nil {
			fresh = append(fresh, id)
		}
	}
	return fresh
}

// join counts one more run for each medium. It returns the charges of the media.
func (c charges) join(ids []string) charges {
	joined := charges{}
	for _, id := range ids {
		joined[id] = c[id]
		joined[id].runs++
	}
	return joined
}

// wait waits until all spenders of the media have their spendings on record.
func (s Spending) wait(ctx context.Context) error {
	for _, one := range s.charges {
		select {
		case <-one.by.done:
		case <-ctx.Done():
			return ctx.Err()
		}
		if one.by.failed {
			return errNotSpent
		}
	}
	return nil
}

// All is true for every medium.
func All(string) bool { return true }

// Settle ends a spending. It refunds the spared media, unless another run deletes them, so that a repeated
// event has budget for them.
func (s Spending) Settle(ctx context.Context, store state.Store, now time.Time, spared func(id string) bool) error {
	if s.budget == nil {
		return nil // nothing was spent
	}
	refunds := s.leave(spared)
	for _, spender := range slices.Sorted(maps.Keys(refunds)) {
		if err := refund(ctx, store, now, refunds[spender], spender); err != nil {
			return err
		}
	}
	return nil
}

// leave ends the run's part in its charges. It returns the number of media to refund to each spender.
func (s Spending) leave(spared func(id string) bool) map[string]int {
	s.budget.mu.Lock()
	defer s.budget.mu.Unlock()
	refunds := map[string]int{}
	for id, one := range s.charges {
		one.runs--
		one.deleted = one.deleted || !spared(id)
		if one.runs > 0 || one.deleted || one.by.failed {
			continue
		}
		refunds[one.by.id]++
		if s.budget.charges[id] == one {
			delete(s.budget.charges, id)
		}
	}
	return refunds
}
