package journal

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash/fnv"
	"time"

	"github.com/klauspost/compress/gzip"

	"github.com/mediasweep/mediasweep/internal/state"
)

// NextAnnouncements writes the next generation.
type NextAnnouncements struct {
	earlier         *Announcements
	inventory, lead announcedLines
}

// Next starts the next generation.
func (a *Announcements) Next() *NextAnnouncements { return &NextAnnouncements{earlier: a} }

// announcedLines are the lines of an unfinished segment, after finished segments.
type announcedLines struct {
	segments    []announcedSegment
	first, last string
	count       int
	text        bytes.Buffer
}

// Add adds an announcement, in the order of media. The first of a medium counts.
func (n *NextAnnouncements) Add(ctx context.Context, one Announcement) error {
	into := &n.inventory
	if one.Lead {
		into = &n.lead
	}
	if one.MediaID == into.last {
		return nil
	}
	if into.count == 0 {
		into.first = one.MediaID
	}
	into.last = one.MediaID
	into.count++
	_, _ = into.text.Write(one.appendTo(into.text.AvailableBuffer())) // a Buffer returns no error
	if into.count < maxAnnounced && !endsSegment(one.MediaID) {
		return nil
	}
	return n.cut(ctx, into)
}

// endsSegment reports whether a medium ends its segment: one in 8,192. A medium that comes or goes then
// changes one segment.
func endsSegment(id string) bool {
	hash := fnv.New64a()
	_, _ = hash.Write([]byte(id)) // a hash returns no error
	return hash.Sum64()>>32%8192 == 0
}

// cut writes a segment, unless the earlier generation has it.
func (n *NextAnnouncements) cut(ctx context.Context, of *announcedLines) error {
	if of.count == 0 {
		return nil
	}
	sum := sha256.Sum256(of.text.Bytes())
	s := announcedSegment{hex.EncodeToString(sum[:]), of.first}
	if !n.earlier.sums[s.Sum] {
		var data bytes.Buffer
		zip, _ := gzip.NewWriterLevel(&data, gzip.BestSpeed) // the level is valid
		_, _ = zip.Write(of.text.Bytes())                    // a Buffer returns no error
		_ = zip.Close()                                      // a Buffer returns no error
		err := n.earlier.store.Create(ctx, announcedName(s.Sum), data.Bytes())
		if errors.Is(err, state.ErrExists) { // another compressor wrote the same lines, or it is damaged
			_, err = n.earlier.readSegment(ctx, s, "", of == &n.lead)
		}
		if err != nil {
			return fmt.Errorf("write the announcements: %w", err)
		}
	}
	of.segments = append(of.segments, s)
	of.text.Reset()
	of.count = 0
	return nil
}

// Commit writes the record of the generation. It fails if another run has written one meanwhile.
func (n *NextAnnouncements) Commit(ctx context.Context, now time.Time) error {
	if err := n.cut(ctx, &n.inventory); err != nil {
		return err
	}
	if err := n.cut(ctx, &n.lead); err != nil {
		return err
	}
	name := state.NumberedName(generationFolder, n.earlier.number+1)
	next := generation{announcedFormat, n.earlier.region, now.UTC(), orEmpty(n.inventory.segments), orEmpty(n.lead.segments)}
	if err := state.CreateJSON(ctx, n.earlier.store, name, next); err != nil {
		return fmt.Errorf("write the announcements: %w", err)
	}
	return nil
}

func orEmpty(list []announcedSegment) []announcedSegment {
	return append([]announcedSegment{}, list...)
}
