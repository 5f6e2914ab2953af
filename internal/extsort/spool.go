// Package extsort sorts records of which there may be more than memory holds.
package extsort

import (
	"bufio"
	"bytes"
	"cmp"
	"compress/flate"
	"container/heap"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"iter"
	"os"
	"slices"
)

const (
	// memory is what a spool keeps of its records, in bytes, before they go to a file.
	memory = 2 << 20
	// fanIn is how many sorted pieces of a file become one: each that is read takes some
	// fifty kilobytes.
	fanIn = 64
)

// Record is what a spool holds: a name, by which it sorts, and whatever belongs to it.
type Record struct {
	Name string
	Rest []byte
}

// Error is a temporary file that could not be written or read.
type Error struct{ Err error }

func (e *Error) Error() string { return fmt.Sprintf("spool: %v", e.Err) }

// Unwrap returns what the system says.
func (e *Error) Unwrap() error { return e.Err }

// Spool takes records in any order, and hands them over in the order of their names; those
// of one name in the order in which they came. It sorts a little at a time, and keeps
// what is more in a temporary file, compressed, so that its memory does not grow. Its zero
// value holds nothing. It is not safe for concurrent use.
type Spool struct {
	most   int    // bytes, in place of memory
	arena  []byte // records that are not in the file yet, as they stand there
	starts []int  // of each of them
	file   *os.File
	named  bool // the file still has its name: some systems keep it while it is open
	end    int64
	pieces []piece
	count  int
}

// piece is a sorted part of the file. One of a higher level holds fanIn of the one below.
type piece struct {
	start, end int64
	level      int
}

// Len returns how many records there are.
func (s *Spool) Len() int { return s.count }

// Add takes a record. Its error is an *Error.
func (s *Spool) Add(name string, rest []byte) error {
	s.starts = append(s.starts, len(s.arena))
	s.arena = binary.AppendUvarint(s.arena, uint64(len(name)))
	s.arena = append(s.arena, name...)
	s.arena = binary.AppendUvarint(s.arena, uint64(len(rest)))
	s.arena = append(s.arena, rest...)
	s.count++
	if len(s.arena)+8*len(s.starts) < cmp.Or(s.most, memory) {
		return nil
	}
	if err := s.flush(); err != nil {
		return &Error{err}
	}
	return nil
}

// flush sorts what is in memory to the end of the file, and makes one of many pieces.
func (s *Spool) flush() (err error) {
	if s.file == nil {
		if s.file, err = os.CreateTemp("", "mediasweep-spool-*"); err != nil {
			return err
		}
		s.named = os.Remove(s.file.Name()) != nil // a run that is killed leaves nothing behind
	}
	s.sort()
	err = s.append(0, func(out io.Writer) error {
		for _, start := range s.starts {
			_, _, size := at(s.arena[start:])
			if _, err := out.Write(s.arena[start : start+size]); err != nil {
				return err
			}
		}
		return nil
	})
	s.arena, s.starts = s.arena[:0], s.starts[:0]
	for err == nil && len(s.pieces) >= fanIn && s.pieces[len(s.pieces)-fanIn].level == s.pieces[len(s.pieces)-1].level {
		few := s.pieces[len(s.pieces)-fanIn:]
		sources := s.open(few)
		s.pieces = s.pieces[:len(s.pieces)-fanIn]
		err = s.append(few[0].level+1, func(out io.Writer) error {
			var scratch []byte
			for r, err := range sources.all() {
				if err != nil {
					return err
				}
				scratch = append(binary.AppendUvarint(scratch[:0], uint64(len(r.Name))), r.Name...)
				scratch = append(binary.AppendUvarint(scratch, uint64(len(r.Rest))), r.Rest...)
				if _, err := out.Write(scratch); err != nil {
					return err
				}
			}
			return nil
		})
	}
	return err
}

// append adds a piece to the file.
func (s *Spool) append(level int, write func(io.Writer) error) error {
	counted := &counter{w: io.NewOffsetWriter(s.file, s.end)}
	squeezed, _ := flate.NewWriter(counted, flate.BestSpeed) // the level is a valid one
	out := bufio.NewWriter(squeezed)
	if err := cmp.Or(write(out), out.Flush(), squeezed.Close()); err != nil {
		return err
	}
	s.pieces = append(s.pieces, piece{s.end, s.end + counted.n, level})
	s.end += counted.n
	return nil
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

// sort sorts what is in memory.
func (s *Spool) sort() {
	slices.SortFunc(s.starts, func(a, b int) int {
		one, _, _ := at(s.arena[a:])
		other, _, _ := at(s.arena[b:])
		return cmp.Or(bytes.Compare(one, other), cmp.Compare(a, b))
	})
}

// at returns the record that bytes start with, and how many it has.
func at(b []byte) (name, rest []byte, size int) {
	length, n := binary.Uvarint(b)
	name = b[n : n+int(length)] //nolint:gosec // it stands in memory
	size = n + len(name)
	length, n = binary.Uvarint(b[size:])
	rest = b[size+n : size+n+int(length)] //nolint:gosec // as above
	return name, rest, size + n + len(rest)
}

// All yields the records in order, as often as it is asked. Their bytes are the caller's
// to keep. An error is an *Error, and ends it.
func (s *Spool) All() iter.Seq2[Record, error] {
	return func(yield func(Record, error) bool) {
		s.sort()
		sources := append(s.open(s.pieces), &source{number: len(s.pieces), arena: s.arena, starts: s.starts})
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

// open begins to read pieces.
func (s *Spool) open(pieces []piece) (sources merge) {
	for i, p := range pieces {
		compressed := io.NewSectionReader(s.file, p.start, p.end-p.start)
		sources = append(sources, &source{number: i, file: bufio.NewReader(flate.NewReader(compressed))})
	}
	return sources
}

// source is a sorted sequence of records: of the file, or in memory.
type source struct {
	head   Record
	number int
	file   *bufio.Reader
	arena  []byte
	starts []int
}

// next moves on to the next record; io.EOF says that there is none.
func (s *source) next() error {
	if s.file == nil {
		if len(s.starts) == 0 {
			return io.EOF
		}
		name, rest, _ := at(s.arena[s.starts[0]:])
		s.head, s.starts = Record{string(name), bytes.Clone(rest)}, s.starts[1:]
		return nil
	}
	size, err := binary.ReadUvarint(s.file)
	if err != nil {
		return err
	}
	name := make([]byte, size)
	if _, err = io.ReadFull(s.file, name); err == nil {
		size, err = binary.ReadUvarint(s.file)
	}
	if err == nil {
		s.head = Record{string(name), make([]byte, size)}
		_, err = io.ReadFull(s.file, s.head.Rest)
	}
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF // within a record
	}
	return err
}

// merge is a heap of sources by their first records.
type merge []*source

// all yields what the sources have, in order.
func (m merge) all() iter.Seq2[Record, error] {
	return func(yield func(Record, error) bool) {
		for i := 0; i < len(m); {
			switch err := m[i].next(); {
			case errors.Is(err, io.EOF):
				m = slices.Delete(m, i, i+1)
			case err != nil:
				yield(Record{}, err)
				return
			default:
				i++
			}
		}
		heap.Init(&m)
		for len(m) > 0 {
			if !yield(m[0].head, nil) {
				return
			}
			switch err := m[0].next(); {
			case errors.Is(err, io.EOF):
				heap.Pop(&m)
			case err != nil:
				yield(Record{}, err)
				return
			default:
				heap.Fix(&m, 0)
			}
		}
	}
}

func (m merge) Len() int { return len(m) }
func (m merge) Less(i, j int) bool {
	return cmp.Or(cmp.Compare(m[i].head.Name, m[j].head.Name), cmp.Compare(m[i].number, m[j].number)) < 0
}
func (m merge) Swap(i, j int) { m[i], m[j] = m[j], m[i] }
func (m *merge) Push(x any)   { *m = append(*m, x.(*source)) }
func (m *merge) Pop() any {
	last := (*m)[len(*m)-1]
	*m = (*m)[:len(*m)-1]
	return last
}

// Close lets everything go, its file too.
func (s *Spool) Close() {
	if s.file != nil {
		_ = s.file.Close() // a temporary file
	}
	if s.named {
		_ = os.Remove(s.file.Name()) // as above
	}
	*s = Spool{}
}
