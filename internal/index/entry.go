// Package index keeps what sweeps found out about objects: whether an object has a medium,
// and when that falls due next. Nothing is deleted by an index: it only tells what need
// not be looked at, and a lost one costs look-ups.
package index

import (
	"bytes"
	"cmp"
	"compress/gzip"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"iter"
	"math"
)

// SegmentEntries is how many entries a segment has at most: some thirty kilobytes, and five
// pages of a listing.
const SegmentEntries = 5_000

// Entry is what is known of one medium of an object, or of an object that has none.
type Entry struct {
	// Name is bucket/key, or what a medium is called by its ID. Entries come in the order of their names.
	Name string
	// Modified is when the object was written, in seconds since 1970: what is known
	// holds for as long as that stays.
	Modified int64
	// Medium says that there is one, and Due from when on it is to be looked at again, in
	// seconds since 1970, if it is not Never. Elsewhere says that it has another name too,
	// under which it counts.
	Medium    bool
	Elsewhere bool
	Due       int64

	look int // which of the layer's looks found it out
}

// Never is the Due of a medium that will not expire by itself.
const Never = math.MaxInt64

const (
	hasMedium = 1 << iota
	neverDue
	elsewhere
)

// appendTo appends the entry but for its name.
func (e Entry) appendTo(b []byte) []byte {
	var flags byte
	if e.Medium {
		flags |= hasMedium
	}
	if e.Due == Never {
		flags |= neverDue
	}
	if e.Elsewhere {
		flags |= elsewhere
	}
	b = binary.AppendUvarint(append(b, flags), uint64(e.look)) //nolint:gosec // not negative
	b = binary.AppendVarint(b, e.Modified)
	// What is mostly the same for many entries compresses well.
	if e.Medium && e.Due != Never {
		b = binary.AppendVarint(b, e.Due-e.Modified)
	}
	return b
}

// reader is what entries are read from.
type reader interface {
	io.Reader
	io.ByteReader
}

// maxLooks bounds what one layer takes over: a look an hour for a year.
const maxLooks = 10_000

// maxName bounds a name: a bucket has up to 63 bytes, and a key 1,023.
const maxName = 2 << 10

// read reads an entry but for its name.
func read(r reader) (e Entry, err error) {
	flags, err := r.ReadByte()
	if err != nil {
		return e, err
	}
	e.Medium, e.Elsewhere = flags&hasMedium != 0, flags&elsewhere != 0
	look, err := binary.ReadUvarint(r)
	if err != nil || look > maxLooks {
		return e, cmp.Or(err, fmt.Errorf("look %d", look))
	}
	e.look = int(look)
	if e.Modified, err = binary.ReadVarint(r); flags&neverDue != 0 {
		e.Due = Never
	} else if e.Medium && err == nil {
		var after int64
		after, err = binary.ReadVarint(r)
		e.Due = e.Modified + after
	}
	return e, err
}

// readText appends a text that comes with its length.
func readText(r reader, b []byte) ([]byte, error) {
	size, err := binary.ReadUvarint(r)
	if err == nil && size > maxName {
		err = fmt.Errorf("a text of %d bytes", size)
	}
	if err != nil {
		return nil, err
	}
	b = append(b, make([]byte, size)...)
	_, err = io.ReadFull(r, b[len(b)-int(size):]) //nolint:gosec // bounded above
	return b, err
}

// Writer cuts entries into compressed segments, and hands over each as it is full.
type Writer struct {
	keep    func(first string, segment []byte) error
	first   string
	last    string
	count   int
	segment bytes.Buffer
	squeeze *gzip.Writer
	scratch []byte
}

// NewWriter starts with nothing.
func NewWriter(keep func(first string, segment []byte) error) *Writer {
	w := &Writer{keep: keep}
	w.squeeze, _ = gzip.NewWriterLevel(&w.segment, gzip.BestSpeed) // the level is a valid one
	return w
}

// Add takes an entry whose name does not come before that of the last.
func (w *Writer) Add(e Entry) error {
	name := e.Name
	if w.count == 0 {
		w.first, w.last = name, ""
	}
	shared := 0
	for shared < len(name) && shared < len(w.last) && name[shared] == w.last[shared] {
		shared++
	}
	b := binary.AppendUvarint(w.scratch[:0], uint64(shared))
	b = binary.AppendUvarint(b, uint64(len(name)-shared)) //nolint:gosec // not negative
	b = e.appendTo(append(b, name[shared:]...))
	w.scratch = b
	_, _ = w.squeeze.Write(b) // a Buffer takes everything
	w.last = name
	if w.count++; w.count < SegmentEntries {
		return nil
	}
	return w.Close()
}

// Close hands over what is left, if anything is.
func (w *Writer) Close() error {
	if w.count == 0 {
		return nil
	}
	if err := w.squeeze.Close(); err != nil {
		return err
	}
	err := w.keep(w.first, bytes.Clone(w.segment.Bytes()))
	w.count = 0
	w.segment.Reset()
	w.squeeze.Reset(&w.segment)
	return err
}

// unzip returns what a segment holds, if it is whole.
func unzip(segment []byte) ([]byte, error) {
	zipped, err := gzip.NewReader(bytes.NewReader(segment))
	if err != nil {
		return nil, err
	}
	const most = SegmentEntries * (maxName + 64)
	text, err := io.ReadAll(io.LimitReader(zipped, most+1))
	if err == nil && len(text) > most {
		err = fmt.Errorf("it has more than %d bytes", most)
	}
	return text, err
}

// Entries yields the entries of a segment. An error ends it.
func Entries(segment []byte) iter.Seq2[Entry, error] {
	return func(yield func(Entry, error) bool) {
		// Its checksum stands at its end: nothing of it counts before that has been read.
		text, err := unzip(segment)
		if err != nil {
			yield(Entry{}, err)
			return
		}
		r := bytes.NewReader(text)
		var name []byte
		for {
			shared, err := binary.ReadUvarint(r)
			switch {
			case errors.Is(err, io.EOF):
				return
			case err == nil && shared > uint64(len(name)):
				err = errors.New("a name goes on from one that is shorter")
			}
			var e Entry
			if err == nil {
				name, err = readText(r, name[:shared])
			}
			if err == nil {
				e, err = read(r)
			}
			if err != nil {
				if errors.Is(err, io.EOF) {
					err = io.ErrUnexpectedEOF
				}
				yield(Entry{}, err)
				return
			}
			if e.Name = string(name); !yield(e, nil) {
				return
			}
		}
	}
}
