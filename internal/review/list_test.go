package review_test

import (
	"errors"
	"fmt"
	"iter"
	"slices"
	"testing"
	"time"

	"github.com/mediasweep/mediasweep/internal/media"
	"github.com/mediasweep/mediasweep/internal/review"
)

var asOf = time.Date(2026, 11, 25, 0, 0, 0, 0, time.UTC)

// items yields n items of three folders and two rules.
func items(n int) iter.Seq2[review.Item, error] {
	return func(yield func(review.Item, error) bool) {
		for i := range n {
			item := review.Item{
				MediaID: fmt.Sprintf("%032x", i), Title: fmt.Sprintf("Clip %d 片头", i), Object: fmt.Sprintf("oss://media-in/clips/%d/CLIP-%d.mp4", i%3, i),
				Rule: []string{"drafts", "rest"}[i%2], State: "Published", Tags: []string{fmt.Sprint("tag", i%4)}, Created: asOf.AddDate(0, 0, -i%1000),
				Size: media.Known(int64(i % 77)), Duration: media.Known(time.Duration(i%90) * time.Second),
			}
			if !yield(item, nil) {
				return
			}
		}
	}
}

func listOf(t testing.TB, n int) *review.List {
	t.Helper()
	list, err := review.NewList(asOf, 10, items(n))
	if err != nil {
		t.Fatal(err)
	}
	return list
}

// The count of each facet equals the number of media that its filter selects.
func TestFacetsAgreeWithFilters(t *testing.T) {
	list := listOf(t, 2000)
	for _, before := range []review.Filter{{}, {Rule: "rest"}, {Search: "clip 1", Folder: "oss://media-in/clips/"}, {Tag: "tag2", Age: "90"}} {
		all := list.Select(before)
		for name, facet := range map[string]struct {
			groups review.Groups
			choose func(f *review.Filter, value string)
		}{
			"rule":   {all.Rules, func(f *review.Filter, v string) { f.Rule = v }},
			"folder": {all.Folders, func(f *review.Filter, v string) { f.Folder = v }},
			"tag":    {all.Tags, func(f *review.Filter, v string) { f.Tag = v }},
			"age":    {all.Ages, func(f *review.Filter, v string) { f.Age = v }},
			"state":  {all.States, func(f *review.Filter, v string) { f.State = v }},
		} {
			for _, group := range facet.groups.Largest() {
				chosen := before
				facet.choose(&chosen, group.Name)
				if got := list.Select(chosen).Sum; got != group.Sum {
					t.Errorf("%+v, %s %s: %+v, want %+v", before, name, group.Name, got, group.Sum)
				}
			}
		}
	}
}

// A folder has what stands below it, and not what only names it.
func TestFolder(t *testing.T) {
	objects := []string{"oss://media-in/clips/0/a.mp4", "oss://media-in/x/oss://media-in/clips/0/b.mp4", "oss://media-in/clips/01/c.mp4", ""}
	list, err := review.NewList(asOf, 4, func(yield func(review.Item, error) bool) {
		for _, object := range objects {
			if !yield(review.Item{MediaID: "m" + object, Object: object}, nil) {
				return
			}
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	if ids := list.Select(review.Filter{Folder: "oss://media-in/clips/0/"}).IDs(); len(ids) != 1 || ids[0] != "moss://media-in/clips/0/a.mp4" {
		t.Errorf("%q", ids)
	}
	for name := range list.Select(review.Filter{Folder: "oss://media-in/clips/"}).Folders {
		if name != "oss://media-in/clips/0/" && name != "oss://media-in/clips/01/" {
			t.Errorf("a folder of clips: %q", name)
		}
	}
	if none := list.Select(review.Filter{}).Folders[""]; none == nil || none.Media != 1 {
		t.Errorf("without an object: %+v", none)
	}
}

// Sorting neither loses nor adds media, and does not change the set.
func TestSortKeepsTheSet(t *testing.T) {
	list := listOf(t, 500)
	digest := list.Select(review.Filter{Rule: "rest"}).Digest()
	for _, name := range append(review.Sorts(), "-size", "nonsense", "") {
		selected := list.Select(review.Filter{Rule: "rest"})
		selected.Sort(name)
		if selected.Digest() != digest || len(selected.IDs()) != 250 {
			t.Errorf("sorted by %q: another set", name)
		}
		size := func(i *review.Item) int64 { return i.Size.Value }
		if name == "size" && !slices.IsSortedFunc(selected.Page(1, 500), func(a, b review.Item) int { return int(size(&a) - size(&b)) }) {
			t.Error("not sorted")
		}
	}
	if list.Select(review.Filter{Rule: "drafts"}).Digest() == digest {
		t.Error("two sets have one digest")
	}
}

func TestListsAreBounded(t *testing.T) {
	if _, err := review.NewList(asOf, 10, items(review.MaxItems+1)); !errors.Is(err, review.ErrTooLarge) {
		t.Error(err)
	}
	broken := errors.New("broken")
	if _, err := review.NewList(asOf, 10, func(yield func(review.Item, error) bool) { yield(review.Item{}, broken) }); !errors.Is(err, broken) {
		t.Error(err)
	}
}

func BenchmarkSelect(b *testing.B) {
	list := listOf(b, 100_000)
	for name, f := range map[string]review.Filter{"all": {}, "rule": {Rule: "rest"}, "search": {Search: "片头"}, "none": {Search: "nothing"}} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				selected := list.Select(f)
				selected.Digest()
				selected.Sort("title")
				selected.Page(1, 100)
			}
		})
	}
}

// A tag may have a comma: it is one tag all the same.
func TestTagsWithCommas(t *testing.T) {
	one, two := review.Item{MediaID: "1", Tags: []string{"a,b"}}, review.Item{MediaID: "2", Tags: []string{"a", "b"}}
	list, err := review.NewList(asOf, 2, func(yield func(review.Item, error) bool) { _ = yield(one, nil) && yield(two, nil) })
	if err != nil {
		t.Fatal(err)
	}
	for tag, want := range map[string]string{"a,b": "1", "a": "2", "b": "2"} {
		if ids := list.Select(review.Filter{Tag: tag}).IDs(); !slices.Equal(ids, []string{want}) {
			t.Errorf("tag %s: %v", tag, ids)
		}
	}
}

func TestDays(t *testing.T) {
	for created, want := range map[time.Time]int{
		asOf: 0, asOf.Add(time.Second - 24*time.Hour): 0, asOf.AddDate(0, 0, -1): 1, asOf.AddDate(0, 0, 1): -1, asOf.AddDate(0, 0, -200_000): 200_000, // a Duration holds 106,751 days
	} {
		item := review.Item{Created: created}
		if days, ok := item.Days(asOf); days != want || !ok {
			t.Errorf("created at %s: %d days, %t; want %d", created, days, ok, want)
		}
	}
}
