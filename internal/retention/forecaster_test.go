package retention_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/mediasweep/mediasweep/internal/media"
	"github.com/mediasweep/mediasweep/internal/policy"
	"github.com/mediasweep/mediasweep/internal/retention"
)

// outlook holds the results of a forecaster.
type outlook struct {
	Decision retention.Decision
	Facts    retention.Facts
}

// forecast runs a library through a forecaster.
func forecast(t *testing.T, p *policy.Policy, library []media.Medium, mark func(*media.Medium) retention.Mark) map[string]outlook {
	t.Helper()
	got := map[string]outlook{}
	decided := func(m *media.Medium, d retention.Decision, facts retention.Facts) {
		if _, twice := got[m.ID]; twice {
			t.Fatalf("%s is handed over twice", m.ID)
		}
		got[m.ID] = outlook{d, facts}
	}
	f := retention.NewForecaster(p, asOf)
	f.Mark = mark
	for _, m := range library {
		f.Add(m, decided)
	}
	f.Finish(decided)
	return got
}

// TestForecasterProperties: a forecaster hands each medium over once, decides as a sweep
// does, and is indifferent to the order.
func TestForecasterProperties(t *testing.T) {
	policies(t, 600, func(rng *rand.Rand, p *policy.Policy) {
		library, marks := anyLibrary(rng), map[string]retention.Mark{}
		for _, m := range library {
			marks[m.ID] = anyMark(rng)
		}
		mark := func(m *media.Medium) retention.Mark { return marks[m.ID] }
		got := forecast(t, p, library, mark)
		decisions := map[string]retention.Decision{}
		for id, o := range got {
			decisions[id] = o.Decision
		}
		want := decideAll(p, library, asOf, mark)
		if diff := cmp.Diff(expired(want), expired(decisions)); diff != "" || len(got) != len(library) {
			t.Errorf("%d of %d media; expired (-as a sweep +as a forecaster):\n%s", len(got), len(library), diff)
		}
		for id, d := range want {
			if d.Verdict != decisions[id].Verdict {
				t.Errorf("a sweep says %+v, a forecaster %+v", d, decisions[id])
			}
		}
		rng.Shuffle(len(library), func(i, j int) { library[i], library[j] = library[j], library[i] })
		if again := forecast(t, p, library, mark); !maps.Equal(got, again) {
			t.Errorf("another order:\n%+v\n%+v", got, again)
		}
	})
}

// A medium that comes twice has one place in its group.
func TestForecasterIgnoresRepeats(t *testing.T) {
	p := parse(t, "version: 1\nexpire: [{name: series, after: 30d, keepLatest: {count: 2, per: folder}}]\n")
	library := []media.Medium{series("a", 40), series("b", 50), series("a", 40), series("c", 60), series("young", 3), series("young", 3)}
	gone := map[string]bool{}
	decided := func(m *media.Medium, d retention.Decision, _ retention.Facts) {
		if d.Verdict == retention.Expired {
			gone[m.ID] = true
		}
	}
	f := retention.NewForecaster(p, asOf)
	for _, m := range library {
		f.Add(m, decided)
	}
	f.Finish(decided)
	if want := map[string]bool{"b": true, "c": true}; !maps.Equal(gone, want) {
		t.Errorf("expired: %v, want %v", gone, want)
	}
}

// A rule may keep any number of media, also beside some that are dated ahead.
func TestForecastOfTheLargestCount(t *testing.T) {
	p := parse(t, fmt.Sprintf("version: 1\nexpire: [{name: series, after: 30d, keepLatest: {count: %d, per: folder}}]\n", math.MaxInt))
	library := []media.Medium{series("a", 40), series("ahead", -3), series("b", 50)}
	for id, o := range forecast(t, p, library, func(*media.Medium) retention.Mark { return retention.Mark{} }) {
		if o.Decision.Verdict == retention.Expired {
			t.Errorf("%s has expired", id)
		}
	}
}

// A forecaster holds no more of a group than it must, and no records.
func TestForecasterReleases(t *testing.T) {
	p := parse(t, "version: 1\nexpire: [{name: series, after: 30d, keepLatest: {count: 2, per: folder}}]\n")
	f, released := retention.NewForecaster(p, asOf), 0
	decided := func(m *media.Medium, _ retention.Decision, _ retention.Facts) {
		released++
		if m.Record != nil {
			t.Errorf("%s has its record", m.ID)
		}
	}
	const count = 500
	for i := range count {
		m := series(fmt.Sprint(i), count-i) // each newer than the one before
		m.Record = json.RawMessage("{}")
		f.Add(m, decided)
	}
	if released != count-2 {
		t.Errorf("%d of %d media are released before Finish, want all but 2", released, count)
	}
	if f.Finish(decided); released != count {
		t.Errorf("%d of %d media are released", released, count)
	}
}

// A medium that stays among the newest of one group is never due, whatever joins another.
func TestForecasterOfSeveralGroups(t *testing.T) {
	p := parse(t, "version: 1\nexpire: [{name: shows, after: 30d, keepLatest: {count: 1, per: \"tag:show:\"}}]\n")
	library := []media.Medium{series("both", 100, "show:x", "show:y"), series("one", 100, "show:y"), series("ahead", -10, "show:y")}
	unmarked := func(*media.Medium) retention.Mark { return retention.Mark{} }
	got := forecast(t, p, library, unmarked)
	if from := got["both"].Facts.NotLatestFrom; !from.IsZero() {
		t.Errorf("the medium of both groups is outranked from %v", from)
	}
	if from := got["one"].Facts.NotLatestFrom; !from.Equal(asOf.AddDate(0, 0, 10)) {
		t.Errorf("the medium of one group is outranked from %v, want in 10 days", from)
	}
}
