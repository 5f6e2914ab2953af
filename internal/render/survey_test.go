package render_test

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/mediasweep/mediasweep/internal/media"
	"github.com/mediasweep/mediasweep/internal/policy"
	"github.com/mediasweep/mediasweep/internal/render"
	"github.com/mediasweep/mediasweep/internal/report"
	"github.com/mediasweep/mediasweep/internal/retention"
)

var update = flag.Bool("update", false, "rewrite the golden files")

const rules = `
version: 1
timezone: Asia/Shanghai
inventory: [{bucket: oss://media-in/}]
protect:
  - {name: legal-hold, match: {tags: [legal-hold]}}
  - {name: promised, until: {tag: "keep-until:"}}
expire:
  - {name: dated, at: {tag: "expire:"}}
  - {name: drafts, match: {object: ["oss://media-in/drafts/**"], state: [UnPublish], maxSize: 1GB}, after: 7d}
  - {name: series, match: {object: ["oss://media-in/series/**"]}, after: 90d, keepLatest: {count: 1, per: folder}}
  - {name: rest, after: 180d}
`

var asOf = time.Date(2026, 6, 30, 18, 0, 0, 0, time.UTC) // already July in Shanghai

func library() []media.Medium {
	medium := func(id, key, state string, days int, size int64, tags ...string) media.Medium {
		return media.Medium{ID: id, Object: media.Object{Bucket: "media-in", Key: key}, Title: media.Known(id + "\x1b[2J"), State: state, Tags: tags,
			Created: asOf.AddDate(0, 0, -days), Size: media.Known(size), Duration: media.Known(90 * time.Minute)}
	}
	return []media.Medium{
		medium("held", "clips/a.mp4", "Published", 400, 1e9, "news", "legal-hold"),
		medium("promised", "clips/b.mp4", "Published", 400, 2e9, "keep-until:2026-07-03"),
		medium("old", "clips/c.mp4", "Published", 200, 3e9),
		medium("young", "clips/d.mp4", "Published", 178, 4e9),
		medium("latest", "series/s1/e2.mp4", "Published", 100, 5e9),
		medium("earlier", "series/s1/e1.mp4", "Published", 200, 6e9),
		medium("draft", "drafts/e.mov", "UnPublish", 5, 7e8),
		medium("soon", "drafts/f.mov", "UnPublish", 1, 8e8, "expire:soon"),
		{ID: "bare", State: "Archived"},
	}
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	file := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", file, diff)
	}
}

func parse(t *testing.T, text string) *policy.Policy {
	t.Helper()
	p, err := policy.Parse("p", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func unmarked(*media.Medium) retention.Mark { return retention.Mark{} }

func TestExplanations(t *testing.T) {
	p := parse(t, rules)
	forecaster := retention.NewForecaster(p, asOf, unmarked)
	for _, m := range library() {
		forecaster.Rank(&m)
	}
	for _, m := range library() {
		var b strings.Builder
		render.WriteExplanation(&b, retention.Explain(p, &m, forecaster.Facts(&m)))
		golden(t, "explain-"+m.ID+".txt", b.String())
		if strings.Contains(b.String(), "\x1b") {
			t.Error("a title reaches the terminal as it is")
		}
	}
}

func TestForecasts(t *testing.T) {
	f := retention.NewForecast(parse(t, rules), asOf, 10, unmarked)
	for _, m := range library() {
		f.Rank(m)
	}
	for _, m := range library() {
		f.Add(m, time.Time{})
	}
	f.Finish()
	result := report.NewForecast(f, &report.Report{})
	var table, rows strings.Builder
	render.WriteForecast(&table, result)
	golden(t, "forecast.txt", table.String())
	if err := render.WriteForecastCSV(render.NewCSV(&rows, false), result); err != nil {
		t.Fatal(err)
	}
	golden(t, "forecast.csv", rows.String())
}

func TestDiffs(t *testing.T) {
	next := strings.NewReplacer("after: 180d", "after: 150d", "after: 90d", "after: 1y", "[legal-hold]", "[court]").Replace(rules)
	var rows strings.Builder
	table := render.NewCSV(&rows, false)
	d := retention.NewDiff(parse(t, rules), parse(t, next), asOf, unmarked, func(*policy.Policy, *media.Medium) bool { return true }, render.Differences(table))
	for _, m := range library() {
		d.Rank(m)
	}
	for _, m := range library() {
		d.Add(m)
	}
	d.Finish()
	var b strings.Builder
	render.WriteDiff(&b, d)
	golden(t, "diff.txt", b.String())
	if err := table.Flush(); err != nil {
		t.Fatal(err)
	}
	golden(t, "diff.csv", rows.String())
}
