// Package spool sorts records of which there may be more than memory holds.
package spool

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

// memory is what a spool keeps of its records before it goes to a file.
const memory = 8 << 20

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
// of one name in the order in which they came. It sorts some megabytes at a time, and
// keeps what is more in a temporary file, compressed: its own memory does not grow but for
// some fifty kilobytes for each of these pieces while they are read. Its zero value holds
// nothing. It is not safe for concurrent use.
type Spool struct {
	arena  []byte // records that are not in the file yet, as they stand there
	starts []int  // of each of them
	file   *os.File
	end    int64
	pieces []int64 // where in the file each starts
	count  int
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
	if len(s.arena)+8*len(s.starts) < memory {
		return nil
	}
	if err := s.flush(); err != nil {
		return &Error{err}
	}
	return nil
}

// flush sorts what is in memory to the end of the file.
func (s *Spool) flush() (err error) {
	if s.file == nil {
		if s.file, err = os.CreateTemp("", "mediasweep-spool-*"); err != nil {
			return err
		}
	}
	s.sort()
	counted := &counter{w: s.file}
	squeezed, _ := flate.NewWriter(counted, flate.BestSpeed) // the level is a valid one
	for _, start := range s.starts {
		_, _, size := at(s.arena[start:])
		if _, err := squeezed.Write(s.arena[start : start+size]); err != nil {
			return err
		}
	}
	if err := squeezed.Close(); err != nil {
		return err
	}
	s.pieces, s.end = append(s.pieces, s.end), s.end+counted.n
	s.arena, s.starts = s.arena[:0], s.starts[:0]
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
	slices.SortStableFunc(s.starts, func(a, b int) int {
		one, _, _ := at(s.arena[a:])
		other, _, _ := at(s.arena[b:])
		return bytes.Compare(one, other)
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
		var sources merge
		for i, start := range s.pieces {
			end := s.end
			if i+1 < len(s.pieces) {
				end = s.pieces[i+1]
			}
			sources = append(sources, &piece{number: i, file: bufio.NewReader(flate.NewReader(io.NewSectionReader(s.file, start, end-start)))})
		}
		sources = append(sources, &piece{number: len(s.pieces), spool: s, left: s.starts})
		for i := 0; i < len(sources); {
			switch err := sources[i].next(); {
			case errors.Is(err, io.EOF):
				sources = slices.Delete(sources, i, i+1)
			case err != nil:
				yield(Record{}, &Error{err})
				return
			default:
				i++
			}
		}
		heap.Init(&sources)
		for len(sources) > 0 {
			if !yield(sources[0].head, nil) {
				return
			}
			switch err := sources[0].next(); {
			case errors.Is(err, io.EOF):
				heap.Pop(&sources)
			case err != nil:
				yield(Record{}, &Error{err})
				return
			default:
				heap.Fix(&sources, 0)
			}
		}
	}
}

// piece is a sorted part of a spool: of its file, or in memory.
type piece struct {
	head   Record
	number int
	file   *bufio.Reader
	spool  *Spool
	left   []int
}

// next moves on to the piece's next record; io.EOF says that there is none.
func (p *piece) next() error {
	if p.file == nil {
		if len(p.left) == 0 {
			return io.EOF
		}
		name, rest, _ := at(p.spool.arena[p.left[0]:])
		p.head, p.left = Record{string(name), bytes.Clone(rest)}, p.left[1:]
		return nil
	}
	size, err := binary.ReadUvarint(p.file)
	if err != nil {
		return err
	}
	name := make([]byte, size)
	if _, err = io.ReadFull(p.file, name); err == nil {
		size, err = binary.ReadUvarint(p.file)
	}
	if err == nil {
		p.head = Record{string(name), make([]byte, size)}
		_, err = io.ReadFull(p.file, p.head.Rest)
	}
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF // within a record
	}
	return err
}

// merge is a heap of pieces by their first records.
type merge []*piece

func (m merge) Len() int { return len(m) }
func (m merge) Less(i, j int) bool {
	return cmp.Or(cmp.Compare(m[i].head.Name, m[j].head.Name), cmp.Compare(m[i].number, m[j].number)) < 0
}
func (m merge) Swap(i, j int) { m[i], m[j] = m[j], m[i] }
func (m *merge) Push(x any)   { *m = append(*m, x.(*piece)) }
func (m *merge) Pop() any {
	last := (*m)[len(*m)-1]
	*m = (*m)[:len(*m)-1]
	return last
}

// Close lets everything go, its file too.
func (s *Spool) Close() {
	if s.file != nil {
		_ = s.file.Close()           // a temporary file
		_ = os.Remove(s.file.Name()) // as above
	}
	*s = Spool{}
}
