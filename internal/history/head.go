package history

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"strings"
	"time"

	"github.com/mediasweep/mediasweep/internal/state"
	"github.com/mediasweep/mediasweep/internal/text"
)

// headFolder holds the heads, which are numbered.
const headFolder = "history/heads/"

// head lists the tables. They have all loose records up to Bound that were written before Listed.
type head struct {
	Format int    `json:"format"`
	Bound  string `json:"bound"` // the name of a loose record
	// Listed is a time by the store's clock.
	Listed time.Time `json:"listed"`
	Tables []table   `json:"tables"`
	// Unread are loose records that could not be read. They are in no table.
	Unread []string `json:"unread,omitempty"`
	Older  older    `json:"older"`

	number int64 // of the latest head, which need not be usable
}

const (
	// headFormat is the version of head and table. Other versions are skipped.
	headFormat = 1
	// maxHead bounds a head that is read, in bytes. Ten years take ten kilobytes.
	maxHead = 1 << 20
	// maxTried is the number of heads that are read until one is usable. Without one, all loose records
	// are read: a damaged head costs time, and no decision.
	maxTried = 8
	// lateness is the time for which a record may be late: its stamp is older than the head's bound,
	// and it was written after the head.
	lateness = 2 * time.Hour
)

// latestHead returns the latest usable head, or an empty one. damaged names the heads that it skipped.
func latestHead(ctx context.Context, store state.Store, now time.Time) (h head, damaged []string, err error) {
	tried, number := 0, int64(0)
	for record, err := range store.List(ctx, headFolder, "") {
		if err != nil {
			return head{}, nil, fmt.Errorf("list the history: %w", err)
		}
		number = max(number, state.NumberOf(headFolder, record.Name))
		h, err := readHead(ctx, store, record.Name)
		if ctx.Err() != nil {
			return head{}, nil, ctx.Err()
		}
		if bound, _ := stampOf(h.Bound); err == nil && bound.After(now.Add(lateness)) {
			err = errors.New("the clock of its run was wrong")
		}
		if err == nil {
			h.number = number
			return h, damaged, nil
		}
		damaged = append(damaged, problem(record.Name, err))
		if tried++; tried == maxTried {
			break
		}
	}
	return head{Format: headFormat, number: number}, damaged, nil
}

func problem(record string, err error) string {
	return text.Bound(fmt.Sprintf("record %s: %v", record, err))
}

func readHead(ctx context.Context, store state.Store, name string) (h head, err error) {
	data, err := store.Read(ctx, name)
	if err == nil {
		err = state.Decode(data, maxHead, &h)
	}
	switch {
	case err != nil:
		return head{}, err
	case h.Format != headFormat:
		return head{}, text.OtherFormat(h.Format, headFormat)
	}
	if _, err := stampOf(h.Bound); err != nil && h.Bound != "" { // nothing loose was taken yet
		return head{}, err
	}
	for _, t := range h.Tables {
		if err := t.check(); err != nil {
			return head{}, err
		}
	}
	return h, nil
}

// write writes the head under the next number. Of two writers at a time one gets state.ErrExists.
func (h *head) write(ctx context.Context, store state.Store) error {
	if err := state.CreateJSON(ctx, store, state.NumberedName(headFolder, h.number+1), h); err != nil {
		return fmt.Errorf("write the head of the history: %w", err)
	}
	h.number++
	return nil
}

// loose yields the loose records after a name that are in no table, in the order of their stamps.
func (h *head) loose(ctx context.Context, store state.Store, after string) iter.Seq2[state.Record, error] {
	return func(yield func(state.Record, error) bool) {
		if bound, err := stampOf(h.Bound); err == nil {
			after = max(after, looseFolder+state.Stamp(bound.Add(-lateness)))
		}
		for record, err := range store.List(ctx, looseFolder, after) {
			if err != nil {
				yield(record, fmt.Errorf("list the history: %w", err))
				return
			}
			// The store's clock may have whole seconds.
			if record.Name <= h.Bound && record.Written.Before(h.Listed.Add(-2*time.Second)) {
				continue
			}
			if !yield(record, nil) {
				return
			}
		}
	}
}

// stampOf returns the time in the name of a loose record or of a table's shard.
func stampOf(name string) (time.Time, error) {
	stamp, _, _ := strings.Cut(strings.TrimPrefix(strings.TrimPrefix(name, looseFolder), tableFolder), "-")
	at, err := state.ParseStamp(stamp)
	if err != nil || state.Stamp(at) != stamp {
		return time.Time{}, fmt.Errorf("%w: its name has no time", state.ErrDamaged)
	}
	return at, nil
}
