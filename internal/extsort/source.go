package extsort

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
)

// Records are decoded some at a time, so that their names and their other bytes take one allocation
// each.
const (
	batchRecords = 64
	batchBytes   = 1 << 10
	chunk        = 8 << 10 // bytes of a buffer at first
)

// source is a sorted sequence of records.
type source struct {
	from   feed
	number int
	head   Record
	ready  []Record // of the last batch
	at     int      // the record behind head
	batch  batch
}

// feed adds the next record to a batch. It returns false at the end.
type feed interface {
	next(to *batch) (more bool, err error)
}

// batch collects the bytes of decoded records.
type batch struct {
	names, rests       []byte
	nameEnds, restEnds []int
}

func (b *batch) add(name, rest []byte) {
	b.names, b.rests = append(b.names, name...), append(b.rests, rest...)
	b.nameEnds, b.restEnds = append(b.nameEnds, len(b.names)), append(b.restEnds, len(b.rests))
}

func (b *batch) isFull() bool {
	return len(b.nameEnds) == batchRecords || len(b.names)+len(b.rests) >= batchBytes
}

// appendTo appends the records, whose bytes may be kept, and empties the batch.
func (b *batch) appendTo(records []Record) []Record {
	names, rests := string(b.names), bytes.Clone(b.rests)
	name, rest := 0, 0
	for i, end := range b.nameEnds {
		records = append(records, Record{names[name:end], rests[rest:b.restEnds[i]:b.restEnds[i]]})
		name, rest = end, b.restEnds[i]
	}
	*b = batch{b.names[:0], b.rests[:0], b.nameEnds[:0], b.restEnds[:0]}
	return records
}

// next moves to the next record. It returns io.EOF at the end.
func (s *source) next() error {
	if s.at == len(s.ready) {
		if err := s.fill(); err != nil {
			return err
		}
	}
	s.head = s.ready[s.at]
	s.at++
	return nil
}

// fill decodes a batch of at least one record.
func (s *source) fill() error {
	for more := true; more && !s.batch.isFull(); {
		var err error
		if more, err = s.from.next(&s.batch); err != nil {
			return err
		}
	}
	if len(s.batch.nameEnds) == 0 {
		return io.EOF
	}
	s.ready, s.at = s.batch.appendTo(s.ready[:0]), 0
	return nil
}

// decoder is the feed of a piece.
type decoder struct {
	file    io.Reader
	buffer  []byte
	encoded []byte // the part of buffer that is read, and not decoded
	left    int    // records that the piece still has
	last    []byte // name
}

var errRecord = errors.New("a record is damaged")

func (d *decoder) next(to *batch) (more bool, err error) {
	for d.left > 0 {
		shared, at := binary.Uvarint(d.encoded)
		suffix, next := field(d.encoded, at)
		rest, end := field(d.encoded, next)
		switch {
		case end > 0 && shared > uint64(len(d.last)):
			return false, errRecord
		case end > 0:
			d.last = append(d.last[:shared], suffix...)
			to.add(d.last, rest)
			d.encoded = d.encoded[end:]
			d.left--
			return true, nil
		}
		if err := d.read(); err != nil {
			return false, err
		}
	}
	return false, nil
}

// field decodes a length and as many bytes from a place on. end is the place behind it; 0 if b does not
// have all of it.
func field(b []byte, from int) (content []byte, end int) {
	if from <= 0 {
		return nil, 0
	}
	length, n := binary.Uvarint(b[from:])
	if n <= 0 || length > uint64(len(b)-from-n) { //nolint:gosec // not negative
		return nil, 0
	}
	end = from + n + int(length) //nolint:gosec // within a slice
	return b[from+n : end], end
}

// read reads more of the file behind what is not decoded yet.
func (d *decoder) read() error {
	if d.buffer == nil {
		d.buffer = make([]byte, chunk)
	} else if len(d.encoded) == len(d.buffer) {
		d.buffer = make([]byte, 2*len(d.buffer)) // of a long record
	}
	rest := copy(d.buffer, d.encoded)
	n, err := io.ReadAtLeast(d.file, d.buffer[rest:], 1)
	d.encoded = d.buffer[:rest+n]
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF // the piece has more records
	}
	return err
}
