package report_test

import (
	"testing"
	"time"

	"github.com/mediasweep/mediasweep/internal/report"
)

// Days are those of the policy: at four in the morning in Shanghai it is the day before by UTC.
func TestDueWithinSeven(t *testing.T) {
	shanghai, losAngeles := time.FixedZone("Shanghai", 8*3600), time.FixedZone("Los Angeles", -8*3600)
	for name, test := range map[string]struct {
		zone *time.Location
		asOf time.Time
		want int
	}{
		"ahead of UTC": {shanghai, time.Date(2026, 11, 26, 4, 0, 0, 0, shanghai), 3},
		"the same day": {shanghai, time.Date(2026, 11, 26, 12, 0, 0, 0, shanghai), 3},
		"behind UTC":   {losAngeles, time.Date(2026, 11, 25, 20, 0, 0, 0, losAngeles), 1},
		"UTC":          {nil, time.Date(2026, 11, 26, 4, 0, 0, 0, time.UTC), 3},
	} {
		r := &report.Report{AsOf: test.asOf.UTC(), Due: []report.Due{{Day: "2026-11-26", Media: 1}, {Day: "2026-12-03", Media: 2}, {Day: "2026-12-04", Media: 4}}, Hidden: report.Hidden{Zone: test.zone}}
		if _, media := r.DueWithinSeven(); media != test.want {
			t.Errorf("%s: %d media, want %d", name, media, test.want)
		}
	}
}
