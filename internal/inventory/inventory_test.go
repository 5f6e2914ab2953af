package inventory_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"
	"testing"

	"github.com/mediasweep/mediasweep/internal/inventory"
	"github.com/mediasweep/mediasweep/internal/media"
	"github.com/mediasweep/mediasweep/internal/mps"
	"github.com/mediasweep/mediasweep/internal/objects"
)

const region = "cn-shanghai"

func in(key string) media.Object { return media.Object{Bucket: "media-in", Key: key} }

func TestBatchesOfIDs(t *testing.T) {
	var ids []string
	for i := range 23 {
		ids = append(ids, fmt.Sprint(i))
	}
	var got []string
	var sizes []int
	for batch, err := range inventory.OfIDs(ids) {
		if err != nil {
			t.Fatal(err)
		}
		got, sizes = append(got, batch.IDs...), append(sizes, len(batch.IDs))
	}
	if !slices.Equal(got, ids) || !slices.Equal(sizes, []int{10, 10, 3}) {
		t.Errorf("batches of %v: %v", sizes, got)
	}
}

func TestBatchesOfObjectsFitTheList(t *testing.T) {
	var objects []media.Object
	for i := range 40 {
		objects = append(objects, in(strings.Repeat("长", 1+i*8)+".mp4"))
	}
	var got []media.Object
	for batch, err := range inventory.OfObjects(objects, region, media.SlashEscaped) {
		if err != nil {
			t.Fatal(err)
		}
		var urls []string
		for _, object := range batch.Objects {
			urls = append(urls, object.URL(region, media.SlashEscaped))
		}
		if list := strings.Join(urls, ","); len(list) > media.MaxURLBytes || len(urls) > mps.MaxBatch {
			t.Errorf("%d URLs of %d bytes", len(urls), len(list))
		}
		got = append(got, batch.Objects...)
	}
	if !slices.Equal(got, objects) {
		t.Errorf("%d objects in the batches, want %d", len(got), len(objects))
	}
}

// bucket lists from a list of keys; it fails for prefixes that start with "bad".
type bucket []string

func (b bucket) Entries(_ context.Context, prefix media.Object, after string) iter.Seq2[objects.Entry, error] {
	return func(yield func(objects.Entry, error) bool) {
		if strings.HasPrefix(prefix.Key, "bad") {
			yield(objects.Entry{}, errors.New("cannot be listed"))
			return
		}
		for _, key := range b {
			if prefix.Covers(in(key)) && key > after && !yield(objects.Entry{Object: in(key)}, nil) {
				return
			}
		}
	}
}

// A listing goes on after an object, wherever the policy has the prefix of that, and what
// is listed comes in the order of its names.
func TestPrefixesAfterAnObject(t *testing.T) {
	keys := bucket{"a/1", "a/2", "b/1", "b/2", "c/1"}
	for after, want := range map[string][]string{"b/1": {"b/2", "c/1"}, "b/0": {"b/1", "b/2", "c/1"}, "c/1": nil, "a/2": {"b/1", "b/2", "c/1"}, "a": keys, "~x": nil} {
		var got []string
		for batch, err := range inventory.Batches(inventory.OfPrefixes(context.Background(), keys, []media.Object{in("c/"), in("b/"), in("a/")}, inventory.Candidate{Object: in(after)}.Name(), nil), region, media.SlashPlain) {
			if err != nil {
				t.Fatal(err)
			}
			for _, object := range batch.Objects {
				got = append(got, object.Key)
			}
		}
		if !slices.Equal(got, want) {
			t.Errorf("after %s: %v, want %v", after, got, want)
		}
	}
}

func TestPrefixesThatOverlapAreListedOnce(t *testing.T) {
	keys := bucket{"a/1", "a/2", "b/1", "b/c/1"}
	for name, prefixes := range map[string][]media.Object{
		"nested":   {in("a/"), in("b/"), in("b/c/")},
		"reversed": {in("b/c/"), in("b/"), in("a/")},
		"twice":    {in("a/"), in("b/"), in("a/")},
		"whole":    {in(""), in("a/"), in("")},
	} {
		var got []string
		for batch, err := range inventory.Batches(inventory.OfPrefixes(context.Background(), keys, prefixes, "", nil), region, media.SlashPlain) {
			if err != nil {
				t.Fatal(err)
			}
			for _, object := range batch.Objects {
				got = append(got, object.Key)
			}
		}
		slices.Sort(got)
		if !slices.Equal(got, keys) {
			t.Errorf("%s: %v", name, got)
		}
	}
}

func TestAPrefixThatCannotBeListedLeavesTheOthers(t *testing.T) {
	var got []string
	failures := 0
	for batch, err := range inventory.Batches(inventory.OfPrefixes(context.Background(), bucket{"a/1", "b/1"}, []media.Object{in("a/"), in("bad/"), in("b/")}, "", nil), region, media.SlashPlain) {
		if err != nil {
			failures++
			continue
		}
		for _, object := range batch.Objects {
			got = append(got, object.Key)
		}
	}
	if failures != 1 || !slices.Equal(got, []string{"a/1", "b/1"}) {
		t.Errorf("%d failures, %v", failures, got)
	}
}

// library answers what a test puts in, whatever is asked.
type library struct {
	answers []mps.Found
	asked   [][]string
}

func (l *library) ByID(_ context.Context, ids []string) (mps.Found, error) { return l.next(ids) }

func (l *library) ByURL(_ context.Context, urls []string) (mps.Found, error) { return l.next(urls) }

func (l *library) next(asked []string) (mps.Found, error) {
	l.asked = append(l.asked, asked)
	if len(l.answers) == 0 {
		return mps.Found{}, nil
	}
	answer := l.answers[0]
	l.answers = l.answers[1:]
	return answer, nil
}

// What comes back is taken only for what was asked.
func TestLookUpByID(t *testing.T) {
	l := &library{answers: []mps.Found{{
		Media:   []media.Medium{{ID: "a"}, {ID: "a"}, {ID: "stranger"}},
		Missing: []string{"b", "b", "other"},
	}}}
	looked, err := inventory.LookUp(context.Background(), l, inventory.Batch{IDs: []string{"a", "b", "c"}}, region)
	if err != nil || len(looked.Media) != 1 || looked.Media[0].ID != "a" || len(looked.Absent) != 1 ||
		!slices.Equal(looked.Unanswered.IDs, []string{"c"}) || !looked.Unanswered.Repeated {
		t.Errorf("%+v, %v", looked, err)
	}
}

func TestLookUpByObject(t *testing.T) {
	plain := func(key string) string { return in(key).URL(region, media.SlashPlain) }
	l := &library{answers: []mps.Found{
		{Media: []media.Medium{{ID: "a", Object: in("a")}, {ID: "a2", Object: in("a")}, {ID: "a", Object: in("a")}, {ID: "garbled"}, {ID: "stranger", Object: in("x")}},
			Missing: []string{plain("d/b"), plain("d/none"), plain("flat")}},
		{Media: []media.Medium{{ID: "b", Object: in("d/b")}}, Missing: []string{plain("d/none")}},
	}}
	batch := inventory.Batch{Objects: []media.Object{in("a"), in("d/b"), in("d/none"), in("flat")}}
	looked, err := inventory.LookUp(context.Background(), l, batch, region)
	if err != nil || !slices.Equal(ids(looked.Media), []string{"a", "a2"}) || len(looked.WithoutMedia) != 1 || len(looked.Unclear) != 2 ||
		!slices.Equal(looked.Again, []media.Object{in("d/b"), in("d/none")}) {
		t.Errorf("plain slashes: %+v, %v", looked, err)
	}
	looked, err = inventory.LookUp(context.Background(), l, inventory.Batch{Objects: looked.Again, Slash: media.SlashEscaped}, region)
	if err != nil || !slices.Equal(ids(looked.Media), []string{"b"}) || len(looked.WithoutMedia) != 1 || len(looked.Again) != 0 {
		t.Errorf("escaped slashes: %+v, %v", looked, err)
	}
	if want := []string{in("d/b").URL(region, media.SlashEscaped), in("d/none").URL(region, media.SlashEscaped)}; !slices.Equal(l.asked[1], want) {
		t.Errorf("asked %q", l.asked)
	}
}

// An object that an answer mentions nowhere has not been answered for, unless a medium
// was returned that may be its own.
func TestLookUpOfWhatIsNotMentioned(t *testing.T) {
	plain := func(key string) string { return in(key).URL(region, media.SlashPlain) }
	batch := inventory.Batch{Objects: []media.Object{in("a"), in("d/b"), in("c")}}
	for name, test := range map[string]struct {
		found            mps.Found
		unanswered       []media.Object
		again, withoutIt int
	}{
		"nothing at all":              {mps.Found{}, batch.Objects, 0, 0},
		"one is missing":              {mps.Found{Media: []media.Medium{{ID: "a", Object: in("a")}}, Missing: []string{plain("d/b")}}, []media.Object{in("c")}, 1, 0},
		"another form of the address": {mps.Found{Missing: []string{"https://media-in.oss-cn-shanghai-internal.aliyuncs.com/d%2Fb", plain("a"), plain("c")}}, nil, 1, 2},
		"as many with another file":   {mps.Found{Media: []media.Medium{{ID: "x", Object: in("x")}}, Missing: []string{plain("a"), plain("d/b")}}, nil, 1, 2},
		"fewer with another file":     {mps.Found{Media: []media.Medium{{ID: "x", Object: in("x")}}, Missing: []string{plain("a")}}, []media.Object{in("d/b"), in("c")}, 0, 1},
		"an address that is none":     {mps.Found{Missing: []string{"a", plain("d/b"), plain("c")}}, []media.Object{in("a")}, 1, 1},
		"media without an ID":         {mps.Found{Media: []media.Medium{{Object: in("a")}, {Object: in("d/b")}, {Object: in("c")}}}, nil, 0, 0},
	} {
		looked, err := inventory.LookUp(context.Background(), &library{answers: []mps.Found{test.found}}, batch, region)
		if err != nil || !slices.Equal(looked.Unanswered.Objects, test.unanswered) || len(looked.Again) != test.again || len(looked.WithoutMedia) != test.withoutIt {
			t.Errorf("%s: %+v, %v", name, looked, err)
		}
		if n := len(looked.Media) + len(looked.Again) + len(looked.WithoutMedia) + len(looked.Unanswered.Objects); n != len(batch.Objects) {
			t.Errorf("%s: %d of %d objects are accounted for", name, n, len(batch.Objects))
		}
	}
}

// pages has the pages of a workflow's executions.
type pages [][]string

func (p pages) Executions(_ context.Context, _, token string) (ids []string, next string, err error) {
	at := len(token)
	if at+1 < len(p) {
		next = token + "x"
	}
	return p[at], next, nil
}

func TestExecutionsOfMediaThatAreNone(t *testing.T) {
	var got []string
	failures := 0
	for c, err := range inventory.OfWorkflow(context.Background(), pages{{"a", "id1,id2", " b"}, {"c"}}, strings.Repeat("w", 100_000)) {
		if err != nil {
			failures++
			if len(err.Error()) > 300 {
				t.Errorf("an error has %d bytes", len(err.Error()))
			}
			continue
		}
		got = append(got, c.MediaID)
	}
	if failures != 2 || !slices.Equal(got, []string{"a", "c"}) {
		t.Errorf("%d failures, %q", failures, got)
	}
}

func ids(list []media.Medium) []string {
	var names []string
	for _, m := range list {
		names = append(names, m.ID)
	}
	return names
}
