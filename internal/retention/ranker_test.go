package retention_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/mediasweep/mediasweep/internal/media"
	"github.com/mediasweep/mediasweep/internal/policy"
	"github.com/mediasweep/mediasweep/internal/retention"
)

// decideAll decides on a library as a sweep does: it ranks all media, and then decides.
func decideAll(p *policy.Policy, library []media.Medium, asOf time.Time, mark func(*media.Medium) retention.Mark) map[string]retention.Decision {
	ranker := retention.NewRanker(p, asOf)
	facts, ranks := make([]retention.Facts, len(library)), make([]retention.Rank, len(library))
	for i, m := range library {
		facts[i] = retention.Facts{AsOf: asOf, NotLatest: true}
		if mark != nil {
			facts[i].Mark = mark(&m)
		}
		ranks[i] = retention.NewCase(p, &m).Rank(facts[i])
		ranker.Add("", ranks[i])
	}
	decisions := map[string]retention.Decision{}
	for i, m := range library {
		facts[i].NotLatest = !ranker.IsLatest(ranks[i])
		decisions[m.ID] = retention.Decide(p, &m, facts[i])
	}
	return decisions
}

// expired returns the IDs of expired media, in order.
func expired(decisions map[string]retention.Decision) []string {
	var ids []string
	for id, d := range decisions {
		if d.Verdict == retention.Expired {
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	return ids
}

func series(id string, daysOld int, tags ...string) media.Medium {
	return media.Medium{ID: id, Object: media.Object{Bucket: "media-in", Key: "series/s1/" + id}, State: "Published",
		Created: asOf.AddDate(0, 0, -daysOld), Tags: tags, Category: media.Known(int64(1))}
}

// A plan as of any year ranks.
func TestRanksOfALateYear(t *testing.T) {
	p, err := policy.Parse("p", []byte("version: 1\nexpire: [{name: series, after: 90d, keepLatest: {count: 1, per: folder}}]\n"))
	if err != nil {
		t.Fatal(err)
	}
	library := []media.Medium{series("a", 10), series("b", 20), series("c", 30)}
	for _, year := range []int{2100, 2261, 2262, 2263, 9999} {
		late := time.Date(year, 12, 31, 0, 0, 0, 0, time.UTC)
		if got := expired(decideAll(p, library, late, nil)); !slices.Equal(got, []string{"b", "c"}) {
			t.Errorf("%d: expired %v", year, got)
		}
	}
}

func TestKeepLatest(t *testing.T) {
	rule := func(count int, per string) string {
		return fmt.Sprintf("version: 1\nprotect: [{name: hold, match: {tags: [legal-hold]}}]\nexpire: [{name: series, after: 90d, keepLatest: {count: %d, per: %q}}]\n", count, per)
	}
	other := series("other", 200)
	other.Object.Key = "series/s2/other"
	noTime := series("no-time", 1)
	noTime.Created = time.Time{}
	noCategory := series("no-category", 300)
	noCategory.Category = media.Maybe[int64]{}
	tests := []struct {
		name, policy string
		library      []media.Medium
		want         []string
	}{
		{"the newest stay, however old", rule(2, "folder"), []media.Medium{series("a", 100), series("b", 110), series("c", 120)}, []string{"c"}},
		{"young ones take places", rule(2, "folder"), []media.Medium{series("a", 1), series("b", 2), series("c", 120)}, []string{"c"}},
		{"rank comes before age", rule(1, "folder"), []media.Medium{series("a", 1), series("b", 2), series("c", 120)}, []string{"c"}},
		{"ties stay", rule(2, "folder"), []media.Medium{series("a", 100), series("b", 110), series("c", 110), series("d", 111)}, []string{"d"}},
		{"all tie", rule(1, "folder"), []media.Medium{series("a", 100), series("b", 100), series("c", 100)}, nil},
		{"protected ones take places", rule(2, "folder"), []media.Medium{series("a", 100, "legal-hold"), series("b", 110), series("c", 120)}, []string{"c"}},
		{"fewer than the count", rule(3, "folder"), []media.Medium{series("a", 100), series("b", 110)}, nil},
		{"folders are apart", rule(1, "folder"), []media.Medium{series("a", 100), other}, nil},
		{"without a time there is no rank", rule(1, "folder"), []media.Medium{noTime, series("b", 110), series("c", 120)}, []string{"c"}},
		{"per category", rule(1, "category"), []media.Medium{series("a", 100), other}, []string{"other"}},
		{"without a category nothing is known", rule(1, "category"), []media.Medium{series("a", 100), noCategory}, nil},
		{"in several groups, the newest of one", rule(1, "tag:show:"), []media.Medium{series("a", 120, "show:x", "show:y"), series("b", 100, "show:x"), series("c", 130, "show:y")}, []string{"c"}},
		{"in several groups, the newest of none", rule(1, "tag:show:"), []media.Medium{series("a", 120, "show:y", "show:x"), series("b", 100, "show:x"), series("c", 110, "show:y")}, []string{"a"}},
		{"per tag", rule(1, "tag:show:"), []media.Medium{series("a", 100, "show:x"), series("b", 110, "show:x"), series("c", 120, "show:y"), series("d", 130)}, []string{"b", "d"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			p := parse(t, test.policy)
			for range 10 {
				rand.Shuffle(len(test.library), func(i, j int) { test.library[i], test.library[j] = test.library[j], test.library[i] })
				verdicts := decideAll(p, test.library, asOf, nil)
				if diff := cmp.Diff(test.want, expired(verdicts)); diff != "" || len(verdicts) != len(test.library) {
					t.Fatalf("%d decided; expired (-want +got):\n%s", len(verdicts), diff)
				}
			}
		})
	}
}

const rankedRules = `
version: 1
protect:
  - {name: hold, match: {tags: [t0]}}
expire:
  - {name: drafts, match: {state: [UnPublish]}, after: 5d}
  - {name: series, match: {object: ["oss://media-in/d1/**", "oss://media-in/d2/**"]}, after: 30d, keepLatest: {count: 2, per: folder}}
  - {name: tagged, match: {tags: [t1]}, after: 60d, keepLatest: {count: 1, per: "tag:t"}}
  - {name: rest, after: 90d}
`

// rankedLibrary makes up media that rankedRules rank, with ties.
func rankedLibrary(rng *rand.Rand) []media.Medium {
	library := make([]media.Medium, 1+rng.IntN(40))
	for i := range library {
		library[i] = randomMedium(rng)
		library[i].ID = fmt.Sprint(i)
		library[i].Created = library[i].Created.Truncate(48 * time.Hour)
	}
	return library
}

// TestRankerProperties holds IsLatest and OutrankedFrom against their definition: in one of its groups fewer
// media than the rule keeps are strictly newer. Some media are dated ahead.
func TestRankerProperties(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 0))
	p := parse(t, rankedRules)
	counts := map[string]int{"series": 2, "tagged": 1}
	ranked := 0
	for range 300 {
		ranker := retention.NewRanker(p, asOf)
		var ranks []retention.Rank
		for _, m := range rankedLibrary(rng) {
			if !m.Created.IsZero() {
				m.Created = m.Created.AddDate(0, 0, 100)
			}
			rank := retention.NewCase(p, &m).Rank(retention.Facts{AsOf: asOf, NotLatest: true}.WhenKnown(&m))
			ranks = append(ranks, rank)
			ranker.Add("", rank)
		}
		for _, rank := range ranks {
			isLatest := func(at int64) (latest bool) {
				for _, name := range rank.Groups {
					newer := 0
					for _, other := range ranks {
						if other.Rule == rank.Rule && slices.Contains(other.Groups, name) && other.Created > rank.Created && other.Created <= at {
							newer++
						}
					}
					ranked++
					latest = latest || newer < counts[rank.Rule]
				}
				return latest
			}
			if got, want := ranker.IsLatest(rank), isLatest(asOf.UnixNano()); got != want {
				t.Fatalf("IsLatest(%+v) = %v, want %v among %+v", rank, got, want, ranks)
			}
			from, ok := ranker.OutrankedFrom(rank)
			if ok == isLatest(math.MaxInt64) || ok && from > asOf.UnixNano() && (isLatest(from) || !isLatest(from-1)) {
				t.Fatalf("OutrankedFrom(%+v) = %d, %v among %+v", rank, from, ok, ranks)
			}
		}
	}
	if ranked < 300 {
		t.Errorf("only %d media are ranked", ranked)
	}
}

// A medium that no rule ranks is never among the latest, and takes no place.
func TestRankerIgnoresUnranked(t *testing.T) {
	p := parse(t, rankedRules)
	ranker := retention.NewRanker(p, asOf)
	for range 3 {
		ranker.Add("", retention.Rank{})
	}
	if ranker.IsLatest(retention.Rank{}) {
		t.Error("the zero rank is among the latest")
	}
	if !ranker.IsLatest(retention.Rank{Rule: "series", Groups: []string{"g"}}) {
		t.Error("the first of a group is not among the latest")
	}
}

// Protected and young media are ranked. Media that are not known well enough are not.
func TestRankOf(t *testing.T) {
	p := parse(t, "version: 1\nprotect: [{name: hold, match: {tags: [legal-hold]}}]\nexpire:\n  - {name: drafts, match: {tags: [draft]}, after: 5d}\n  - {name: series, after: 90d, keepLatest: {count: 2, per: folder}}\n")
	for name, test := range map[string]struct {
		change func(*media.Medium)
		ranked bool
	}{
		"old":                     {func(*media.Medium) {}, true},
		"young":                   {func(m *media.Medium) { m.Created = asOf }, true},
		"protected":               {func(m *media.Medium) { m.Tags = []string{"legal-hold"} }, true},
		"another rule's":          {func(m *media.Medium) { m.Tags = []string{"draft"} }, false},
		"deleted":                 {func(m *media.Medium) { m.State = media.StateDeleted }, false},
		"no time":                 {func(m *media.Medium) { m.Created = time.Time{} }, false},
		"dated ahead":             {func(m *media.Medium) { m.Created = asOf.Add(time.Second) }, false},
		"undocumented":            {func(m *media.Medium) { m.State = "Archived" }, false},
		"in doubt":                {func(m *media.Medium) { m.Doubt = "two records" }, false},
		"tags garbled":            {func(m *media.Medium) { m.TagsGarbled = true }, false},
		"protected, undocumented": {func(m *media.Medium) { m.Tags, m.State = []string{"legal-hold"}, "Archived" }, false},
		"protected, ahead":        {func(m *media.Medium) { m.Tags, m.Created = []string{"legal-hold"}, asOf.Add(time.Second) }, false},
	} {
		m := series("a", 100)
		test.change(&m)
		rank := retention.NewCase(p, &m).Rank(retention.Facts{AsOf: asOf})
		if got := len(rank.Groups) > 0; got != test.ranked || got && (rank.Rule != "series" || rank.Created != m.Created.UnixNano()) {
			t.Errorf("%s: %+v, want a rank: %v", name, rank, test.ranked)
		}
	}
}

// TestSweepProperties: the order of a library does not matter, a part of it never loses
// more than the whole, and a rank only ever keeps.
func TestSweepProperties(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 0))
	p := parse(t, rankedRules)
	for range 300 {
		library := rankedLibrary(rng)
		whole := decideAll(p, library, asOf, nil)
		for _, m := range library {
			d, plain := whole[m.ID], retention.Decide(p, &m, retention.Facts{AsOf: asOf, NotLatest: true})
			if d.Verdict != plain.Verdict && (plain.Verdict != retention.Expired || d.Cause != retention.AmongLatest) {
				t.Errorf("with its rank %+v, without %+v", d, plain)
			}
		}
		rng.Shuffle(len(library), func(i, j int) { library[i], library[j] = library[j], library[i] })
		if diff := cmp.Diff(expired(whole), expired(decideAll(p, library, asOf, nil))); diff != "" {
			t.Errorf("another order decides otherwise:\n%s", diff)
		}
		for _, id := range expired(decideAll(p, library[:rng.IntN(len(library)+1)], asOf, nil)) {
			if whole[id].Verdict != retention.Expired {
				t.Errorf("a part of the library loses %s and the whole does not", id)
			}
		}
	}
}

// The newest media of several groups come with their IDs, and no more than the rule keeps.
func TestNewest(t *testing.T) {
	p, err := policy.Parse("p", []byte("version: 1\nexpire: [{name: series, after: 30d, keepLatest: {count: 2, per: folder}}]\n"))
	if err != nil {
		t.Fatal(err)
	}
	ranker := retention.NewRanker(p, asOf)
	rank := func(created int64, groups ...string) retention.Rank {
		return retention.Rank{Rule: "series", Groups: groups, Created: created}
	}
	ranker.Add("oldest", rank(1, "g"))
	ranker.Add("newest", rank(3, "g", "h"))
	ranker.Add("newer", rank(2, "g"))
	ranker.Add("ahead", rank(asOf.UnixNano()+1, "g"))
	if got := ranker.Newest(rank(0, "g", "h", "none")); !slices.Equal(got, []string{"newest", "newer", "newest"}) {
		t.Errorf("%q", got)
	}
}

// A rule may keep any number of media.
func TestTheLargestCount(t *testing.T) {
	p := parse(t, fmt.Sprintf("version: 1\nexpire: [{name: series, after: 30d, keepLatest: {count: %d, per: folder}}]\n", math.MaxInt))
	ranker := retention.NewRanker(p, asOf)
	rank := func(created int64) retention.Rank {
		return retention.Rank{Rule: "series", Groups: []string{"g"}, Created: created}
	}
	for _, created := range []int64{1, asOf.UnixNano() + 1, 2} {
		ranker.Add("", rank(created))
	}
	if !ranker.IsLatest(rank(1)) {
		t.Error("the oldest is not among the latest")
	}
}
