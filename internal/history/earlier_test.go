package history

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/mediasweep/mediasweep/internal/journal"
	"github.com/mediasweep/mediasweep/internal/plan"
	"github.com/mediasweep/mediasweep/internal/state/statetest"
)

// What runs on other plans deleted or lost since a plan was made is elsewhere, in records of one decision and of many. After an error
// nothing more is read.
func TestIsElsewhere(t *testing.T) {
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
	own := plan.Contents{ID: "own", Head: plan.Head{AsOf: now}}
	e := NewEarlier(store, "c", own)
	for id, want := range map[string]bool{"one": true, "b0": true, "b1000": true, "of-c": false, "of-plan": false, "c7": false, "gone": false, "lost7": true, "before": false, "before7": false, "other": false} {
		for range 2 {
			if got, err := e.IsElsewhere(t.Context(), id); got != want || err != nil {
				t.Errorf("%s: %v, %v", id, got, err)
			}
		}
	}
	for of, down := range map[string]string{"-many-": "read", keyOf("one").String(): "read", looseFolder: "list", "log/": "list"} {
		e, store.Down, store.Of = NewEarlier(store, "c", own), down, of
		if _, err := e.IsElsewhere(t.Context(), "one"); !errors.Is(err, statetest.ErrDown) {
			t.Errorf("%s %s: %v", down, of, err)
		}
		if got, err := e.IsElsewhere(t.Context(), "one"); got || err != nil {
			t.Errorf("%s %s, again: %v, %v", down, of, got, err)
		}
	}
}
