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
// own: MPS refuses the calls of one that is more than 15 minutes off. So two that delete are at most half an hour apart.
// A record is written some seconds after the time in its name.
const lateTime = 31 * time.Minute

// ledger has the names of the records of a day, and their sum.
type ledger struct {
	start    string   // of the day
	listed   []string // in order
	listedAt time.Time
	own      map[string]bool // of this process; no listing had them yet
	spent    tally           // of the listed and the own records
	skipped  []error         // refunds that were not counted
}

// startOf returns the lower bound of the names of a day. It moves once a minute: then all records are counted again.
func startOf(now time.Time) string { return folder + state.Stamp(now.Add(-day).Truncate(time.Minute)) }

// unsettled returns the lower bound of the names to list.
func (l *ledger) unsettled(now time.Time) string {
	return max(startOf(now), folder+state.Stamp(l.listedAt.Add(-lateTime)))
}

// update replaces the names from a name on by those of a listing. After an error the ledger is empty.
func (l *ledger) update(from string, names []string, now time.Time) error {
	start := startOf(now)
	first, _ := slices.BinarySearch(l.listed, start)
	last, _ := slices.BinarySearch(l.listed, from)
	before := l.listed[last:]
	fresh := slices.DeleteFunc(without(names, before), func(name string) bool { return l.own[name] })
	again := start != l.start || len(l.skipped) > 0 || len(without(before, names)) > 0
	l.start, l.listed, l.listedAt = start, append(l.listed[first:last], names...), now
	maps.DeleteFunc(l.own, func(name string, _ bool) bool {
		_, isListed := slices.BinarySearch(names, name)
		return isListed || name < start
	})
	if again {
		l.spent, l.skipped, fresh = tally{}, nil, slices.Concat(slices.Collect(maps.Keys(l.own)), l.listed)
	}
	for _, name := range fresh {
		switch err := l.spent.add(name); {
		case errors.Is(err, errUncovered):
			l.skipped = append(l.skipped, fmt.Errorf("refund %s not counted: %w", name, err))
		case err != nil:
			l.start, l.listed, l.listedAt = "", nil, time.Time{} // somebody will remove the record
			return err
		}
	}
	return nil
}

// reserve counts a record that is not written yet.
func (l *ledger) reserve(name string) {
	l.own[name] = true
	_ = l.spent.add(name) // a name of this process has a number
}

// forget leaves out a record that could not be written. If it is there after all, the next listing has it.
func (l *ledger) forget(name string) {
	delete(l.own, name)
	l.start = "" // all are counted again
}

// without returns the names that others do not have. Both are in order.
func without(names, others []string) (rest []string) {
	for _, name := range names {
		if _, has := slices.BinarySearch(others, name); !has {
			rest = append(rest, name)
		}
	}
	return rest
}

// list returns the names of the records from a name on.
func list(ctx context.Context, store state.Store, from string) (names []string, err error) {
	for record, err := range store.List(ctx, folder, from) {
		if err != nil {
			return nil, err
		}
		names = append(names, record.Name)
	}
	return names, nil
}

// maxSpent bounds the media of one spending.
const maxSpent = 1 << 31

// tally holds the media that each spender has spent, less refunds. The zero value is empty.
type tally struct {
	by  map[string]int
	sum int
}

// errUncovered: a spender refunds more media than it spent. Its spending is missing, older than a day,
// or was recorded by an earlier version.
var errUncovered = errors.New("it refunds more media than its run has spent within a day")

// add counts a record. The refunds of a spender come after its spending.
func (t *tally) add(name string) error {
	_, rest, _ := strings.Cut(name, "Z-")
	at := strings.LastIndexByte(rest, '-')
	media, err := strconv.Atoi(rest[:max(at, 0)])
	run := rest[at+1:]
	switch {
	case err != nil, media == 0, media > maxSpent, media < -maxSpent, run == "":
		return fmt.Errorf("record %s: no number of media in its name: remove the record", text.Quote(name))
	case t.by[run]+media < 0:
		return errUncovered
	case t.by == nil:
		t.by = map[string]int{}
	}
	t.by[run] += media
	t.sum += media
	return nil
}
