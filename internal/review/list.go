package review

import (
	"errors"
	"iter"
	"strings"
	"time"

	"github.com/mediasweep/mediasweep/internal/media"
)

// MaxItems is the number of media that a List takes at most. A hundred thousand take some 25 MB.
const MaxItems = 200_000

// ErrTooLarge means that a plan has more than MaxItems media.
var ErrTooLarge = errors.New("the plan has too many media for a review here: read it as CSV")

// List is a plan in memory. It never changes, and is safe for concurrent use.
type List struct {
	asOf  time.Time
	items []packed
	// Few values that many media have.
	names []string
	tags  [][]string
}

// packed is an Item in little memory.
type packed struct {
	texts             string // media ID, title, object and reason
	title, object     uint32 // where they start in texts
	reason            uint32
	rule, state, tags uint32 // in names, names and tags
	size, duration    int64  // -1 for unknown
	created, expires  int64  // in seconds
}

// NewList reads the media of a plan. Many is their number, as far as it is known.
func NewList(asOf time.Time, many int, items iter.Seq2[Item, error]) (*List, error) {
	l := &List{asOf: asOf, items: make([]packed, 0, min(many, MaxItems))}
	names, tags := map[string]uint32{}, map[string]uint32{}
	for item, err := range items {
		switch {
		case err != nil:
			return nil, err
		case len(l.items) == MaxItems:
			return nil, ErrTooLarge
		}
		p := packed{
			texts: item.MediaID + item.Title + item.Object + item.Reason, size: -1, duration: -1, created: item.Created.Unix(), expires: item.ExpiresAt.Unix(),
			rule: numberOf(names, &l.names, item.Rule, item.Rule), state: numberOf(names, &l.names, item.State, item.State),
			tags: numberOf(tags, &l.tags, strings.Join(item.Tags, "\x00"), item.Tags), // a tag may have a comma
		}
		p.title = uint32(len(item.MediaID))            //nolint:gosec // an entry has at most plan.MaxLine bytes
		p.object = p.title + uint32(len(item.Title))   //nolint:gosec // as above
		p.reason = p.object + uint32(len(item.Object)) //nolint:gosec // as above
		if item.Size.Known {
			p.size = item.Size.Value
		}
		if item.Duration.Known {
			p.duration = int64(item.Duration.Value)
		}
		l.items = append(l.items, p)
	}
	return l, nil
}

// numberOf returns the number of a value in a list of different ones.
func numberOf[T any](numbers map[string]uint32, list *[]T, key string, value T) uint32 {
	number, ok := numbers[key]
	if !ok {
		number = uint32(len(*list)) //nolint:gosec // at most twice MaxItems
		numbers[key] = number
		*list = append(*list, value)
	}
	return number
}

// item returns the item of a number. It shares the memory of the list.
func (l *List) item(number int32) Item {
	p := &l.items[number]
	i := Item{
		MediaID: p.texts[:p.title], Title: p.texts[p.title:p.object], Object: p.texts[p.object:p.reason], Reason: p.texts[p.reason:],
		Rule: l.names[p.rule], State: l.names[p.state], Tags: l.tags[p.tags],
		Created: unix(p.created), ExpiresAt: unix(p.expires),
	}
	if p.size >= 0 {
		i.Size = media.Known(p.size)
	}
	if p.duration >= 0 {
		i.Duration = media.Known(time.Duration(p.duration))
	}
	return i
}

// unix returns a time of so many seconds. The zero time stays zero.
func unix(seconds int64) time.Time {
	if at := time.Unix(seconds, 0).UTC(); at.Year() > 1 {
		return at
	}
	return time.Time{}
}

// Len returns the number of media.
func (l *List) Len() int { return len(l.items) }

// age is a class of age.
type age struct {
	name string
	last int // day
}

// ages returns the classes of age with a last day.
func ages() [5]age { return [...]age{{"30", 30}, {"90", 90}, {"180", 180}, {"365", 365}, {"730", 730}} }

// Ages returns the names of the classes of age, the youngest first: their last days, "more" and "unknown".
func Ages() (names []string) {
	for _, class := range ages() {
		names = append(names, class.name)
	}
	return append(names, "more", "unknown")
}

// AgeRange returns the days of a class of age. It returns false for "more" and "unknown".
func AgeRange(name string) (first, last int, ok bool) {
	for _, class := range ages() {
		if class.name == name {
			return first, class.last, true
		}
		first = class.last + 1
	}
	return 0, 0, false
}

// ageClass returns the class of an item: its last day, or "more".
func ageClass(i *Item, asOf time.Time) string {
	days, ok := i.Days(asOf)
	if !ok {
		return "unknown"
	}
	for _, class := range ages() {
		if days <= class.last {
			return class.name
		}
	}
	return "more"
}
