// Package index stores the results of scans: whether an object has a medium, and when that medium is
// due. A scan skips an object that the index knows. The index never causes a deletion or a failure:
// an object that it does not know is looked up.
package index

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"math"
	"slices"

	"github.com/klauspost/compress/gzip"
)

// Entry describes one medium of an object, or an object without a medium.
type Entry struct {
	// Name is bucket/key of an object, or ~ID of a medium. Entries are sorted by Name.
	Name string
	// Found is the clock of the scan that made the entry, in seconds since 1970.
	Found int64
	// Modified is when the object was written, in seconds since 1970. An object that was
	// written at another time is not known.
	Modified int64
	// Medium is true if there is a medium. Elsewhere is true if another name counts it.
	Medium, Elsewhere bool
	// Due is when the medium must be looked up again, in seconds since 1970, or Never.
	Due int64
}

// Never is the Due of a medium that does not expire by itself.
const Never = math.MaxInt64

const (
	hasMedium = 1 << iota
	neverDue
	elsewhere
)

// appendTo appends all fields but Name and Found.
func (e Entry) appendTo(b []byte) []byte {
	var flags int64
	if e.Medium {
		flags |= hasMedium
	}
	if e.Due == Never {
		flags |= neverDue
	}
	if e.Elsewhere {
		flags |= elsewhere
	}
	b = binary.AppendVarint(binary.AppendVarint(b, flags), e.Modified)
	if e.Medium && e.Due != Never {
		b = binary.AppendVarint(b, e.Due-e.Modified) // one value for many entries: it compresses well
	}
	return b
}

// decoder reads numbers and bytes. After an error all are zero.
type decoder struct {
	rest []byte
	err  error
}

// entry reads all fields but Name and Found.
func (d *decoder) entry() (e Entry) {
	flags := d.varint()
	e.Medium, e.Elsewhere, e.Modified = flags&hasMedium != 0, flags&elsewhere != 0, d.varint()
	switch {
	case flags&neverDue != 0:
		e.Due = Never
	case e.Medium:
		e.Due = e.Modified + d.varint()
	}
	return e
}

func (d *decoder) varint() int64 {
	v, n := binary.Varint(d.rest)
	if n <= 0 {
		d.rest, d.err = nil, io.ErrUnexpectedEOF
		return 0
	}
	d.rest = d.rest[n:]
	return v
}

func (d *decoder) bytes(n int64) []byte {
	if n < 0 || n > int64(len(d.rest)) {
		d.rest, d.err = nil, io.ErrUnexpectedEOF
		return nil
	}
	b := d.rest[:n]
	d.rest = d.rest[n:]
	return b
}

// segmentEntries is the usual number of entries of a segment: some thirty kilobytes, and five
// pages of a listing.
const segmentEntries = 5_000

// maxSegment bounds a segment, in bytes before compression. A name has up to 1,087 bytes.
const maxSegment = 2 * segmentEntries * (2 << 10)

// scratch is memory that is used again for each segment.
type scratch struct {
	zip     gzip.Reader
	text    bytes.Buffer
	names   []byte
	ends    []int
	entries []Entry
}

// decode returns the entries of a segment, or an error: it returns none of a damaged segment. They are valid
// until the next segment is decoded.
func (s *scratch) decode(segment []byte) ([]Entry, error) {
	if err := s.zip.Reset(bytes.NewReader(segment)); err != nil {
		return nil, err
	}
	s.text.Reset()
	_, err := s.text.ReadFrom(io.LimitReader(&s.zip, maxSegment+1)) // the checksum is at the end
	text := s.text.Bytes()
	if err == nil && len(text) > maxSegment {
		err = fmt.Errorf("more than %d bytes", maxSegment)
	}
	if err != nil {
		return nil, err
	}
	names, ends := s.names[:0], s.ends[:0]
	entries := s.entries[:0]
	var last []byte
	found := int64(0)
	for d := (decoder{rest: text}); len(d.rest) > 0; {
		shared := d.varint()
		rest := d.bytes(d.varint())
		found += d.varint()
		e := d.entry()
		if d.err != nil {
			return nil, d.err
		}
		if shared < 0 || shared > int64(len(last)) {
			return nil, fmt.Errorf("entry %d shares %d bytes with a name of %d", len(entries)+1, shared, len(last))
		}
		start := len(names)
		names = append(append(names, last[:shared]...), rest...)
		if last = names[start:]; len(names) > maxSegment {
			return nil, fmt.Errorf("its names have more than %d bytes", maxSegment)
		}
		e.Found = found
		entries, ends = append(entries, e), append(ends, len(names))
	}
	all, start := string(names), 0 // one allocation
	for i, end := range ends {
		entries[i].Name, start = all[start:end], end
	}
	s.names, s.ends, s.entries = names, ends, entries
	return entries, nil
}

// writer cuts sorted entries into segments. All entries of a name are in one segment.
type writer struct {
	keep    func(segment, []byte)
	entries []Entry
	zip     *gzip.Writer
	scratch []byte
}

func newWriter(keep func(segment, []byte)) *writer {
	zip, _ := gzip.NewWriterLevel(nil, gzip.BestSpeed) // the level is valid
	return &writer{keep: keep, zip: zip}
}

func (w *writer) add(e Entry) {
	if n := len(w.entries); n >= 2*segmentEntries && e.Name != w.entries[n-1].Name {
		w.cut(segmentEntries)
	}
	w.entries = append(w.entries, e)
}

// flush ends a segment here. It halves a long one, so that growth leaves no tiny segments.
func (w *writer) flush() {
	if n := len(w.entries); n > segmentEntries {
		w.cut(n / 2)
	}
	if n := len(w.entries); n > 0 {
		w.cut(n)
	}
}

// cut hands over the first n entries, and the others of the last name.
func (w *writer) cut(n int) {
	for n < len(w.entries) && w.entries[n].Name == w.entries[n-1].Name {
		n++
	}
	s := segment{First: w.entries[0].Name, Entries: n}
	var data bytes.Buffer
	w.zip.Reset(&data)
	var last Entry
	for _, e := range w.entries[:n] {
		shared := 0
		for shared < min(len(e.Name), len(last.Name)) && e.Name[shared] == last.Name[shared] {
			shared++
		}
		b := binary.AppendVarint(w.scratch[:0], int64(shared))
		b = binary.AppendVarint(b, int64(len(e.Name)-shared))
		b = binary.AppendVarint(append(b, e.Name[shared:]...), e.Found-last.Found)
		w.scratch = e.appendTo(b)
		_, _ = w.zip.Write(w.scratch) // a Buffer returns no error
		s.Newest = max(s.Newest, e.Found)
		last = e
	}
	_ = w.zip.Close() // a Buffer returns no error
	w.entries = slices.Delete(w.entries, 0, n)
	w.keep(s, data.Bytes())
}
