package holds

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"

	"github.com/mediasweep/mediasweep/internal/retention"
	"github.com/mediasweep/mediasweep/internal/state"
	"github.com/mediasweep/mediasweep/internal/text"
)

// readCatalog starts from the latest catalog. One that cannot be read costs time only.
func (h *Holds) readCatalog(ctx context.Context, store state.Store) error {
	name := ""
	for record, err := range store.List(ctx, catalogFolder, "") {
		if err != nil {
			return fmt.Errorf("list the catalogs of holds: %w", err)
		}
		name = record.Name
	}
	if name == "" {
		return nil
	}
	data, err := store.Read(ctx, name)
	var c catalog
	if err == nil {
		err = decodeStrictly(data, state.MaxBytes, &c)
	}
	if ctx.Err() != nil || err != nil || c.Format != holdFormat || c.name(data) != name {
		return ctx.Err()
	}
	if _, err := retention.NewHolds(c.Holds); err != nil {
		return nil // all records are read
	}
	h.catalog, h.placed.last, h.released.last = c, c.Placed, c.Released
	for _, hold := range c.Holds {
		h.inForce[hold.ID] = hold
	}
	return nil
}

// readNew reads the new releases, holds and numbers at once. A release or a number may come before its hold.
func (h *Holds) readNew(ctx context.Context, store state.Store) error {
	var fresh [2][]numbered
	proven := 0
	err := state.Each(ctx, len(fresh)+1, len(fresh)+1, func(ctx context.Context, i int) (err error) {
		if i == len(fresh) {
			proven, err = lastNumber(ctx, store, h.proven)
			return err
		}
		fresh[i], err = []*sequence{&h.released, &h.placed}[i].fresh(ctx, store)
		return err
	})
	if err != nil {
		return err
	}
	h.proven = proven
	for _, record := range fresh[0] {
		if err := h.takeRelease(record); err != nil {
			return err
		}
		h.released.took(record)
	}
	for _, record := range fresh[1] {
		h.noteMissing(record.number - 1)
		if err := h.takeHold(record); err != nil {
			return err
		}
		h.placed.took(record)
	}
	if len(fresh[0]) > 0 || h.proven > h.placed.last {
		last := h.proven
		for id := range h.freed {
			last = max(last, number(id))
		}
		h.noteMissing(last)
	}
	return nil
}

// lastNumber returns the highest number in numberFolder. known is one that it had before.
func lastNumber(ctx context.Context, store state.Store, known int) (int, error) {
	numbers := sequence{folder: numberFolder}
	after := ""
	if known > 0 {
		after = numbers.name(known)
	}
	for record, err := range store.List(ctx, numbers.folder, after) {
		if err != nil {
			return 0, err
		}
		known = cmp.Or(numbers.numberOf(record.Name), known)
	}
	return known, nil
}

// noteMissing notes holds that are not there although there is a later one, a release of one, or its number: numbers have
// no gaps.
func (h *Holds) noteMissing(last int) {
	for missing := h.placed.last + 1; missing <= last && len(h.unread) < maxUnread; missing++ {
		if !h.freed[strconv.Itoa(missing)] {
			h.unread[h.placed.name(missing)] = missing
		}
	}
}

// takeRelease removes the hold of a release. A release that cannot be read is noted, and ends nothing.
func (h *Holds) takeRelease(record numbered) error {
	err := record.err
	var r releaseRecord
	if err == nil {
		r, err = decodeRelease(record.data)
	}
	switch {
	case errors.Is(err, state.ErrDamaged):
		h.changed = h.changed || h.damaged[record.Name] == ""
		h.damaged[record.Name] = fmt.Sprintf("record %s skipped, and its hold stays: %s", record.Name, text.Bound(err.Error()))
	case err != nil:
		return err
	default:
		delete(h.inForce, r.Hold)
		h.freed[r.Hold], h.changed = true, true
	}
	return nil
}

// maxUnread bounds the missing records that are looked for.
const maxUnread = 1000

// takeHold adds a hold that was read, or notes its record in unread.
func (h *Holds) takeHold(record numbered) error {
	err := record.err
	var hold retention.Hold
	if err == nil {
		hold, err = decodeHold(record.number, record.data)
	}
	switch {
	case errors.Is(err, state.ErrDamaged):
		h.unread[record.Name] = record.number
		return nil
	case err != nil:
		return err
	case len(h.inForce) > 10*maxHolds:
		return fmt.Errorf("%w: there are more than %d holds: release some", state.ErrDamaged, len(h.inForce))
	case !h.freed[hold.ID]:
		h.inForce[hold.ID], h.changed = hold, true
	}
	return nil
}

// readUnread reads again what could not be read. Its error names a record that still cannot be. The
// release of its hold ends that.
func (h *Holds) readUnread(ctx context.Context, store state.Store) error {
	for _, name := range slices.Sorted(maps.Keys(h.unread)) {
		number := h.unread[name]
		data, err := store.Read(ctx, name)
		switch {
		case h.freed[strconv.Itoa(number)], number == 0 && errors.Is(err, state.ErrNotFound):
			delete(h.unread, name)
		case number == 0:
			return fmt.Errorf("record %s is no record of a hold: remove it: %w", name, state.ErrDamaged)
		case errors.Is(err, state.ErrNotFound):
			return fmt.Errorf("record %s is missing, and is needed to spare held media: put it back, or end the hold with mediasweep release %d: %w", name, number, state.ErrDamaged)
		default:
			if err == nil {
				_, err = decodeHold(number, data)
			}
			if err != nil {
				return fmt.Errorf("record %s is needed to spare held media: repair it, or end the hold with mediasweep release %d: %w", name, number, err)
			}
			delete(h.unread, name)
			if err := h.takeHold(numbered{Record: state.Record{Name: name}, number: number, data: data}); err != nil {
				return err
			}
		}
	}
	return nil
}
