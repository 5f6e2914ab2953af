package retention_test

import (
	"slices"
	"testing"
	"time"

	"github.com/mediasweep/mediasweep/internal/media"
	"github.com/mediasweep/mediasweep/internal/retention"
)

// Explain lists the changes that reverse the verdict, the likeliest first.
func TestChanges(t *testing.T) {
	const dated = `
version: 1
timezone: Asia/Shanghai
protect:
  - {name: hold, match: {tags: [hold, wait]}}
  - {name: both, match: {tagsAll: [x, y]}}
  - {name: until, until: {tag: "keep-until:"}}
expire:
  - {name: at, at: {tag: "expire:"}}
  - {name: drafts, match: {state: [UnPublish]}, after: 7d}
  - {name: rest, after: 180d}
`
	tests := []struct {
		name, rules string
		medium      media.Medium
		facts       retention.Facts
		want        []string
	}{
		{"expired", dated, series("a", 200), retention.Facts{}, []string{
			"it is tagged hold", "it is tagged wait", "it is tagged x and y", "it is tagged keep-until:2026-07-01", "it is tagged expire:2026-07-01"}},
		{"protected by one of two tags", dated, series("a", 200, "hold", "other"), retention.Facts{}, []string{"the tag hold is removed"}},
		{"protected by two tags", dated, series("a", 200, "wait", "other", "hold"), retention.Facts{}, []string{"the tags hold and wait are removed"}},
		{"protected by two tags of one rule", dated, series("a", 200, "x", "y"), retention.Facts{}, []string{"the tag x is removed", "the tag y is removed", "the tags x and y are removed"}},
		{"protected until a day", dated, series("a", 200, "keep-until:2026-07-15"), retention.Facts{}, []string{
			"time passes until 2026-07-15T16:00:00Z, in 15 days", "the tag keep-until:2026-07-15 is removed", "its tags that start with keep-until: become keep-until:2026-06-29"}},
		{"protected until two days", dated, series("a", 200, "keep-until:2026-07-15", "keep-until:2026-07-01"), retention.Facts{}, []string{
			"time passes until 2026-07-15T16:00:00Z, in 15 days", "the tags keep-until:2026-07-01 and keep-until:2026-07-15 are removed", "its tags that start with keep-until: become keep-until:2026-06-29"}},
		{"too young", dated, series("a", 100), retention.Facts{}, []string{
			"time passes until 2026-09-18T12:00:00Z, in 80 days", "it is tagged expire:2026-06-29", "its state becomes UnPublish"}},
		{"among the latest", "version: 1\nexpire: [{name: shows, after: 30d, keepLatest: {count: 3, per: folder}}]\n", series("a", 100), retention.Facts{}, []string{
			"newer media come into its group, so that it is not among the latest 3"}},
		{"many", "version: 1\nprotect: [{name: hold, match: {tags: [a, b, c, d, e, f, g]}}]\nexpire: [{name: all, after: 30d}]\n", series("a", 100), retention.Facts{}, []string{
			"it is tagged a", "it is tagged b", "it is tagged c", "it is tagged d", "it is tagged e", "it is tagged f"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			test.facts.AsOf = asOf
			var got []string
			for _, change := range retention.Explain(parse(t, test.rules), &test.medium, test.facts).Changes {
				got = append(got, change.What)
			}
			if !slices.Equal(got, test.want) {
				t.Errorf("changes %q, want %q", got, test.want)
			}
		})
	}
}

// A change within the groups of a medium has no condition; one that leads into another group has.
func TestChangesKeepTheGroup(t *testing.T) {
	p := parse(t, "version: 1\nprotect: [{name: hold, match: {tags: [hold]}}]\nexpire: [{name: shows, after: 30d, keepLatest: {count: 3, per: folder}}]\n")
	m := series("a", 100, "hold")
	e := retention.Explain(p, &m, retention.Facts{AsOf: asOf, NotLatest: true})
	if len(e.Changes) != 1 || e.Changes[0].What != "the tag hold is removed" || e.Changes[0].Verdict != retention.Expired || e.Changes[0].Unless != "" {
		t.Errorf("changes %+v", e.Changes)
	}
}

// Each rule that applies has its own date. A hold does not change it.
func TestExplainedRules(t *testing.T) {
	p := parse(t, "version: 1\nexpire:\n  - {name: orphans, onSourceRemoved: true}\n  - {name: drafts, match: {state: [UnPublish]}, after: 7d}\n  - {name: rest, after: 180d}\n")
	m := series("a", 200)
	e := retention.Explain(p, &m, retention.Facts{AsOf: asOf, Mark: retention.Mark{Kind: retention.Restored, Until: asOf.AddDate(0, 0, 9)}})
	want := []time.Time{{}, {}, m.Created.AddDate(0, 0, 180)}
	for i, rule := range e.Rules {
		if !rule.ExpiresAt.Equal(want[i]) || rule.Decides != (i == 2) {
			t.Errorf("rule %+v, want the date %s", rule, want[i])
		}
	}
	m.Created = time.Time{}
	for _, rule := range retention.Explain(p, &m, retention.Facts{AsOf: asOf}).Rules {
		if !rule.ExpiresAt.IsZero() {
			t.Errorf("without a time of its own: %+v", rule)
		}
	}
}

func TestDistance(t *testing.T) {
	for seconds, want := range map[int]string{
		0: "now", 1: "in 1 seconds", 119: "in 119 seconds", 120: "in 2 minutes", 7199: "in 119 minutes", 7200: "in 2 hours",
		2*86400 - 1: "in 47 hours", 2 * 86400: "in 2 days", -1: "1 seconds ago", -3 * 86400: "3 days ago",
	} {
		if got := retention.Distance(asOf, asOf.Add(time.Duration(seconds)*time.Second)); got != want {
			t.Errorf("%d s: %q, want %q", seconds, got, want)
		}
	}
}

// A protection that has passed applies, and decides nothing. The answer of its rule has its end.
func TestTheEndOfAProtection(t *testing.T) {
	p := parse(t, "version: 1\nprotect: [{name: promised, until: {tag: \"keep-until:\"}}, {name: tagged, match: {tags: [\"2026-06-01\"]}}]\nexpire: [{name: rest, after: 7d}]\n")
	for _, test := range []struct {
		tag  string
		want time.Time
	}{
		{"keep-until:2026-06-01", time.Date(2026, 6, 2, 0, 0, 0, 0, time.UTC)},
		{"keep-until:2026-08-01", time.Date(2026, 8, 2, 0, 0, 0, 0, time.UTC)},
		{"keep-until:soon", time.Time{}},
		{"2026-06-01", time.Time{}},
	} {
		m := series("a", 100, test.tag)
		rules := retention.Explain(p, &m, retention.Facts{AsOf: asOf}).Rules
		if !rules[0].ExpiresAt.Equal(test.want) || !rules[1].ExpiresAt.IsZero() {
			t.Errorf("%s: the protections end at %v and %v, want %v and none", test.tag, rules[0].ExpiresAt, rules[1].ExpiresAt, test.want)
		}
	}
}
