package history

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/mediasweep/mediasweep/internal/journal"
	"github.com/mediasweep/mediasweep/internal/state/statetest"
)

// Recent has what other runs deleted since a time, in records of one decision and of many.
func TestRecent(t *testing.T) {
	store, now := statetest.New(), time.Date(2026, 6, 30, 12, 0, 0, 0, time.UTC)
	no := func(t *testing.T, err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	record := func(at time.Time, run string, became journal.Became, ids ...string) {
		var list []Decision
		for _, id := range ids {
			list = append(list, Decision{At: at, MediaID: id, Outcome: became, Run: run, Plan: "p", Object: "oss://b/" + id})
		}
		no(t, Record(t.Context(), store, at, list))
	}
	many := func(prefix string) (ids []string) {
		for i := range 1001 {
			ids = append(ids, fmt.Sprint(prefix, i))
		}
		return ids
	}
	record(now, "a", journal.Deleted, "one")
	record(now, "b", journal.Deleted, many("b")...)
	record(now, "c", journal.Deleted, "of-c")
	record(now, "c", journal.Deleted, many("c")...)
	no(t, Record(t.Context(), store, now, []Decision{{At: now, MediaID: "of-plan", Outcome: journal.Deleted, Run: "f", Plan: "own"}}))
	record(now, "d", journal.Gone, "gone")
	record(now, "d", journal.Lost, many("lost")...)
	record(now.Add(-3*time.Hour), "e", journal.Deleted, "before")
	record(now.Add(-3*time.Hour), "e", journal.Deleted, many("before")...)
	store.Put(looseFolder+"20991231T000000.000000000Z-many-damaged", []byte("{"))
	r, err := RecentOf(t.Context(), store, now, map[string]bool{"c": true, "own": true})
	no(t, err)
	for id, want := range map[string]bool{"one": true, "b0": true, "b1000": true, "of-c": false, "of-plan": false, "c7": false, "gone": false, "lost7": false, "before": false, "before7": false, "other": false} {
		for range 2 {
			if got, err := r.Has(t.Context(), id); got != want || err != nil {
				t.Errorf("%s: %v, %v", id, got, err)
			}
		}
	}
	store.Down = "read"
	if _, err := RecentOf(t.Context(), store, now, nil); !errors.Is(err, statetest.ErrDown) {
		t.Errorf("a record of many: %v", err)
	}
	store.Of = "z"
	r, err = RecentOf(t.Context(), store, now, nil)
	no(t, err)
	store.Of = ""
	if _, err := r.Has(t.Context(), "one"); !errors.Is(err, statetest.ErrDown) {
		t.Errorf("a record of one: %v", err)
	}
	store.Down = "list"
	if _, err := RecentOf(t.Context(), store, now, nil); !errors.Is(err, statetest.ErrDown) {
		t.Errorf("the list: %v", err)
	}
	var none Recent
	if got, err := none.Has(t.Context(), "one"); got || err != nil {
		t.Errorf("of none: %v, %v", got, err)
	}
}
