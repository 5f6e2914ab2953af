package inventory_test

import (
	"context"
	"errors"
	"iter"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/mediasweep/mediasweep/internal/inventory"
	"github.com/mediasweep/mediasweep/internal/media"
	"github.com/mediasweep/mediasweep/internal/objects"
)

func in(key string) media.Object { return media.Object{Bucket: "media-in", Key: key} }

// bucket lists keys. Prefixes that start with "bad" fail.
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

func TestOf(t *testing.T) {
	var got []string
	for c, err := range inventory.Of([]string{"m2", "m1"}, []media.Object{in("b"), in("a")}) {
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, c.Name())
	}
	if diff := cmp.Diff([]string{"~m2", "~m1", "media-in/b", "media-in/a"}, got); diff != "" {
		t.Errorf("candidates (-want +got):\n%s", diff)
	}
	for range inventory.Of([]string{"m1", "m2"}, []media.Object{in("a")}) { //nolint:errcheck // only the stop counts
		break
	}
}

// A listing starts after an object and follows the order of names.
func TestOfPrefixesAfterAnObject(t *testing.T) {
	keys := bucket{"a/1", "a/2", "b/1", "b/2", "c/1"}
	for after, want := range map[string][]string{"b/1": {"b/2", "c/1"}, "b/0": {"b/1", "b/2", "c/1"}, "c/1": nil, "a/2": {"b/1", "b/2", "c/1"}, "a": keys, "~x": nil} {
		got := keysOf(inventory.OfPrefixes(t.Context(), keys, []media.Object{in("c/"), in("b/"), in("a/")}, inventory.Candidate{Object: in(after)}.Name(), nil))
		if !slices.Equal(got, want) {
			t.Errorf("after %s: %v, want %v", after, got, want)
		}
	}
}

func TestOfPrefixesListsOverlapsOnce(t *testing.T) {
	keys := bucket{"a/1", "a/2", "b/1", "b/c/1"}
	for name, prefixes := range map[string][]media.Object{
		"nested":   {in("a/"), in("b/"), in("b/c/")},
		"reversed": {in("b/c/"), in("b/"), in("a/")},
		"twice":    {in("a/"), in("b/"), in("a/")},
		"whole":    {in(""), in("a/"), in("")},
	} {
		if got := keysOf(inventory.OfPrefixes(t.Context(), keys, prefixes, "", nil)); !slices.Equal(got, keys) {
			t.Errorf("%s: %v, want %v", name, got, keys)
		}
	}
}

func TestOfPrefixesGoesOnAfterAnError(t *testing.T) {
	got := keysOf(inventory.OfPrefixes(t.Context(), bucket{"a/1", "c/1"}, []media.Object{in("a/"), in("bad/"), in("c/")}, "", nil))
	if want := []string{"a/1", "cannot be listed", "c/1"}; !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
}

// pages are the pages of a workflow's executions.
type pages [][]string

func (p pages) Executions(_ context.Context, _, token string) (ids []string, next string, err error) {
	at := len(token)
	if at+1 < len(p) {
		next = token + "x"
	}
	return p[at], next, nil
}

func TestOfWorkflowReportsInvalidIDs(t *testing.T) {
	var got []string
	failures := 0
	for c, err := range inventory.OfWorkflow(t.Context(), pages{{"a", "id1,id2", " b"}, {"c"}}, strings.Repeat("w", 100_000)) {
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

// executions answers every page alike.
type executions struct {
	calls int
	next  func(call int) string
	err   error
}

func (e *executions) Executions(context.Context, string, string) ([]string, string, error) {
	e.calls++
	return nil, e.next(e.calls), e.err
}

func TestOfWorkflowEnds(t *testing.T) {
	for name, test := range map[string]struct {
		library executions
		calls   int
		says    string
	}{
		"empty token":      {executions{next: func(int) string { return "" }}, 1, ""},
		"repeated token":   {executions{next: func(int) string { return "x" }}, 2, "a page goes on where an earlier one was"},
		"only empty pages": {executions{next: func(call int) string { return strings.Repeat("x", call) }}, 1000, "1000 pages in a row have none"},
		"failed call":      {executions{next: func(int) string { return "" }, err: errors.New("forbidden")}, 1, "forbidden"},
	} {
		var last error
		for _, err := range inventory.OfWorkflow(t.Context(), &test.library, "w") {
			last = err
		}
		if test.library.calls != test.calls || (last == nil) != (test.says == "") || last != nil && !strings.Contains(last.Error(), test.says) {
			t.Errorf("%s: %d calls, %v; want %d calls, %q", name, test.library.calls, last, test.calls, test.says)
		}
	}
}
