package retention_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/mediasweep/mediasweep/internal/media"
	"github.com/mediasweep/mediasweep/internal/policy"
	"github.com/mediasweep/mediasweep/internal/retention"
)

// all decides on a library and returns each medium's verdict.
func all(p *policy.Policy, library []media.Medium, removed bool) map[string]retention.Decision {
	verdicts := map[string]retention.Decision{}
	decided := func(m *media.Medium, d retention.Decision, _ retention.Facts) {
		if _, twice := verdicts[m.ID]; twice {
			panic("decided twice: " + m.ID)
		}
		verdicts[m.ID] = d
	}
	decider := retention.NewDecider(p, asOf)
	for _, m := range library {
		decider.Add(m, removed, decided)
	}
	decider.Finish(decided)
	return verdicts
}

func expired(verdicts map[string]retention.Decision) []string {
	var ids []string
	for id, d := range verdicts {
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

// A medium that comes twice has one place in its group, also after a break.
func TestOneThatComesTwice(t *testing.T) {
	p := parse(t, "version: 1\nexpire: [{name: series, after: 30d, keepLatest: {count: 2, per: folder}}]\n")
	library := []media.Medium{series("a", 40), series("b", 50), series("c", 60), series("a", 40), series("young", 3), series("young", 3), series("b", 50), series("c", 60)}
	for i := range library {
		library[i].Record = fmt.Appendf(nil, `{"MediaId":%q,"CreationTime":%q,"PublishState":"Published","File":{"URL":%q}}`,
			library[i].ID, library[i].Created.Format("2006-01-02T15:04:05Z"), library[i].Object.URL("cn-shanghai", media.SlashPlain))
	}
	for cut := range len(library) {
		gone := map[string]bool{}
		decided := func(m *media.Medium, d retention.Decision, _ retention.Facts) {
			if d.Verdict == retention.Expired {
				gone[m.ID] = true
			}
		}
		decider := retention.NewDecider(p, asOf)
		for i, m := range library {
			if i == cut {
				again := retention.NewDecider(p, asOf)
				if err := again.Resume(decider.Places()); err != nil {
					t.Fatal(err)
				}
				decider = again
			}
			decider.Add(m, false, decided)
		}
		decider.Finish(decided)
		if len(gone) != 2 || !gone["b"] || !gone["c"] {
			t.Errorf("cut at %d: %v are gone", cut, gone)
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
				verdicts := all(p, test.library, false)
				if diff := cmp.Diff(test.want, expired(verdicts)); diff != "" || len(verdicts) != len(test.library) {
					t.Fatalf("%d decided; expired (-want +got):\n%s", len(verdicts), diff)
				}
			}
		})
	}
}

// TestDeciderProperties: the order does not matter, a part of a library never
// loses more than the whole, and without keepLatest the decider is Decide.
func TestDeciderProperties(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 0))
	p := parse(t, `
version: 1
protect:
  - {name: hold, match: {tags: [t0]}}
expire:
  - {name: drafts, match: {state: [UnPublish]}, after: 5d}
  - {name: series, match: {object: ["oss://media-in/d1/**", "oss://media-in/d2/**"]}, after: 30d, keepLatest: {count: 2, per: folder}}
  - {name: tagged, match: {tags: [t1]}, after: 60d, keepLatest: {count: 1, per: "tag:t"}}
  - {name: rest, after: 90d}
`)
	for range 300 {
		library := make([]media.Medium, 1+rng.IntN(40))
		for i := range library {
			library[i] = randomMedium(rng)
			library[i].ID = fmt.Sprint(i)
			library[i].Created = library[i].Created.Truncate(48 * time.Hour) // so that there are ties
		}
		whole := all(p, library, false)
		for _, m := range library {
			d, plain := whole[m.ID], retention.Decide(p, &m, retention.Facts{AsOf: asOf, NotLatest: true})
			if d.Verdict != plain.Verdict && (plain.Verdict != retention.Expired || d.Cause != retention.AmongLatest) {
				t.Errorf("decider says %+v, Decide %+v", d, plain)
			}
		}
		rng.Shuffle(len(library), func(i, j int) { library[i], library[j] = library[j], library[i] })
		if diff := cmp.Diff(expired(whole), expired(all(p, library, false))); diff != "" {
			t.Errorf("another order decides otherwise:\n%s", diff)
		}
		for _, id := range expired(all(p, library[:rng.IntN(len(library)+1)], false)) {
			if whole[id].Verdict != retention.Expired {
				t.Errorf("a part of the library loses %s and the whole does not", id)
			}
		}
	}
}

// A decider that is kept and resumed in the middle decides as one that is not.
func TestPlaces(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 0))
	p := parse(t, "version: 1\nexpire:\n  - {name: tagged, match: {tags: [x]}, after: 30d, keepLatest: {count: 1, per: \"tag:show:\"}}\n  - {name: series, after: 60d, keepLatest: {count: 2, per: folder}}\n")
	for range 200 {
		var library []media.Medium
		for i := range rng.IntN(40) {
			var tags []string
			for _, tag := range []string{"x", "show:a", "show:b"} {
				if rng.IntN(2) == 0 {
					tags = append(tags, tag)
				}
			}
			list, err := json.Marshal(tags)
			if err != nil {
				t.Fatal(err)
			}
			m, err := media.Parse(fmt.Appendf(nil, `{"MediaId":"m%d","PublishState":"Published","CreationTime":%q,"File":{"URL":"http://media-in.oss-cn-shanghai.aliyuncs.com/d%d/%d"},"Tags":{"Tag":%s}}`,
				i, asOf.AddDate(0, 0, -rng.IntN(120)).Format(time.RFC3339), rng.IntN(3), i, list))
			if err != nil {
				t.Fatal(err)
			}
			library = append(library, m)
		}
		got := map[string]retention.Decision{}
		decided := func(m *media.Medium, d retention.Decision, _ retention.Facts) { got[m.ID] = d }
		cut := rng.IntN(len(library) + 1)
		first, second := retention.NewDecider(p, asOf), retention.NewDecider(p, asOf)
		for _, m := range library[:cut] {
			first.Add(m, false, decided)
		}
		kept, err := json.Marshal(first.Places())
		if err != nil {
			t.Fatal(err)
		}
		var places []retention.Place
		if err := errors.Join(json.Unmarshal(kept, &places), second.Resume(places)); err != nil {
			t.Fatal(err)
		}
		for _, m := range library[cut:] {
			second.Add(m, false, decided)
		}
		second.Finish(decided)
		if diff := cmp.Diff(expired(all(p, library, false)), expired(got)); diff != "" || len(got) != len(library) {
			t.Fatalf("cut at %d of %d (-in one go +resumed):\n%s", cut, len(library), diff)
		}
	}
}

func TestDates(t *testing.T) {
	const rules = `
version: 1
timezone: %s
protect: [{name: promised, until: {tag: "keep-until:"}}]
expire:
  - {name: dated, at: {tag: "expire:"}}
  - {name: rest, after: 180d}
`
	tests := []struct {
		name, zone string
		asOf       string
		tags       []string
		want       retention.Verdict
		cause      retention.Cause
	}{
		{"the day is not over", "UTC", "2026-06-30T23:59:59Z", []string{"expire:2026-06-30"}, retention.Keep, retention.TooYoung},
		{"the day is over", "UTC", "2026-07-01T00:00:00Z", []string{"expire:2026-06-30"}, retention.Expired, retention.TimeIsUp},
		{"over in Shanghai, not in UTC", "Asia/Shanghai", "2026-06-30T16:00:00Z", []string{"expire:2026-06-30"}, retention.Expired, retention.TimeIsUp},
		{"a second before it is over in Shanghai", "Asia/Shanghai", "2026-06-30T15:59:59Z", []string{"expire:2026-06-30"}, retention.Keep, retention.TooYoung},
		{"a day of 25 hours", "America/New_York", "2026-11-02T04:59:59Z", []string{"expire:2026-11-01"}, retention.Keep, retention.TooYoung},
		{"a day of 25 hours is over", "America/New_York", "2026-11-02T05:00:00Z", []string{"expire:2026-11-01"}, retention.Expired, retention.TimeIsUp},
		{"the latest of several", "UTC", "2026-07-01T00:00:00Z", []string{"expire:2026-06-30", "expire:2026-08-30"}, retention.Keep, retention.TooYoung},
		{"no day", "UTC", "2026-07-01T00:00:00Z", []string{"expire:soon"}, retention.Unknown, retention.DateMalformed},
		{"no such day", "UTC", "2026-07-01T00:00:00Z", []string{"expire:2026-02-30"}, retention.Unknown, retention.DateMalformed},
		{"one of two is no day", "UTC", "2026-07-01T00:00:00Z", []string{"expire:2026-01-01", "expire:"}, retention.Unknown, retention.DateMalformed},
		{"without the tag the next rule decides", "UTC", "2026-07-01T00:00:00Z", []string{"other"}, retention.Expired, retention.TimeIsUp},
		{"protected until the end of the day", "UTC", "2026-07-01T23:59:59Z", []string{"keep-until:2026-07-01", "expire:2026-01-01"}, retention.Protected, retention.DateAhead},
		{"midnight is skipped", "America/Santiago", "2026-09-06T03:59:59Z", []string{"keep-until:2026-09-05"}, retention.Protected, retention.DateAhead},
		{"midnight was skipped", "America/Santiago", "2026-09-06T04:00:00Z", []string{"keep-until:2026-09-05"}, retention.Expired, retention.TimeIsUp},
		{"the next day is skipped", "Pacific/Apia", "2011-12-30T09:59:59Z", []string{"keep-until:2011-12-29"}, retention.Protected, retention.DateAhead},
		{"the last day that can be written", "UTC", "2026-07-01T00:00:00Z", []string{"keep-until:9999-12-31"}, retention.Protected, retention.DateAhead},
		{"no longer protected", "UTC", "2026-07-02T00:00:00Z", []string{"keep-until:2026-07-01", "expire:2026-01-01"}, retention.Expired, retention.TimeIsUp},
		{"a malformed protection protects", "UTC", "2026-07-02T00:00:00Z", []string{"keep-until:tomorrow", "expire:2026-01-01"}, retention.Protected, retention.DateMalformed},
		{"the latest protection holds", "UTC", "2026-07-02T00:00:00Z", []string{"keep-until:2026-07-01", "keep-until:2027-01-01"}, retention.Protected, retention.DateAhead},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			p := parse(t, fmt.Sprintf(rules, test.zone))
			now, err := time.Parse(time.RFC3339, test.asOf)
			if err != nil {
				t.Fatal(err)
			}
			m := series("a", 0, test.tags...)
			m.Created = time.Date(2025, 1, 1, 0, 0, 0, 0, time.UTC)
			got := retention.Decide(p, &m, retention.Facts{AsOf: now})
			if got.Verdict != test.want || got.Cause != test.cause || got.Reason() == "" {
				t.Errorf("%+v (%s), want verdict %d, cause %d", got, got.Reason(), test.want, test.cause)
			}
		})
	}
}

func TestSourceRemoved(t *testing.T) {
	p := parse(t, `
version: 1
protect: [{name: hold, match: {tags: [legal-hold]}}]
expire:
  - {name: orphans, match: {object: ["oss://media-in/series/**"]}, onSourceRemoved: true}
  - {name: rest, after: 180d}
`)
	elsewhere := series("elsewhere", 1)
	elsewhere.Object.Key = "clips/a"
	tests := []struct {
		name    string
		medium  media.Medium
		removed bool
		want    retention.Verdict
		rule    string
	}{
		{"removed", series("a", 1), true, retention.Expired, "orphans"},
		{"not removed", series("a", 1), false, retention.Keep, "rest"},
		{"removed and held", series("a", 1, "legal-hold"), true, retention.Protected, "hold"},
		{"removed, another rule's", elsewhere, true, retention.Keep, "rest"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got := all(p, []media.Medium{test.medium}, test.removed)[test.medium.ID]
			if got.Verdict != test.want || got.RuleName() != test.rule {
				t.Errorf("%+v by %q", got, got.RuleName())
			}
		})
	}
}

func TestMatchKeys(t *testing.T) {
	m := media.Medium{ID: "a", Object: media.Object{Bucket: "media-in", Key: "d/a.mp4"}, State: "Published", Created: asOf.AddDate(-1, 0, 0),
		Tags: []string{"x", "y"}, Title: media.Known("Episode 7"), Category: media.Known(int64(5)),
		Size: media.Known(int64(2_000_000)), Duration: media.Known(90 * time.Second)}
	bare := media.Medium{ID: "b", Object: m.Object, State: "Published", Created: m.Created}
	tests := []struct {
		match string
		want  retention.Verdict // of the medium with all fields
		bare  retention.Verdict // of the one without
	}{
		{"{tags: [y, z]}", retention.Expired, retention.Keep},
		{"{tagsAll: [x, y]}", retention.Expired, retention.Keep},
		{"{tagsAll: [x, z]}", retention.Keep, retention.Keep},
		{"{category: [4, 5]}", retention.Expired, retention.Unknown},
		{"{category: 5}", retention.Expired, retention.Unknown},
		{"{category: 4}", retention.Keep, retention.Unknown},
		{"{title: '^Episode \\d+$'}", retention.Expired, retention.Unknown},
		{"{title: '^episode'}", retention.Keep, retention.Unknown},
		{"{minSize: 2MB}", retention.Expired, retention.Unknown},
		{"{minSize: 2MiB}", retention.Keep, retention.Unknown},
		{"{maxSize: 2000000}", retention.Expired, retention.Unknown},
		{"{minSize: 1MB, maxSize: 1999KB}", retention.Keep, retention.Unknown},
		{"{minDuration: 90s, maxDuration: 1m30s}", retention.Expired, retention.Unknown},
		{"{minDuration: 2m}", retention.Keep, retention.Unknown},
		{"{maxDuration: 1h, tags: [z]}", retention.Keep, retention.Keep},
	}
	for _, test := range tests {
		t.Run(test.match, func(t *testing.T) {
			p := parse(t, "version: 1\nexpire: [{name: r, match: "+test.match+", after: 1d}]\n")
			if got := retention.Decide(p, &m, retention.Facts{AsOf: asOf}); got.Verdict != test.want {
				t.Errorf("%+v, want %d", got, test.want)
			}
			if got := retention.Decide(p, &bare, retention.Facts{AsOf: asOf}); got.Verdict != test.bare {
				t.Errorf("without the fields: %+v, want %d", got, test.bare)
			}
		})
	}
}
