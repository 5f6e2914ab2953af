package retention_test

import (
	"testing"
	"time"

	"github.com/mediasweep/mediasweep/internal/policy"
	"github.com/mediasweep/mediasweep/internal/retention"
)

// A medium goes a notice after its announcement, and is announced once it is due.
func TestGoes(t *testing.T) {
	now := time.Date(2026, 6, 30, 12, 0, 0, 0, time.UTC)
	day := 24 * time.Hour
	for _, test := range []struct {
		name, notice   string
		due, announced time.Time
		want           time.Time
	}{
		{"no notice", "", now.Add(-day), time.Time{}, now.Add(-day)},
		{"announced", "notice: 7d\n", now.Add(-9 * day), now.Add(-2 * day), now.Add(5 * day)},
		{"its notice has run", "notice: 7d\n", now.Add(-9 * day), now.Add(-8 * day), now.Add(-day)},
		{"not announced", "notice: 7d\n", now.Add(-9 * day), time.Time{}, now.Add(7 * day)},
		{"not due", "notice: 7d\n", now.Add(3 * day), time.Time{}, now.Add(10 * day)},
		{"announced before it was kept", "notice: 7d\n", now.Add(3 * day), now.Add(-day), now.Add(10 * day)},
		{"a month of the calendar", "notice: 1mo\n", now.Add(-day), now, now.AddDate(0, 1, 0)},
	} {
		p, err := policy.Parse("p", []byte("version: 1\n"+test.notice))
		if err != nil {
			t.Fatal(err)
		}
		if got := retention.Goes(p, retention.Facts{AsOf: now, Announced: test.announced}, test.due); !got.Equal(test.want) {
			t.Errorf("%s: %s, want %s", test.name, got, test.want)
		}
	}
}
