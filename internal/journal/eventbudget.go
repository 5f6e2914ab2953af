package journal

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"sync"
	"time"

	"github.com/mediasweep/mediasweep/internal/state"
)

// spentTime is the period in which all runs of events together may delete guard.maxDelete media.
// Each run is small; a storm of events would otherwise have no limit.
const spentTime = 24 * time.Hour

// EventBudget limits the deletions of all runs of events of a process within a day. Runs that want to
// delete a medium at the same time spend it once. It is safe for concurrent use.
type EventBudget struct {
	reading *state.SharedRead // of the records of the day

	mu sync.Mutex
	// names are the records of the day, in order. They were read at a time.
	names  []string
	readAt time.Time
	// own are spendings of this process that names may lack, with the number of reads that had begun when each was written.
	own     map[string]int64
	charges map[string]*charge // by media ID
}

// charge is a medium that was spent.
type charge struct {
	by      *spender
	at      time.Time
	runs    int  // that may still delete it
	deleted bool // by one of them, perhaps
}

// spender is a run that spent media.
type spender struct {
	id, record string
	media      int
	others     int           // media of other runs, when the spending was confirmed
	written    chan struct{} // closed when the record is written and confirmed, or could not be
	failed     bool          // it could not be written, or was taken back
}

// chargeTime is the time for which a medium is not spent again. Later events find it deleted.
const chargeTime = 10 * time.Minute

// NewEventBudget returns a budget.
func NewEventBudget() *EventBudget {
	return &EventBudget{reading: state.NewSharedRead(), own: map[string]int64{}, charges: map[string]*charge{}}
}

// Spending is the answer to one request for budget.
type Spending struct {
	Spent   int // media of earlier runs, within the last 24 hours
	Allowed bool
	budget  *EventBudget
	charges map[string]*charge
}

// Spend requests budget for the deletion of media. If commit is true, it records the spending,
// which must precede the deletion. skipped has the refunds that were not counted.
func (b *EventBudget) Spend(ctx context.Context, store state.Store, now time.Time, ids []string, limit int, commit bool) (s Spending, skipped []error, err error) {
	if err := b.reread(ctx, store, now); err != nil {
		return s, nil, fmt.Errorf("read the event budget: %w", err)
	}
	for try := 1; ; try++ {
		var own *spender
		if s, own, skipped, err = b.reserve(now, ids, limit, commit); err != nil {
			return s, skipped, fmt.Errorf("read the event budget: %w", err)
		}
		if !s.Allowed || !commit {
			return s, skipped, s.Settle(ctx, store, now, All)
		}
		err := b.write(ctx, store, now, own, limit)
		if err == nil {
			if err = s.wait(ctx); err == nil {
				return s, skipped, nil
			}
		}
		err = errors.Join(err, s.Settle(ctx, store, now.Add(1), All)) // a refund sorts behind its spending
		switch {
		case errors.Is(err, errOverspent) && try == spendTries:
			s.Allowed, s.Spent = false, own.others
			return s, skipped, nil
		case errors.Is(err, errOverspent):
			if err := b.avoid(ctx, store, now); err != nil {
				return s, skipped, fmt.Errorf("read the event budget: %w", err)
			}
		case !errors.Is(err, errNotSpent):
			return s, skipped, fmt.Errorf("record the spending: %w", err)
		}
	}
}

// reread reads the records of the day.
func (b *EventBudget) reread(ctx context.Context, store state.Store, now time.Time) error {
	return b.reading.Do(ctx, func(ctx context.Context) error { return b.read(ctx, store, now) })
}

// write writes the record of a spending, and confirms it. own is nil if other runs have spent all of the media.
func (b *EventBudget) write(ctx context.Context, store state.Store, now time.Time, own *spender, limit int) error {
	if own == nil {
		return nil
	}
	err := store.Create(ctx, own.record, state.Empty())
	if err == nil {
		b.mu.Lock()
		b.own[own.record] = b.reading.Begun() // later reads list it
		b.mu.Unlock()
		err = b.confirm(ctx, store, now, own, limit)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	defer close(own.written)
	if err == nil {
		return nil
	}
	own.failed = true
	delete(b.own, own.record)
	maps.DeleteFunc(b.charges, func(_ string, one *charge) bool { return one.by == own })
	return err
}

// errNotSpent: another run could not record its spending.
var errNotSpent = errors.New("the media are not spent")

// wait waits until other runs have recorded their spendings of the media.
func (s Spending) wait(ctx context.Context) error {
	for _, one := range s.charges {
		select {
		case <-one.by.written:
		case <-ctx.Done():
			return ctx.Err()
		}
		if one.by.failed {
			return errNotSpent
		}
	}
	return nil
}

// spentLateTime is the time for which a record may appear before others. Instances have clocks of their own, and
// write a record some seconds after its time.
const spentLateTime = 10 * time.Minute

// read lists the records of the day. It keeps the names of an earlier call, and lists the last of them again.
func (b *EventBudget) read(ctx context.Context, store state.Store, now time.Time) error {
	begun := b.reading.Begun()
	b.mu.Lock()
	known, readAt := b.names, b.readAt
	b.mu.Unlock()
	start := spentFolder + state.Stamp(now.Add(-spentTime))
	again := max(start, spentFolder+state.Stamp(readAt.Add(-spentLateTime)))
	first, _ := slices.BinarySearch(known, start)
	last, _ := slices.BinarySearch(known, again)
	names := slices.Clone(known[first:last])
	for record, err := range store.List(ctx, spentFolder, again) {
		if err != nil {
			return err
		}
		names = append(names, record.Name)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.names, b.readAt = names, now
	maps.DeleteFunc(b.own, func(_ string, written int64) bool { return written < begun }) // names have these
	return nil
}

// reserve spends budget in memory. own is nil if there is nothing to record: other runs have spent all of the media.
func (b *EventBudget) reserve(now time.Time, ids []string, limit int, commit bool) (s Spending, own *spender, skipped []error, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	names := slices.Clone(b.names)
	for name := range b.own {
		if i, found := slices.BinarySearch(names, name); !found {
			names = slices.Insert(names, i, name)
		}
	}
	day, skipped, err := b.day(names)
	if err != nil {
		return s, nil, skipped, err
	}
	s = Spending{Spent: day.sum(), budget: b, charges: map[string]*charge{}}
	maps.DeleteFunc(b.charges, func(_ string, one *charge) bool { return now.Sub(one.at) > chargeTime })
	var fresh []string
	for _, id := range ids {
		if one := b.charges[id]; one != nil {
			one.runs++
			s.charges[id] = one
		} else {
			fresh = append(fresh, id)
		}
	}
	if s.Allowed = s.Spent+len(fresh) <= limit; !s.Allowed || !commit || len(fresh) == 0 {
		return s, nil, skipped, nil
	}
	id := rand.Text()
	own = &spender{id: id, record: spentName(now, len(fresh), id), media: len(fresh), written: make(chan struct{})}
	b.own[own.record] = math.MaxInt64 // no read lists it
	for _, id := range fresh {
		one := &charge{by: own, at: now, runs: 1}
		b.charges[id], s.charges[id] = one, one
	}
	return s, own, skipped, nil
}

// day counts the records of some names, which are in order; b.mu is held. skipped has the refunds that were not counted.
func (b *EventBudget) day(names []string) (day spentByRun, skipped []error, err error) {
	day = spentByRun{}
	for _, name := range names {
		switch err := day.take(name); {
		case errors.Is(err, errUncovered):
			skipped = append(skipped, fmt.Errorf("refund %s not counted: %w", name, err))
		case err != nil:
			b.names, b.readAt = nil, time.Time{} // somebody will remove the record
			return nil, skipped, err
		}
	}
	return day, skipped, nil
}

// All is true for every medium.
func All(string) bool { return true }

// Settle ends a spending. It refunds the spared media, unless another run deletes them, so that a repeated
// event has budget for them.
func (s Spending) Settle(ctx context.Context, store state.Store, now time.Time, spared func(id string) bool) error {
	refunds := s.leave(spared)
	for _, spender := range slices.Sorted(maps.Keys(refunds)) {
		if _, err := refund(ctx, store, now, refunds[spender], spender); err != nil {
			return err
		}
	}
	return nil
}

// leave ends the run's part in its charges. It returns the number of media to refund to each spender.
func (s Spending) leave(spared func(id string) bool) map[string]int {
	refunds := map[string]int{}
	if s.budget == nil {
		return refunds // nothing was spent
	}
	s.budget.mu.Lock()
	defer s.budget.mu.Unlock()
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
