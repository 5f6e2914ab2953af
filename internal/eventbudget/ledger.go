package eventbudget

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
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

// ledger has the records of a day, and their sum.
type ledger struct {
	start    time.Time // of the day
	settled  []record  // those before the listed ones, in order: no other can appear among them
	listed   []record  // in order
	listedAt time.Time
	own      map[record]bool // of this process; no listing had them yet
	spent    tally           // of all these records
	skipped  []error         // refunds that were not counted
}

// startOf returns the start of a day. It moves once a minute: then all records are counted again.
func startOf(now time.Time) time.Time { return now.Add(-day).Truncate(time.Minute) }

// unsettled returns the time from which on records have to be listed.
func (l *ledger) unsettled(now time.Time) time.Time {
	start, late := startOf(now), l.listedAt.Add(-lateTime)
	if late.After(start) {
		return late
	}
	return start
}

// update replaces the records from a time on by those of a listing.
func (l *ledger) update(from time.Time, listed []record, now time.Time) {
	start := startOf(now)
	last := before(l.listed, from)
	old := l.listed[last:]
	fresh := slices.DeleteFunc(without(listed, old), func(one record) bool { return l.own[one] })
	recount := !start.Equal(l.start) || len(l.skipped) > 0 || len(without(old, listed)) > 0
	l.settled = append(l.settled, l.listed[:last]...)
	l.start, l.listed, l.listedAt = start, listed, now
	maps.DeleteFunc(l.own, func(one record, _ bool) bool {
		_, isListed := slices.BinarySearchFunc(listed, one, record.compare)
		return isListed || one.at < start.UnixNano()
	})
	if recount {
		l.settled = slices.DeleteFunc(l.settled, func(one record) bool { return one.at < start.UnixNano() })
		l.spent, l.skipped, fresh = tally{}, nil, listed
		for one := range l.own {
			l.count(one)
		}
		for _, one := range l.settled {
			l.count(one)
		}
	}
	for _, one := range fresh {
		l.count(one)
	}
}

func (l *ledger) count(one record) {
	if !l.spent.add(one) {
		l.skipped = append(l.skipped, fmt.Errorf("refund of %d media at %s not counted: %w", -one.media, state.Stamp(time.Unix(0, one.at)), errUncovered))
	}
}

func (l *ledger) isRead() bool { return !l.listedAt.IsZero() }

// reserve counts a record that is not written yet.
func (l *ledger) reserve(one record) {
	l.own[one] = true
	l.count(one)
}

// forget leaves out a record that could not be written. If it is there after all, the next listing has it.
func (l *ledger) forget(one record) {
	delete(l.own, one)
	l.start = time.Time{} // all are counted again
}

// before returns the number of records before a time. They are in order.
func before(records []record, at time.Time) int {
	n, _ := slices.BinarySearchFunc(records, at.UnixNano(), func(one record, at int64) int { return cmp.Compare(one.at, at) })
	return n
}

// without returns the records that others do not have. Both are in order.
func without(records, others []record) (rest []record) {
	for _, one := range records {
		if _, has := slices.BinarySearchFunc(others, one, record.compare); !has {
			rest = append(rest, one)
		}
	}
	return rest
}

// list returns the records of the store from a time on, in order.
func list(ctx context.Context, store state.Store, from time.Time) (records []record, err error) {
	for listed, err := range store.List(ctx, folder, folder+state.Stamp(from)) {
		if err != nil {
			return nil, err
		}
		one, err := parse(listed.Name)
		if err != nil {
			return nil, err // somebody will remove the record
		}
		records = append(records, one)
	}
	slices.SortFunc(records, record.compare)
	return records, nil
}

// record is a decoded name. It takes 24 bytes, and the name takes 80.
type record struct {
	at      int64  // in nanoseconds since 1970
	media   int    // negative for a refund
	spender uint64 // a hash of its ID
}

func (r record) compare(other record) int {
	return cmp.Or(cmp.Compare(r.at, other.at), cmp.Compare(r.media, other.media), cmp.Compare(r.spender, other.spender))
}

const maxSpent = 1 << 31

// parse reads the name of a record.
func parse(name string) (one record, err error) {
	stamp, rest, _ := strings.Cut(strings.TrimPrefix(name, folder), "-")
	dash := strings.LastIndexByte(rest, '-')
	at, err := state.ParseStamp(stamp)
	if err == nil {
		one.at = at.UnixNano()
		one.media, err = strconv.Atoi(rest[:max(dash, 0)])
	}
	run := rest[dash+1:]
	if err != nil || one.media == 0 || one.media > maxSpent || one.media < -maxSpent || run == "" {
		return record{}, fmt.Errorf("record %s: its name has no time and number of media: remove the record", text.Quote(name))
	}
	one.spender = hashOf(run)
	return one, nil
}

func hashOf(spender string) uint64 {
	sum := fnv.New64a()
	_, _ = io.WriteString(sum, spender)
	return sum.Sum64()
}

// tally holds the media that each spender has spent, less refunds. The zero value is empty.
type tally struct {
	by  map[uint64]int
	sum int
}

// errUncovered: a spender refunds more media than it spent. Its spending is missing, older than a day,
// or was recorded by an earlier version.
var errUncovered = errors.New("it refunds more media than its run has spent within a day")

// add counts a record, unless it is a refund that its spending does not cover. The refunds of a spender come after its
// spending.
func (t *tally) add(one record) (counted bool) {
	if t.by[one.spender]+one.media < 0 {
		return false
	}
	if t.by == nil {
		t.by = map[uint64]int{}
	}
	t.by[one.spender] += one.media
	t.sum += one.media
	return true
}
