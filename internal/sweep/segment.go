package sweep

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"iter"

	"github.com/mediasweep/mediasweep/internal/plan"
)

// maxLine bounds a line of a segment: a media record with its outputs.
const maxLine = 8 << 20

// segments cuts lines into gzipped records of plan.SegmentEntries each, and hands
// over each record as it is full.
type segments struct {
	keep    func(number int, record []byte) error
	number  int
	lines   int
	record  bytes.Buffer
	squeeze *gzip.Writer
}

// newSegments starts with the number of the last segment that there is.
func newSegments(last int, keep func(number int, record []byte) error) *segments {
	s := &segments{keep: keep, number: last}
	s.squeeze, _ = gzip.NewWriterLevel(&s.record, gzip.BestSpeed) // the level is a valid one
	return s
}

// add takes a line, its end included.
func (s *segments) add(line []byte) error {
	_, _ = s.squeeze.Write(line) // a Buffer takes everything
	if s.lines++; s.lines < plan.SegmentEntries {
		return nil
	}
	return s.close()
}

// close hands over what is left, if anything is.
func (s *segments) close() error {
	if s.lines == 0 {
		return nil
	}
	if err := s.squeeze.Close(); err != nil {
		return err
	}
	s.number++
	// A store may keep what it is given.
	err := s.keep(s.number, bytes.Clone(s.record.Bytes()))
	s.lines = 0
	s.record.Reset()
	s.squeeze.Reset(&s.record)
	return err
}

// lines yields the lines of a segment, their ends included.
func lines(segment []byte) iter.Seq2[[]byte, error] {
	return func(yield func([]byte, error) bool) {
		unzipped, err := gzip.NewReader(bytes.NewReader(segment))
		if err != nil {
			yield(nil, err)
			return
		}
		reader := bufio.NewReader(io.LimitReader(unzipped, plan.SegmentEntries*maxLine))
		for {
			line, err := reader.ReadBytes('\n')
			switch {
			case errors.Is(err, io.EOF) && len(line) == 0:
				return
			case err != nil:
				yield(nil, err)
				return
			}
			if !yield(line, nil) {
				return
			}
		}
	}
}
