package announce

import (
	"fmt"
	"maps"
	"testing"
	"time"

	"github.com/mediasweep/mediasweep/internal/state"
	"github.com/mediasweep/mediasweep/internal/state/statetest"
)

// Entrys of events are leads of the next sweep. Those that the latest sweep may have seen are no more than that.
func TestAnnouncementsOfEvents(t *testing.T) {
	store := statetest.New()
	at := now.Add(-10 * day)
	early := Entry{MediaID: "early", Digest: 1, Lead: true}
	late := Entry{MediaID: "la-te", Digest: 2, Lead: true, Orphan: true}
	no(t, add(t.Context(), store, at, []Entry{early}))
	announceAll(t, open(t, store, at), at.Add(time.Minute), map[string]Entry{"kept": {MediaID: "kept", At: 5, Lead: true}})
	no(t, add(t.Context(), store, at.Add(2*time.Minute), []Entry{late}))
	for _, name := range []string{"x", "2026-x-y-z", "20260701T000000.000000000Z-i-00-a", "20260701T000000.000000000Z-x-0000000000000000-a", "20260701T000000.000000000Z-i-0000000000000000-a b"} {
		store.Put(eventFolder+name, nil)
	}
	a := open(t, store, now)
	leads := map[string]bool{}
	for one, err := range a.Leads(t.Context()) {
		no(t, err)
		leads[one.MediaID] = one.Orphan
	}
	if want := map[string]bool{"early": false, "la-te": true, "kept": false}; !maps.Equal(leads, want) {
		t.Errorf("leads %v, want %v", leads, want)
	}
	early, late.At = Entry{MediaID: "early", At: at.Unix(), Lead: true}, at.Add(2*time.Minute).Unix()
	want := map[string]Entry{"early": early, "la-te": late, "kept": {MediaID: "kept", At: 5, Lead: true}}
	if got := restOf(t, a); !maps.Equal(got, want) {
		t.Errorf("%+v, want %+v", got, want)
	}
	if len(a.Problems()) != 4 {
		t.Errorf("%q", a.Problems())
	}
}

// What is taken back counts no more, wherever it was announced. What is announced afterwards does. A time ahead
// delays for an hour at most.
func TestTakenBackAnnouncements(t *testing.T) {
	at := now.Add(-10 * day)
	for name, test := range map[string]struct {
		kept  time.Time
		again time.Time
		since time.Time
	}{
		"before the announcement": {kept: at.Add(-time.Minute), since: at},
		"after it":                {kept: at.Add(day)},
		"and announced again":     {kept: at.Add(day), again: at.Add(2 * day), since: at.Add(2 * day)},
		"a forged time":           {kept: now.Add(9000 * day), again: at.Add(2 * day), since: at.Add(2 * day)},
	} {
		t.Run(name, func(t *testing.T) {
			store := statetest.New()
			one := Entry{MediaID: "m", Digest: 1, At: at.Unix()}
			announceAll(t, open(t, store, at), at, map[string]Entry{"m": one})
			no(t, TakeBack(t.Context(), store, test.kept, []string{"m"}))
			store.Written[store.Created[len(store.Created)-1]] = at.Add(day)
			if !test.again.IsZero() {
				no(t, add(t.Context(), store, test.again, []Entry{one}))
			}
			since := int64(0)
			for got, err := range open(t, store, now).Rest(t.Context()) {
				no(t, err)
				since = got.At
			}
			if want := test.since.Unix(); since != want && (since != 0 || !test.since.IsZero()) {
				t.Errorf("announced at %d, want %d", since, want)
			}
		})
	}
}

// A lead that was taken back is none.
func TestLeadsThatWereTakenBack(t *testing.T) {
	store, at := statetest.New(), now.Add(-time.Hour)
	no(t, add(t.Context(), store, at, []Entry{{MediaID: "a"}, {MediaID: "b"}, {MediaID: "c"}}))
	no(t, TakeBack(t.Context(), store, at.Add(-time.Second), []string{"a"}))
	no(t, TakeBack(t.Context(), store, at, []string{"b"}))
	no(t, TakeBack(t.Context(), store, at.Add(time.Second), []string{"c"}))
	for _, name := range store.Names(eventFolder) {
		store.Written[name] = now
	}
	a := open(t, store, now)
	leads := map[string]bool{}
	for one, err := range a.Leads(t.Context()) {
		no(t, err)
		leads[one.MediaID] = true
	}
	if want := map[string]bool{"a": true}; !maps.Equal(leads, want) {
		t.Errorf("leads %v, want %v", leads, want)
	}
	if rest := restOf(t, a); len(rest) != 1 {
		t.Errorf("announced %v", rest)
	}
}

// An event or a request records a bounded number of new announcements, and all that it takes back.
func TestUpdateOfARequest(t *testing.T) {
	store := statetest.New()
	r := open(t, store, now)
	r.Sweep = false
	u := r.Update()
	for i := range MostOfRequest + 2 {
		no(t, u.Keep(t.Context(), Entry{MediaID: fmt.Sprintf("m%05d", i), At: now.Unix()}, i != 1))
	}
	if u.HasEnded() {
		t.Error("nothing was taken back")
	}
	u.End("x")
	no(t, u.Commit(t.Context(), now))
	if names := store.Names(""); !u.HasEnded() || len(names) != MostOfRequest+1 || len(store.Names(eventFolder)) != len(names) {
		t.Errorf("%d records", len(names))
	}
	rest := restOf(t, open(t, store, now))
	if _, known := rest["m00001"]; known || len(rest) != MostOfRequest {
		t.Errorf("%d announcements; of an earlier run: %v", len(rest), known)
	}
}

// A sweep does not see what events announce or take back while it is under way. What was announced then leads the next
// sweep to its medium.
func TestEventsDuringASweep(t *testing.T) {
	for _, length := range []time.Duration{time.Minute, 2 * time.Hour, 24 * time.Hour} {
		store := statetest.New()
		began := now.Add(-25 * time.Hour)
		sweep := open(t, store, began).Update()
		no(t, sweep.Keep(t.Context(), Entry{MediaID: "kept", At: 5}, true))
		no(t, add(t.Context(), store, began.Add(time.Second), []Entry{{MediaID: "lead"}}))
		no(t, TakeBack(t.Context(), store, began.Add(time.Second), []string{"kept"}))
		for _, name := range store.Names(eventFolder) {
			store.Written[name] = began
		}
		no(t, sweep.Commit(t.Context(), began.Add(length)))
		store.Written[state.NumberedName(generationFolder, 1)] = began.Add(length)
		r := open(t, store, now)
		leads := 0
		for one, err := range r.Leads(t.Context()) {
			if no(t, err); one.MediaID == "lead" {
				leads++
			}
		}
		if rest := restOf(t, r); leads != 1 || len(rest) != 1 || rest["lead"].Digest != 0 {
			t.Errorf("a sweep of %v: %d leads, announced %+v", length, leads, rest)
		}
	}
}
