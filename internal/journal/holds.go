package journal

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/mediasweep/mediasweep/internal/retention"
	"github.com/mediasweep/mediasweep/internal/state"
	"github.com/mediasweep/mediasweep/internal/text"
)

// holdFolder holds a record of each hold, releaseFolder one of each release, and catalogFolder
// catalogs of the holds in force, so that a process need not read thousands of records.
const (
	holdFolder    = "holds/"
	releaseFolder = "releases/"
	catalogFolder = "hold-catalogs/"
)

// holdFormat is the version of the three records. Other versions are refused.
const holdFormat = 1

type holdRecord struct {
	Format int            `json:"format"`
	Hold   retention.Hold `json:"hold"`
}

type releaseRecord struct {
	Format int       `json:"format"`
	Hold   string    `json:"hold"`
	By     string    `json:"by"`
	At     time.Time `json:"at"`
}

// catalog has the holds in force once the records up to two numbers were read.
type catalog struct {
	Format   int              `json:"format"`
	Placed   int              `json:"placed"`
	Released int              `json:"released"`
	Holds    []retention.Hold `json:"holds"`
}

const (
	// maxHold bounds the record of a hold or release, in bytes.
	maxHold = 16 << 10
	// maxHolds bounds the holds in force.
	maxHolds = 50_000
	// catalogStep is the number of records after which the next catalog is written.
	catalogStep = 200
	// holdReads bounds the concurrent reads of records.
	holdReads = 32
)

// Holds caches the holds in force. It reads each record once, since records never change. It is safe
// for concurrent use.
type Holds struct {
	now     atomic.Pointer[retention.Holds]
	skipped atomic.Pointer[[]string]

	// reading guards the fields below, and is held while records are read.
	reading          lock
	started          bool      // whether a catalog was looked for
	began            time.Time // when the last complete read began
	placed, released sequence
	inForce          map[string]retention.Hold // by ID
	freed            map[string]bool           // IDs of released holds
	damaged          map[string]string         // releases that cannot be read
	changed          bool                      // since now was made
	catalog          catalog                   // the last one that was read or written
}

// NewHolds returns an empty cache.
func NewHolds() *Holds {
	h := &Holds{reading: newLock()}
	h.reset()
	none, _ := retention.NewHolds(nil) // no hold is wrong
	h.now.Store(none)
	h.skipped.Store(&[]string{})
	return h
}

func (h *Holds) reset() {
	h.placed, h.released = sequence{folder: holdFolder}, sequence{folder: releaseFolder}
	h.inForce, h.freed, h.damaged, h.changed = map[string]retention.Hold{}, map[string]bool{}, map[string]string{}, true
}

// Now returns the holds as they were last read. The result changes if they do.
func (h *Holds) Now() *retention.Holds { return h.now.Load() }

// Skipped returns the releases that cannot be read: their holds stay.
func (h *Holds) Skipped() []string { return *h.skipped.Load() }

// Refresh reads the records written since the last call. After an error nothing may be deleted.
// The error has state.ErrDamaged if a hold cannot be read.
func (h *Holds) Refresh(ctx context.Context, store state.Store) error {
	asked := time.Now()
	if err := h.reading.take(ctx); err != nil {
		return fmt.Errorf("read the holds: %w", err)
	}
	defer h.reading.giveBack()
	if h.began.After(asked) { // by another caller, while this one waited
		return nil
	}
	return h.refresh(ctx, store)
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
		h.reset()
		err = h.readNew(ctx, store)
	}
	if err != nil {
		return fmt.Errorf("read the holds: %w", err)
	}
	if h.changed {
		if err := h.publish(); err != nil {
			return err
		}
	}
	h.began = began
	return nil
}

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
	if ctx.Err() != nil || err != nil || c.Format != holdFormat || c.name() != name {
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

func (c catalog) name() string {
	return fmt.Sprintf("%s%010d-%010d.json", catalogFolder, c.Placed, c.Released)
}

// readNew reads the new releases and then the new holds: each release then has its hold.
func (h *Holds) readNew(ctx context.Context, store state.Store) error {
	err := h.released.each(ctx, store, func(_ int, name string, data []byte, err error) error {
		var r releaseRecord
		if err == nil {
			r, err = decodeRelease(data)
		}
		switch {
		case errors.Is(err, state.ErrDamaged):
			h.changed = h.changed || h.damaged[name] == ""
			h.damaged[name] = fmt.Sprintf("record %s skipped, and its hold stays: %s", name, text.Bound(err.Error()))
		case err != nil:
			return err
		default:
			delete(h.inForce, r.Hold)
			h.freed[r.Hold], h.changed = true, true
		}
		return nil
	})
	if err != nil {
		return err
	}
	return h.placed.each(ctx, store, func(number int, name string, data []byte, err error) error {
		var hold retention.Hold
		if err == nil {
			hold, err = decodeHold(number, data)
		}
		switch {
		case err != nil:
			return fmt.Errorf("record %s is needed to spare held media: repair or remove it: %w", name, err)
		case len(h.inForce) > 10*maxHolds:
			return fmt.Errorf("%w: there are more than %d holds: release some", state.ErrDamaged, len(h.inForce))
		case !h.freed[hold.ID]:
			h.inForce[hold.ID], h.changed = hold, true
		}
		return nil
	})
}

func (h *Holds) publish() error {
	list := slices.SortedFunc(maps.Values(h.inForce), func(a, b retention.Hold) int { return number(a.ID) - number(b.ID) })
	now, err := retention.NewHolds(list)
	if err != nil {
		return err // decodeHold has checked each
	}
	skipped := slices.Sorted(maps.Values(h.damaged))
	h.now.Store(now)
	h.skipped.Store(&skipped)
	h.changed = false
	return nil
}

func number(id string) int {
	n, err := text.Decimal(id)
	if err != nil || n > maxNumber {
		return 0
	}
	return int(n)
}

// decodeStrictly decodes a record of JSON that has no other fields.
func decodeStrictly(data []byte, most int, into any) error {
	if len(data) > most {
		return fmt.Errorf("%w: it has %d bytes: the limit is %d", state.ErrDamaged, len(data), most)
	}
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.DisallowUnknownFields()
	err := decoder.Decode(into)
	if err == nil && decoder.Decode(&struct{}{}) != io.EOF {
		err = errors.New("there is more than one value")
	}
	if err != nil {
		return fmt.Errorf("%w: %w", state.ErrDamaged, err)
	}
	return nil
}

func decodeHold(number int, data []byte) (retention.Hold, error) {
	var r holdRecord
	err := decodeStrictly(data, maxHold, &r)
	switch {
	case err != nil:
	case r.Format != holdFormat:
		err = fmt.Errorf("%w: format %d: this program reads format %d", state.ErrDamaged, r.Format, holdFormat)
	case r.Hold.ID != strconv.Itoa(number):
		err = fmt.Errorf("%w: it is of hold %s", state.ErrDamaged, text.Quote(r.Hold.ID))
	default:
		if err = r.Hold.Check(); err != nil {
			err = fmt.Errorf("%w: %w", state.ErrDamaged, err)
		}
	}
	return r.Hold, err
}

func decodeRelease(data []byte) (releaseRecord, error) {
	var r releaseRecord
	err := decodeStrictly(data, maxHold, &r)
	switch {
	case err != nil:
	case r.Format != holdFormat:
		err = fmt.Errorf("%w: format %d: this program reads format %d", state.ErrDamaged, r.Format, holdFormat)
	case number(r.Hold) == 0 || r.At.IsZero():
		err = fmt.Errorf("%w: it names no hold, or no time", state.ErrDamaged)
	}
	return r, err
}

// Place records a hold, under the next number. It is in force when Place returns.
func (h *Holds) Place(ctx context.Context, store state.Store, hold retention.Hold) (retention.Hold, error) {
	if err := hold.Check(); err != nil {
		return hold, err
	}
	if err := h.reading.take(ctx); err != nil {
		return hold, fmt.Errorf("place the hold: %w", err)
	}
	defer h.reading.giveBack()
	if err := h.refresh(ctx, store); err != nil {
		return hold, err
	}
	maps.DeleteFunc(h.inForce, func(_ string, old retention.Hold) bool { return !old.Lasts(hold.At.Add(-holdTime)) }) // no run decides as of then
	if len(h.inForce) >= maxHolds {
		return hold, fmt.Errorf("there are %d holds: release some first", len(h.inForce))
	}
	err := h.add(ctx, store, &h.placed, max(h.placed.last, h.catalog.Placed), func(number int) any {
		hold.ID = strconv.Itoa(number)
		return holdRecord{holdFormat, hold}
	})
	if err != nil {
		return hold, fmt.Errorf("place the hold: %w", err)
	}
	return hold, nil
}

// Release records the end of a hold, or returns state.ErrNotFound if it is not in force.
func (h *Holds) Release(ctx context.Context, store state.Store, id, by string, at time.Time) (retention.Hold, error) {
	if err := h.reading.take(ctx); err != nil {
		return retention.Hold{}, fmt.Errorf("release the hold: %w", err)
	}
	defer h.reading.giveBack()
	if err := h.refresh(ctx, store); err != nil {
		return retention.Hold{}, err
	}
	hold, ok := h.inForce[id]
	if !ok {
		return hold, fmt.Errorf("hold %s: %w", text.Quote(id), state.ErrNotFound)
	}
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
		last++
		var data []byte
		if data, err = json.Marshal(record(last)); err == nil {
			err = store.Create(ctx, to.name(last), data)
		}
	}
	if err == nil {
		err = h.refresh(ctx, store)
	}
	if err == nil {
		h.maybeCatalog(ctx, store)
	}
	return err
}

// maybeCatalog writes a catalog if one is due. A failure costs the next processes time only.
func (h *Holds) maybeCatalog(ctx context.Context, store state.Store) {
	c := catalog{Format: holdFormat, Placed: h.placed.last, Released: h.released.last, Holds: h.Now().All()}
	if c.Placed+c.Released < h.catalog.Placed+h.catalog.Released+catalogStep || len(h.damaged) > 0 {
		return
	}
	if data, err := json.Marshal(c); err == nil && store.Create(ctx, c.name(), data) == nil {
		h.catalog = c
	}
}
