package retention_test

import (
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

// unmarked is the mark of a medium that no earlier run knows.
func unmarked(*media.Medium) retention.Mark { return retention.Mark{} }

// forecast returns the facts that a forecaster has of a library.
func forecast(p *policy.Policy, library []media.Medium, mark func(*media.Medium) retention.Mark) map[string]retention.Facts {
	f := retention.NewForecaster(p, asOf, mark)
	for i := range library {
		f.Rank(&library[i])
	}
	got := map[string]retention.Facts{}
	for i := range library {
		got[library[i].ID] = f.Facts(&library[i])
	}
	return got
}

// TestForecasterProperties: by the facts of a forecaster media expire as in a sweep. They do not depend on the order.
func TestForecasterProperties(t *testing.T) {
	policies(t, 600, func(rng *rand.Rand, p *policy.Policy) {
		library, marks := anyLibrary(rng), map[string]retention.Mark{}
		for _, m := range library {
			marks[m.ID] = anyMark(rng)
		}
		mark := func(m *media.Medium) retention.Mark { return marks[m.ID] }
		got := forecast(p, library, mark)
		decisions := map[string]retention.Decision{}
		for i := range library {
			decisions[library[i].ID] = retention.Decide(p, &library[i], got[library[i].ID])
		}
		want := decideAll(p, library, asOf, mark)
		if diff := cmp.Diff(expired(want), expired(decisions)); diff != "" {
			t.Errorf("expired (-as a sweep +as a forecaster):\n%s", diff)
		}
		for id, d := range want {
			if d.Verdict != decisions[id].Verdict {
				t.Errorf("a sweep says %+v, a forecaster %+v", d, decisions[id])
			}
		}
		rng.Shuffle(len(library), func(i, j int) { library[i], library[j] = library[j], library[i] })
		if again := forecast(p, library, mark); !maps.Equal(got, again) {
			t.Errorf("another order:\n%+v\n%+v", got, again)
		}
	})
}

// A rule may keep any number of media, also beside some that are dated ahead.
func TestForecastOfTheLargestCount(t *testing.T) {
	p := parse(t, fmt.Sprintf("version: 1\nexpire: [{name: series, after: 30d, keepLatest: {count: %d, per: folder}}]\n", math.MaxInt))
	library := []media.Medium{series("a", 40), series("ahead", -3), series("b", 50)}
	for id, facts := range forecast(p, library, unmarked) {
		if facts.NotLatest || !facts.NotLatestFrom.IsZero() {
			t.Errorf("%s is not among the latest: %+v", id, facts)
		}
	}
}

// A forecaster knows all media that are dated ahead, also more than a Ranker of a sweep does.
func TestForecasterOfManyMediaAhead(t *testing.T) {
	p := parse(t, "version: 1\nexpire: [{name: series, after: 30d, keepLatest: {count: 1, per: folder}}]\n")
	library := []media.Medium{series("old", 40)}
	for i := range 10_000 {
		library = append(library, series(fmt.Sprint("ahead", i), -20))
	}
	library = append(library, series("first", -10))
	if from := forecast(p, library, unmarked)["old"].NotLatestFrom; !from.Equal(asOf.AddDate(0, 0, 10)) {
		t.Errorf("the old medium is outranked from %v, want in 10 days", from)
	}
}

// A medium that stays among the newest of one group is never due, whatever joins another.
func TestForecasterOfSeveralGroups(t *testing.T) {
	p := parse(t, "version: 1\nexpire: [{name: shows, after: 30d, keepLatest: {count: 1, per: \"tag:show:\"}}]\n")
	library := []media.Medium{series("both", 100, "show:x", "show:y"), series("one", 100, "show:y"), series("ahead", -10, "show:y")}
	got := forecast(p, library, unmarked)
	if from := got["both"].NotLatestFrom; !from.IsZero() {
		t.Errorf("the medium of both groups is outranked from %v", from)
	}
	if from := got["one"].NotLatestFrom; !from.Equal(asOf.AddDate(0, 0, 10)) {
		t.Errorf("the medium of one group is outranked from %v, want in 10 days", from)
	}
}
