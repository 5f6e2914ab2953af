package journal

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"maps"
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
	spending lock
	// names are the records of the day, in order. They were read at a time. spending guards both.
	names  []string
	readAt time.Time

	mu      sync.Mutex
	charges map[string]*charge // by media ID
}

// charge is a medium that was spent.
type charge struct {
	spender string
	at      time.Time
	runs    int  // that may still delete it
	deleted bool // by one of them, perhaps
}

// chargeTime is the time for which a medium is not spent again. Later events find it deleted.
const chargeTime = 10 * time.Minute

// NewEventBudget returns a budget.
func NewEventBudget() *EventBudget {
	return &EventBudget{spending: newLock(), charges: map[string]*charge{}}
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
	if err := b.spending.take(ctx); err != nil {
		return s, nil, fmt.Errorf("read the event budget: %w", err)
	}
	defer b.spending.giveBack()
	if err := b.read(ctx, store, now); err != nil {
		return s, nil, fmt.Errorf("read the event budget: %w", err)
	}
	day := spentByRun{}
	for _, name := range b.names {
		switch err := day.take(name); {
		case errors.Is(err, errUncovered):
			skipped = append(skipped, fmt.Errorf("refund %s not counted: %w", name, err))
		case err != nil:
			b.names, b.readAt = nil, time.Time{} // somebody will remove the record
			return s, skipped, fmt.Errorf("read the event budget: %w", err)
		}
	}
	s = Spending{Spent: day.sum(), budget: b, charges: map[string]*charge{}}
	fresh := s.join(ids, now)
	if s.Allowed = s.Spent+len(fresh) <= limit; !s.Allowed || !commit {
		return s, skipped, s.Settle(ctx, store, now, All)
	}
	spender := rand.Text()
	if err := record(ctx, store, now, len(fresh), spender); err != nil {
		return s, skipped, errors.Join(fmt.Errorf("record the spending: %w", err), s.Settle(ctx, store, now, All))
	}
	s.add(fresh, spender, now)
	return s, skipped, nil
}

// spentLateTime is the time for which a record may appear before others. Instances have clocks of their own, and
// write a record some seconds after its time.
const spentLateTime = 10 * time.Minute

// read lists the records of the day. It keeps the names of an earlier call, and lists the last of them again.
func (b *EventBudget) read(ctx context.Context, store state.Store, now time.Time) error {
	start := spentFolder + state.Stamp(now.Add(-spentTime))
	again := max(start, spentFolder+state.Stamp(b.readAt.Add(-spentLateTime)))
	first, _ := slices.BinarySearch(b.names, start)
	last, _ := slices.BinarySearch(b.names, again)
	names := slices.Clone(b.names[first:last])
	for record, err := range store.List(ctx, spentFolder, again) {
		if err != nil {
			return err
		}
		names = append(names, record.Name)
	}
	b.names, b.readAt = names, now
	return nil
}

// join joins the charges of media that other runs have spent, and returns the other media.
func (s Spending) join(ids []string, now time.Time) (fresh []string) {
	s.budget.mu.Lock()
	defer s.budget.mu.Unlock()
	maps.DeleteFunc(s.budget.charges, func(_ string, one *charge) bool { return now.Sub(one.at) > chargeTime })
	for _, id := range ids {
		one := s.budget.charges[id]
		if one == nil {
			fresh = append(fresh, id)
			continue
		}
		one.runs++
		s.charges[id] = one
	}
	return fresh
}

func (s Spending) add(ids []string, spender string, now time.Time) {
	s.budget.mu.Lock()
	defer s.budget.mu.Unlock()
	for _, id := range ids {
		one := &charge{spender: spender, at: now, runs: 1}
		s.budget.charges[id], s.charges[id] = one, one
	}
}

// All is true for every medium.
func All(string) bool { return true }

// Settle ends a spending. It refunds the spared media, unless another run deletes them, so that a repeated
// event has budget for them.
func (s Spending) Settle(ctx context.Context, store state.Store, now time.Time, spared func(id string) bool) error {
	refunds := s.leave(spared)
	for _, spender := range slices.Sorted(maps.Keys(refunds)) {
		if err := record(ctx, store, now, -refunds[spender], spender); err != nil {
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
		if one.runs > 0 || one.deleted {
			continue
		}
		refunds[one.spender]++
		if s.budget.charges[id] == one {
			delete(s.budget.charges, id)
		}
	}
	return refunds
}

// record records a spending, or a refund. It records nothing for no media.
func record(ctx context.Context, store state.Store, now time.Time, media int, spender string) error {
	if media == 0 {
		return nil
	}
	name := fmt.Sprintf("%s%s-%d-%s", spentFolder, state.Stamp(now), media, spender)
	return store.Create(ctx, name, []byte(emptyRecord))
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
