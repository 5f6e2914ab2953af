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
