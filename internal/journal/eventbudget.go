package journal

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/mediasweep/mediasweep/internal/state"
	"github.com/mediasweep/mediasweep/internal/text"
)

// spentTime is the period in which all runs of events together may delete guard.maxDelete media.
// Each run is small; a storm of events would otherwise have no limit.
const spentTime = 24 * time.Hour

// spentFolder holds a record of each spending and of each refund. The name has the time, the number
// of media (negative for a refund), and the spender.
const spentFolder = "spent/"

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
	written    chan struct{} // closed when the record is written, or could not be
	failed     bool          // it could not be written
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
	if err := b.reading.Do(ctx, func(ctx context.Context) error { return b.read(ctx, store, now) }); err != nil {
		return s, nil, fmt.Errorf("read the event budget: %w", err)
	}
	for {
		var own *spender
		if s, own, skipped, err = b.reserve(now, ids, limit, commit); err != nil {
			return s, skipped, fmt.Errorf("read the event budget: %w", err)
		}
		if !s.Allowed || !commit {
			return s, skipped, s.Settle(ctx, store, now, All)
		}
		err := b.write(ctx, store, own)
		if err == nil {
			if err = s.wait(ctx); err == nil {
				return s, skipped, nil
			}
		}
		err = errors.Join(err, s.Settle(ctx, store, now.Add(1), All)) // a refund sorts behind its spending
		if !errors.Is(err, errNotSpent) {
			return s, skipped, fmt.Errorf("record the spending: %w", err)
		}
	}
}

// write writes the record of a spending. own is nil if other runs have spent all of the media.
func (b *EventBudget) write(ctx context.Context, store state.Store, own *spender) error {
	if own == nil {
		return nil
	}
	err := store.Create(ctx, own.record, state.Empty())
	b.mu.Lock()
	defer b.mu.Unlock()
	defer close(own.written)
	if err == nil {
		b.own[own.record] = b.reading.Begun() // later reads list it
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
	day := spentByRun{}
	for _, name := range names {
		switch err := day.take(name); {
		case errors.Is(err, errUncovered):
			skipped = append(skipped, fmt.Errorf("refund %s not counted: %w", name, err))
		case err != nil:
			b.names, b.readAt = nil, time.Time{} // somebody will remove the record
			return s, nil, skipped, err
		}
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
	own = &spender{id: id, record: spentName(now, len(fresh), id), written: make(chan struct{})}
	b.own[own.record] = math.MaxInt64 // no read lists it
	for _, id := range fresh {
		one := &charge{by: own, at: now, runs: 1}
		b.charges[id], s.charges[id] = one, one
	}
	return s, own, skipped, nil
}

// All is true for every medium.
func All(string) bool { return true }

// Settle ends a spending. It refunds the spared media, unless another run deletes them, so that a repeated
// event has budget for them.
func (s Spending) Settle(ctx context.Context, store state.Store, now time.Time, spared func(id string) bool) error {
	refunds := s.leave(spared)
	for _, spender := range slices.Sorted(maps.Keys(refunds)) {
		if err := store.Create(ctx, spentName(now, -refunds[spender], spender), state.Empty()); err != nil {
			return fmt.Errorf("refund the event budget: %w", err)
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

// spentName is the name of the record of a spending, or of a refund.
func spentName(now time.Time, media int, spender string) string {
	return fmt.Sprintf("%s%s-%d-%s", spentFolder, state.Stamp(now), media, spender)
}

// maxSpent bounds the media of one spending.
const maxSpent = 1 << 31

// spentByRun holds the media that each run of events has spent, less refunds.
type spentByRun map[string]int

// errUncovered: a run refunds more media than it spent. Its spending is missing, older than a day,
// or was recorded by an earlier version.
var errUncovered = errors.New("it refunds more media than its run has spent within a day")

// take counts the record of a name. Records must be in the order of their times.
func (b spentByRun) take(name string) error {
	_, rest, _ := strings.Cut(name, "Z-")
	at := strings.LastIndexByte(rest, '-')
	media, err := strconv.Atoi(rest[:max(at, 0)])
	run := rest[at+1:]
	switch {
	case err != nil, media == 0, media > maxSpent, media < -maxSpent, run == "":
		return fmt.Errorf("record %s: no number of media in its name: remove the record", text.Quote(name))
	case b[run]+media < 0:
		return errUncovered
	}
	b[run] += media
	return nil
}

func (b spentByRun) sum() (media int) {
	for _, ofRun := range b {
		media = min(maxSpent, media+ofRun)
	}
	return media
}
