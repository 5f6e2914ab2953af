package announce

import (
	"cmp"
	"context"
	"fmt"
	"iter"
	"sort"

	"github.com/mediasweep/mediasweep/internal/extsort"
	"github.com/mediasweep/mediasweep/internal/state"
)

// lastID sorts after all media IDs.
const lastID = "\x7f"

// Until yields the announcements of media up to an ID that earlier calls did not yield, in the order of their media. It
// leaves out what was taken back. A medium may have several.
func (r *Reader) Until(ctx context.Context, id string) iter.Seq2[Entry, error] {
	return r.cursor().until(ctx, id)
}

// Rest yields the announcements that Until has not yielded.
func (r *Reader) Rest(ctx context.Context) iter.Seq2[Entry, error] { return r.Until(ctx, lastID) }

// SkipTo lets Until leave out announcements of media before an ID, without reading their segments.
func (r *Reader) SkipTo(id string) {
	r.cursor().inventory.skipTo(id)
	r.cursor().leads.skipTo(id)
}

// Leads yields the media that sweeps look at by their IDs. A medium may come several times.
func (r *Reader) Leads(ctx context.Context) iter.Seq2[Entry, error] {
	return func(yield func(Entry, error) bool) {
		c := r.cursorOf(nil)
		defer c.stop()
		c.until(ctx, lastID)(yield)
	}
}

// cursor merges the segments of a generation with the events since.
type cursor struct {
	reader           *Reader
	inventory, leads part
	event            []Entry // the next one
	nextEvent        func() (extsort.Record, error, bool)
	stop             func()
}

// part is a sorted list of segments that are not read yet, after the rest of the one before.
type part struct {
	rest     []Entry
	segments []segment
	leads    bool
}

func (r *Reader) cursor() *cursor {
	if r.position == nil {
		r.position = r.cursorOf(r.latest.Segments)
	}
	return r.position
}

func (r *Reader) cursorOf(inventory []segment) *cursor {
	c := &cursor{reader: r, inventory: part{segments: inventory}, leads: part{segments: r.latest.Leads, leads: true}}
	c.nextEvent, c.stop = iter.Pull2(r.events.All())
	return c
}

func (c *cursor) until(ctx context.Context, id string) iter.Seq2[Entry, error] {
	return func(yield func(Entry, error) bool) {
		for {
			rest, err := c.first(ctx, id)
			if err != nil {
				yield(Entry{}, err)
				return
			}
			if rest == nil || (*rest)[0].MediaID > id {
				return
			}
			e := (*rest)[0]
			*rest = (*rest)[1:]
			if e.At > c.reader.keptAt[e.MediaID] && !yield(e, nil) {
				return
			}
		}
	}
}

// first returns the list with the first medium, or nil. Media after an ID may be missing.
func (c *cursor) first(ctx context.Context, id string) (first *[]Entry, err error) {
	if err := cmp.Or(c.inventory.fill(ctx, c.reader, id), c.leads.fill(ctx, c.reader, id), c.fillEvent()); err != nil {
		return nil, err
	}
	for _, rest := range []*[]Entry{&c.inventory.rest, &c.leads.rest, &c.event} {
		if len(*rest) > 0 && (first == nil || (*rest)[0].MediaID < (*first)[0].MediaID) {
			first = rest
		}
	}
	return first, nil
}

func (c *cursor) fillEvent() error {
	if len(c.event) > 0 {
		return nil
	}
	record, err, ok := c.nextEvent()
	if err != nil || !ok {
		return err
	}
	e, err := parseLine(string(record.Rest))
	e.Lead = true
	c.event = []Entry{e}
	return err
}

// fill reads the next segment, if all before are used up and it may have media up to an ID.
func (p *part) fill(ctx context.Context, r *Reader, id string) error {
	for len(p.rest) == 0 && len(p.segments) > 0 && p.segments[0].First <= id {
		s, end := p.segments[0], ""
		if p.segments = p.segments[1:]; len(p.segments) > 0 {
			end = p.segments[0].First
		}
		data, err := r.store.Read(ctx, s.name())
		if err == nil {
			if p.rest, err = decodeSegment(data, s, end, p.leads); err != nil {
				err = fmt.Errorf("%w: %w", state.ErrDamaged, err)
			}
		}
		switch {
		case state.IsLost(err):
			r.lost(s.name(), err)
		case err != nil:
			return fmt.Errorf("read the announcements: %w", err)
		}
	}
	return nil
}

func (p *part) skipTo(id string) {
	p.rest = p.rest[sort.Search(len(p.rest), func(i int) bool { return p.rest[i].MediaID >= id }):]
	for len(p.segments) > 1 && p.segments[1].First <= id {
		p.segments = p.segments[1:]
	}
}
