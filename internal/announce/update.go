package announce

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash/fnv"
	"slices"
	"time"

	"github.com/klauspost/compress/gzip"

	"github.com/mediasweep/mediasweep/internal/state"
)

// MostOfRequest bounds the media that an event or a request announces.
const MostOfRequest = 10_000

// Update collects what a run announces, and what it takes back. A sweep of the inventory writes the next generation: it
// must announce again what stays announced. Other runs write records of what changes.
type Update struct {
	earlier *Reader
	ended   int
	// Of a sweep.
	stored           map[string]bool // segments of the earlier generation, by their sums
	inventory, leads lines
	// Of another run.
	added []Entry
	kept  []string
}

// Update begins the update of the run that reads.
func (r *Reader) Update() *Update {
	u := &Update{earlier: r, stored: map[string]bool{}}
	for _, s := range slices.Concat(r.latest.Segments, r.latest.Leads) {
		u.stored[s.Sum] = true
	}
	return u
}

// Keep announces a medium. Calls must come in the order of media IDs; the first of a medium counts. isNew is false for what
// earlier runs announced.
func (u *Update) Keep(ctx context.Context, e Entry, isNew bool) error {
	switch {
	case u.earlier.Sweep && e.Lead:
		return u.add(ctx, &u.leads, e)
	case u.earlier.Sweep:
		return u.add(ctx, &u.inventory, e)
	case isNew && len(u.added) < MostOfRequest:
		u.added = append(u.added, e)
	}
	return nil
}

// End takes back what was announced of a medium.
func (u *Update) End(id string) {
	if u.ended++; !u.earlier.Sweep {
		u.kept = append(u.kept, id)
	}
}

// HasEnded reports whether an announcement ends.
func (u *Update) HasEnded() bool { return u.ended > 0 }

// Commit makes the update durable. It fails if another sweep has written a generation meanwhile.
func (u *Update) Commit(ctx context.Context, now time.Time) error {
	if !u.earlier.Sweep {
		if err := add(ctx, u.earlier.store, now, u.added); err != nil {
			return err
		}
		return TakeBack(ctx, u.earlier.store, now, u.kept)
	}
	if err := errors.Join(u.cut(ctx, &u.inventory), u.cut(ctx, &u.leads)); err != nil {
		return err
	}
	next := generation{Format: format, Region: u.earlier.Region, At: now.UTC(), Segments: u.inventory.segments, Leads: u.leads.segments}
	name := state.NumberedName(generationFolder, u.earlier.latest.number+1)
	err := state.CreateJSON(ctx, u.earlier.store, name, next)
	if err == nil {
		err = u.earlier.store.Create(ctx, name+writtenSuffix, state.Empty())
	}
	if err != nil {
		return fmt.Errorf("write the announcements: %w", err)
	}
	return nil
}

// lines collects the lines of a segment. segments has the finished ones.
type lines struct {
	segments    []segment
	first, last string
	count       int
	text        bytes.Buffer
}

func (u *Update) add(ctx context.Context, to *lines, e Entry) error {
	if e.MediaID == to.last {
		return nil
	}
	if to.count == 0 {
		to.first = e.MediaID
	}
	to.last = e.MediaID
	to.count++
	_, _ = to.text.Write(e.appendLine(to.text.AvailableBuffer())) // a Buffer returns no error
	if to.count < maxLines && !endsSegment(e.MediaID) {
		return nil
	}
	return u.cut(ctx, to)
}

// endsSegment reports whether a medium ends its segment: one in 8,192. A medium that comes or goes then changes one
// segment.
func endsSegment(id string) bool {
	hash := fnv.New64a()
	_, _ = hash.Write([]byte(id)) // a hash returns no error
	return hash.Sum64()>>32%8192 == 0
}

// cut writes a segment, unless it is stored.
func (u *Update) cut(ctx context.Context, of *lines) error {
	if of.count == 0 {
		return nil
	}
	sum := sha256.Sum256(of.text.Bytes())
	s := segment{hex.EncodeToString(sum[:]), of.first}
	if !u.stored[s.Sum] {
		var data bytes.Buffer
		zip, _ := gzip.NewWriterLevel(&data, gzip.BestSpeed) // the level is valid
		_, _ = zip.Write(of.text.Bytes())                    // a Buffer returns no error
		_ = zip.Close()                                      // a Buffer returns no error
		err := u.earlier.store.Create(ctx, s.name(), data.Bytes())
		if err != nil && !errors.Is(err, state.ErrExists) { // another compressor wrote the same lines, or the next run finds it damaged
			return fmt.Errorf("write the announcements: %w", err)
		}
	}
	of.segments = append(of.segments, s)
	of.text.Reset()
	of.count = 0
	return nil
}
