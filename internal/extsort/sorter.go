// Package extsort sorts records in a constant amount of memory, by an external merge sort.
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
	// memory is the size of the records in memory, in bytes, at which they are written to the file.
	memory = 2 << 20
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
// its memory does not grow. The zero value is empty. It is not safe for concurrent use.
type Sorter struct {
	most   int    // replaces memory in tests; 0 for memory
	arena  []byte // the encoded records in memory
	starts []int  // their offsets in arena
	file   *os.File
	named  bool // the file could not be removed while it is open
	end    int64
	pieces []piece
	count  int
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

// flush writes the records in memory as a piece. It merges the last fanIn pieces of one level.
func (s *Sorter) flush() (err error) {
	if s.file == nil {
		if s.file, err = os.CreateTemp("", "mediasweep-sort-*"); err != nil {
			return err
		}
		s.named = os.Remove(s.file.Name()) != nil // a killed run leaves no file
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

// append appends a piece to the file.
func (s *Sorter) append(level int, write func(io.Writer) error) error {
	counted := &counter{w: io.NewOffsetWriter(s.file, s.end)}
	squeezed, _ := flate.NewWriter(counted, flate.BestSpeed) // the level is valid
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

// sort sorts the records in memory.
func (s *Sorter) sort() {
	slices.SortFunc(s.starts, func(a, b int) int {
		one, _, _ := at(s.arena[a:])
		other, _, _ := at(s.arena[b:])
		return cmp.Or(bytes.Compare(one, other), cmp.Compare(a, b))
	})
}

// at decodes the first record of b. size is its length in b.
func at(b []byte) (name, rest []byte, size int) {
	length, n := binary.Uvarint(b)
	name = b[n : n+int(length)] //nolint:gosec // the length of a slice
	size = n + len(name)
	length, n = binary.Uvarint(b[size:])
	rest = b[size+n : size+n+int(length)] //nolint:gosec // the length of a slice
	return name, rest, size + n + len(rest)
}

// All yields the records in order. It may be called several times. The caller may keep their bytes.
// An error is an *Error, and the last value.
func (s *Sorter) All() iter.Seq2[Record, error] {
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

// open returns sources that read pieces.
func (s *Sorter) open(pieces []piece) (sources merge) {
	for i, p := range pieces {
		compressed := io.NewSectionReader(s.file, p.start, p.end-p.start)
		sources = append(sources, &source{number: i, file: bufio.NewReader(flate.NewReader(compressed))})
	}
	return sources
}

// source is a sorted sequence of records, in the file or in memory.
type source struct {
	head   Record
	number int
	file   *bufio.Reader
	arena  []byte
	starts []int
}

// next moves to the next record. It returns io.EOF at the end.
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

// all yields the records of all sources, in order.
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
