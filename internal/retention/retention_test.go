package retention_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"
	_ "time/tzdata"

	"github.com/mediasweep/mediasweep/internal/media"
	"github.com/mediasweep/mediasweep/internal/policy"
	"github.com/mediasweep/mediasweep/internal/retention"
)

var asOf = time.Date(2026, 6, 30, 12, 0, 0, 0, time.UTC)

const rules = `
version: 1
protect:
  - {name: hold, match: {tags: [legal-hold]}}
  - {name: masters, match: {object: ["oss://media-in/masters/**"]}}
expire:
  - {name: drafts, match: {object: ["oss://media-in/drafts/**"], state: [Initiated, UnPublish]}, after: 7d}
  - {name: rest, match: {object: ["oss://media-in/**"]}, after: 180d}
`

func TestDecide(t *testing.T) {
	p := parse(t, rules)
	old, young := asOf.AddDate(-1, 0, 0), asOf.AddDate(0, 0, -1)
	in := func(key string) media.Object { return media.Object{Bucket: "media-in", Key: key} }
	tests := []struct {
		name   string
		medium media.Medium
		want   retention.Verdict
		rule   string
	}{
		{"old", media.Medium{Object: in("a"), State: "Published", Created: old}, retention.Expired, "rest"},
		{"young", media.Medium{Object: in("a"), State: "Published", Created: young}, retention.Keep, "rest"},
		{"to the second", media.Medium{Object: in("a"), State: "Published", Created: asOf.Add(-180 * 24 * time.Hour)}, retention.Expired, "rest"},
		{"a second before", media.Medium{Object: in("a"), State: "Published", Created: asOf.Add(-180*24*time.Hour + time.Second)}, retention.Keep, "rest"},
		{"initiated is live", media.Medium{Object: in("a"), State: "Initiated", Created: old}, retention.Expired, "rest"},
		{"first rule is final", media.Medium{Object: in("drafts/a"), State: "UnPublish", Created: asOf.AddDate(0, 0, -3)}, retention.Keep, "drafts"},
		{"first rule takes", media.Medium{Object: in("drafts/a"), State: "UnPublish", Created: asOf.AddDate(0, 0, -8)}, retention.Expired, "drafts"},
		{"state sends it on", media.Medium{Object: in("drafts/a"), State: "Published", Created: asOf.AddDate(0, 0, -8)}, retention.Keep, "rest"},
		{"no rule applies", media.Medium{Object: media.Object{Bucket: "other", Key: "a"}, State: "Published", Created: old}, retention.Keep, ""},
		{"held", media.Medium{Object: in("a"), State: "Published", Created: old, Tags: []string{"x", "legal-hold"}}, retention.Protected, "hold"},
		{"held although all else is unknown", media.Medium{Tags: []string{"legal-hold"}}, retention.Protected, "hold"},
		{"second protect rule", media.Medium{Object: in("masters/a"), State: "Published", Created: old}, retention.Protected, "masters"},
		{"protected wins over an unreadable first rule", media.Medium{Object: in("masters/a"), TagsGarbled: true, State: "Published", Created: old}, retention.Protected, "masters"},
		{"tags garbled", media.Medium{Object: in("a"), TagsGarbled: true, State: "Published", Created: old}, retention.Unknown, "hold"},
		{"object unknown", media.Medium{State: "Published", Created: old}, retention.Unknown, "masters"},
		{"no creation time", media.Medium{Object: in("a"), State: "Published"}, retention.Unknown, ""},
		{"created in the future", media.Medium{Object: in("a"), State: "Published", Created: asOf.Add(time.Second)}, retention.Unknown, ""},
		{"undocumented state", media.Medium{Object: in("a"), State: "Archived", Created: old}, retention.Unknown, ""},
		{"no state", media.Medium{Object: in("a"), Created: old}, retention.Unknown, ""},
		{"deleted", media.Medium{Object: in("a"), State: "Deleted", Created: old}, retention.Absent, ""},
		{"deleted though held", media.Medium{State: "Deleted", Tags: []string{"legal-hold"}}, retention.Absent, ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got := retention.Decide(p, &test.medium, retention.Facts{AsOf: asOf})
			if got.Verdict != test.want || got.RuleName() != test.rule || got.Reason() == "" {
				t.Errorf("Decide = %+v, want verdict %d by %q with a reason", got, test.want, test.rule)
			}
		})
	}
}

// A reason is bounded, however long the texts of the policy are.
func TestReasonsAreBounded(t *testing.T) {
	d := retention.Decision{Cause: retention.DateMalformed, Rule: &policy.Rule{Name: "dated", Date: strings.Repeat("x", 100_000)}}
	if got := d.Reason(); len(got) > 200 {
		t.Errorf("%d bytes: %.200s", len(got), got)
	}
}

// An expire rule's field that the record lacks decides nothing where another key
// of the rule already says no.
func TestDecideUnknownFieldOfARuleThatDoesNotApply(t *testing.T) {
	p := parse(t, `
version: 1
expire:
  - {name: drafts, match: {object: ["oss://media-in/drafts/**"], tags: [draft]}, after: 7d}
  - {name: rest, after: 180d}
`)
	m := media.Medium{State: "Published", Created: asOf.AddDate(-1, 0, 0)}
	if got := retention.Decide(p, &m, retention.Facts{AsOf: asOf}); got.Verdict != retention.Expired || got.RuleName() != "rest" {
		t.Errorf("Decide = %+v, want expired by rest", got)
	}
}

// TestDecideProperties holds random policies and media against the promises that
// no policy may break.
func TestDecideProperties(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 0))
	for range 600 {
		days := 1 + rng.IntN(300)
		base := randomPolicy(rng, days)
		p, longer, guarded := parse(t, base), parse(t, withLongerAge(base, days)), parse(t, base+"  - {name: extra, match: {tags: [t1]}}\n")
		m := randomMedium(rng)
		d := retention.Decide(p, &m, retention.Facts{AsOf: asOf})
		if d != retention.Decide(p, &m, retention.Facts{AsOf: asOf}) {
			t.Fatalf("not a function of its input: %+v", m)
		}
		if d.Verdict != retention.Expired {
			if got := retention.Decide(longer, &m, retention.Facts{AsOf: asOf}); got.Verdict == retention.Expired {
				t.Errorf("a longer age expires %+v\n%s", m, base)
			}
			if got := retention.Decide(guarded, &m, retention.Facts{AsOf: asOf}); got.Verdict == retention.Expired {
				t.Errorf("one more protect rule expires %+v\n%s", m, base)
			}
		}
		if d.Verdict == retention.Expired && (m.Created.IsZero() || m.Created.After(asOf) || d.ExpiresAt.After(asOf) || d.Rule == nil) {
			t.Errorf("expired without ground: %+v %+v", d, m)
		}
	}
}

func randomPolicy(rng *rand.Rand, days int) string {
	var b strings.Builder
	fmt.Fprintf(&b, "version: 1\nexpire:\n")
	fmt.Fprintf(&b, "  - {name: a, match: {tags: [t%d]}, after: %dd}\n", rng.IntN(3), days)
	fmt.Fprintf(&b, "  - {name: b, match: {object: [\"oss://media-in/d%d/**\"]}, after: %dd}\n", rng.IntN(3), days)
	fmt.Fprintf(&b, "  - {name: c, after: %dd}\n", days)
	fmt.Fprintf(&b, "protect:\n  - {name: p, match: {tags: [t%d], state: [Published]}}\n", rng.IntN(3))
	return b.String()
}

func withLongerAge(text string, days int) string {
	return strings.ReplaceAll(text, fmt.Sprintf("after: %dd", days), fmt.Sprintf("after: %dd", days+10))
}

func randomMedium(rng *rand.Rand) media.Medium {
	m := media.Medium{ID: "m", State: []string{"Published", "UnPublish", "Initiated", "Odd", "Deleted"}[rng.IntN(5)], TagsGarbled: rng.IntN(10) == 0}
	if rng.IntN(5) > 0 {
		m.Object = media.Object{Bucket: "media-in", Key: fmt.Sprintf("d%d/a", rng.IntN(4))}
	}
	if rng.IntN(10) > 0 {
		m.Created = asOf.Add(-time.Duration(rng.IntN(400*24)-24) * time.Hour)
	}
	for i := range 3 {
		if rng.IntN(3) == 0 {
			m.Tags = append(m.Tags, fmt.Sprintf("t%d", i))
		}
	}
	return m
}

func parse(t *testing.T, text string) *policy.Policy {
	t.Helper()
	p, err := policy.Parse("retention.yaml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return p
}
