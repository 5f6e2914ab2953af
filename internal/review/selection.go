package review

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"iter"
	"slices"
	"strings"
	"time"
)

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

// orderOf returns what compares two items in an order; nil for an unknown order.
func orderOf(name string) func(a, b *Item) int {
	return map[string]func(a, b *Item) int{
		"title":    func(a, b *Item) int { return strings.Compare(a.Title, b.Title) },
		"object":   func(a, b *Item) int { return strings.Compare(a.Object, b.Object) },
		"size":     func(a, b *Item) int { return cmp.Compare(a.Size.Value, b.Size.Value) },
		"duration": func(a, b *Item) int { return cmp.Compare(a.Duration.Value, b.Duration.Value) },
		"created":  func(a, b *Item) int { return a.Created.Compare(b.Created) },
		"rule":     func(a, b *Item) int { return strings.Compare(a.Rule, b.Rule) },
	}[name]
}

// Selection is the media that a filter selects, with their totals by each facet.
type Selection struct {
	Sum
	Rules, Folders, Tags, Ages, States Groups

	items  []*Item // of the list
	digest string
}

// Select returns the media of a filter.
func (l *List) Select(f Filter) *Selection {
	s := &Selection{Rules: Groups{}, Folders: Groups{}, Tags: Groups{}, Ages: Groups{}, States: Groups{}}
	matches, sum, line := f.matcher(l.asOf), sha256.New(), []byte{}
	for n := range l.items {
		i := &l.items[n]
		if !matches(i) {
			continue
		}
		s.items = append(s.items, i)
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
	compare := orderOf(name)
	if compare == nil {
		return
	}
	slices.SortStableFunc(s.items, func(a, b *Item) int {
		if turned {
			a, b = b, a
		}
		return compare(a, b)
	})
}

// Page returns a page of so many media, which is the first one for 1. A page after the last is empty.
func (s *Selection) Page(number, size int) []Item {
	from := len(s.items)
	if number = max(number, 1); number <= from/size+1 {
		from = min(from, (number-1)*size)
	}
	var page []Item
	for _, i := range s.items[from:min(from+size, len(s.items))] {
		page = append(page, *i)
	}
	return page
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

// IDs returns the media IDs.
func (s *Selection) IDs() []string {
	ids := make([]string, len(s.items))
	for n, i := range s.items {
		ids[n] = i.MediaID
	}
	return ids
}

// Digest names the set of the selected media.
func (s *Selection) Digest() string { return s.digest }
