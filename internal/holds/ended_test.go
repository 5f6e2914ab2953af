package holds

import (
	"errors"
	"strconv"
	"testing"
	"time"

	"github.com/mediasweep/mediasweep/internal/retention"
	"github.com/mediasweep/mediasweep/internal/state/statetest"
)

// A medium was kept until its last hold ended. What cannot be read may have kept every medium.
func TestEndedSince(t *testing.T) {
	since, ends, now := asOf.Add(-time.Hour), asOf.Add(time.Minute), asOf.Add(2*time.Minute)
	written := asOf.Add(-time.Minute + time.Millisecond)
	seconds := written.Unix() + 1 // rounded up
	release := []byte(`{"format":1,"hold":"1","by":"x","at":"2026-06-30T12:00:00Z"}`)
	for name, test := range map[string]struct {
		alter  func(s *statetest.Memory)
		placed []retention.Hold
		a, b   int64
	}{
		"released":        {func(s *statetest.Memory) { s.Put("releases/0000000001.json", release) }, nil, seconds, 0},
		"released before": {func(s *statetest.Memory) { s.Put("releases/0000000001.json", release); written = since }, nil, 0, 0},
		"no release":      {func(s *statetest.Memory) { s.Put("releases/0000000001.json", []byte("{")) }, nil, 0, 0},
		"the hold is missing": {func(s *statetest.Memory) {
			s.Put("releases/0000000001.json", release)
			delete(s.Records, "holds/0000000001.json")
		}, nil, seconds, seconds},
		"the hold is damaged": {func(s *statetest.Memory) {
			s.Put("releases/0000000001.json", release)
			s.Put("holds/0000000001.json", nil)
		}, nil, seconds, seconds},
		"its time is over":         {func(*statetest.Memory) {}, []retention.Hold{{ID: "2", Target: "b", Until: ends}}, 0, ends.Unix()},
		"it lasts":                 {func(*statetest.Memory) {}, []retention.Hold{{ID: "2", Target: "b", Until: now.Add(1)}}, 0, 0},
		"its time was over before": {func(*statetest.Memory) {}, []retention.Hold{{ID: "2", Target: "b", Until: since}}, 0, 0},
		"as many as are read": {func(s *statetest.Memory) {
			for i := range maxEnded {
				s.Put("releases/"+strconv.Itoa(i), release)
			}
		}, nil, seconds, 0},
		"more than are read": {func(s *statetest.Memory) {
			for i := range maxEnded + 1 {
				s.Put("releases/"+strconv.Itoa(i), release)
			}
		}, nil, seconds, seconds},
	} {
		t.Run(name, func(t *testing.T) {
			store := statetest.New()
			hold := holdOn("a")
			_, err := New().Place(t.Context(), store, hold)
			no(t, err)
			written = asOf.Add(-time.Minute + time.Millisecond)
			test.alter(store)
			for _, release := range store.Names(releaseFolder) {
				store.Written[release] = written
			}
			ended, err := EndedSince(t.Context(), store, test.placed, now, since)
			no(t, err)
			if a, b := ended.LastOf(medium("a")), ended.LastOf(medium("b")); a != test.a || b != test.b || ended.Last() != max(a, b) {
				t.Errorf("a until %d, b until %d, the last %d; want %d and %d", a, b, ended.Last(), test.a, test.b)
			}
		})
	}
	store := statetest.New()
	store.Put("releases/0000000001.json", release)
	store.Written["releases/0000000001.json"] = asOf
	for _, store.Down = range []string{"list", "read"} {
		if _, err := EndedSince(t.Context(), store, nil, now, since); !errors.Is(err, statetest.ErrDown) {
			t.Errorf("%s fails: %v", store.Down, err)
		}
	}
}
