package segments

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"iter"

	"github.com/mediasweep/mediasweep/internal/state"
)

// Lines yields the lines of a segment, including their newlines.
func Lines(segment []byte) iter.Seq2[[]byte, error] {
	return BoundedLines(segment, maxLine, maxSegment)
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

// Decode yields what decode makes of each line of a record. An error is the last, and has state.ErrDamaged.
func Decode[T any](name string, record []byte, decode func(line []byte) (T, error)) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		for line, err := range Lines(record) {
			var one T
			if err == nil {
				one, err = decode(line)
			}
			if err != nil {
				err = fmt.Errorf("record %s: %w: %w", name, state.ErrDamaged, err)
			}
			if !yield(one, err) || err != nil {
				return
			}
		}
	}
}
