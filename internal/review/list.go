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
)

// MaxItems is the number of media that a List takes at most. A hundred thousand take some 40 MB.
const MaxItems = 200_000

// ErrTooLarge means that a plan has more than MaxItems media.
var ErrTooLarge = errors.New("the plan has too many media for a review here: read it as CSV")

// List is a plan in memory. It never changes, and is safe for concurrent use.
type List struct {
	asOf  time.Time
	items []Item
}

// NewList reads the media of a plan.
func NewList(asOf time.Time, items iter.Seq2[Item, error]) (*List, error) {
	l, shared := &List{asOf: asOf}, map[string]string{}
	share := func(s string) string { // few values that many media have
		if same, ok := shared[s]; ok {
			return same
		}
		shared[s] = s
		return s
	}
	tags := map[string][]string{}
	for item, err := range items {
		switch {
		case err != nil:
			return nil, err
		case len(l.items) == MaxItems:
			return nil, ErrTooLarge
		}
		item.Rule, item.State = share(item.Rule), share(item.State)
		joined := strings.Join(item.Tags, ",")
		if same, ok := tags[joined]; ok {
			item.Tags = same
		} else {
			tags[joined] = item.Tags
		}
		l.items = append(l.items, item)
	}
	return l, nil
}

// Len returns the number of media.
func (l *List) Len() int { return len(l.items) }

// Ages are the names of the classes of age, the youngest first.
func Ages() []string { return []string{"30", "90", "180", "365", "730", "more", "unknown"} }

// ageClass returns the class of an item: its last day, or "more".
func ageClass(i *Item, asOf time.Time) string {
	days, ok := i.Days(asOf)
	switch {
	case !ok:
		return "unknown"
	case days <= 30:
		return "30"
	case days <= 90:
		return "90"
	case days <= 180:
		return "180"
	case days <= 365:
		return "365"
	case days <= 730:
		return "730"
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

// order returns the comparison of an order; by media ID for an unknown one.
func order(name string) func(a, b *Item) int {
	name, turned := strings.CutPrefix(name, "-")
	by := map[string]func(a, b *Item) int{
		"title":    func(a, b *Item) int { return strings.Compare(a.Title, b.Title) },
		"object":   func(a, b *Item) int { return strings.Compare(a.Object, b.Object) },
		"size":     func(a, b *Item) int { return cmp.Compare(a.Size.Value, b.Size.Value) },
		"duration": func(a, b *Item) int { return cmp.Compare(a.Duration.Value, b.Duration.Value) },
		"created":  func(a, b *Item) int { return a.Created.Compare(b.Created) },
		"rule":     func(a, b *Item) int { return strings.Compare(a.Rule, b.Rule) },
	}[name]
	if by == nil {
		return nil
	}
	if turned {
		return func(a, b *Item) int { return by(b, a) }
	}
	return by
}

// Selection is the media that a filter selects, with their totals by each facet.
type Selection struct {
	Sum
	Rules, Folders, Tags, Ages, States Groups
	items                              []*Item
}

// Select returns the media of a filter.
func (l *List) Select(f Filter) *Selection {
	s := &Selection{Rules: Groups{}, Folders: Groups{}, Tags: Groups{}, Ages: Groups{}, States: Groups{}}
	matches := f.matcher(l.asOf)
	for n := range l.items {
		i := &l.items[n]
		if !matches(i) {
			continue
		}
		s.items = append(s.items, i)
		s.Sum.Add(i)
		s.Rules.Add(i.Rule, i)
		s.States.Add(i.State, i)
		s.Ages.Add(ageClass(i, l.asOf), i)
		for _, tag := range i.Tags {
			s.Tags.Add(tag, i)
		}
		s.Folders.Add(below(i.Object, f.Folder), i)
	}
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
	return folder + step + "/"
}

// Sort orders the media.
func (s *Selection) Sort(name string) {
	by := order(name)
	if by == nil {
		return
	}
	slices.SortStableFunc(s.items, by)
}

// Page returns a page of so many media, which is the first one for 1. The last page may be empty.
func (s *Selection) Page(number, size int) []*Item {
	from := min(max(number-1, 0)*size, len(s.items))
	return s.items[from:min(from+size, len(s.items))]
}

// All yields the media.
func (s *Selection) All() iter.Seq2[Item, error] {
	return func(yield func(Item, error) bool) {
		for _, i := range s.items {
			if !yield(*i, nil) {
				return
			}
		}
	}
}

// IDs returns the media IDs in the order of the plan, if the selection was not sorted.
func (s *Selection) IDs() []string {
	ids := make([]string, len(s.items))
	for n, i := range s.items {
		ids[n] = i.MediaID
	}
	return ids
}

// Digest names the set of the selected media.
func (s *Selection) Digest() string {
	sum := sha256.New()
	for _, id := range slices.Sorted(slices.Values(s.IDs())) {
		_, _ = sum.Write([]byte(id + "\n")) // a hash takes everything
	}
	return hex.EncodeToString(sum.Sum(nil)[:16])
}
