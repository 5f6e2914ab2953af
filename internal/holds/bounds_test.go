package holds

import (
	"fmt"
	"strings"
	"testing"

	"github.com/mediasweep/mediasweep/internal/retention"
	"github.com/mediasweep/mediasweep/internal/state/statetest"
)

// Numbers of records have up to ten digits, and nothing else.
func TestNumbersOfRecords(t *testing.T) {
	s := sequence{folder: "holds/"}
	for name, want := range map[string]int{
		"holds/0000000001.json": 1, "holds/9999999999.json": 9_999_999_999, "holds/10000000000.json": 0, "holds/0000000000.json": 0,
		"holds/-000000001.json": 0, "holds/1.json": 0, "holds/0000000001.jsonx": 0, "releases/0000000001.json": 0,
	} {
		if got := s.numberOf(name); got != want {
			t.Errorf("%s: %d, want %d", name, got, want)
		}
	}
	for id, want := range map[string]int{"1": 1, "9999999999": 9_999_999_999, "10000000000": 0, "01": 0, "": 0, "x": 0} {
		if got := number(id); got != want {
			t.Errorf("%q: %d, want %d", id, got, want)
		}
	}
	s.took(numbered{number: 7})
	if s.took(numbered{}); s.last != 7 {
		t.Errorf("a record without a number leaves %d as the last", s.last)
	}
}

// A record is one value of JSON of at most a number of bytes.
func TestRecordsAreStrict(t *testing.T) {
	const record = `{"format":1,"hold":"1"}`
	for data, good := range map[string]bool{record: true, record + " \n": true, record + "{}": false, record + "x": false, record[1:]: false, `{"format":1,"Hold":"1"}`: false, `{"hold":"1","hold":"2"}`: false} {
		var r releaseRecord
		if err := decodeStrictly([]byte(data), 1000, &r); (err == nil) != good {
			t.Errorf("%s: %v", data, err)
		}
	}
	for most, good := range map[int]bool{len(record): true, len(record) - 1: false} {
		var r releaseRecord
		if err := decodeStrictly([]byte(record), most, &r); (err == nil) != good {
			t.Errorf("of at most %d bytes: %v", most, err)
		}
	}
	hold := `{"format":1,"hold":{"id":"1","target":"a","reason":"r","by":"b","at":"2026-06-30T12:00:00Z"}}`
	for spaces, good := range map[int]bool{maxHold - len(hold): true, maxHold - len(hold) + 1: false} {
		if _, err := decodeHold(1, []byte(hold+strings.Repeat(" ", spaces))); (err == nil) != good {
			t.Errorf("with %d spaces: %v", spaces, err)
		}
	}
}

// So many holds may be in force, and no more.
func TestTheMostHolds(t *testing.T) {
	store, h := statetest.New(), New()
	for i := range maxHolds - 1 {
		id := fmt.Sprint("old", i)
		h.inForce[id] = retention.Hold{ID: id, Target: id}
	}
	if _, err := h.Place(t.Context(), store, holdOn("a")); err != nil {
		t.Errorf("the last one: %v", err)
	}
	if _, err := h.Place(t.Context(), store, holdOn("b")); err == nil || !strings.Contains(err.Error(), "50000 holds") {
		t.Errorf("one more: %v", err)
	}
}

// A hold that ended within a year and a month stays, since it has ended announcements. If there is no room for another one, only
// those of the last month do.
func TestHoldsThatHaveEnded(t *testing.T) {
	lasts := func(t *testing.T, h *Holds, ids ...string) {
		t.Helper()
		for _, id := range ids {
			if _, ok := h.inForce[id]; !ok {
				t.Errorf("%s is forgotten", id)
			}
		}
	}
	store, h := statetest.New(), New()
	for id, ended := range map[string]int{"lately": 29, "long-ago": 399, "too-long-ago": 401} {
		h.inForce[id] = retention.Hold{ID: id, Target: id, Until: asOf.AddDate(0, 0, -ended)}
	}
	_, err := h.Place(t.Context(), store, holdOn("a"))
	no(t, err)
	if lasts(t, h, "lately", "long-ago", "1"); len(h.inForce) != 3 {
		t.Errorf("%d holds", len(h.inForce))
	}
	for i := range maxHolds - 3 {
		id := fmt.Sprint("old", i)
		h.inForce[id] = retention.Hold{ID: id, Target: id}
	}
	_, err = h.Place(t.Context(), store, holdOn("b"))
	no(t, err)
	if lasts(t, h, "lately", "1", "2"); len(h.inForce) != maxHolds {
		t.Errorf("%d holds", len(h.inForce))
	}
}
