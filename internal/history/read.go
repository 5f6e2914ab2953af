package history

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/mediasweep/mediasweep/internal/journal"
	"github.com/mediasweep/mediasweep/internal/state"
)

// History is all decisions to delete a medium, or the media of an object.
type History struct {
	Of        string     `json:"of"`        // the media ID or the object
	Decisions []Decision `json:"decisions"` // newest first
	// Unread are records that could not be read. With any the history may be incomplete.
	Unread []string `json:"unread"`
	Notes  []string `json:"notes"`
	// Policies are texts of policies by their digests, if their records can be read.
	Policies map[string]string `json:"policies"`
	// Next says how to get the medium back, or why it cannot. It is empty if the medium is not gone.
	Next string `json:"next"`
}

// Of returns the history of a media ID, or of an object as oss://bucket/key. An error means that it
// is not known at all.
func Of(ctx context.Context, store state.Store, now time.Time, name string) (*History, error) {
	found := &History{Of: name, Decisions: []Decision{}, Unread: []string{}, Notes: []string{}, Policies: map[string]string{}}
	h, damaged, err := latestHead(ctx, store, now)
	if err != nil {
		return nil, err
	}
	for _, one := range damaged {
		found.Notes = append(found.Notes, one+"; skipped, and no decision is lost by that")
	}
	sources, err := sourcesOf(ctx, store, h, keyOf(name))
	if err != nil {
		return nil, err
	}
	lists := make([][]Decision, len(sources))
	failed := make([]error, len(sources))
	err = state.Each(ctx, len(sources), state.AtOnce, func(ctx context.Context, i int) error {
		var lines []line
		lines, failed[i] = sources[i].read(ctx)
		for _, one := range lines {
			switch d, err := decode(one.text); {
			case err != nil: // merges do not decode
				failed[i] = fmt.Errorf("%w: %w", state.ErrDamaged, err)
			case d.isOf(name):
				lists[i] = append(lists[i], d)
			}
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read the history: %w", err)
	}
	var removed time.Time
	for i, list := range lists {
		if at, err := stampOf(sources[i].record); errors.Is(failed[i], state.ErrNotFound) && err == nil && now.Sub(at) > minExpiry {
			failed[i] = nil
			if at.After(removed) {
				removed = at
			}
		}
		if failed[i] != nil {
			found.Unread = append(found.Unread, problem(sources[i].record, failed[i]))
		}
		found.Decisions = append(found.Decisions, list...)
	}
	if !removed.IsZero() {
		found.Notes = append(found.Notes, fmt.Sprintf("decisions before %s may be missing: records of the history were removed, for example by a lifecycle rule", removed.Format(time.RFC3339)))
	}
	found.order()
	return found, found.noteOlder(ctx, store, h)
}

// minExpiry is the age from which a missing record is taken for an expired one: nothing is wrong.
const minExpiry = 30 * 24 * time.Hour

// source is a record that may have decisions of a name.
type source struct {
	record string
	read   func(context.Context) ([]line, error)
}

// sourcesOf returns the records that may have lines of a key.
func sourcesOf(ctx context.Context, store state.Store, h head, k key) (list []source, err error) {
	wants := func(other key) bool { return other == k }
	for _, t := range h.Tables {
		shard := t.shard(k)
		list = append(list, source{t.shardName(shard), func(ctx context.Context) ([]line, error) { return t.read(ctx, store, shard, wants) }})
	}
	add := func(record string) {
		if mayHave(record, k) {
			list = append(list, source{record, func(ctx context.Context) ([]line, error) { return readLoose(ctx, store, record, wants) }})
		}
	}
	for _, record := range h.Unread {
		if strings.HasPrefix(record, looseFolder) {
			add(record)
			continue
		}
		list = append(list, source{record, func(context.Context) ([]line, error) {
			return nil, fmt.Errorf("%w: these outcomes of an earlier version are missing here", state.ErrDamaged)
		}})
	}
	for record, err := range h.loose(ctx, store, "") {
		if err != nil {
			return nil, err
		}
		add(record.Name)
	}
	return list, nil
}

// order sorts the decisions, newest first, drops duplicates and those above maxOfKey, and says how
// to get the medium back.
func (found *History) order() {
	slices.SortFunc(found.Decisions, func(a, b Decision) int {
		return cmp.Or(b.At.Compare(a.At), cmp.Compare(rankOf(b), rankOf(a)), cmp.Compare(a.MediaID, b.MediaID), cmp.Compare(a.Run, b.Run), cmp.Compare(a.Plan, b.Plan), cmp.Compare(a.NewID, b.NewID))
	})
	found.Decisions = slices.CompactFunc(found.Decisions, func(a, b Decision) bool {
		a.At, b.At = a.At.UTC(), b.At.UTC()
		return a == b
	})
	found.dropLost()
	if len(found.Decisions) >= maxOfKey { // a table has no more of them, and does not say so
		found.Decisions = found.Decisions[:maxOfKey]
		found.Notes = append(found.Notes, fmt.Sprintf("only the latest %d decisions are listed", maxOfKey))
	}
	at := slices.IndexFunc(found.Decisions, func(d Decision) bool { return d.Outcome == Restored || d.isGone() })
	if at >= 0 {
		found.Next = found.Decisions[at].next()
	}
}

// dropLost drops what only guesses that a run deleted a medium, if another decision says which run did.
func (found *History) dropLost() {
	known := map[string]bool{}
	for _, d := range found.Decisions {
		known[d.MediaID] = known[d.MediaID] || d.Outcome == journal.Deleted || d.Outcome == Restored
	}
	found.Decisions = slices.DeleteFunc(found.Decisions, func(d Decision) bool { return d.Outcome == journal.Lost && known[d.MediaID] })
}

// next says how to get the medium of a decision back, if it is gone.
func (d *Decision) next() string {
	switch {
	case d.Outcome == Restored:
		return ""
	case d.Orphan:
		return "it cannot be restored: its source object was removed"
	case d.Outcome == journal.Unverified:
		return fmt.Sprintf("it may still be there: see mediasweep explain %s; if not, to get it back: mediasweep restore %s --only %s", d.MediaID, d.Run, d.MediaID)
	}
	return fmt.Sprintf("to get it back: mediasweep restore %s --only %s", d.Run, d.MediaID)
}

// rankOf orders decisions of one second: a restore comes after the deletion, and that after a failure.
func rankOf(d Decision) int {
	switch {
	case d.Outcome == Restored:
		return 2
	case d.isGone():
		return 1
	}
	return 0
}

// Deletion returns the latest decision by which the medium went, or nil. It may have been restored since.
func (found *History) Deletion() *Decision {
	at := slices.IndexFunc(found.Decisions, func(d Decision) bool { return d.isGone() })
	if at < 0 {
		return nil
	}
	return &found.Decisions[at]
}
