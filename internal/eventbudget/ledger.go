package eventbudget

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/mediasweep/mediasweep/internal/state"
	"github.com/mediasweep/mediasweep/internal/text"
)

// folder holds the records. A record is empty, and its name says all.
const folder = "spent/"

// recordName returns the name of a record: the time, the number of media (negative for a refund), and the spender.
func recordName(at time.Time, media int, spender string) string {
	return fmt.Sprintf("%s%s-%d-%s", folder, state.Stamp(at), media, spender)
}

// refund records that a spender has not deleted some media.
func refund(ctx context.Context, store state.Store, now time.Time, media int, spender string) error {
	if err := store.Create(ctx, recordName(now, -media, spender), state.Empty()); err != nil {
		return fmt.Errorf("refund the event budget: %w", err)
	}
	return nil
}

// day is the period that the limit applies to.
const day = 24 * time.Hour

// lateTime is the time for which a record may appear after others with later names. Instances have clocks of their
// own, and write a record some seconds after the time in its name.
const lateTime = 10 * time.Minute

// ledger has the names of the records of a day.
type ledger struct {
	listed   []string // in order
	listedAt time.Time
	own      map[string]bool // of this process; no listing had them yet
}

// startOf returns the lower bound of the names of a day.
func startOf(now time.Time) string { return folder + state.Stamp(now.Add(-day)) }

// list returns the names of the day. It lists only the last names again.
func (l *ledger) list(ctx context.Context, store state.Store, now time.Time) (names []string, err error) {
	start := startOf(now)
	again := max(start, folder+state.Stamp(l.listedAt.Add(-lateTime)))
	first, _ := slices.BinarySearch(l.listed, start)
	last, _ := slices.BinarySearch(l.listed, again)
	names = slices.Clone(l.listed[first:last])
	for record, err := range store.List(ctx, folder, again) {
		if err != nil {
			return nil, err
		}
		names = append(names, record.Name)
	}
	return names, nil
}

// take replaces the names by those of a listing.
func (l *ledger) take(names []string, now time.Time) {
	l.listed, l.listedAt = names, now
	maps.DeleteFunc(l.own, func(name string, _ bool) bool {
		_, isListed := slices.BinarySearch(names, name)
		return isListed || name < startOf(now)
	})
}

// sum returns the media that were spent. skipped has the refunds that were not counted.
func (l *ledger) sum() (spent int, skipped []error, err error) {
	total := tally{}
	for _, name := range slices.Concat(slices.Collect(maps.Keys(l.own)), l.listed) {
		switch err := total.add(name); {
		case errors.Is(err, errUncovered):
			skipped = append(skipped, fmt.Errorf("refund %s not counted: %w", name, err))
		case err != nil:
			l.listed, l.listedAt = nil, time.Time{} // somebody will remove the record
			return 0, skipped, err
		}
	}
	return total.sum(), skipped, nil
}

// maxSpent bounds the media of one spending.
const maxSpent = 1 << 31

// tally holds the media that each spender has spent, less refunds.
type tally map[string]int

// errUncovered: a spender refunds more media than it spent. Its spending is missing, older than a day,
// or was recorded by an earlier version.
var errUncovered = errors.New("it refunds more media than its run has spent within a day")

// add counts a record. The refunds of a spender come after its spending.
func (t tally) add(name string) error {
	_, rest, _ := strings.Cut(name, "Z-")
	at := strings.LastIndexByte(rest, '-')
	media, err := strconv.Atoi(rest[:max(at, 0)])
	run := rest[at+1:]
	switch {
	case err != nil, media == 0, media > maxSpent, media < -maxSpent, run == "":
		return fmt.Errorf("record %s: no number of media in its name: remove the record", text.Quote(name))
	case t[run]+media < 0:
		return errUncovered
	}
	t[run] += media
	return nil
}

func (t tally) sum() (media int) {
	for _, ofRun := range t {
		media = min(maxSpent, media+ofRun)
	}
	return media
}
