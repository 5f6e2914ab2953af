package checkpoint

import (
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"
	"testing"

	"github.com/mediasweep/mediasweep/internal/extsort"
	"github.com/mediasweep/mediasweep/internal/state/statetest"
)

// records yields so many records.
func records(n int) iter.Seq2[extsort.Record, error] {
	return func(yield func(extsort.Record, error) bool) {
		for i := range n {
			if !yield(extsort.Record{Name: fmt.Sprintf("%05d", i), Rest: []byte("value")}, nil) {
				return
			}
		}
	}
}

// fails makes writes of records fail whose names end so; none if the end is empty.
func fails(store *statetest.Memory, end string) {
	store.Down, store.Of = "", ""
	if end != "" {
		store.Down, store.Of = "create", end
	}
}

// After a failed write, no head is written before all records were written again, in segments of two thousand. There is a
// checkpoint only if there is a head.
func TestRecordsAreWrittenAgain(t *testing.T) {
	store := statetest.New()
	s := New(store, "c/1/")
	for record, err := range records(2*maxRecords + 10) {
		if err != nil {
			t.Fatal(err)
		}
		s.Add(record.Name, record.Rest)
	}
	fails(store, ".gz")
	if _, err := s.Flush(t.Context()); !errors.Is(err, statetest.ErrDown) || s.IsWhole() || s.IsSaved() {
		t.Errorf("%v, whole %v, saved %v", err, s.IsWhole(), s.IsSaved())
	}
	if err := s.Rewrite(t.Context(), records(2*maxRecords+10)); !errors.Is(err, statetest.ErrDown) {
		t.Errorf("in a store that fails: %v", err)
	}
	fails(store, ".json")
	if err := s.Rewrite(t.Context(), records(2*maxRecords+10)); err != nil || s.next.records != 10 || len(s.segments) != 2 {
		t.Errorf("%v, %d unsaved, segments %v", err, s.next.records, s.segments)
	}
	segments, err := s.Flush(t.Context())
	if err != nil || len(segments) != 3 || !s.IsWhole() {
		t.Fatalf("%v, segments %v", err, segments)
	}
	if err := s.SaveHead(t.Context(), "head"); err == nil || s.IsSaved() {
		t.Errorf("without a head: %v, saved %v", err, s.IsSaved())
	}
	fails(store, "")
	if err := s.SaveHead(t.Context(), "head"); err != nil || !s.IsSaved() {
		t.Errorf("%v, saved %v", err, s.IsSaved())
	}
	names := store.Names("c/")
	if names = slices.DeleteFunc(names, func(name string) bool { return !strings.HasSuffix(name, ".gz") }); len(names) != 3 {
		t.Errorf("segments %v", names)
	}
}

// A work goes on with the last series up to a name, and writes no number twice. It does not go on with one that was closed.
func TestALaterRunGoesOn(t *testing.T) {
	store := statetest.New()
	save := func(s *Series, key string) {
		t.Helper()
		s.Add(key, nil)
		segments, err := s.Flush(t.Context())
		if err == nil {
			err = s.SaveHead(t.Context(), segments)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	save(New(store, "c/1/"), "earlier")
	first := New(store, "c/2/")
	save(first, "a")
	save(first, "b")
	save(New(store, "c/4/"), "later")
	s, heads, err := Latest(t.Context(), store, "c/", "c/2", "c/3")
	if err != nil || s.Folder() != "c/2/" || !slices.Equal(heads, []int{2, 4}) {
		t.Fatalf("%s, heads %v, %v", s.Folder(), heads, err)
	}
	if head, err := s.Head(t.Context(), heads[1]); err != nil || string(head) != "[1,3]" {
		t.Errorf("%s, %v", head, err)
	}
	var keys []string
	for record, err := range s.Records(t.Context(), []int{1, 3}) {
		if err != nil {
			t.Fatal(err)
		}
		keys = append(keys, record.Name)
	}
	if !slices.Equal(keys, []string{"a", "b"}) {
		t.Errorf("records %q", keys)
	}
	s.Resume([]int{1, 3})
	save(s, "c")
	if head := string(store.Records["c/2/000006.json"]); head != "[1,3,5]" || !s.IsSaved() {
		t.Errorf("the next head is %s", head)
	}
	if err := s.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if s, heads, err := Latest(t.Context(), store, "c/", "", "c/3"); err != nil || len(heads) != 0 || s.Folder() != "c/2/" {
		t.Errorf("closed: %s, heads %v, %v", s.Folder(), heads, err)
	}
}

// Another process may have taken a number: the next one is free.
func TestANumberThatIsTaken(t *testing.T) {
	store := statetest.New()
	store.Put("c/1/000001.json", []byte("other"))
	s := New(store, "c/1/")
	if err := s.SaveHead(t.Context(), "head"); err != nil || string(store.Records["c/1/000002.json"]) != `"head"` {
		t.Errorf("%v, records %v", err, store.Names("c/"))
	}
}
