package review

import (
	"errors"
	"iter"
	"strconv"
	"strings"
	"time"
	"unique"
)

// MaxItems is the number of media that a List takes at most. A hundred thousand take some 30 MB.
const MaxItems = 200_000

// ErrTooLarge means that a plan has more than MaxItems media.
var ErrTooLarge = errors.New("the plan has too many media for a review here: read it as CSV")

// List is a plan in memory. It never changes, and is safe for concurrent use.
type List struct {
	asOf  time.Time
	items []Item
}

// NewList reads the media of a plan. Many is their number, as far as it is known.
func NewList(asOf time.Time, many int, items iter.Seq2[Item, error]) (*List, error) {
	l := &List{asOf: asOf, items: make([]Item, 0, min(many, MaxItems))}
	tags := map[string][]string{} // many media have the same ones
	for item, err := range items {
		switch {
		case err != nil:
			return nil, err
		case len(l.items) == MaxItems:
			return nil, ErrTooLarge
		}
		key := strings.Join(item.Tags, "\x00") // a tag may have a comma
		if _, known := tags[key]; !known {
			tags[key] = item.Tags
		}
		item.Tags, item.Rule, item.State = tags[key], unique.Make(item.Rule).Value(), unique.Make(item.State).Value()
		l.items = append(l.items, item)
	}
	return l, nil
}

// lastDays returns the last days of the classes of age, which name them. Older media are "more".
func lastDays() []int { return []int{30, 90, 180, 365, 730} }

// Ages returns the names of the classes of age, the youngest first: their last days, "more" and "unknown".
func Ages() (names []string) {
	for _, last := range lastDays() {
		names = append(names, strconv.Itoa(last))
	}
	return append(names, "more", "unknown")
}

// AgeRange returns the days of a class of age. It returns false for "more" and "unknown".
func AgeRange(name string) (first, last int, ok bool) {
	for _, day := range lastDays() {
		if name == strconv.Itoa(day) {
			return first, day, true
		}
		first = day + 1
	}
	return 0, 0, false
}

// ageClass returns the name of the class of an item.
func ageClass(i *Item, asOf time.Time) string {
	days, ok := i.Days(asOf)
	if !ok {
		return "unknown"
	}
	for _, last := range lastDays() {
		if days <= last {
			return strconv.Itoa(last)
		}
	}
	return "more"
}
