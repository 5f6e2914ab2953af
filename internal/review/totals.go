package review

import (
	"cmp"
	"maps"
	"slices"
	"strings"
)

// Sum counts media, with the bytes of their inputs and the seconds of their video as far as records have them. A
// time.Duration has no room for the video of a large library: it ends after 292 years.
type Sum struct {
	Media   int
	Bytes   int64
	Seconds float64
}

// Hours returns the hours of video.
func (s Sum) Hours() float64 { return s.Seconds / 3600 }

// Add counts an item.
func (s *Sum) Add(i *Item) {
	s.Media++
	s.Bytes += i.Size.Value
	s.Seconds += i.Duration.Value.Seconds()
}

// Group is the sum of the items that have a value in common.
type Group struct {
	Name string
	Sum
}

// Groups adds up items by a value.
type Groups map[string]*Sum

// Add counts an item in a group.
func (g Groups) Add(name string, i *Item) {
	if g[name] == nil {
		g[name] = &Sum{}
	}
	g[name].Add(i)
}

// Largest returns the groups, those with the most media first.
func (g Groups) Largest() []Group {
	list := make([]Group, 0, len(g))
	for _, name := range slices.Sorted(maps.Keys(g)) {
		list = append(list, Group{name, *g[name]})
	}
	slices.SortStableFunc(list, func(a, b Group) int { return cmp.Compare(b.Media, a.Media) })
	return list
}

// First returns the n groups with the most media, and the sum of the others.
func (g Groups) First(n int) (first []Group, rest Sum) {
	first = g.Largest()
	for _, group := range first[min(n, len(first)):] {
		rest.Media += group.Media
		rest.Bytes += group.Bytes
		rest.Seconds += group.Seconds
	}
	return first[:min(n, len(first))], rest
}

// Totals add up a plan.
type Totals struct {
	Sum
	Rules, Folders Groups
}

// NewTotals returns empty totals.
func NewTotals() *Totals { return &Totals{Rules: Groups{}, Folders: Groups{}} }

// Add counts an item.
func (t *Totals) Add(i *Item) {
	t.Sum.Add(i)
	t.Rules.Add(i.Rule, i)
	t.Folders.Add(i.Folder(), i)
}

// maxLargest is the number of items that Largest keeps.
const maxLargest = 50

// Largest keeps the items with the largest inputs.
type Largest struct{ items []Item }

// Add takes an item.
func (l *Largest) Add(i *Item) {
	if !i.Size.Known {
		return
	}
	if l.items = append(l.items, *i); len(l.items) > 4*maxLargest {
		l.cut()
	}
}

// Items returns the kept items, the largest first.
func (l *Largest) Items() []Item {
	l.cut()
	return l.items
}

func (l *Largest) cut() {
	slices.SortFunc(l.items, func(a, b Item) int {
		return cmp.Or(cmp.Compare(b.Size.Value, a.Size.Value), strings.Compare(a.MediaID, b.MediaID))
	})
	l.items = l.items[:min(len(l.items), maxLargest)]
}
