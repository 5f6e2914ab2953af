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

// spentTime is the period in which all runs of events together may delete guard.maxDelete media.
// Each run is small; a storm of events would otherwise have no limit.
const spentTime = 24 * time.Hour

// spentFolder holds a record of each spending and of each refund. The name has the time, the number
// of media (negative for a refund), and the spender.
const spentFolder = "spent/"

// EventBudget limits the deletions of all runs of events of a process within a day. It is safe for
// concurrent use.
type EventBudget struct{ spending lock }

// NewEventBudget returns a budget.
func NewEventBudget() *EventBudget { return &EventBudget{newLock()} }

// Spending is the answer to one request for budget.
type Spending struct {
	Spent   int // media of earlier runs, within the last 24 hours
	Allowed bool
	// recorded is the number of media that the record of this spending has.
	recorded int
	spender  string
}

// Spend requests budget for the deletion of some media. If commit is true, it records the spending,
// which must precede the deletion. skipped has the refunds that were not counted.
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
		return s, skipped, fmt.Errorf("record the spending: %w", err)
	}
	s.recorded = want
	return s, skipped, nil
}

// Refund returns the budget of media that were not deleted, so that a repeated event has budget for
// them.
func (s Spending) Refund(ctx context.Context, store state.Store, now time.Time, media int) error {
	if media = min(media, s.recorded); media == 0 {
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
