package index

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"maps"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/mediasweep/mediasweep/internal/state"
)

// The media of one object are found together also where a segment ends between them.
func TestALayerIsSearchedAcrossSegments(t *testing.T) {
	store := state.Folder(t.TempDir())
	l := layer{Looks: []time.Time{time.Now()}, Last: "b/z/1"}
	w := NewWriter(func(first string, segment []byte) error {
		name := fmt.Sprintf("index/x/%06d.gz", len(l.Segments)+1)
		l.Segments = append(l.Segments, part{name, first})
		return store.Create(context.Background(), name, segment)
	})
	e := Entry{Modified: 1, Due: Never, Medium: true}
	add := func(name string) {
		e.Name = name
		if err := w.Add(e); err != nil {
			t.Fatal(err)
		}
	}
	for i := range SegmentEntries - 1 {
		add(fmt.Sprintf("b/a/%06d", i))
	}
	add("b/z/0") // the last of a segment
	add("b/z/0") // and the first of the next
	add("b/z/1")
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]int{"b/a/000000": 1, "b/a/000007": 1, "b/z/0": 2, "b/z/1": 1, "b/y": 0, "a": 0, "c": 0} {
		l.begun, l.ended = false, false
		found, err := l.find(context.Background(), store, name)
		if err != nil || len(found) != want {
			t.Errorf("%s: %d entries, %v; want %d", name, len(found), err, want)
		}
		l.close()
	}
	l.begun, l.ended = false, false
	if found, err := l.find(context.Background(), store, "b/a/000100"); err != nil || len(found) != 1 {
		t.Errorf("%v, %v", found, err)
	}
	if found, err := l.find(context.Background(), store, "b/z/0"); err != nil || len(found) != 2 {
		t.Errorf("going on: %v, %v", found, err)
	}
	l.close()
}

// Of many layers few are read, and each name is known as the newest has it.
func TestFewLayersAreRead(t *testing.T) {
	store := state.Folder(t.TempDir())
	day := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	since := day.Add(-time.Hour)
	open := func(now time.Time, relied func(time.Time) bool) *Index {
		return Open(t.Context(), store, now, "p", since, relied, func(msg string, args ...any) { t.Error(msg, args) })
	}
	always := func(time.Time) bool { return true }
	random := rand.New(rand.NewPCG(1, 2))
	want := map[string]int64{}
	most := 0
	for i := range 200 {
		now := day.Add(time.Duration(i) * time.Hour)
		x := open(now, always)
		most = max(most, len(x.layers))
		n := 5000
		if i > 0 {
			n = 1 + random.IntN(20)
		}
		for range n {
			e := Entry{Name: fmt.Sprintf("b/%04d", random.IntN(9000)), Modified: int64(i), Medium: true, Due: Never}
			if want[e.Name] == int64(i)+1 {
				continue
			}
			want[e.Name] = int64(i) + 1
			x.Add(e)
		}
		x.Write(t.Context(), now, fmt.Sprint(i), true)
		x.Close()
	}
	if most > 20 || most < 5 {
		t.Errorf("%d layers were read at once", most)
	}
	x := open(day.Add(300*time.Hour), always)
	defer x.Close()
	for i := range 9000 {
		name := fmt.Sprintf("b/%04d", i)
		entries := x.Find(t.Context(), name)
		switch {
		case want[name] == 0 && len(entries) > 0, want[name] > 0 && (len(entries) != 1 || entries[0].Modified != want[name]-1):
			t.Fatalf("%s: %+v, want %d", name, entries, want[name]-1)
		}
	}
	// What was taken over is as old as it was.
	young := open(day.Add(300*time.Hour), func(asOf time.Time) bool { return asOf.After(day.Add(150 * time.Hour)) })
	defer young.Close()
	for i := range 9000 {
		name := fmt.Sprintf("b/%04d", i)
		if entries := young.Find(t.Context(), name); len(entries) > 0 && want[name]-1 <= 150 {
			t.Fatalf("%s is still known, of %d", name, want[name]-1)
		}
	}
}

// A run that was cut off leaves what is worth reading.
func TestWhatIsCutOff(t *testing.T) {
	for n, want := range map[int]int{minCutOff - 1: 0, minCutOff: 1} {
		store := state.Folder(t.TempDir())
		now := time.Now()
		open := func() *Index {
			return Open(t.Context(), store, now, "p", now.Add(-time.Hour), func(time.Time) bool { return true }, func(string, ...any) {})
		}
		x := open()
		for i := range n {
			x.Add(Entry{Name: fmt.Sprintf("b/%04d", i)})
		}
		x.Write(t.Context(), now, "r", false)
		x.Close()
		if x = open(); len(x.layers) != want {
			t.Errorf("%d entries: %d layers", n, len(x.layers))
		}
		x.Close()
	}
}

// Layers of runs that are cut off become few too, and what one of them cannot have any
// more is lost by none.
func TestManyRunsThatAreCutOff(t *testing.T) {
	store := state.Folder(t.TempDir())
	day := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	relied := func(time.Time) bool { return true }
	const runs = 60
	most := 0
	for i := range runs {
		now := day.Add(time.Duration(i) * time.Minute)
		x := Open(t.Context(), store, now, "p", day.Add(-time.Hour), relied, func(msg string, args ...any) { t.Error(msg, args) })
		most = max(most, len(x.layers))
		for n := range minCutOff {
			x.Add(Entry{Name: fmt.Sprintf("b/%03d/%04d", i, n), Medium: true, Due: Never})
		}
		x.Write(t.Context(), now, fmt.Sprint(i), false)
		x.Close()
	}
	if most > 15 {
		t.Errorf("%d layers were read at once", most)
	}
	x := Open(t.Context(), store, day.Add(time.Hour), "p", day.Add(-time.Hour), relied, func(msg string, args ...any) { t.Error(msg, args) })
	defer x.Close()
	for i := range runs {
		for n := range minCutOff {
			if len(x.Find(t.Context(), fmt.Sprintf("b/%03d/%04d", i, n))) != 1 {
				t.Fatalf("run %d, entry %d is lost", i, n)
			}
		}
	}
}

// full is a folder for temporary files that has no room any more.
func full(t *testing.T) {
	t.Setenv("TMPDIR", filepath.Join(t.TempDir(), "missing"))
}

// Without room for the entries of several layers each of them stays.
func TestNoRoomForOneLayerOfMany(t *testing.T) {
	store := state.Folder(t.TempDir())
	now := time.Now()
	open := func() *Index {
		return Open(t.Context(), store, now, "p", now.Add(-time.Hour), func(time.Time) bool { return true }, func(string, ...any) {})
	}
	const entries = 30_000 // several of them are more than a spool keeps in memory
	for i := range 5 {
		if i == 3 {
			full(t)
		}
		x := open()
		for n := range entries {
			x.Add(Entry{Name: fmt.Sprintf("b/%d/%05d/%s", i, n, "a name that takes some room"), Due: Never})
		}
		x.Write(t.Context(), now.Add(time.Duration(i)*time.Second), "r", true)
		x.Close()
	}
	x := open()
	defer x.Close()
	for i := range 5 {
		for n := range entries {
			if len(x.Find(t.Context(), fmt.Sprintf("b/%d/%05d/%s", i, n, "a name that takes some room"))) != 1 {
				t.Fatalf("layer %d, entry %d is lost", i, n)
			}
		}
	}
}

// FuzzLayer goes by any layer with any segment: it finds only the names that were asked for.
func FuzzLayer(f *testing.F) {
	var segment []byte
	w := NewWriter(func(_ string, s []byte) error {
		segment = s
		return nil
	})
	if err := errors.Join(w.Add(Entry{Name: "b/a", Due: Never, Medium: true}), w.Close()); err != nil {
		f.Fatal(err)
	}
	const name = "index/20260101T000000.000000000Z-r"
	now := time.Date(2026, 1, 2, 0, 0, 0, 0, time.UTC)
	f.Add(fmt.Appendf(nil, `{"format":%d,"policy":"p","looks":["2026-01-01T00:00:00Z"],"entries":1,"last":"b/a","segments":[{"name":"%s/000001.gz","first":"b/a"}]}`, layerFormat, name), segment)
	f.Add([]byte(`{}`), []byte{})
	f.Fuzz(func(t *testing.T, head, segment []byte) {
		store := records{name + layerSuffix: head, name + "/000001.gz": segment}
		x := Open(t.Context(), store, now, "p", now.AddDate(0, 0, -7), func(time.Time) bool { return true }, func(string, ...any) {})
		defer x.Close()
		_ = x.Splits()
		for _, asked := range []string{"a", "b/a", "c", "a"} {
			for _, e := range x.Find(t.Context(), asked) {
				if e.Name != asked {
					t.Errorf("%s for %s", e.Name, asked)
				}
			}
		}
	})
}

// records is a store that only reads.
type records map[string][]byte

func (r records) Create(context.Context, string, []byte) error { return state.ErrExists }

func (r records) Read(_ context.Context, name string) ([]byte, error) {
	if data, ok := r[name]; ok {
		return data, nil
	}
	return nil, state.ErrNotFound
}

func (r records) List(_ context.Context, folder, after string) iter.Seq2[state.Record, error] {
	return func(yield func(state.Record, error) bool) {
		for _, name := range slices.Sorted(maps.Keys(r)) {
			if strings.HasPrefix(name, folder) && name > after && !yield(state.Record{Name: name}, nil) {
				return
			}
		}
	}
}
