package history

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/mediasweep/mediasweep/internal/state"
)

const (
	// fanIn is the number of tables of a level that are merged into one of the next level.
	fanIn = 8
	// topLevel is the level whose tables are not merged. With one table a night, such a table has 64
	// nights, and ten years have 57 of them.
	topLevel = 2
	// A step of Fold ends with stepRecords loose records, or stepLines lines.
	stepRecords = 10_000
	stepLines   = 20_000
	// maxUnread bounds the loose records that a head lists as unread. With more of them the store is
	// ill, and Fold ends.
	maxUnread = 1000
	// largeAtOnce is the number of records of a thousand decisions that are in memory. The lines of one take half a megabyte.
	largeAtOnce = 4
	// merging is the number of ranges that a merge has in memory: state.AtOnce by fanIn.
	merging = state.AtOnce / fanIn
)

// Fold moves loose records into tables, merges tables, and adds outcomes of an earlier version. It starts
// nothing after admit has ended. What was cut off is done by the next Fold. The caller holds the lease:
// of two Folds at a time, the work of one is lost, and no decision.
func Fold(ctx, admit context.Context, store state.Store, now func() time.Time) error {
	h, _, err := latestHead(admit, store, now())
	if err != nil {
		return err
	}
	f := folder{store: store, now: now, bound: h.Bound, head: h}
	for more := true; more; {
		if more, err = f.takeLoose(ctx, admit); err != nil {
			return err
		}
	}
	for level := range topLevel {
		for more := true; more; {
			if more, err = f.merge(admit, level); err != nil {
				return err
			}
		}
	}
	admit, cancel := context.WithTimeout(admit, olderTime)
	defer cancel()
	for more := true; more; {
		if more, err = f.takeOlder(ctx, admit); err != nil {
			return err
		}
	}
	return nil
}

// folder is the state of one Fold.
type folder struct {
	store state.Store
	now   func() time.Time
	head  head
	bound string // of the head at the start
	last  string // the name of the last loose record that was taken
	// listed is the time of the first listing, by the store's clock. Records that were written later,
	// and have earlier names than that listing's last, are left for the next Fold.
	listed time.Time
}

// takeLoose makes a table of some loose records, and reports whether there may be more.
func (f *folder) takeLoose(ctx, admit context.Context) (more bool, err error) {
	records, err := f.list(admit)
	if err != nil || len(records) == 0 {
		return false, err
	}
	next := f.head
	taken, err := f.addTable(ctx, admit, &next, 0, records, func(ctx context.Context, record state.Record) ([]line, error) {
		lines, err := readLoose(ctx, f.store, record.Name, func(key) bool { return true })
		if err != nil { // whoever reads the history tries again
			err = fmt.Errorf("%w: %w", state.ErrDamaged, err)
		}
		return lines, err
	})
	if err != nil {
		return false, err
	}
	f.last = records[taken-1].Name
	next.Bound = max(next.Bound, f.last)
	if f.last >= f.bound || taken == len(records) && taken < stepRecords {
		next.Listed = f.listed
	} // else late records are left: the next Fold takes them, if this one is cut off
	return taken < len(records) || taken == stepRecords, f.commit(ctx, next)
}

type reader func(ctx context.Context, record state.Record) ([]line, error)

// addTable adds a table with decisions of records to a head. taken is the number of records that were read until there
// were enough decisions for a table, or the time was up.
func (f *folder) addTable(ctx, admit context.Context, next *head, level int, records []state.Record, read reader) (taken int, err error) {
	lines, taken, unread, err := readLines(admit, records, read)
	if err != nil && taken == 0 {
		return 0, err
	} // else what was read is kept
	if next.Unread = slices.Concat(next.Unread, unread); len(next.Unread) > maxUnread {
		return 0, fmt.Errorf("%d records of the history cannot be read, the last is %s", len(next.Unread), next.Unread[maxUnread])
	}
	if len(lines) > 0 {
		t := newTable(f.tableName(), level, len(lines))
		if err := t.write(ctx, f.store, 0, 1<<t.Bits, lines); err != nil {
			return 0, err
		}
		next.Tables = append(slices.Clone(next.Tables), t)
	}
	return taken, nil
}

func (f *folder) list(admit context.Context) (records []state.Record, err error) {
	for record, err := range f.head.loose(admit, f.store, f.last) {
		if err != nil {
			return nil, err
		}
		if f.listed.IsZero() {
			f.listed = record.Now
		}
		if at, err := stampOf(record.Name); err != nil || at.After(f.now()) {
			continue // no run writes such a name, or the clock of its run was wrong
		}
		if records = append(records, record); len(records) == stepRecords {
			break
		}
	}
	return records, nil
}

// readLines returns the lines of records, until there are enough for a table. taken is the number of
// records that it read, also before an error, and unread are the names of the damaged ones.
func readLines(admit context.Context, records []state.Record, read reader) (lines []line, taken int, unread []string, err error) {
	for taken < len(records) && len(lines) < stepLines {
		some := firstOf(records[taken:])
		results := make([][]line, len(some))
		failed := make([]error, len(some))
		err := state.Each(admit, len(some), state.AtOnce, func(ctx context.Context, i int) error {
			results[i], failed[i] = read(ctx, some[i])
			if errors.Is(failed[i], state.ErrDamaged) {
				return nil
			}
			return failed[i]
		})
		if err != nil {
			return lines, taken, unread, err
		}
		for i, of := range results {
			if failed[i] != nil {
				unread = append(unread, some[i].Name)
				continue
			}
			lines = append(lines, of...)
		}
		taken += len(some)
	}
	return lines, taken, unread, nil
}

// firstOf returns the first of some records, which are read at once.
func firstOf(records []state.Record) []state.Record {
	n, large := 0, 0
	for n < min(len(records), state.AtOnce) && large < largeAtOnce {
		if _, few := keysIn(records[n].Name); !few {
			large++
		}
		n++
	}
	return records[:n]
}

// merge merges the oldest tables of a level if there are fanIn of them, and reports whether it did.
// A table that cannot be read becomes one of the top level, and so is not merged again.
func (f *folder) merge(admit context.Context, level int) (merged bool, err error) {
	var old []table
	lines, bits := 0, 0
	for _, t := range f.head.Tables {
		if t.Level == level && len(old) < fanIn {
			old = append(old, t)
			lines, bits = lines+t.Lines, max(bits, t.Bits)
		}
	}
	if len(old) < fanIn {
		return false, nil
	}
	next := f.head
	next.Tables = slices.Clone(next.Tables)
	t := newTable(f.tableName(), level+1, lines) // with no fewer bits than the others
	err = state.Each(admit, 1<<bits, merging, func(ctx context.Context, part int) error {
		lines, err := f.part(ctx, old, part, bits)
		if err != nil {
			return err
		}
		shards := 1 << (t.Bits - bits)
		return t.write(ctx, f.store, part*shards, shards, lines)
	})
	switch bad, isBad := errors.AsType[damagedTable](err); {
	case isBad:
		next.Tables[slices.Index(next.Tables, bad.table)].Level = topLevel
	case err != nil:
		return false, err
	default:
		next.Tables[slices.Index(next.Tables, old[0])] = t
		next.Tables = slices.DeleteFunc(next.Tables, func(t table) bool { return slices.Contains(old, t) })
	}
	return true, f.commit(admit, next)
}

// part returns the lines of tables whose keys begin with some bits, of a number not below theirs.
func (f *folder) part(ctx context.Context, tables []table, part, bits int) (lines []line, err error) {
	some := make([][]line, len(tables))
	inPart := func(k key) bool { return int(k>>(64-bits)) == part } //nolint:gosec // at most maxBits bits
	err = state.Each(ctx, len(tables), fanIn, func(ctx context.Context, i int) (err error) {
		some[i], err = tables[i].read(ctx, f.store, part>>(bits-tables[i].Bits), inPart)
		if err != nil && ctx.Err() == nil {
			err = damagedTable{tables[i], err}
		}
		return err
	})
	return slices.Concat(some...), err
}

type damagedTable struct {
	table table
	error
}

func (f *folder) commit(ctx context.Context, next head) error {
	if err := next.write(ctx, f.store); err != nil {
		return err
	}
	f.head = next
	return nil
}

func (f *folder) tableName() string { return state.Stamp(f.now()) + "-" + rand.Text() }
