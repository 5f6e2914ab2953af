package journal

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/mediasweep/mediasweep/internal/state"
	"github.com/mediasweep/mediasweep/internal/text"
)

// spentFolder holds a record of each spending and of each refund. The name has the time, the number
// of media (negative for a refund), and the spender.
const spentFolder = "spent/"

// spentName is the name of the record of a spending, or of a refund.
func spentName(now time.Time, media int, spender string) string {
	return fmt.Sprintf("%s%s-%d-%s", spentFolder, state.Stamp(now), media, spender)
}

// refund records that a spender has not deleted some media. It returns the name of the record.
func refund(ctx context.Context, store state.Store, now time.Time, media int, spender string) (record string, err error) {
	record = spentName(now, -media, spender)
	if err := store.Create(ctx, record, state.Empty()); err != nil {
		return "", fmt.Errorf("refund the event budget: %w", err)
	}
	return record, nil
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
