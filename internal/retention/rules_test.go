package retention_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/mediasweep/mediasweep/internal/media"
	"github.com/mediasweep/mediasweep/internal/retention"
)

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
			got := retention.Decide(p, &test.medium, retention.Facts{AsOf: asOf, Mark: retention.Mark{SourceRemoved: test.removed}})
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
