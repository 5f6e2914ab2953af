package journal

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/mediasweep/mediasweep/internal/media"
	"github.com/mediasweep/mediasweep/internal/retention"
	"github.com/mediasweep/mediasweep/internal/state/statetest"
)

func medium(id string) *media.Medium {
	return &media.Medium{ID: id, Created: asOf.AddDate(-1, 0, 0), Object: media.Object{Bucket: "media-in", Key: id + ".mp4"}}
}

func tombstone(id string) Tombstone { return Tombstone{id, medium(id).Created.Unix()} }

func TestRefresh(t *testing.T) {
	store, tombstones := statetest.New(), NewTombstones()
	no(t, tombstones.Refresh(t.Context(), store))
	no(t, AddTombstones(t.Context(), store, asOf, []Tombstone{tombstone("deleted")}, []Tombstone{tombstone("unverified")}))
	no(t, HoldRestored(t.Context(), store, asOf, []media.Object{medium("restored").Object}))
	if got := tombstones.Of(medium("deleted")); got != (retention.Mark{}) {
		t.Errorf("before Refresh: %+v", got)
	}
	for range 2 {
		no(t, tombstones.Refresh(t.Context(), store))
	}
	until := asOf.Add(holdTime)
	for id, want := range map[string]retention.Mark{"deleted": {Kind: retention.Deleted}, "unverified": {Kind: retention.Unverified, Until: until}, "restored": {Kind: retention.Restored, Until: until}, "other": {}} {
		if got := tombstones.Of(medium(id)); got != want {
			t.Errorf("%s: %+v, want %+v", id, got, want)
		}
	}
	for name, n := range store.Reads {
		if n != 1 {
			t.Errorf("%s was read %d times", name, n)
		}
	}
	// The same ID with another CreationTime is another medium. An object is the same.
	for id, want := range map[string]retention.MarkKind{"deleted": retention.Unmarked, "unverified": retention.Unmarked, "restored": retention.Restored} {
		m := medium(id)
		m.Created = m.Created.Add(time.Second)
		if got := tombstones.Of(m); got.Kind != want {
			t.Errorf("%s, created later: %+v", id, got)
		}
	}
}

// Of two holds the longer counts. A deletion outranks both.
func TestOfSeveralTombstones(t *testing.T) {
	for _, test := range []struct {
		restored, unverified time.Time
		deleted              bool
		want                 retention.Mark
	}{
		{asOf, asOf.Add(-time.Hour), false, retention.Mark{Kind: retention.Restored, Until: asOf.Add(holdTime)}},
		{asOf, asOf, false, retention.Mark{Kind: retention.Restored, Until: asOf.Add(holdTime)}},
		{asOf.Add(-time.Hour), asOf, false, retention.Mark{Kind: retention.Unverified, Until: asOf.Add(holdTime)}},
		{asOf, asOf, true, retention.Mark{Kind: retention.Deleted}},
		{asOf.Add(1), asOf, false, retention.Mark{Kind: retention.Restored, Until: asOf.Add(holdTime + time.Second)}},
		{asOf.Add(-time.Hour), asOf.Add(-1), false, retention.Mark{Kind: retention.Unverified, Until: asOf.Add(holdTime)}},
	} {
		tombstones, m := NewTombstones(), medium("a")
		tombstones.add(tombstoneRecord{At: test.restored, Restored: []string{m.Object.String()}})
		tombstones.add(tombstoneRecord{At: test.unverified, Unverified: []Tombstone{tombstone("a")}})
		if test.deleted {
			tombstones.add(tombstoneRecord{At: asOf, Deleted: []Tombstone{tombstone("a")}})
		}
		if got := tombstones.Of(m); got != test.want {
			t.Errorf("%+v: %+v", test, got)
		}
	}
}

// A record has a bounded number of tombstones. Nothing is written of none.
func TestTombstonesAreSplit(t *testing.T) {
	store := statetest.New()
	no(t, AddTombstones(t.Context(), store, asOf, nil, nil))
	no(t, HoldRestored(t.Context(), store, asOf, nil))
	if len(store.Records) > 0 {
		t.Errorf("records %q of nothing", store.Created)
	}
	var deleted, unverified []Tombstone
	for i := range 2*maxTombstones + 1 {
		deleted = append(deleted, tombstone(fmt.Sprint("d", i)))
	}
	for i := range maxTombstones {
		unverified = append(unverified, tombstone(fmt.Sprint("u", i)))
	}
	no(t, AddTombstones(t.Context(), store, asOf, deleted, unverified))
	if len(store.Records) != 3 {
		t.Errorf("%d records, want 3", len(store.Records))
	}
	tombstones := NewTombstones()
	no(t, tombstones.Refresh(t.Context(), store))
	for _, one := range append(deleted, unverified...) {
		if tombstones.Of(medium(one.MediaID)).Kind == retention.Unmarked {
			t.Fatalf("%s has no mark", one.MediaID)
		}
	}
}

// The medium that a restore added has no rank. A medium that was uploaded to the same object later has one.
func TestRestoredMediaHaveNoRank(t *testing.T) {
	store, tombstones := statetest.New(), NewTombstones()
	object := media.Object{Bucket: "b", Key: "k"}
	no(t, HoldRestored(t.Context(), store, asOf, []media.Object{object}))
	no(t, tombstones.Refresh(t.Context(), store))
	for created, want := range map[time.Duration]bool{0: true, -time.Hour: true, time.Hour: true, 24*time.Hour - 1: true, 24 * time.Hour: false, -24 * time.Hour: false} {
		m := media.Medium{ID: "m", Object: object, Created: asOf.Add(created)}
		if mark := tombstones.Of(&m); mark.Unranked != want || mark.Kind != retention.Restored {
			t.Errorf("created %v after the restore: %+v", created, mark)
		}
	}
}

// A damaged record stops all runs until a person mends it: it may hold any medium.
func TestDamagedTombstones(t *testing.T) {
	store, tombstones := statetest.New(), NewTombstones()
	no(t, AddTombstones(t.Context(), store, asOf, []Tombstone{tombstone("a")}, nil))
	const damaged = tombstoneFolder + "20300101T000000Z-x.json"
	for _, record := range []string{"", "{", `{"format":2,"at":"2026-01-01T00:00:00Z","restored":["oss://b/k"]}`, `{"format":1,"at":"2026-01-01T00:00:00Z"}`, `{"format":1,"restored":["oss://b/k"]}`} {
		store.Put(damaged, []byte(record))
		for range 2 {
			if err := tombstones.Refresh(t.Context(), store); err == nil || !strings.Contains(err.Error(), damaged) {
				t.Errorf("%q: %v", record, err)
			}
		}
	}
	delete(store.Records, damaged)
	no(t, tombstones.Refresh(t.Context(), store))
	if got := tombstones.Of(medium("a")); got.Kind != retention.Deleted {
		t.Errorf("%+v", got)
	}
}

func TestTombstonesFail(t *testing.T) {
	store := statetest.New()
	no(t, AddTombstones(t.Context(), store, asOf, []Tombstone{tombstone("a")}, nil))
	for _, down := range []string{"list", "read"} {
		store.Down = down
		if err := NewTombstones().Refresh(t.Context(), store); !errors.Is(err, statetest.ErrDown) {
			t.Errorf("%s fails: %v", down, err)
		}
	}
	store.Down = "create"
	if err := AddTombstones(t.Context(), store, asOf, nil, []Tombstone{tombstone("b")}); !errors.Is(err, statetest.ErrDown) {
		t.Errorf("AddTombstones: %v", err)
	}
	if err := HoldRestored(t.Context(), store, asOf, []media.Object{{Bucket: "b", Key: "k"}}); !errors.Is(err, statetest.ErrDown) {
		t.Errorf("HoldRestored: %v", err)
	}
}

// A store that hangs keeps no caller beyond its context, and none is kept by another.
func TestCallersWaitForTheirContext(t *testing.T) {
	statetest.CallersWaitForTheirContext(t, func(store *statetest.Memory) func(context.Context) error {
		tombstones := NewTombstones()
		return func(ctx context.Context) error { return tombstones.Refresh(ctx, store) }
	})
}

// A tombstone of a deleted medium takes little memory: a library that shows deleted media leaves one for each.
func TestTombstonesTakeLittleMemory(t *testing.T) {
	const many = 200_000
	tombstones := NewTombstones()
	heap := func() int64 {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return int64(m.HeapAlloc)
	}
	before := heap()
	for i := range many {
		tombstones.add(tombstoneRecord{At: asOf, Deleted: []Tombstone{tombstone(fmt.Sprintf("%032x", i))}})
	}
	if each := (heap() - before) / many; each > 40 {
		t.Errorf("%d bytes each", each)
	}
	if got := tombstones.Of(medium(fmt.Sprintf("%032x", many-1))); got.Kind != retention.Deleted {
		t.Errorf("%+v", got)
	}
}
