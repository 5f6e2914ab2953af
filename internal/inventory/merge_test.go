package inventory_test

import (
	"errors"
	"fmt"
	"iter"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/mediasweep/mediasweep/internal/extsort"
	"github.com/mediasweep/mediasweep/internal/inventory"
	"github.com/mediasweep/mediasweep/internal/media"
)

// listed yields keys as a listing does. Each object is written a second after the one before.
func listed(keys ...string) iter.Seq2[inventory.Candidate, error] {
	return func(yield func(inventory.Candidate, error) bool) {
		for i, key := range keys {
			if !yield(inventory.Candidate{Object: in(key), Modified: int64(i) + 1}, nil) {
				return
			}
		}
	}
}

// gather returns gathered candidates. The test closes them.
func gather(t *testing.T, candidates ...inventory.Candidate) *inventory.Gathered {
	t.Helper()
	g := &inventory.Gathered{}
	t.Cleanup(g.Close)
	for _, c := range candidates {
		if err := g.Add(c); err != nil {
			t.Fatal(err)
		}
	}
	return g
}

// names returns the names and times of candidates, and the errors among them.
func names(candidates iter.Seq2[inventory.Candidate, error]) (list []string) {
	for c, err := range candidates {
		if err != nil {
			list = append(list, err.Error())
			continue
		}
		listed := ""
		if c.Listed {
			listed = " listed"
		}
		list = append(list, fmt.Sprintf("%s@%d%s", c.Name(), c.Modified, listed))
	}
	return list
}

func TestObjects(t *testing.T) {
	gathered := []inventory.Candidate{
		{Object: in("b"), Modified: 30}, {MediaID: "m2"}, {Object: in("a")}, {MediaID: "m1"}, {Object: in("a")},
		{Object: media.Object{Bucket: "a-bucket", Key: "z"}}, {Object: in("x")}, {MediaID: "m2"}, {Object: in("b"), Modified: 40}, {Object: in("b"), Modified: 20},
	}
	const unordered = "the bucket is not listed in the order of its names: %q comes after %q"
	tests := []struct {
		name   string
		listed iter.Seq2[inventory.Candidate, error]
		after  string
		want   []string
	}{
		{"nothing is listed", listed(), "", []string{"a-bucket/z@0", "media-in/a@0", "media-in/b@40", "media-in/x@0"}},
		{"listed and gathered", listed("a", "b", "c"), "", []string{"a-bucket/z@0", "media-in/a@1 listed", "media-in/b@40 listed", "media-in/c@3 listed", "media-in/x@0"}},
		{"after an object", listed("c"), "media-in/b", []string{"media-in/c@1 listed", "media-in/x@0"}},
		{"unordered", listed("b", "d", "a", "c"), "", []string{"a-bucket/z@0", "media-in/a@0", "media-in/b@40 listed", "media-in/d@2 listed", fmt.Sprintf(unordered, "media-in/a", "media-in/d")}},
		{"listed twice", listed("c", "c"), "media-in/b", []string{"media-in/c@1 listed", fmt.Sprintf(unordered, "media-in/c", "media-in/c")}},
		{"before the start", listed("a"), "media-in/b", []string{fmt.Sprintf(unordered, "media-in/a", "media-in/b")}},
		{"errors", func(yield func(inventory.Candidate, error) bool) {
			_ = yield(inventory.Candidate{Object: in("c")}, nil) && yield(inventory.Candidate{}, errors.New("a")) && yield(inventory.Candidate{Object: in("d")}, nil) && yield(inventory.Candidate{}, errors.New("b"))
		}, "media-in/b", []string{"media-in/c@0 listed", "a", "media-in/d@0 listed", "b", "media-in/x@0"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			g := gather(t, gathered...)
			if diff := cmp.Diff(test.want, names(g.Objects(test.listed, test.after))); diff != "" {
				t.Errorf("candidates (-want +got):\n%s", diff)
			}
			for range g.Objects(test.listed, test.after) { //nolint:errcheck // only the stop counts
				break
			}
		})
	}
}

// A listing that is not in order ends with an error that names both objects.
func TestObjectsReturnUnordered(t *testing.T) {
	var last error
	for _, err := range gather(t).Objects(listed("b", "a"), "") {
		last = err
	}
	if want := `the bucket is not listed in the order of its names: "media-in/a" comes after "media-in/b"`; !errors.Is(last, inventory.ErrUnordered) || last.Error() != want {
		t.Errorf("error %v, want %s", last, want)
	}
}

func TestIDs(t *testing.T) {
	g := gather(t, inventory.Candidate{MediaID: "m2"}, inventory.Candidate{MediaID: "m1"}, inventory.Candidate{MediaID: "m2"})
	for after, want := range map[string][]string{"": {"~m1@0", "~m2@0"}, "~m1": {"~m2@0"}, "~m2": nil} {
		if got := names(g.IDs(after)); !slices.Equal(got, want) {
			t.Errorf("after %q: %q, want %q", after, got, want)
		}
	}
	if !g.HasIDs() || g.HasObjects() {
		t.Errorf("has IDs: %v, has objects: %v", g.HasIDs(), g.HasObjects())
	}
}

// TestObjectsProperties holds the merge against a map: every object comes once, in order,
// with its latest time, until the listing leaves the order.
func TestObjectsProperties(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for range 300 {
		var gathered []inventory.Candidate
		want := map[string]int64{}
		for range random.IntN(40) {
			c := inventory.Candidate{Object: in(fmt.Sprint("k", random.IntN(60))), Modified: random.Int64N(60)}
			want[c.Name()] = max(want[c.Name()], c.Modified)
			gathered = append(gathered, c)
		}
		var keys []string
		for i := range 60 {
			if random.IntN(2) == 0 {
				keys = append(keys, fmt.Sprint("k", i))
			}
		}
		slices.Sort(keys)
		if random.IntN(2) == 0 {
			random.Shuffle(min(len(keys), 3), func(i, j int) { keys[i], keys[j] = keys[j], keys[i] })
		}
		for i, key := range keys {
			name := inventory.Candidate{Object: in(key)}.Name()
			want[name] = max(want[name], int64(i)+1)
		}
		got, last := map[string]int64{}, ""
		var ended error
		for c, err := range gather(t, gathered...).Objects(listed(keys...), "") {
			if ended = err; err != nil {
				continue
			}
			if c.Name() <= last {
				t.Fatalf("%s comes after %s", c.Name(), last)
			}
			got[c.Name()], last = c.Modified, c.Name()
		}
		switch {
		case !slices.IsSorted(keys):
			if !errors.Is(ended, inventory.ErrUnordered) {
				t.Fatalf("an unordered listing ends with %v", ended)
			}
		case ended != nil || !maps.Equal(got, want):
			t.Fatalf("%v, want %v (%v)", got, want, ended)
		}
	}
}

// TestDropIDsProperties holds DropIDs against a map.
func TestDropIDsProperties(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	for range 300 {
		g := &inventory.Gathered{}
		left := map[string]bool{}
		for range random.IntN(40) {
			id := fmt.Sprint("m", random.IntN(50))
			if err := g.Add(inventory.Candidate{MediaID: id}); err != nil {
				t.Fatal(err)
			}
			left[id] = true
		}
		for range 1 + random.IntN(3) { // every round drops from what is left
			var found []string
			for i := range 50 {
				if random.IntN(3) == 0 {
					found = append(found, fmt.Sprint("m", i))
				}
			}
			slices.Sort(found)
			if err := g.DropIDs(inOrder(found, nil)); err != nil {
				t.Fatal(err)
			}
			for _, id := range found {
				delete(left, id)
			}
			var got []string
			for c, err := range g.IDs("") {
				if err != nil {
					t.Fatal(err)
				}
				got = append(got, c.MediaID)
			}
			if want := slices.Sorted(maps.Keys(left)); !slices.Equal(got, want) {
				t.Fatalf("%q, want %q", got, want)
			}
			if g.HasIDs() != (len(left) > 0) {
				t.Fatalf("HasIDs is %v with %d left", g.HasIDs(), len(left))
			}
		}
		g.Close()
	}
}

// inOrder yields IDs, each found as the object of its name, and then an error if there is one.
func inOrder(ids []string, err error) iter.Seq2[extsort.Record, error] {
	return func(yield func(extsort.Record, error) bool) {
		for _, id := range ids {
			if !yield(extsort.Record{Name: id, Rest: []byte(inventory.Candidate{Object: in(id)}.Name())}, nil) {
				return
			}
		}
		if err != nil {
			yield(extsort.Record{}, err)
		}
	}
}

// An ID stays if a list names another object beside it, also if another row of it is right.
func TestDropIDsLeavesContradictions(t *testing.T) {
	beside := func(key string) uint64 { return inventory.Hash(inventory.Candidate{Object: in(key)}.Name()) }
	g := gather(t, inventory.Candidate{MediaID: "both", Beside: beside("both")}, inventory.Candidate{MediaID: "both", Beside: beside("other")}, inventory.Candidate{MediaID: "both"},
		inventory.Candidate{MediaID: "right", Beside: beside("right")}, inventory.Candidate{MediaID: "wrong", Beside: beside("right")})
	if err := g.DropIDs(inOrder([]string{"both", "right", "wrong"}, nil)); err != nil {
		t.Fatal(err)
	}
	if got := names(g.IDs("")); !slices.Equal(got, []string{"~both@0", "~wrong@0"}) {
		t.Errorf("%q is left", got)
	}
}

// The ID of an orphan stays: the candidate by which its medium was found did not say that its source may be gone.
func TestDropIDsLeavesOrphans(t *testing.T) {
	g := gather(t, inventory.Candidate{MediaID: "lead", Lead: true}, inventory.Candidate{MediaID: "orphan", Lead: true, Orphan: true}, inventory.Candidate{MediaID: "orphan"})
	if err := g.DropIDs(inOrder([]string{"lead", "orphan"}, nil)); err != nil {
		t.Fatal(err)
	}
	if got := names(g.IDs("")); !slices.Equal(got, []string{"~orphan@0"}) {
		t.Errorf("%q is left", got)
	}
}

// An error of the IDs leaves all gathered media.
func TestDropIDsFails(t *testing.T) {
	broken := errors.New("cannot be read")
	for _, found := range [][]string{nil, {"m1"}, {"m1", "m3"}} {
		g := gather(t, inventory.Candidate{MediaID: "m3"}, inventory.Candidate{MediaID: "m1"}, inventory.Candidate{MediaID: "m2"}, inventory.Candidate{MediaID: "m4"})
		if err := g.DropIDs(inOrder(found, broken)); !errors.Is(err, broken) {
			t.Errorf("dropped %q: %v", found, err)
		}
		if got := names(g.IDs("")); len(got) != 4 {
			t.Errorf("dropped %q: %q is left", found, got)
		}
	}
}

func TestNames(t *testing.T) {
	for _, c := range []inventory.Candidate{{MediaID: "0123"}, {Object: in("a/b c"), Modified: 7}} {
		named, err := inventory.Named(c.Name(), c.Modified)
		if err != nil || named.MediaID != c.MediaID || named.Object != c.Object || named.Modified != c.Modified || named.Name() != c.Name() {
			t.Errorf("%+v, %v", named, err)
		}
	}
	for _, name := range []string{"", "bucket", "/key", "UPPER/key", "media-in/"} {
		if c, err := inventory.Named(name, 0); err == nil {
			t.Errorf("%q is %+v", name, c)
		}
	}
}
