package sweep

import (
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/mediasweep/mediasweep/internal/plan"
)

// Segments are full but for the last, which is not empty, and give their lines back.
func TestSegments(t *testing.T) {
	for _, count := range []int{0, 1, plan.SegmentEntries - 1, plan.SegmentEntries, 2*plan.SegmentEntries + 1} {
		var sizes, numbers []int
		var got []string
		s := newSegments(7, func(number int, record []byte) error {
			n := 0
			for line, err := range lines(record) {
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
			if err := s.add([]byte(want[i])); err != nil {
				t.Fatal(err)
			}
		}
		if err := s.close(); err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(got, want) {
			t.Errorf("%d lines come back of %d", len(got), count)
		}
		for i, size := range sizes {
			if i < len(sizes)-1 && size != plan.SegmentEntries || size == 0 || size > plan.SegmentEntries || numbers[i] != 8+i {
				t.Errorf("%d lines in segments of %v, numbered %v", count, sizes, numbers)
			}
		}
	}
}

func TestSegmentsThatCannotBeKept(t *testing.T) {
	full := errors.New("no space left")
	s := newSegments(0, func(int, []byte) error { return full })
	for range plan.SegmentEntries - 1 {
		if err := s.add([]byte("x\n")); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.add([]byte("x\n")); !errors.Is(err, full) {
		t.Errorf("a full segment: %v", err)
	}
}
