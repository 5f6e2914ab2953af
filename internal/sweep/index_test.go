package sweep

import (
	"context"
	"fmt"
	"testing"

	"github.com/mediasweep/mediasweep/internal/index"
	"github.com/mediasweep/mediasweep/internal/state"
)

// The media of one object are found together also where a segment ends between them.
func TestALayerIsSearchedAcrossSegments(t *testing.T) {
	store := state.Folder(t.TempDir())
	var l layer
	w := index.NewWriter(func(first string, segment []byte) error {
		name := fmt.Sprintf("index/x/%06d.gz", len(l.Segments)+1)
		l.Segments = append(l.Segments, layerPart{name, first})
		return store.Create(context.Background(), name, segment)
	})
	e := index.Entry{Modified: 1, Due: index.Never, Medium: true}
	add := func(name string) {
		if err := w.Add(name, e.AppendTo(nil)); err != nil {
			t.Fatal(err)
		}
	}
	for i := range index.SegmentEntries - 1 {
		add(fmt.Sprintf("b/a/%06d", i))
	}
	add("b/z/0") // the last of a segment
	add("b/z/0") // and the first of the next
	add("b/z/1")
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]int{"b/a/000000": 1, "b/a/000007": 1, "b/z/0": 2, "b/z/1": 1, "b/y": 0, "a": 0, "c": 0} {
		found, err := l.find(context.Background(), store, name, true)
		if err != nil || len(found) != want {
			t.Errorf("%s: %d entries, %v; want %d", name, len(found), err, want)
		}
		l.close()
	}
	if found, err := l.find(context.Background(), store, "b/a/000100", true); err != nil || len(found) != 1 {
		t.Errorf("%v, %v", found, err)
	}
	if found, err := l.find(context.Background(), store, "b/z/0", false); err != nil || len(found) != 2 {
		t.Errorf("going on: %v, %v", found, err)
	}
	l.close()
}
