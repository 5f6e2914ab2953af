package announce

import (
	"errors"
	"maps"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mediasweep/mediasweep/internal/fuzztest"
	"github.com/mediasweep/mediasweep/internal/media"
	"github.com/mediasweep/mediasweep/internal/policy"
	"github.com/mediasweep/mediasweep/internal/retention"
	"github.com/mediasweep/mediasweep/internal/state/statetest"
)

const (
	region = "cn-shanghai"
	day    = 24 * time.Hour
)

var now = time.Date(2026, 6, 30, 2, 0, 0, 0, time.UTC)

// weekly is a policy with a notice of seven days.
func weekly(t testing.TB) *policy.Policy {
	t.Helper()
	week, err := policy.ParsePeriod("7d")
	if err != nil {
		t.Fatal(err)
	}
	return &policy.Policy{Notice: week, Timezone: time.UTC}
}

// no fails the test on an error.
func no(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// open reads the announcements as a sweep of a time does.
func open(t testing.TB, store *statetest.Memory, at time.Time, placed ...retention.Hold) *Reader {
	t.Helper()
	r, err := Open(t.Context(), store, Query{weekly(t), region, placed, at, at, true})
	no(t, err)
	t.Cleanup(r.Close)
	return r
}

// restOf returns what is left of announcements, by media. Of several of a medium the first counts.
func restOf(t *testing.T, a *Reader) map[string]Entry {
	t.Helper()
	found, last := map[string]Entry{}, ""
	for one, err := range a.Rest(t.Context()) {
		no(t, err)
		if one.MediaID < last {
			t.Errorf("%s comes after %s", one.MediaID, last)
		}
		last = one.MediaID
		if _, ok := found[last]; !ok {
			found[last] = one
		}
	}
	return found
}

// announceAll writes a generation.
func announceAll(t *testing.T, a *Reader, now time.Time, all map[string]Entry) {
	t.Helper()
	next := a.Update()
	for _, err := range a.Rest(t.Context()) { // as a sweep does
		no(t, err)
	}
	for _, id := range slices.Sorted(maps.Keys(all)) {
		no(t, next.Keep(t.Context(), all[id], true))
	}
	no(t, next.Commit(t.Context(), now))
}

// A store that is down is an error: announcing everything again would postpone all deletions.
func TestAnnouncementsOfAStoreThatIsDown(t *testing.T) {
	for _, down := range []struct{ operation, of string }{{"list", "generations"}, {"read", "generations"}, {"read", "segments"}, {"list", "events"}} {
		store := statetest.New()
		one := map[string]Entry{"a": {MediaID: "a", At: now.Unix()}}
		announceAll(t, open(t, store, now), now, one)
		store.Down, store.Of = down.operation, down.of
		a, err := Open(t.Context(), store, Query{weekly(t), region, nil, now, now, false})
		if err == nil {
			for _, restErr := range a.Rest(t.Context()) {
				err = errors.Join(err, restErr)
			}
		}
		if down.operation == "list" && down.of == "generations" && err == nil {
			continue // the listing ends at its first record
		}
		if !errors.Is(err, statetest.ErrDown) {
			t.Errorf("%s %s: %v", down.operation, down.of, err)
		}
	}
}

// FuzzAnnouncement holds that a line is read back as it was written, and no other.
func FuzzAnnouncement(f *testing.F) {
	f.Add("a 0000000000000001 5 -\n")
	f.Add("a 0000000000000001 -5 o\n")
	fuzztest.Fuzz(f, func(t *testing.T, line string) {
		if one, err := parseLine(line); err == nil && string(one.appendLine(nil)) != line {
			t.Errorf("%q is read as %q", line, one.appendLine(nil))
		}
		if one, _, err := parseEventName(eventFolder + line); err == nil && one.Lead == false {
			t.Errorf("%q is no lead", line)
		}
	})
}

// A generation counts until 31 days after its notice. Later its media are announced again.
func TestAGenerationOfLongAgo(t *testing.T) {
	began := now.Add(-7 * day)
	for before, want := range map[time.Duration]int{0: 1, time.Second: 0} {
		store, at := statetest.New(), began.Add(-31*day-before)
		announceAll(t, open(t, store, at), at, map[string]Entry{"m": {MediaID: "m", At: at.Unix()}})
		if got := restOf(t, open(t, store, now)); len(got) != want {
			t.Errorf("%v before the last time: %d announcements, want %d", before, len(got), want)
		}
	}
}

// A sweep without a notice that finds no announcement reads nothing, and waits for one call. Other runs without a notice
// make no call.
func TestOpenWithoutANotice(t *testing.T) {
	p := *weekly(t)
	p.Notice = policy.Period{}
	for name, test := range map[string]struct {
		of    time.Time // of an announcement; zero for none
		sweep bool
		event bool
		empty bool
	}{
		"no sweep":            {of: now},
		"no announcement":     {sweep: true, empty: true},
		"an old announcement": {of: now.Add(-32 * day), sweep: true, empty: true},
		"an old event":        {of: now.Add(-32 * day), sweep: true, event: true, empty: true},
		"an announcement":     {of: now.Add(-30 * day), sweep: true},
		"an event":            {of: now.Add(-30 * day), sweep: true, event: true},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				store := statetest.New()
				store.Began = test.of
				switch one := (Entry{MediaID: "m", At: test.of.Unix()}); {
				case test.event:
					no(t, add(t.Context(), store, test.of, []Entry{one}))
				case !test.of.IsZero():
					announceAll(t, open(t, store, test.of), test.of, map[string]Entry{"m": one})
				}
				store.Slow, store.Down = time.Second, map[bool]string{true: "read"}[test.empty]
				began := time.Now()
				r, err := Open(t.Context(), store, Query{&p, region, nil, now, now, test.sweep})
				no(t, err)
				t.Cleanup(r.Close)
				took := time.Since(began)
				if rest := restOf(t, r); r.IsEmpty() != (test.empty || !test.sweep) || len(rest) == 0 != r.IsEmpty() {
					t.Errorf("empty: %v, announced %v", r.IsEmpty(), rest)
				}
				if want := map[bool]time.Duration{true: time.Second}[test.sweep]; test.empty && took != want || !test.sweep && took != 0 {
					t.Errorf("it took %v, want %v", took, want)
				}
			})
		})
	}
	store := statetest.New()
	store.Down, store.Of = "list", "announced/events"
	if _, err := Open(t.Context(), store, Query{&p, region, nil, now, now, true}); !errors.Is(err, statetest.ErrDown) {
		t.Errorf("unread events: %v", err)
	}
}

// A run knows of the holds that ended, and fails if it cannot read what events announced.
func TestOpen(t *testing.T) {
	store, ended := statetest.New(), now.Add(-time.Hour)
	placed := []retention.Hold{{ID: "1", Target: "m", Until: ended}}
	if last := open(t, store, now, placed...).Held.LastOf(&media.Medium{ID: "m"}); last != ended.Unix() {
		t.Errorf("held until %d, want %d", last, ended.Unix())
	}
	store.Down, store.Of = "list", "announced/events"
	if _, err := Open(t.Context(), store, Query{weekly(t), region, nil, now, now, false}); !errors.Is(err, statetest.ErrDown) {
		t.Errorf("unread events: %v", err)
	}
}
