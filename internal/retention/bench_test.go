package retention_test

import (
	"fmt"
	"math/rand/v2"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/mediasweep/mediasweep/internal/media"
	"github.com/mediasweep/mediasweep/internal/policy"
	"github.com/mediasweep/mediasweep/internal/retention"
)

// twentyRules is a policy of 20 rules with globs and tags.
func twentyRules() string {
	var b strings.Builder
	b.WriteString("version: 1\ntimezone: Asia/Shanghai\nprotect:\n")
	for i := range 5 {
		fmt.Fprintf(&b, "  - {name: hold%d, match: {tags: [hold%d, legal%d]}}\n", i, i, i)
	}
	b.WriteString("expire:\n")
	for i := range 14 {
		fmt.Fprintf(&b, "  - {name: rule%d, match: {object: [\"oss://media-in/team%d/**/*.mp4\"], tags: [tag%d, tag%d]}, after: %dd}\n", i, i, i, i+1, 30+i)
	}
	b.WriteString("  - {name: rest, match: {object: [\"oss://media-in/**\"]}, after: 180d}\n")
	return b.String()
}

func benchmarkMedia() []media.Medium {
	rng := rand.New(rand.NewPCG(1, 1))
	list := make([]media.Medium, 1024)
	for i := range list {
		list[i] = media.Medium{ID: fmt.Sprint(i), Object: media.Object{Bucket: "media-in", Key: fmt.Sprintf("team%d/show%d/season%d/episode%d.mp4", rng.IntN(20), rng.IntN(9), rng.IntN(9), i)},
			State: "Published", Created: asOf.Add(-time.Duration(rng.IntN(300)) * 24 * time.Hour), Tags: []string{fmt.Sprint("tag", rng.IntN(20)), "other"}}
	}
	return list
}

// BenchmarkDecide reports decisions a second, beside those of a loop that
// compiles each glob for each medium.
func BenchmarkDecide(b *testing.B) {
	p, err := policy.Parse("p", []byte(twentyRules()))
	if err != nil {
		b.Fatal(err)
	}
	list := benchmarkMedia()
	facts := retention.Facts{AsOf: asOf}
	b.Run("compiled", func(b *testing.B) {
		b.ReportAllocs()
		expired := 0
		for i := range b.N {
			if retention.Decide(p, &list[i%len(list)], facts).Verdict == retention.Expired {
				expired++
			}
		}
		b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "decisions/s")
	})
	b.Run("naive", func(b *testing.B) {
		b.ReportAllocs()
		for i := range b.N {
			naively(p, &list[i%len(list)])
		}
		b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "decisions/s")
	})
}

// naively decides like a script: it compiles each glob to a regular expression for each medium.
func naively(p *policy.Policy, m *media.Medium) bool {
	for _, rule := range p.Expire {
		for _, glob := range rule.Match.Object {
			pattern := strings.NewReplacer(`\*\*/`, `(?:.*/)?`, `\*\*`, `.*`, `\*`, `[^/]*`).Replace(regexp.QuoteMeta(glob.String()))
			if regexp.MustCompile("^" + pattern + "$").MatchString(m.Object.String()) {
				return asOf.After(rule.After.After(m.Created, p.Timezone))
			}
		}
	}
	return false
}

func TestDecideDoesNotAllocate(t *testing.T) {
	p := parse(t, twentyRules())
	list := benchmarkMedia()
	if allocations := testing.AllocsPerRun(100, func() {
		for i := range list {
			retention.Decide(p, &list[i], retention.Facts{AsOf: asOf})
		}
	}); allocations > 0 {
		t.Errorf("%v allocations for %d decisions", allocations, len(list))
	}
}
