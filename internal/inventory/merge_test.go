package inventory_test

import (
	"errors"
	"fmt"
	"iter"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/mediasweep/mediasweep/internal/inventory"
	"github.com/mediasweep/mediasweep/internal/media"
)

// listed yields keys as a listing would, each written a second after the one before.
func listed(keys ...string) iter.Seq2[inventory.Candidate, error] {
	return func(yield func(inventory.Candidate, error) bool) {
		for i, key := range keys {
			if !yield(inventory.Candidate{Object: in(key), Modified: int64(i) + 1}, nil) {
				return
			}
		}
	}
}

// names collects what candidates are called, and the errors between.
func names(t *testing.T, candidates iter.Seq2[inventory.Candidate, error]) (list []string) {
	t.Helper()
	for c, err := range candidates {
		if err != nil {
			list = append(list, err.Error())
			continue
		}
		listed := ""
		if c.Listed {
			listed = " listed"
		}
		if c.Again {
			listed = " again"
		}
		list = append(list, fmt.Sprintf("%s@%d%s", c.Name(), c.Modified, listed))
	}
	return list
}

func TestMerge(t *testing.T) {
	gathered := []inventory.Candidate{
		{Object: in("b"), Modified: 30}, {MediaID: "m2"}, {Object: in("a")}, {MediaID: "m1"}, {Object: in("a")},
		{Object: media.Object{Bucket: "a-bucket", Key: "z"}}, {Object: in("x")}, {MediaID: "m2"}, {Object: in("b"), Modified: 40}, {Object: in("b"), Modified: 20},
	}
	tests := []struct {
		name      string
		listed    iter.Seq2[inventory.Candidate, error]
		after     string
		want      []string
		unordered string
	}{
		{"nothing is listed", listed(), "", []string{"a-bucket/z@0", "media-in/a@0", "media-in/b@40", "media-in/x@0"}, ""},
		{"both", listed("a", "b", "c"), "", []string{"a-bucket/z@0", "media-in/a@1 listed", "media-in/b@40 listed", "media-in/c@3 listed", "media-in/x@0"}, ""},
		{"after an object", listed("c"), "media-in/b", []string{"media-in/c@1 listed", "media-in/x@0"}, ""},
		{"in no order", listed("b", "d", "a", "c", "c2", "y"), "", []string{"a-bucket/z@0", "media-in/a@0", "media-in/b@40 listed", "media-in/d@2 listed", "media-in/x@0",
			"media-in/y@6 listed", "media-in/a@3 again", "media-in/c@4 listed", "media-in/c2@5 listed"}, "media-in/a after media-in/d"},
		{"twice", listed("c", "d", "c"), "media-in/b", []string{"media-in/c@1 listed", "media-in/d@2 listed", "media-in/x@0", "media-in/c@3 listed"}, "media-in/c after media-in/d"},
		{"with errors", func(yield func(inventory.Candidate, error) bool) {
			_ = yield(inventory.Candidate{Object: in("c")}, nil) && yield(inventory.Candidate{}, errors.New("a")) && yield(inventory.Candidate{Object: in("d")}, nil) && yield(inventory.Candidate{}, errors.New("b"))
		}, "media-in/b", []string{"media-in/c@0 listed", "a", "media-in/d@0 listed", "b", "media-in/x@0"}, ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			var g inventory.Gathered
			defer g.Close()
			for _, c := range gathered {
				if err := g.Add(c); err != nil {
					t.Fatal(err)
				}
			}
			unordered := ""
			if got := names(t, g.Objects(test.listed, test.after, func(name, last string) { unordered = name + " after " + last })); !slices.Equal(got, test.want) || unordered != test.unordered {
				t.Errorf("%q, %q; want %q", got, unordered, test.want)
			}
			for _, err := range g.Objects(test.listed, test.after, func(string, string) {}) {
				if err != nil {
					t.Error(err)
				}
				break // whoever stops is not handed more
			}
			if got := names(t, g.IDs("")); !slices.Equal(got, []string{"~m1@0", "~m2@0"}) {
				t.Errorf("%q", got)
			}
			if got := names(t, g.IDs("~m1")); !slices.Equal(got, []string{"~m2@0"}) {
				t.Errorf("%q", got)
			}
		})
	}
}

// Whatever is gathered and listed, in whatever order, each object comes once.
func TestMergeOfMany(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for range 300 {
		var g inventory.Gathered
		want := map[string]bool{}
		for range random.IntN(40) {
			c := inventory.Candidate{Object: in(fmt.Sprint("k", random.IntN(60)))}
			want[c.Name()] = true
			if err := g.Add(c); err != nil {
				t.Fatal(err)
			}
		}
		var keys []string
		for i := range 60 {
			if random.IntN(2) == 0 {
				keys = append(keys, fmt.Sprint("k", i))
				want[inventory.Candidate{Object: in(fmt.Sprint("k", i))}.Name()] = true
			}
		}
		slices.Sort(keys)
		inOrder := random.IntN(2) == 0
		if !inOrder {
			for range 1 + random.IntN(5) {
				random.Shuffle(min(len(keys), 3), func(i, j int) { keys[i], keys[j] = keys[j], keys[i] })
			}
		}
		told := false
		got := map[string]bool{}
		last := ""
		for c, err := range g.Objects(listed(keys...), "", func(string, string) { told = true }) {
			if err != nil || got[c.Name()] != c.Again || inOrder && c.Name() <= last {
				t.Fatalf("%s after %s, %v", c.Name(), last, err)
			}
			got[c.Name()], last = true, c.Name()
		}
		if len(got) != len(want) || told == slices.IsSorted(keys) {
			t.Fatalf("%d of %d, told %v", len(got), len(want), told)
		}
		g.Close()
	}
}

func TestNames(t *testing.T) {
	for _, c := range []inventory.Candidate{{MediaID: "0123"}, {Object: in("a/b c"), Modified: 7}} {
		again, err := inventory.Named(c.Name(), c.Modified)
		if err != nil || again.MediaID != c.MediaID || again.Object != c.Object || again.Modified != c.Modified || again.Name() != c.Name() {
			t.Errorf("%+v, %v", again, err)
		}
	}
	for _, name := range []string{"", "bucket", "/key", "UPPER/key", "media-in/"} {
		if c, err := inventory.Named(name, 0); err == nil {
			t.Errorf("%q is %+v", name, c)
		}
	}
}
