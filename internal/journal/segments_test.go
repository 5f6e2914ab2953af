package journal

import (
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/mediasweep/mediasweep/internal/plan"
)

// All segments but the last are full, none is empty, and they return all lines in order.
func TestSegments(t *testing.T) {
	for _, count := range []int{0, 1, plan.SegmentEntries - 1, plan.SegmentEntries, 2*plan.SegmentEntries + 1} {
		var sizes, numbers []int
		var got []string
		s := NewSegments(func(number int, record []byte) error {
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
			if i < len(sizes)-1 && size != plan.SegmentEntries || size == 0 || size > plan.SegmentEntries || numbers[i] != 1+i {
				t.Errorf("%d lines in segments of %v, numbered %v", count, sizes, numbers)
			}
		}
	}
}

func TestSegmentsThatCannotBeKept(t *testing.T) {
	full := errors.New("no space left")
	s := NewSegments(func(int, []byte) error { return full })
	for range plan.SegmentEntries - 1 {
		if err := s.Add([]byte("x\n")); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Add([]byte("x\n")); !errors.Is(err, full) {
		t.Errorf("a full segment: %v", err)
	}
}
