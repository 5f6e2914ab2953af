package journal

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"

	"github.com/klauspost/compress/gzip"

	"github.com/mediasweep/mediasweep/internal/plan"
	"github.com/mediasweep/mediasweep/internal/state"
)

const (
	// fullSegment is the size of a full segment, in bytes before compression.
	fullSegment = 8 << 20
	// maxSegment bounds a segment, in bytes after decompression.
	maxSegment = 256 << 20
)

// Segments writes lines into gzipped records of at most plan.SegmentEntries lines and about
// fullSegment bytes.
type Segments struct {
	keep    func(number int, record []byte) error
	number  int
	lines   int
	bytes   int
	record  bytes.Buffer
	squeeze *gzip.Writer
}

// NewSegments returns a writer that calls keep with each full segment, numbered from 1.
func NewSegments(keep func(number int, record []byte) error) *Segments {
	s := &Segments{keep: keep}
	s.squeeze, _ = gzip.NewWriterLevel(&s.record, gzip.BestSpeed) // the level is valid
	return s
}

// Add adds a line, including its newline.
func (s *Segments) Add(line []byte) error {
	if len(line) > plan.MaxLine {
		return fmt.Errorf("a line of %d bytes could not be read back: the limit is %d", len(line), plan.MaxLine)
	}
	_, _ = s.squeeze.Write(line) // a Buffer returns no error
	s.lines, s.bytes = s.lines+1, s.bytes+len(line)
	if s.lines < plan.SegmentEntries && s.bytes < fullSegment {
		return nil
	}
	return s.Close()
}

// Close ends the last segment, if it has any line.
func (s *Segments) Close() error {
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

// appendLines writes lines of JSON into numbered segments of a folder. last is the highest number that may be
// in use. It returns the new last number.
func appendLines[T any](ctx context.Context, store state.Store, folder string, last int, lines []T) (int, error) {
	written := NewSegments(func(_ int, record []byte) error {
		// The first free name: a run whose request was repeated has more records.
		err := state.ErrExists
		for errors.Is(err, state.ErrExists) {
			last++
			err = store.Create(ctx, fmt.Sprintf("%s%06d.jsonl.gz", folder, last), record)
		}
		return err
	})
	for _, one := range lines {
		line, err := json.Marshal(one)
		if err == nil {
			err = written.Add(append(line, '\n'))
		}
		if err != nil {
			return last, err
		}
	}
	return last, written.Close()
}

// Lines yields the lines of a segment, including their newlines.
func Lines(segment []byte) iter.Seq2[[]byte, error] {
	return BoundedLines(segment, plan.MaxLine, maxSegment)
}

// BoundedLines yields the lines of a gzipped text. It bounds the length of a line and of the text,
// because a few kilobytes can decompress to gigabytes. Adjacent lines share memory.
func BoundedLines(segment []byte, longest, most int) iter.Seq2[[]byte, error] {
	return func(yield func([]byte, error) bool) {
		unzipped, err := gzip.NewReader(bytes.NewReader(segment))
		if err != nil {
			yield(nil, err)
			return
		}
		size := min(maxBuffer, 512+8*len(segment))
		var rest []byte // what was read and not yielded
		for left := most; err == nil; {
			if cap(rest)-len(rest) < size/4 {
				rest = append(make([]byte, 0, max(size, 2*len(rest))), rest...)
			}
			from, n := len(rest), 0
			n, err = unzipped.Read(rest[from:cap(rest)])
			if left -= n; left < 0 {
				n, err = n+left, fmt.Errorf("the text is longer than %d bytes", most)
			}
			rest = rest[:from+n]
			for end := bytes.IndexByte(rest[from:], '\n'); end >= 0; end = bytes.IndexByte(rest, '\n') {
				if end += from + 1; end > longest {
					break
				}
				if !yield(rest[:end:end], nil) {
					return
				}
				rest, from = rest[end:], 0
			}
			if len(rest) > longest {
				err = fmt.Errorf("a line is longer than %d bytes", longest)
			}
		}
		switch {
		case !errors.Is(err, io.EOF):
			yield(nil, err)
		case len(rest) > 0:
			yield(nil, io.ErrUnexpectedEOF)
		}
	}
}

// maxBuffer is the size of the memory that adjacent lines share, in bytes. A longer line has its own.
const maxBuffer = 128 << 10
