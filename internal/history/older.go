package history

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"path"
	"slices"
	"time"

	"github.com/mediasweep/mediasweep/internal/journal"
	"github.com/mediasweep/mediasweep/internal/media"
	"github.com/mediasweep/mediasweep/internal/state"
	"github.com/mediasweep/mediasweep/internal/trigger"
)

// older says which outcomes of an earlier version are in the tables. It recorded outcomes and plans, and
// no history.
type older struct {
	// Until is a time by the store's clock. Outcomes that were written later have a history.
	Until time.Time `json:"until"`
	Last  string    `json:"last,omitempty"` // the name of the last record that was taken
	Done  bool      `json:"done,omitempty"`
}

// begin sets the time of the first history, by the first loose record. A run writes its outcomes at most
// seconds before. Without a loose record all outcomes of the last minute may get a history.
func (o *older) begin(ctx context.Context, store state.Store, now time.Time) error {
	if !o.Until.IsZero() {
		return nil
	}
	first, err := state.First(ctx, store, looseFolder, "")
	switch {
	case err != nil:
		return fmt.Errorf("list the history: %w", err)
	case first.Name != "":
		now = first.Written
	}
	o.Until = now.Add(-time.Minute)
	return nil
}

// list lists so many records of outcomes, and returns those of an earlier version. The next call lists the ones behind.
func (o *older) list(ctx context.Context, store state.Store, most int) (records []state.Record, listed int, err error) {
	for record, err := range journal.OutcomeRecords(ctx, store, o.Last) {
		if err != nil {
			return nil, 0, fmt.Errorf("list the outcomes of all runs: %w", err)
		}
		if err := o.begin(ctx, store, record.Now); err != nil {
			return nil, 0, err
		}
		if record.Written.Before(o.Until) {
			records = append(records, record)
		}
		o.Last = record.Name
		if listed++; listed == most {
			break
		}
	}
	return records, listed, nil
}

// maxNoted bounds the records that are listed for a note: a person waits for it.
const maxNoted = 1000

// noteOlder notes that outcomes of an earlier version are not all in the tables.
func (found *History) noteOlder(ctx context.Context, store state.Store, h head) error {
	if h.Older.Done {
		return nil
	}
	records, _, err := h.Older.list(ctx, store, maxNoted)
	if len(records) > 0 {
		found.Notes = append(found.Notes, "runs of an earlier version are not all in the history yet: the next sweeps of the inventory in mode enforce add them; until then mediasweep runs and mediasweep plans list what they did")
	}
	return err
}

// olderTime bounds the time that one Fold takes for outcomes of an earlier version.
const olderTime = 30 * time.Second

// takeOlder makes a table of some outcomes of an earlier version, and reports whether there may be more. The
// table is not merged: 400 nights with 5,000 deletions each have 63 of them.
func (f *folder) takeOlder(ctx, admit context.Context) (more bool, err error) {
	if f.head.Older.Done {
		return false, nil
	}
	next := f.head
	records, listed, err := next.Older.list(admit, f.store, stepRecords)
	if err != nil || listed == 0 && next.number == 0 { // the store is empty
		return false, err
	}
	taken, err := f.addTable(ctx, admit, &next, topLevel, records, func(ctx context.Context, record state.Record) ([]line, error) {
		return linesOfOlder(ctx, f.store, record)
	})
	if err != nil {
		return false, err
	}
	if next.Older.Done = taken == len(records) && listed < stepRecords; taken < len(records) {
		next.Older.Last = records[taken-1].Name
	}
	return !next.Older.Done, f.commit(ctx, next)
}

// linesOfOlder returns the lines of a record of outcomes.
func linesOfOlder(ctx context.Context, store state.Store, record state.Record) (lines []line, err error) {
	list, err := readOlder(ctx, store, record)
	for _, d := range list {
		text, encodeErr := d.encode()
		if err = cmp.Or(err, encodeErr); err != nil {
			return nil, err
		}
		lines = append(lines, d.lines(text)...)
	}
	return lines, err
}

// readOlder returns the decisions of a record of outcomes. Their rules and objects are in the entries of
// their plans, as far as these can be read.
func readOlder(ctx context.Context, store state.Store, record state.Record) (list []Decision, err error) {
	outcomes, err := journal.ReadOutcomes(ctx, store, record.Name)
	if errors.Is(err, state.ErrNotFound) {
		return nil, nil // it was removed after the listing
	}
	for _, o := range outcomes {
		list = append(list, Decision{At: record.Written, MediaID: o.MediaID, Outcome: o.Became, Code: o.Code, Run: o.By(path.Base(path.Dir(record.Name))), Plan: o.Plan})
	}
	slices.SortFunc(list, func(a, b Decision) int {
		return cmp.Or(cmp.Compare(a.Plan, b.Plan), cmp.Compare(a.MediaID, b.MediaID))
	})
	for rest := list; len(rest) > 0 && err == nil; {
		end := slices.IndexFunc(rest, func(d Decision) bool { return d.Plan != rest[0].Plan })
		if end < 0 {
			end = len(rest)
		}
		if err = describe(ctx, store, rest[:end]); errors.Is(err, state.ErrNotFound) || errors.Is(err, state.ErrDamaged) {
			err = nil
		}
		rest = rest[end:]
	}
	return list, err
}

// describe adds to decisions what the entries of their plan say. They are sorted by media.
func describe(ctx context.Context, store state.Store, list []Decision) error {
	if !trigger.IsPlanID(list[0].Plan) {
		return nil
	}
	contents, err := journal.ReadPlan(ctx, store, list[0].Plan)
	if err != nil {
		return err
	}
	for i := range list {
		list[i].Policy = contents.Head.Policy
		list[i].Plan = cmp.Or(contents.Head.Scope.Plan, contents.ID) // what a person approved
	}
	for entry, err := range journal.EntriesBetween(ctx, store, contents, list[0].MediaID, list[len(list)-1].MediaID) {
		if err != nil {
			return err
		}
		for len(list) > 0 && list[0].MediaID <= entry.MediaID {
			if list[0].MediaID == entry.MediaID {
				m, _ := media.Parse(entry.Record) // a damaged record has no title and no object
				list[0].Describe(entry.Rule, entry.Reason, &m)
			}
			list = list[1:]
		}
	}
	return nil
}
