package journal

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/mediasweep/mediasweep/internal/state"
	"github.com/mediasweep/mediasweep/internal/text"
)

// spentTime is the time within which all runs of events together are held to
// guard.maxDelete: each is small, and a storm of them would delete without a limit.
const spentTime = 24 * time.Hour

// spentFolder holds a record for each run of events that set out to delete, and one for
// its refund. The name says all: when, how many media, with a minus for a refund, and the
// spender: both of its records end alike.
const spentFolder = "spent/"

// EventBudget is what all runs of events of a process may delete within a day. It is safe
// for concurrent use.
type EventBudget struct{ spending lock }

// NewEventBudget returns a budget.
func NewEventBudget() *EventBudget { return &EventBudget{newLock()} }

// Spending is what one run took from the budget.
type Spending struct {
	Spent   int // by runs before, within the last 24 hours
	Allowed bool
	spender string
}

// Spend asks for room for the deletion of some media, and records it if commit says so:
// before anything is deleted. Skipped has the refunds that were not counted.
func (b *EventBudget) Spend(ctx context.Context, store state.Store, now time.Time, want, limit int, commit bool) (s Spending, skipped []error, err error) {
	if err := b.spending.take(ctx); err != nil {
		return s, nil, fmt.Errorf("read the event budget: %w", err)
	}
	defer b.spending.giveBack()
	day := spentByRun{}
	for record, err := range store.List(ctx, spentFolder, spentFolder+state.Stamp(now.Add(-spentTime))) {
		if err == nil {
			err = day.take(record.Name)
		}
		switch {
		case errors.Is(err, errUncovered):
			skipped = append(skipped, fmt.Errorf("refund %s not counted: %w", record.Name, err))
		case err != nil:
			return s, skipped, fmt.Errorf("read the event budget: %w", err)
		}
	}
	s = Spending{Spent: day.sum(), spender: rand.Text()}
	s.Allowed = s.Spent+want <= limit
	if !s.Allowed || !commit {
		return s, skipped, nil
	}
	if err := s.record(ctx, store, now, want); err != nil {
		return s, skipped, fmt.Errorf("record what events delete: %w", err)
	}
	return s, skipped, nil
}

// Refund gives back media that were not deleted, so that an event which comes again finds
// room for them.
func (s Spending) Refund(ctx context.Context, store state.Store, now time.Time, media int) error {
	if media == 0 {
		return nil
	}
	if err := s.record(ctx, store, now, -media); err != nil {
		return fmt.Errorf("refund the event budget: %w", err)
	}
	return nil
}

func (s Spending) record(ctx context.Context, store state.Store, now time.Time, media int) error {
	name := fmt.Sprintf("%s%s-%d-%s", spentFolder, state.Stamp(now), media, s.spender)
	return store.Create(ctx, name, []byte(emptyRecord))
}

// maxSpent bounds what one run of events can spend.
const maxSpent = 1 << 31

// spentByRun has the media that each run of events set out to delete, less those refunded.
type spentByRun map[string]int

// errUncovered says that a run refunds more media than it spent. Its record of spending is
// more than a day old, or of the version before, or missing.
var errUncovered = errors.New("it refunds more media than its run set out to delete within a day")

// take counts the record of a name. Records come in the order of their times.
func (b spentByRun) take(name string) error {
	_, rest, _ := strings.Cut(name, "Z-")
	at := strings.LastIndexByte(rest, '-')
	media, err := strconv.Atoi(rest[:max(at, 0)])
	run := rest[at+1:]
	switch {
	case err != nil, media == 0, media > maxSpent, media < -maxSpent, run == "":
		return fmt.Errorf("record %s does not tell how many media an event deleted: remove it", text.Quote(name))
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
