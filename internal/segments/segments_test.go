package segments

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/mediasweep/mediasweep/internal/fuzztest"
	"github.com/mediasweep/mediasweep/internal/state/statetest"
)

// All segments but the last are full, none is empty, and they return all lines in order.
func TestSegments(t *testing.T) {
	for _, count := range []int{0, 1, MaxLines - 1, MaxLines, 2*MaxLines + 1} {
		var sizes, numbers []int
		var got []string
		s := NewWriter(func(number int, record []byte) error {
			n := 0
			for line, err := range Lines(record) {
				if err != nil {
					t.Fatal(err)
				}
				got = append(got, string(line))
				n++
			}
			sizes, numbers = append(sizes, n), append(numbers, number)
			return nil
		})
		var want []string
		for i := range count {
			want = append(want, fmt.Sprintln("line", i))
			if err := s.Add([]byte(want[i])); err != nil {
				t.Fatal(err)
			}
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(got, want) {
			t.Errorf("%d lines come back of %d", len(got), count)
		}
		for i, size := range sizes {
			if i < len(sizes)-1 && size != MaxLines || size == 0 || size > MaxLines || numbers[i] != 1+i {
				t.Errorf("%d lines in segments of %v, numbered %v", count, sizes, numbers)
			}
		}
	}
}

func TestSegmentsThatCannotBeKept(t *testing.T) {
	full := errors.New("no space left")
	s := NewWriter(func(int, []byte) error { return full })
	for range MaxLines - 1 {
		if err := s.Add([]byte("x\n")); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Add([]byte("x\n")); !errors.Is(err, full) {
		t.Errorf("a full segment: %v", err)
	}
}

// A segment that unzips to gigabytes is an error.
func TestLinesRefuseBombs(t *testing.T) {
	if testing.Short() {
		t.Skip("it inflates half a gigabyte")
	}
	zeros := make([]byte, 1<<20)
	var long, many bytes.Buffer
	w := gzip.NewWriter(&long)
	for range 2 * maxLine >> 20 {
		_, _ = w.Write(zeros)
	}
	_ = w.Close()
	w = gzip.NewWriter(&many)
	ends := bytes.Repeat([]byte(strings.Repeat("x", 1023)+"\n"), 1<<10)
	for range maxSegment>>20 + 2 {
		_, _ = w.Write(ends)
	}
	_ = w.Close()
	for name, segment := range map[string][]byte{"a long line": long.Bytes(), "many lines": many.Bytes()} {
		var last error
		size := 0
		for line, err := range Lines(segment) {
			last = err
			size += len(line)
		}
		if last == nil || size > maxSegment {
			t.Errorf("%s: %d bytes of %d, %v", name, size, len(segment), last)
		}
	}
}

// Long lines end a segment early. A line that could not be read back is an error.
func TestSegmentsOfLongLines(t *testing.T) {
	long := append(bytes.Repeat([]byte("x"), 3<<20), '\n')
	records, count := 0, 0
	s := NewWriter(func(_ int, record []byte) error {
		records++
		for _, err := range Lines(record) {
			if err != nil {
				t.Error(err)
			}
			count++
		}
		return nil
	})
	for range 10 {
		if err := s.Add(long); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Close(); err != nil || records != 4 || count != 10 {
		t.Errorf("%d lines in %d records, %v", count, records, err)
	}
	if err := s.Add(make([]byte, maxLine+1)); err == nil {
		t.Error("a line that is too long is taken")
	}
}

// FuzzLines: the lines of any segment stay within their bounds.
func FuzzLines(f *testing.F) {
	f.Add([]byte("a\nb\n"), true)
	f.Add([]byte("a"), true)
	f.Add([]byte("\x1f\x8b"), false)
	fuzztest.Fuzz(f, func(t *testing.T, text []byte, zip bool) {
		if zip {
			text = statetest.Squeezed(string(text))
		}
		for line, err := range BoundedLines(text, 10, 30) {
			if len(line) > 10 || err == nil && !bytes.HasSuffix(line, []byte("\n")) {
				t.Errorf("a line of %d bytes, %v", len(line), err)
			}
		}
	})
}
