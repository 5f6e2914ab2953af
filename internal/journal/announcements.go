package journal

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"iter"
	"slices"
	"time"

	"github.com/mediasweep/mediasweep/internal/holds"
	"github.com/mediasweep/mediasweep/internal/media"
	"github.com/mediasweep/mediasweep/internal/retention"
	"github.com/mediasweep/mediasweep/internal/state"
	"github.com/mediasweep/mediasweep/internal/text"
)

// Each sweep of the inventory writes a generation: the media that it found expired, and since when
// they are announced. Generations are numbered, since clocks differ.
// The name of a segment is the digest of its lines, so that generations share unchanged segments.
const (
	generationFolder = "announced/generations/"
	announcedFolder  = "announced/segments/"
)

// announcedFormat is the version of generation and segment. Other versions announce again.
const announcedFormat = 1

// Announcement says since when a run has announced that a medium will be deleted.
type Announcement struct {
	MediaID string
	Digest  uint64 // of the medium's record; see plan.LineDigest
	At      int64  // in seconds since 1970
	// Lead is true if an event or a request led to the medium: sweeps look at it by its ID. Orphan
	// is true if it expired because its source object was removed.
	Lead, Orphan bool
}

// generation refers to the segments of media of the inventory, and of leads.
type generation struct {
	Format   int                `json:"format"`
	Region   string             `json:"region"` // media IDs are valid in one region
	At       time.Time          `json:"at"`
	Segments []announcedSegment `json:"segments"`
	Leads    []announcedSegment `json:"leads"`
}

// Announcements are the announcements of earlier runs. They are not safe for concurrent use.
type Announcements struct {
	store   state.Store
	region  string
	now     time.Time
	number  int64 // of the latest generation; 0 for none
	latest  generation
	written time.Time // when the generation was written, by the store's clock
	// whole is true if Until yields all announcements.
	whole           bool
	inventory, lead part
	events          events
	keptAt          map[string]int64 // when a run last found a medium not expired
	// Held are the holds that ended lately. They kept their media: announcements from before count no more.
	Held     holds.Ended
	sums     map[string]bool // of segments that could be read
	problems []string
}

// openAnnouncements reads the latest generation. A lost or damaged one leaves no announcement. If whole
// is false, Until yields only announcements of the given media.
func openAnnouncements(ctx context.Context, store state.Store, region string, now time.Time, whole bool) (*Announcements, error) {
	a := &Announcements{store: store, region: region, now: now, whole: whole, sums: map[string]bool{}, keptAt: map[string]int64{}}
	name := ""
	for record, err := range store.List(ctx, generationFolder, "") {
		if err != nil {
			return nil, fmt.Errorf("list the announcements: %w", err)
		}
		if number := state.NumberOf(generationFolder, record.Name); number > 0 {
			name, a.number, a.written = record.Name, number, record.Written
			break
		}
	}
	if name == "" {
		return a, nil
	}
	latest, err := a.readGeneration(ctx, name)
	switch {
	case state.IsLost(err):
		a.lost(name, err)
	case err != nil:
		return nil, fmt.Errorf("read the announcements: %w", err)
	default:
		a.latest = latest
		a.inventory, a.lead = part{segments: latest.Segments}, part{segments: latest.Leads, leads: true}
	}
	return a, nil
}

// ReadAnnouncements is openAnnouncements for a run whose notice began at a time, with what events and
// requests announced and took back, and the holds that ended since. placed has the holds that were not released.
func ReadAnnouncements(ctx context.Context, store state.Store, region string, placed []retention.Hold, now, noticeBegan time.Time, whole bool) (*Announcements, error) {
	a, err := openAnnouncements(ctx, store, region, now, whole)
	if err != nil {
		return nil, err
	}
	if err = a.readEvents(ctx, noticeBegan); err == nil {
		a.Held, err = holds.EndedSince(ctx, store, placed, now, a.since(noticeBegan, sweepTime))
	}
	if err != nil {
		a.Close()
		return nil, err
	}
	return a, nil
}

func (a *Announcements) lost(record string, err error) {
	problem := fmt.Sprintf("record %s: its media are announced again: %s", record, text.Bound(err.Error()))
	if !slices.Contains(a.problems, problem) { // leads are read twice
		a.problems = append(a.problems, problem)
	}
}

// Problems returns what could not be read.
func (a *Announcements) Problems() []string { return a.problems }

// maxGeneration bounds a generation, in bytes: ten million announcements take 300 kilobytes.
const maxGeneration = 16 << 20

func (a *Announcements) readGeneration(ctx context.Context, name string) (g generation, err error) {
	data, err := a.store.Read(ctx, name)
	if err != nil {
		return generation{}, err
	}
	if err = state.Decode(data, maxGeneration, &g); err == nil {
		err = g.check(a.region)
	}
	if err != nil {
		return generation{}, fmt.Errorf("%w: %w", state.ErrDamaged, err)
	}
	return g, nil
}

func (g *generation) check(region string) error {
	switch {
	case g.Format != announcedFormat:
		return fmt.Errorf("format %d: this program reads format %d", g.Format, announcedFormat)
	case g.Region != region:
		return fmt.Errorf("it is of region %s", text.Quote(g.Region))
	case g.At.IsZero():
		return errors.New("it has no time")
	}
	for _, segments := range [][]announcedSegment{g.Segments, g.Leads} {
		for i, s := range segments {
			if media.CheckID(s.First) != nil || i > 0 && s.First <= segments[i-1].First {
				return fmt.Errorf("segment %d is out of order", i+1)
			}
			if sum, err := hex.DecodeString(s.Sum); err != nil || len(sum) != sha256.Size {
				return fmt.Errorf("segment %d has no checksum", i+1)
			}
		}
	}
	return nil
}

// Until yields the announcements up to a media ID that earlier calls did not yield, in the order of their
// media. It leaves out what was taken back. If the announcements are not whole, it skips those of other media where it can.
func (a *Announcements) Until(ctx context.Context, id string) iter.Seq2[Announcement, error] {
	return func(yield func(Announcement, error) bool) {
		for {
			var first *[]Announcement
			for _, p := range []*part{&a.inventory, &a.lead} {
				if err := p.fill(ctx, a, id); err != nil {
					yield(Announcement{}, err)
					return
				}
				first = nearer(first, &p.rest)
			}
			if err := a.events.fill(); err != nil {
				yield(Announcement{}, err)
				return
			}
			first = nearer(first, &a.events.rest)
			if first == nil || (*first)[0].MediaID > id {
				return
			}
			one := (*first)[0]
			*first = (*first)[1:]
			if !a.isTakenBack(one) && !yield(one, nil) {
				return
			}
		}
	}
}

// nearer returns the list whose first medium comes first. Empty lists come last.
func nearer(a, b *[]Announcement) *[]Announcement {
	if len(*b) == 0 || a != nil && (*a)[0].MediaID <= (*b)[0].MediaID {
		return a
	}
	return b
}

// Close frees the memory and the temporary files.
func (a *Announcements) Close() { a.events.close() }
