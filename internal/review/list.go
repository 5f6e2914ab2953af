package review

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"iter"
	"slices"
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

// Filter selects media. Empty fields select all.
type Filter struct {
	Rule, Tag, Age, State string
	// Folder is a prefix of folders, with its last slash.
	Folder string
	// Search is found in a title, an object or a media ID. Case does not count.
	Search string
}

// matcher returns what reports whether an item is selected.
func (f Filter) matcher(asOf time.Time) func(*Item) bool {
	search := strings.ToLower(f.Search)
	return func(i *Item) bool {
		switch {
		case f.Rule != "" && i.Rule != f.Rule,
			f.State != "" && i.State != f.State,
			f.Tag != "" && !slices.Contains(i.Tags, f.Tag),
			f.Folder != "" && !strings.HasPrefix(i.Object, f.Folder),
			f.Age != "" && ageClass(i, asOf) != f.Age:
			return false
		case search == "":
			return true
		}
		return strings.Contains(strings.ToLower(i.Title), search) || strings.Contains(strings.ToLower(i.Object), search) || strings.Contains(strings.ToLower(i.MediaID), search)
	}
}

// Sorts returns the names of the orders. A leading - turns one round.
func Sorts() []string {
	return []string{"title", "object", "size", "duration", "created", "rule"}
}

// key is the property of an item that an order compares: a text, else a number.
type key struct {
	text   string
	number int64
	item   int32
}

func (k *key) compare(other *key) int {
	return cmp.Or(strings.Compare(k.text, other.text), cmp.Compare(k.number, other.number))
}

// keyOf returns what returns the key of an item in an order; nil for an unknown order.
func keyOf(name string) func(*Item) key {
	return map[string]func(*Item) key{
		"title":    func(i *Item) key { return key{text: i.Title} },
		"object":   func(i *Item) key { return key{text: i.Object} },
		"size":     func(i *Item) key { return key{number: i.Size.Value} },
		"duration": func(i *Item) key { return key{number: int64(i.Duration.Value)} },
		"created":  func(i *Item) key { return key{number: i.Created.Unix()} },
		"rule":     func(i *Item) key { return key{text: i.Rule} },
	}[name]
}

// Selection is the media that a filter selects, with their totals by each facet.
type Selection struct {
	Sum
	Rules, Folders, Tags, Ages, States Groups

	list    *List
	numbers []int32 // of the items
	digest  string
}

// Select returns the media of a filter.
func (l *List) Select(f Filter) *Selection {
	s := &Selection{list: l, Rules: Groups{}, Folders: Groups{}, Tags: Groups{}, Ages: Groups{}, States: Groups{}}
	matches, sum, line := f.matcher(l.asOf), sha256.New(), []byte{}
	for n := range int32(len(l.items)) { //nolint:gosec // at most MaxItems
		item := l.item(n)
		i := &item
		if !matches(i) {
			continue
		}
		s.numbers = append(s.numbers, n)
		line = append(append(line[:0], i.MediaID...), '\n')
		_, _ = sum.Write(line) // a hash takes everything
		s.Sum.Add(i)
		s.Rules.Add(i.Rule, i)
		s.States.Add(i.State, i)
		s.Ages.Add(ageClass(i, l.asOf), i)
		for _, tag := range i.Tags {
			s.Tags.Add(tag, i)
		}
		s.Folders.Add(below(i.Object, f.Folder), i)
	}
	s.digest = hex.EncodeToString(sum.Sum(nil)[:16])
	return s
}

// below returns the folder of an object one step below another one.
func below(object, folder string) string {
	if folder == "" {
		folder = "oss://"
	}
	rest, ok := strings.CutPrefix(object, folder)
	if !ok {
		return ""
	}
	step, _, found := strings.Cut(rest, "/")
	if !found {
		return folder // the object stands in the folder itself
	}
	return object[:len(folder)+len(step)+1]
}

// Sort orders the media. Those that are equal keep the order of the plan.
func (s *Selection) Sort(name string) {
	name, turned := strings.CutPrefix(name, "-")
	of := keyOf(name)
	if of == nil {
		return
	}
	keys := make([]key, len(s.numbers))
	for i, n := range s.numbers {
		item := s.list.item(n)
		keys[i] = of(&item)
		keys[i].item = n
	}
	slices.SortStableFunc(keys, func(a, b key) int {
		if turned {
			return b.compare(&a)
		}
		return a.compare(&b)
	})
	for i := range keys {
		s.numbers[i] = keys[i].item
	}
}

// Page returns a page of so many media, which is the first one for 1. A page after the last is empty.
func (s *Selection) Page(number, size int) []Item {
	from := len(s.numbers)
	if number = max(number, 1); number <= from/size+1 {
		from = min(from, (number-1)*size)
	}
	var page []Item
	for _, n := range s.numbers[from:min(from+size, len(s.numbers))] {
		page = append(page, s.list.item(n))
	}
	return page
}

// All yields the media.
func (s *Selection) All() iter.Seq2[Item, error] {
	return func(yield func(Item, error) bool) {
		for _, n := range s.numbers {
			if !yield(s.list.item(n), nil) {
				return
			}
		}
	}
}

// IDs returns the media IDs.
func (s *Selection) IDs() []string {
	ids := make([]string, len(s.numbers))
	for i, n := range s.numbers {
		ids[i] = s.list.item(n).MediaID
	}
	return ids
}

// Digest names the set of the selected media.
func (s *Selection) Digest() string { return s.digest }
