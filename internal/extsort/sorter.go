// Package extsort sorts records in a constant amount of memory, by an external merge sort.
package extsort

import (
	"bufio"
	"bytes"
	"cmp"
	"encoding/binary"
	"fmt"
	"io"
	"iter"
	"os"

	"github.com/klauspost/compress/flate"
)

const (
	// mostMemory is the size of the records in memory, in bytes, at which they are written to the file.
	mostMemory = 1 << 20
	// fanIn is the number of pieces that are merged into one. Reading a piece takes fifty kilobytes
	// of memory.
	fanIn = 64
)

// Record is a record: a Sorter sorts by Name.
type Record struct {
	Name string
	Rest []byte
}

// Error is a failure to write or read the temporary file.
type Error struct{ Err error }

func (e *Error) Error() string { return fmt.Sprintf("temporary file: %v", e.Err) }

// Unwrap returns the error of the system.
func (e *Error) Unwrap() error { return e.Err }

// Sorter takes records in any order, and yields them in the order of their names. It keeps the order
// of records with the same name. It writes sorted pieces to a compressed temporary file, so that
// its memory does not grow. Records that come nearly in order make one piece, which is not merged.
// The zero value is empty. It is not safe for concurrent use.
type Sorter struct {
	most   int    // replaces mostMemory in tests; 0 for mostMemory
	memory block  // the records in memory
	other  []byte // the bytes of the block before, to be used again
	count  int
	file   *os.File
	named  bool // the file could not be removed while it is open
	end    int64
	pieces []piece // complete ones
	open   *output // the piece that is being written; nil for none
	spare  *output // to be used again
	marked mark
}

// mark is the state of a sorter with nothing in memory.
type mark struct {
	pieces, count int
	end           int64
}

// piece is a sorted part of the file. A piece of a level is the merge of fanIn pieces of the level below.
type piece struct {
	start, end int64
	level      int
}

// Len returns the number of records.
func (s *Sorter) Len() int { return s.count }

// Add adds a record. Its error is an *Error.
func (s *Sorter) Add(name string, rest []byte) error {
	add(&s.memory, name, rest)
	return s.added()
}

// AddBytes adds a record, whose name it copies. Its error is an *Error.
func (s *Sorter) AddBytes(name, rest []byte) error {
	add(&s.memory, name, rest)
	return s.added()
}

func (s *Sorter) added() error {
	s.count++
	if s.memory.size() < cmp.Or(s.most, mostMemory) {
		return nil
	}
	if err := s.flush(); err != nil {
		return &Error{err}
	}
	return nil
}

// Mark begins records that Undo can drop. Its error is an *Error.
func (s *Sorter) Mark() error {
	if len(s.memory.records) > 0 {
		if err := s.flush(); err != nil {
			return &Error{err}
		}
		if err := s.open.writeAll(&s.memory, s.memory.records); err != nil { // the half that was kept follows
			return &Error{err}
		}
		s.memory.empty()
	}
	if err := s.finish(0); err != nil {
		return &Error{err}
	}
	s.marked = mark{len(s.pieces), s.count, s.end}
	return nil
}

// Undo drops the records that were added since Mark, or all.
func (s *Sorter) Undo() {
	s.memory.empty()
	if s.open != nil {
		s.open, s.spare = nil, s.open
	}
	s.pieces, s.count, s.end = s.pieces[:s.marked.pieces], s.marked.count, s.marked.end
}

// flush writes the first half of the records in memory, if they continue the open piece. The other half
// may be continued by later records. Else it writes all of them as a new piece.
func (s *Sorter) flush() (err error) {
	if s.file == nil {
		if s.file, err = os.CreateTemp("", "mediasweep-sort-*"); err != nil {
			return err
		}
		s.named = os.Remove(s.file.Name()) != nil // a killed run leaves no file
	}
	s.memory.sort()
	records := s.memory.records
	n := (len(records) + 1) / 2
	if s.open != nil && bytes.Compare(s.memory.name(records[0]), s.open.last) < 0 {
		if err := s.finish(0); err != nil {
			return err
		}
		n = len(records)
	}
	if s.open == nil {
		s.begin()
	}
	if err := s.open.writeAll(&s.memory, records[:n]); err != nil {
		return err
	}
	kept := block{bytes: s.other[:0], records: records[:0]}
	for _, r := range records[n:] {
		add(&kept, s.memory.name(r), s.memory.rest(r)) // at most as many as were read
	}
	s.memory, s.other = kept, s.memory.bytes
	return nil
}

// output writes a piece. A record has the length of what its name shares with the name before.
type output struct {
	counted  counter
	squeezed *flate.Writer
	buffer   *bufio.Writer
	last     []byte // name
	scratch  []byte
}

type counter struct {
	w io.Writer
	n int64
}

func (c *counter) Write(p []byte) (int, error) {
	n, err := c.w.Write(p)
	c.n += int64(n)
	return n, err
}

// begin opens a piece at the end of the file.
func (s *Sorter) begin() {
	if s.open, s.spare = s.spare, nil; s.open == nil {
		s.open = &output{}
		s.open.squeezed, _ = flate.NewWriter(nil, flate.BestSpeed) // the level is valid
		s.open.buffer = bufio.NewWriterSize(s.open.squeezed, 16<<10)
	}
	o := s.open
	o.counted = counter{w: io.NewOffsetWriter(s.file, s.end)}
	o.squeezed.Reset(&o.counted)
	o.buffer.Reset(o.squeezed)
	o.last = o.last[:0]
}

func (o *output) writeAll(of *block, records []span) error {
	for _, r := range records {
		if err := o.write(of.name(r), of.rest(r)); err != nil {
			return err
		}
	}
	return nil
}

func (o *output) write(name, rest []byte) error {
	shared := 0
	for shared < min(len(name), len(o.last)) && name[shared] == o.last[shared] {
		shared++
	}
	b := binary.AppendUvarint(o.scratch[:0], uint64(shared))
	b = binary.AppendUvarint(b, uint64(len(name)-shared)) //nolint:gosec // not negative
	b = append(b, name[shared:]...)
	b = binary.AppendUvarint(b, uint64(len(rest)))
	o.scratch = append(b, rest...)
	o.last = append(o.last[:shared], name[shared:]...)
	_, err := o.buffer.Write(o.scratch)
	return err
}

// finish ends the open piece, if any. It merges the last fanIn pieces of one level.
func (s *Sorter) finish(level int) error {
	if s.open == nil {
		return nil
	}
	o := s.open
	if err := cmp.Or(o.buffer.Flush(), o.squeezed.Close()); err != nil {
		return err
	}
	s.pieces = append(s.pieces, piece{s.end, s.end + o.counted.n, level})
	s.end += o.counted.n
	s.open, s.spare = nil, o
	if len(s.pieces)-s.marked.pieces < fanIn || s.pieces[len(s.pieces)-fanIn].level != level {
		return nil
	}
	sources := s.sources(s.pieces[len(s.pieces)-fanIn:])
	s.pieces = s.pieces[:len(s.pieces)-fanIn]
	s.begin()
	for r, err := range sources.all() {
		if err == nil {
			err = s.open.write([]byte(r.Name), r.Rest)
		}
		if err != nil {
			return err
		}
	}
	return s.finish(level + 1)
}

// All yields the records in order. It may be called several times. The caller may keep their bytes.
// An error is an *Error, and the last value.
func (s *Sorter) All() iter.Seq2[Record, error] {
	return func(yield func(Record, error) bool) {
		if err := s.finish(0); err != nil {
			yield(Record{}, &Error{err})
			return
		}
		s.other, s.spare = nil, nil // the caller needs the memory
		s.memory.sort()
		sources := append(s.sources(s.pieces), &source{number: len(s.pieces), memory: s.memory})
		for r, err := range sources.all() {
			if err != nil {
				err = &Error{err}
			}
			if !yield(r, err) {
				return
			}
		}
	}
}

// Close frees the memory and the temporary file.
func (s *Sorter) Close() {
	if s.file != nil {
		_ = s.file.Close() // the file is temporary
	}
	if s.named {
		_ = os.Remove(s.file.Name()) // the file is temporary
	}
	*s = Sorter{}
}
