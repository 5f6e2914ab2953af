package journal

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"iter"

	"github.com/mediasweep/mediasweep/internal/plan"
)

const (
	// fullSegment is the size in bytes, before compression, at which a segment ends
	// although it has room for more lines.
	fullSegment = 8 << 20
	// maxSegment bounds in bytes, after decompression, what is read of a segment.
	maxSegment = 256 << 20
)

// Segments cuts lines into gzipped records of at most plan.SegmentEntries lines and
// about fullSegment bytes, and hands over each record as it is full.
type Segments struct {
	keep    func(number int, record []byte) error
	number  int
	lines   int
	bytes   int
	record  bytes.Buffer
	squeeze *gzip.Writer
}

// NewSegments hands each full segment over, numbered from 1.
func NewSegments(keep func(number int, record []byte) error) *Segments {
	s := &Segments{keep: keep}
	s.squeeze, _ = gzip.NewWriterLevel(&s.record, gzip.BestSpeed) // the level is a valid one
	return s
}

// Add takes a line, its end included.
func (s *Segments) Add(line []byte) error {
	if len(line) > plan.MaxLine {
		return fmt.Errorf("a line of %d bytes could not be read back: the limit is %d", len(line), plan.MaxLine)
	}
	_, _ = s.squeeze.Write(line) // a Buffer takes everything
	s.lines, s.bytes = s.lines+1, s.bytes+len(line)
	if s.lines < plan.SegmentEntries && s.bytes < fullSegment {
		return nil
	}
	return s.Close()
}

// Close hands over what is left, if anything is.
func (s *Segments) Close() error {
	if s.lines == 0 {
		return nil
	}
	if err := s.squeeze.Close(); err != nil {
		return err
	}
	s.number++
	// A store may keep what it is given.
	err := s.keep(s.number, bytes.Clone(s.record.Bytes()))
	s.lines, s.bytes = 0, 0
	s.record.Reset()
	s.squeeze.Reset(&s.record)
	return err
}

// Lines yields the lines of a segment, their ends included.
func Lines(segment []byte) iter.Seq2[[]byte, error] {
	return boundedLines(segment, plan.MaxLine, maxSegment)
}

// boundedLines yields the lines of a gzipped text. A longer line, or a longer text, is an
// error: a few kilobytes can hold gigabytes.
func boundedLines(segment []byte, longest, most int) iter.Seq2[[]byte, error] {
	return func(yield func([]byte, error) bool) {
		unzipped, err := gzip.NewReader(bytes.NewReader(segment))
		if err != nil {
			yield(nil, err)
			return
		}
		reader := bufio.NewReader(unzipped)
		for left := most; ; {
			line, err := readLineOf(reader, min(longest, left))
			left -= len(line)
			if errors.Is(err, io.EOF) {
				if len(line) == 0 {
					return
				}
				err = io.ErrUnexpectedEOF
			}
			if !yield(line, err) || err != nil {
				return
			}
		}
	}
}

// readLineOf reads a line of at most so many bytes, its end included.
func readLineOf(reader *bufio.Reader, most int) (line []byte, err error) {
	for {
		part, err := reader.ReadSlice('\n')
		line = append(line, part...)
		switch {
		case len(line) > most:
			return nil, fmt.Errorf("a line goes on after %d bytes, which is more than this program writes", most)
		case errors.Is(err, bufio.ErrBufferFull):
		default:
			return line, err
		}
	}
}
