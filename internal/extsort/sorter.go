// Package extsort sorts records in a constant amount of memory, by an external merge sort.
package extsort

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"iter"
)

const (
	// mostMemory is the size of the records in memory, in bytes, at which they are written to the file.
	mostMemory = 512 << 10
	// fanIn is the number of pieces that are merged into one. Reading a piece takes fifty kilobytes
	// of memory.
	fanIn = 64
)

// Record is a record: a Sorter sorts by Name.
type Record struct {
	Name string
	Rest []byte
}

// ErrFile means that the temporary file could not be written or read.
var ErrFile = errors.New("temporary file")

func ofFile(err error) error { return fmt.Errorf("%w: %w", ErrFile, err) }

// Sorter takes records in any order, and yields them in the order of their names. It keeps the order
// of records with the same name. It writes sorted pieces to a temporary file, which is compressed, so that
// its memory does not grow. Records that come nearly in order make one piece, which is not merged.
// The zero value is empty. It is not safe for concurrent use.
type Sorter struct {
	most   int    // replaces mostMemory in tests; 0 for mostMemory
	memory block  // the records in memory
	other  []byte // the bytes of the block before, to be used again
	count  int
	marked int // the count of the last Mark
	spill
}

// Len returns the number of records.
func (s *Sorter) Len() int { return s.count }

// Add adds a record. Its error is ErrFile.
func (s *Sorter) Add(name string, rest []byte) error {
	add(&s.memory, name, rest)
	return s.added()
}

// AddBytes adds a record, whose name it copies. Its error is ErrFile.
func (s *Sorter) AddBytes(name, rest []byte) error {
	add(&s.memory, name, rest)
	return s.added()
}

func (s *Sorter) added() error {
	s.memory.place()
	s.count++
	if s.memory.size() < cmp.Or(s.most, mostMemory) {
		return nil
	}
	if err := s.flush(); err != nil {
		return ofFile(err)
	}
	return nil
}

// Mark begins records that Undo can drop. Its error is ErrFile.
func (s *Sorter) Mark() error {
	if len(s.memory.records) > 0 {
		if err := s.flush(); err != nil {
			return ofFile(err)
		}
		if err := s.open.writeAll(&s.memory, s.memory.records); err != nil { // the half that was kept follows
			return ofFile(err)
		}
		s.memory.empty()
	}
	if err := s.finish(0); err != nil {
		return ofFile(err)
	}
	s.marked, s.fixed = s.count, len(s.pieces)
	return nil
}

// Undo drops the records that were added since Mark, or all.
func (s *Sorter) Undo() {
	s.memory.empty()
	s.count = s.marked
	s.spill.undo()
}

// flush writes the first half of the records in memory, if they continue the open piece. The other half
// may be continued by later records. Else it writes all of them as a new piece.
func (s *Sorter) flush() error {
	if err := s.create(); err != nil {
		return err
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

// All yields the records in order. It may be called several times. The caller may keep their bytes.
// An error is ErrFile, and the last value.
func (s *Sorter) All() iter.Seq2[Record, error] {
	return func(yield func(Record, error) bool) {
		if err := s.finish(0); err != nil {
			yield(Record{}, ofFile(err))
			return
		}
		s.other, s.spare = nil, nil // the caller needs the memory
		s.memory.sort()
		memory := s.memory
		sources := append(s.sources(s.pieces), &source{number: len(s.pieces), from: &memory})
		for r, err := range sources.all() {
			if err != nil {
				err = ofFile(err)
			}
			if !yield(r, err) {
				return
			}
		}
	}
}

// Close frees the memory and the temporary file.
func (s *Sorter) Close() {
	s.spill.close()
	*s = Sorter{}
}
