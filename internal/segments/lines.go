package segments

import (
	"bufio"
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

// BoundedLines yields the lines of a gzipped text, which the caller may keep. It bounds the length of a line and of
// the text, because a few kilobytes can decompress to gigabytes.
func BoundedLines(segment []byte, longest, most int) iter.Seq2[[]byte, error] {
	return func(yield func([]byte, error) bool) {
		unzipped, err := gzip.NewReader(bytes.NewReader(segment))
		if err != nil {
			yield(nil, err)
			return
		}
		text := &io.LimitedReader{R: unzipped, N: int64(most) + 1}
		lines := bufio.NewScanner(text)
		lines.Buffer(nil, longest)
		lines.Split(wholeLine)
		for lines.Scan() {
			if !yield(bytes.Clone(lines.Bytes()), nil) {
				return
			}
		}
		switch err := lines.Err(); {
		case text.N == 0:
			yield(nil, fmt.Errorf("the text is longer than %d bytes", most))
		case errors.Is(err, bufio.ErrTooLong):
			yield(nil, fmt.Errorf("a line is longer than %d bytes", longest))
		case err != nil:
			yield(nil, err)
		}
	}
}

// wholeLine takes a line and its newline off a text. A text that ends within a line is cut off.
func wholeLine(text []byte, atEOF bool) (length int, line []byte, err error) {
	length = bytes.IndexByte(text, '\n') + 1
	switch {
	case length > 0:
		return length, text[:length], nil
	case atEOF && len(text) > 0:
		return 0, nil, io.ErrUnexpectedEOF
	}
	return 0, nil, nil
}

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
