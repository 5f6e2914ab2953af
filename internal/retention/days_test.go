package retention_test

import (
	"testing"
	"time"

	"github.com/mediasweep/mediasweep/internal/retention"
)

// A day starts at its first instant: clocks that change around midnight may skip it, or show it twice.
func TestStartOf(t *testing.T) {
	for _, test := range []struct{ zone, day, want string }{
		{"UTC", "2026-09-06", "2026-09-06T00:00:00Z"},
		{"Asia/Shanghai", "2026-09-06", "2026-09-05T16:00:00Z"},
		{"America/Santiago", "2026-09-06", "2026-09-06T04:00:00Z"}, // 00:00 is skipped
		{"America/Havana", "2026-11-01", "2026-11-01T04:00:00Z"},   // 00:00 comes twice
		{"Asia/Amman", "2021-10-29", "2021-10-28T21:00:00Z"},       // and here east of Greenwich
		{"Pacific/Apia", "2011-12-30", "2011-12-30T10:00:00Z"},     // the whole day is skipped
	} {
		zone, err := time.LoadLocation(test.zone)
		if err != nil {
			t.Fatal(err)
		}
		day, err := time.Parse(time.DateOnly, test.day)
		if err != nil {
			t.Fatal(err)
		}
		if got := retention.StartOf(day, zone).UTC().Format(time.RFC3339); got != test.want {
			t.Errorf("%s in %s starts at %s, want %s", test.day, test.zone, got, test.want)
		}
	}
}

// The instant before the start of a day is of an earlier day.
func TestStartOfEveryDay(t *testing.T) {
	for _, name := range []string{"UTC", "America/Santiago", "America/Havana", "Asia/Amman", "Asia/Kathmandu", "Pacific/Apia", "Atlantic/Azores", "Africa/Cairo", "Australia/Lord_Howe"} {
		zone, err := time.LoadLocation(name)
		if err != nil {
			t.Fatal(err)
		}
		for day := time.Date(2009, 1, 1, 0, 0, 0, 0, time.UTC); day.Year() < 2030; day = day.AddDate(0, 0, 1) {
			at := retention.StartOf(day, zone)
			if retention.DateOf(at, zone).Before(day) || !retention.DateOf(at.Add(-time.Second), zone).Before(day) {
				t.Errorf("%s in %s starts at %s", day.Format(time.DateOnly), name, at)
			}
		}
	}
}
