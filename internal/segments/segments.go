// Package segments keeps lines in gzipped records: the media of a plan, outcomes, decisions. A record
// has a bounded number of lines, so that a reader needs bounded memory, and can read several at once.
package segments

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/klauspost/compress/gzip"

	"github.com/mediasweep/mediasweep/internal/plan"
	"github.com/mediasweep/mediasweep/internal/state"
)

// MaxLines is the largest number of lines of a segment.
const MaxLines = 1000

const (
	// maxLine bounds a line, in bytes. The longest are entries of plans.
	maxLine = plan.MaxLine
	// fullSegment is the size of a full segment, in bytes before compression.
	fullSegment = 8 << 20
	// maxSegment bounds a segment, in bytes after decompression.
	maxSegment = 256 << 20
)

// Writer writes lines into gzipped records of at most MaxLines lines and about fullSegment bytes.
type Writer struct {
	keep    func(number int, record []byte) error
	number  int
	lines   int
	bytes   int
	record  bytes.Buffer
	squeeze *gzip.Writer
}

// NewWriter returns a writer that calls keep with each full segment, numbered from 1.
func NewWriter(keep func(number int, record []byte) error) *Writer {
	s := &Writer{keep: keep}
	s.squeeze, _ = gzip.NewWriterLevel(&s.record, gzip.BestSpeed) // the level is valid
	return s
}

// Add adds a line, including its newline.
func (s *Writer) Add(line []byte) error {
	if len(line) > maxLine {
		return fmt.Errorf("a line of %d bytes could not be read back: the limit is %d", len(line), maxLine)
	}
	_, _ = s.squeeze.Write(line) // a Buffer returns no error
	s.lines, s.bytes = s.lines+1, s.bytes+len(line)
	if s.lines < MaxLines && s.bytes < fullSegment {
		return nil
	}
	return s.Close()
}

// AddJSON adds a value as a line of JSON.
func (s *Writer) AddJSON(value any) error {
	line, err := json.Marshal(value)
	if err != nil {
		return err
	}
	return s.Add(append(line, '\n'))
}

// Close ends the last segment, if it has any line.
func (s *Writer) Close() error {
	if s.lines == 0 {
		return nil
	}
	if err := s.squeeze.Close(); err != nil {
		return err
	}
	s.number++
	// The store may keep its argument.
	err := s.keep(s.number, bytes.Clone(s.record.Bytes()))
	s.lines, s.bytes = 0, 0
	s.record.Reset()
	s.squeeze.Reset(&s.record)
	return err
}

// NewFolder returns a writer of numbered records in a folder. last is the highest number that may be in use;
// the writer keeps it up to date. A run whose request was repeated has written records before.
func NewFolder(ctx context.Context, store state.Store, folder string, last *int) *Writer {
	return NewWriter(func(_ int, record []byte) error {
		err := state.ErrExists
		for errors.Is(err, state.ErrExists) {
			*last++
			err = store.Create(ctx, fmt.Sprintf("%s%06d.jsonl.gz", folder, *last), record)
		}
		return err
	})
}

// Append writes lines of JSON into a folder; see NewFolder. It returns the new last number.
func Append[T any](ctx context.Context, store state.Store, folder string, last int, lines []T) (int, error) {
	written := NewFolder(ctx, store, folder, &last)
	for _, one := range lines {
		if err := written.AddJSON(one); err != nil {
			return last, err
		}
	}
	return last, written.Close()
}
