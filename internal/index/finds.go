package index

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/mediasweep/mediasweep/internal/extsort"
	"github.com/mediasweep/mediasweep/internal/state"
)

// Finds collects the entries of one scan in any order. The zero value is empty. It is not safe
// for concurrent use.
type Finds struct {
	sorter extsort.Sorter
	err    error
}

// Add adds an entry. Write sets its Found.
func (f *Finds) Add(e Entry) {
	if f.err != nil {
		return
	}
	if f.err = f.sorter.Add(e.Name, e.appendTo(nil)); f.err != nil {
		f.sorter.Close() // the plan needs the space
	}
}

// Close frees the memory and the temporary file.
func (f *Finds) Close() { f.sorter.Close() }

// Write merges the finds into the old generation, and writes the result as the next one. Without
// finds the old generation stays the newest.
func (f *Finds) Write(ctx context.Context, old *Generation, now time.Time, run string) error {
	if f.err != nil || f.sorter.Len() == 0 {
		return f.err
	}
	folder := Folder + state.RunName(now, run)
	m := &merge{old: old, next: manifest{Format: format, Policy: old.policy, Region: old.region, AsOf: old.asOf, Segments: []segment{}}}
	m.writer = newWriter(func(s segment, data []byte) {
		s.Record = fmt.Sprintf("%s/%06d.gz", folder, len(m.next.Segments)+1)
		m.next.Segments = append(m.next.Segments, s)
		if m.err == nil {
			m.err = old.store.Create(ctx, s.Record, data)
		}
	})
	for found, err := range f.sorter.All() {
		d := decoder{rest: found.Rest}
		e := d.entry()
		e.Name, e.Found = found.Name, old.asOf.Unix()
		if err := cmp.Or(err, d.err, m.err, ctx.Err()); err != nil {
			return err
		}
		m.add(ctx, e)
	}
	for m.at < len(old.segments) {
		m.pass()
	}
	m.writer.flush()
	data, err := json.Marshal(m.next)
	if err := cmp.Or(err, m.err, ctx.Err()); err != nil {
		return err
	}
	return old.store.Create(ctx, folder+manifestSuffix, data)
}

// merge makes the next generation in one pass. It reads only segments into which finds fall, and
// refers to the others. An entry leaves the index with the first rewrite after it expired. A
// segment that has only expired entries is not referred to: no record is used for longer than
// its entries count.
type merge struct {
	old    *Generation
	next   manifest
	writer *writer
	err    error

	at   int // the old segment
	open bool
	rest []Entry // of the open segment, not yet merged
}

// add adds the next find, in the order of names. It replaces the old entries of the name.
func (m *merge) add(ctx context.Context, e Entry) {
	for m.at+1 < len(m.old.segments) && m.old.segments[m.at+1].First <= e.Name {
		m.pass()
	}
	if !m.open && m.at < len(m.old.segments) {
		m.open, m.rest = true, m.old.read(ctx, m.at)
	}
	for len(m.rest) > 0 && m.rest[0].Name <= e.Name {
		if m.rest[0].Name < e.Name {
			m.keep(m.rest[0])
		}
		m.rest = m.rest[1:]
	}
	m.writer.add(e)
}

// pass ends the old segment.
func (m *merge) pass() {
	switch old := m.old.segments[m.at]; {
	case m.open:
		for _, e := range m.rest {
			m.keep(e)
		}
	case !old.damaged:
		m.writer.flush()
		m.next.Segments = append(m.next.Segments, old)
	}
	m.open = false
	m.at++
}

// keep adds an old entry unless it has expired.
func (m *merge) keep(e Entry) {
	if e.Found > m.old.since {
		m.writer.add(e)
	}
}
