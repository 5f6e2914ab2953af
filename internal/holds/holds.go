// Package holds stores the holds by which people keep media: who placed one, and who released it. A hold
// is never dropped silently: one that cannot be read, or is missing, stops deletions. A release that cannot be
// read ends nothing.
package holds

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/mediasweep/mediasweep/internal/retention"
	"github.com/mediasweep/mediasweep/internal/state"
	"github.com/mediasweep/mediasweep/internal/text"
)

// holdFolder has a record of each hold, and releaseFolder one of each release. numberFolder has the numbers of the
// holds, so that a removed record is missed. catalogFolder has catalogs of the holds in force, which save a new
// process thousands of reads.
const (
	holdFolder    = "holds/"
	releaseFolder = "releases/"
	numberFolder  = "hold-numbers/"
	catalogFolder = "hold-catalogs/"
)

const (
	// maxHold bounds the record of a hold or release, in bytes, but for the list of a hold.
	maxHold = 16 << 10
	// maxListed bounds a media ID in the list of a hold, in bytes.
	maxListed = 80
	// maxHolds bounds the holds in force.
	maxHolds = 50_000
	// maxMedia bounds the media in the lists of the holds in force.
	maxMedia = 500_000
	// expiry is the time after its end when a hold does not count any more: no run decides as of then.
	expiry = 30 * 24 * time.Hour
	// remembered is the time for which ended holds stay if there is room. They ended announcements, which count for a
	// year and a month at most.
	remembered = 400 * 24 * time.Hour
	// catalogStep is the number of records after which the next catalog is written.
	catalogStep = 200
)

// Holds caches the holds in force. It reads each record once, since records never change. It is safe
// for concurrent use.
type Holds struct {
	latest atomic.Pointer[view]

	// reading guards the fields below, and is held while records are read.
	reading *state.SharedRead
	started bool // whether a catalog was looked for
	ledger
	changed bool    // since the latest view was made
	catalog catalog // the last one that was read or written
}

type view struct {
	holds   *retention.Holds
	skipped []string
	readAt  time.Time
}

// ledger is the content of the records that were read.
type ledger struct {
	placed, released sequence
	proven           int                       // the highest number in numberFolder
	inForce          map[string]retention.Hold // by ID
	freed            map[string]bool           // IDs of released holds
	damaged          map[string]string         // releases that cannot be read
	unread           map[string]int            // holds that cannot be read, or are missing: record and number
}

func newLedger() ledger {
	return ledger{placed: sequence{folder: holdFolder}, released: sequence{folder: releaseFolder},
		inForce: map[string]retention.Hold{}, freed: map[string]bool{}, damaged: map[string]string{}, unread: map[string]int{}}
}

// New returns an empty cache.
func New() *Holds {
	h := &Holds{reading: state.NewSharedRead(), ledger: newLedger(), changed: true}
	none, _ := retention.NewHolds(nil) // no hold is wrong
	h.latest.Store(&view{holds: none})
	return h
}

// Latest returns the holds as they were last read. The result changes if they do.
func (h *Holds) Latest() *retention.Holds { return h.latest.Load().holds }

// Skipped returns the releases that cannot be read: their holds stay.
func (h *Holds) Skipped() []string { return h.latest.Load().skipped }

// ReadAt returns when the last complete read began.
func (h *Holds) ReadAt() time.Time { return h.latest.Load().readAt }

// Refresh reads the records written since the last call. After an error nothing may be deleted.
// The error has state.ErrDamaged if a hold cannot be read.
func (h *Holds) Refresh(ctx context.Context, store state.Store) error {
	err := h.reading.Do(ctx, func(ctx context.Context) error { return h.refresh(ctx, store) })
	if err != nil {
		return fmt.Errorf("read the holds: %w", err)
	}
	return nil
}

func (h *Holds) refresh(ctx context.Context, store state.Store) error {
	began := time.Now()
	if !h.started {
		if err := h.readCatalog(ctx, store); err != nil {
			return err
		}
		h.started = true
	}
	err := h.readNew(ctx, store)
	if errors.Is(err, errRenumbered) {
		h.ledger, h.changed = newLedger(), true
		err = h.readNew(ctx, store)
	}
	if err != nil {
		return err
	}
	lost := h.readUnread(ctx, store)
	seen := *h.latest.Load()
	if h.changed {
		list := slices.SortedFunc(maps.Values(h.inForce), func(a, b retention.Hold) int { return number(a.ID) - number(b.ID) })
		if seen.holds, err = retention.NewHolds(list); err != nil {
			return err // decodeHold has checked each
		}
		seen.skipped, h.changed = slices.Sorted(maps.Values(h.damaged)), false
	}
	if lost == nil {
		seen.readAt = began
	}
	h.latest.Store(&seen)
	return lost
}

// Place records a hold, under the next number. It is in force when Place returns. Another hold that
// cannot be read is no reason not to.
func (h *Holds) Place(ctx context.Context, store state.Store, hold retention.Hold) (retention.Hold, error) {
	if err := hold.Check(); err != nil {
		return hold, err
	}
	if err := h.reading.Lock(ctx); err != nil {
		return hold, fmt.Errorf("place the hold: %w", err)
	}
	defer h.reading.Unlock()
	if err := h.refresh(ctx, store); err != nil && !errors.Is(err, state.ErrDamaged) {
		return hold, fmt.Errorf("read the holds: %w", err)
	}
	for _, old := range h.inForce {
		if old.Says(&hold) { // a form was sent again
			return old, prove(ctx, store, old)
		}
	}
	err := h.makeRoom(&hold, remembered)
	if err != nil {
		err = h.makeRoom(&hold, expiry)
	}
	if err != nil {
		return hold, err
	}
	err = h.add(ctx, store, &h.placed, max(h.placed.last, h.catalog.Placed, h.proven), func(number int) any {
		hold.ID = strconv.Itoa(number)
		return holdRecord{holdFormat, hold}
	})
	if _, inForce := h.inForce[hold.ID]; err == nil && !inForce {
		err = fmt.Errorf("its record %s is not in force: look for a release of it in %s", h.placed.name(number(hold.ID)), releaseFolder)
	}
	if err != nil {
		return hold, fmt.Errorf("place the hold: %w", err)
	}
	return hold, prove(ctx, store, hold)
}

// makeRoom forgets the holds that ended some time before a new one. It returns an error if there is still no room for that.
func (h *Holds) makeRoom(hold *retention.Hold, ago time.Duration) error {
	listed := len(hold.Media)
	maps.DeleteFunc(h.inForce, func(_ string, old retention.Hold) bool { return !old.Lasts(hold.At.Add(-ago)) })
	for _, old := range h.inForce {
		listed += len(old.Media)
	}
	switch {
	case len(h.inForce) >= maxHolds:
		return fmt.Errorf("there are %d holds: release some first", len(h.inForce))
	case listed > maxMedia:
		return fmt.Errorf("holds would list %d media, and at most %d can be listed: release a hold that lists media first, or hold a folder by a glob", listed, maxMedia)
	}
	return nil
}

// prove records the number of a hold in force.
func prove(ctx context.Context, store state.Store, hold retention.Hold) error {
	numbers := sequence{folder: numberFolder}
	if err := store.Create(ctx, numbers.name(number(hold.ID)), state.Empty()); err != nil {
		return fmt.Errorf("hold %s is in force, but its number is not recorded: place it again: %w", hold.ID, err)
	}
	return nil
}

// Release records the end of a hold. A damaged hold can be released too. It returns state.ErrNotFound
// if the hold is not in force.
func (h *Holds) Release(ctx context.Context, store state.Store, id, by string, at time.Time) (retention.Hold, error) {
	if err := h.reading.Lock(ctx); err != nil {
		return retention.Hold{}, fmt.Errorf("release the hold: %w", err)
	}
	defer h.reading.Unlock()
	if err := h.refresh(ctx, store); err != nil && !errors.Is(err, state.ErrDamaged) {
		return retention.Hold{}, fmt.Errorf("read the holds: %w", err)
	}
	hold, ok := h.inForce[id]
	ok = ok && hold.Lasts(at)
	if _, unread := h.unread[h.placed.name(number(id))]; !ok && (!unread || strconv.Itoa(number(id)) != id) {
		return hold, fmt.Errorf("hold %s: %w", text.Quote(id), state.ErrNotFound)
	}
	hold.ID = id
	err := h.add(ctx, store, &h.released, max(h.released.last, h.catalog.Released), func(int) any {
		return releaseRecord{holdFormat, id, by, at.UTC()}
	})
	if err != nil {
		return hold, fmt.Errorf("release the hold: %w", err)
	}
	return hold, nil
}

// add writes a record under the first free number after last, and reads it back.
func (h *Holds) add(ctx context.Context, store state.Store, to *sequence, last int, record func(number int) any) error {
	err := state.ErrExists
	for errors.Is(err, state.ErrExists) {
		for last++; to == &h.placed && h.freed[strconv.Itoa(last)]; last++ { // the hold of a release was removed
		}
		err = state.CreateJSON(ctx, store, to.name(last), record(last))
	}
	if err == nil {
		err = h.refresh(ctx, store)
		if errors.Is(err, state.ErrDamaged) { // of another hold
			return nil
		}
	}
	if err == nil {
		h.maybeCatalog(ctx, store)
	}
	return err
}

// maybeCatalog writes a catalog if one is due. A failure costs the next processes time only.
func (h *Holds) maybeCatalog(ctx context.Context, store state.Store) {
	c := catalog{Format: holdFormat, Placed: h.placed.last, Released: h.released.last, Holds: h.Latest().All()}
	if c.Placed+c.Released < h.catalog.Placed+h.catalog.Released+catalogStep || len(h.damaged) > 0 {
		return
	}
	if data, err := json.Marshal(c); err == nil && store.Create(ctx, c.name(data), data) == nil {
		h.catalog = c
	}
}
