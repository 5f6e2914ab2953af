package review_test

import (
	"slices"
	"testing"
	"time"

	"github.com/mediasweep/mediasweep/internal/media"
	"github.com/mediasweep/mediasweep/internal/review"
)

// A class of age has the media of its first and of its last day.
func TestAgeRangeAgreesWithTheFilter(t *testing.T) {
	classes := 0
	for _, name := range review.Ages() {
		first, last, ok := review.AgeRange(name)
		if !ok {
			continue
		}
		classes++
		list, err := review.NewList(asOf, 4, func(yield func(review.Item, error) bool) {
			for _, days := range []int{first - 1, first, last, last + 1} {
				if !yield(review.Item{MediaID: "m", Created: asOf.AddDate(0, 0, -days)}, nil) {
					return
				}
			}
		})
		if err != nil {
			t.Fatal(err)
		}
		want := 2
		if first == 0 {
			want = 3 // one of a future day
		}
		if got := list.Select(review.Filter{Age: name}).Media; got != want {
			t.Errorf("class %s of %d to %d days: %d media, want %d", name, first, last, got, want)
		}
	}
	if classes != 5 {
		t.Errorf("%d classes have a range", classes)
	}
}

// A page follows the one before it: together they have all media in order.
func TestPages(t *testing.T) {
	selected := listOf(t, 25).Select(review.Filter{})
	var ids []string
	for page := 1; page <= 3; page++ {
		for _, item := range selected.Page(page, 10) {
			ids = append(ids, item.MediaID)
		}
	}
	if !slices.Equal(ids, selected.IDs()) {
		t.Errorf("three pages have %q", ids)
	}
	if first, none := selected.Page(0, 10), selected.Page(4, 10); len(first) != 10 || first[0].MediaID != ids[0] || len(none) != 0 {
		t.Errorf("page 0 has %d media, page 4 has %d", len(first), len(none))
	}
}

// The largest media of many are kept, whatever their order.
func TestLargest(t *testing.T) {
	largest := &review.Largest{}
	largest.Add(&review.Item{MediaID: "unknown"})
	for i := range 1000 {
		largest.Add(&review.Item{MediaID: "m", Size: media.Known(int64(i * 7 % 1000))})
	}
	items := largest.Items()
	if len(items) != 50 {
		t.Fatalf("%d items", len(items))
	}
	for i, item := range items {
		if item.Size.Value != int64(999-i) {
			t.Errorf("item %d has %d bytes, want %d", i, item.Size.Value, 999-i)
		}
	}
}

// The first groups and the rest have all media.
func TestFirstGroups(t *testing.T) {
	groups := review.Groups{}
	for i, name := range []string{"a", "b", "b", "c", "c", "c"} {
		groups.Add(name, &review.Item{Size: media.Known(int64(i))})
	}
	for n, want := range map[int]review.Sum{0: {Media: 6, Bytes: 15}, 1: {Media: 3, Bytes: 3}, 2: {Media: 1}, 3: {}, 4: {}} {
		first, rest := groups.First(n)
		if len(first) != min(n, 3) || rest != want || n > 0 && first[0].Name != "c" {
			t.Errorf("the first %d: %+v, and the rest %+v, want %+v", n, first, rest, want)
		}
	}
}

// The video of many recordings is longer than a time.Duration.
func TestTheVideoOfManyMedia(t *testing.T) {
	totals, hours := review.NewTotals(), 0.0
	for range 1000 {
		totals.Add(&review.Item{Rule: "r", Duration: media.Known(3000 * time.Hour)})
		hours += 3000
	}
	if got := totals.Rules.Largest()[0].Hours(); got != hours || totals.Hours() != hours {
		t.Errorf("%g hours, and %g in all, want %g", got, totals.Hours(), hours)
	}
}
