package policy

import (
	"regexp"
	"testing"
	"time"
)

func TestPeriodAfter(t *testing.T) {
	shanghai, newYork := zone(t, "Asia/Shanghai"), zone(t, "America/New_York")
	tests := []struct {
		name, period, start, want string
		zone                      *time.Location
	}{
		{"days are exact", "7d", "2026-01-01T00:00:00Z", "2026-01-08T00:00:00Z", time.UTC},
		{"weeks and hours", "1w12h", "2026-01-01T00:00:00Z", "2026-01-08T12:00:00Z", time.UTC},
		{"a month ends at the month's end", "1mo", "2026-01-31T10:00:00Z", "2026-02-28T10:00:00Z", time.UTC},
		{"a leap year", "1mo", "2028-01-31T10:00:00Z", "2028-02-29T10:00:00Z", time.UTC},
		{"a year after a leap day", "1y", "2028-02-29T10:00:00Z", "2029-02-28T10:00:00Z", time.UTC},
		{"months across a year", "1y6mo", "2026-08-31T00:00:00Z", "2028-02-29T00:00:00Z", time.UTC},
		{"the calendar is the zone's", "1mo", "2026-01-30T17:00:00Z", "2026-02-27T17:00:00Z", shanghai},
		{"a time that the clocks skip", "1mo", "2026-02-08T07:30:00Z", "2026-03-08T07:30:00Z", newYork},
		{"a time that the clocks show twice", "1mo", "2026-10-01T05:30:00Z", "2026-11-01T06:30:00Z", newYork},
		{"hours are exact in an hour that comes twice", "1h", "2026-11-01T05:30:00Z", "2026-11-01T06:30:00Z", newYork},
		{"the morning before clocks go back", "1mo", "2026-10-01T04:30:00Z", "2026-11-01T04:30:00Z", newYork},
		{"the noon after", "1mo", "2026-10-01T16:00:00Z", "2026-11-01T17:00:00Z", newYork},
		{"the morning before clocks go forward", "1mo", "2026-02-08T05:30:00Z", "2026-03-08T05:30:00Z", newYork},
		{"the noon after that", "1mo", "2026-02-08T17:00:00Z", "2026-03-08T16:00:00Z", newYork},
		{"beyond what can be written", "100y", "9999-01-01T00:00:00Z", "9999-12-31T23:59:59Z", time.UTC},
		{"the same instant on UTC's calendar", "1mo", "2026-01-30T17:00:00Z", "2026-02-28T17:00:00Z", time.UTC},
		{"daylight saving shifts no day", "1d", "2026-03-08T04:30:00Z", "2026-03-09T04:30:00Z", newYork},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			period, err := ParsePeriod(test.period)
			if err != nil {
				t.Fatal(err)
			}
			start, err := time.Parse(time.RFC3339, test.start)
			if err != nil {
				t.Fatal(err)
			}
			if got := period.After(start, test.zone).Format(time.RFC3339); got != test.want {
				t.Errorf("%s after %s = %s, want %s", test.period, test.start, got, test.want)
			}
		})
	}
}

func TestParsePeriodRefuses(t *testing.T) {
	for _, s := range []string{"", "0d", "0y0mo", "-1d", "7", "d", "1d1w", "1.5d", "7 d", "1m", "7D", "101y", "99999999999999999999d", "2147483647h", "1d "} {
		if p, err := ParsePeriod(s); err == nil {
			t.Errorf("ParsePeriod(%q) = %v, want an error", s, p)
		}
	}
}

// A period has at most a hundred years, and what rounds down to them.
func TestTheLongestPeriod(t *testing.T) {
	for s, want := range map[string]bool{"100y": true, "1200mo": true, "1211mo": true, "1212mo": false, "100y11mo": true, "878400h": true, "878401h": false, "36600d": true, "36965d23h": true, "36966d": false} {
		if _, err := ParsePeriod(s); (err == nil) != want {
			t.Errorf("%s: %v", s, err)
		}
	}
}

// What a mistake advises to write is no mistake itself.
func TestPeriodAdvice(t *testing.T) {
	advised := regexp.MustCompile(`write "?(\w+)"? for`)
	for _, s := range []string{"7", "007", "6m", "06m", "1y06m", "01y6m", "0m"} {
		_, err := ParsePeriod(s)
		if err == nil {
			t.Errorf("%s is a period", s)
			continue
		}
		if advice := advised.FindStringSubmatch(err.Error()); advice != nil {
			if _, again := ParsePeriod(advice[1]); again != nil {
				t.Errorf("%s: %v: and then %v", s, err, again)
			}
		}
	}
}

// A space stands between a number and its unit only.
func TestSpaceInSize(t *testing.T) {
	for s, want := range map[string]bool{"1": true, "1B": true, "1 MB": true, "1 ": false, " 1": false, "1  MB": false, "1 MB ": false} {
		if _, err := parseSize(s); (err == nil) != want {
			t.Errorf("%q: %v", s, err)
		}
	}
}

// The largest size fits into a number of bytes, whatever its unit.
func TestTheLargestSize(t *testing.T) {
	for s, want := range map[string]bool{"9223372036854775807": true, "9223372036854775808": false, "9223372036854775KB": true, "9223372036854776KB": false, "8388607TiB": true, "8388608TiB": false} {
		if _, err := parseSize(s); (err == nil) != want {
			t.Errorf("%s: %v", s, err)
		}
	}
}

func TestPeriodStringIsCanonical(t *testing.T) {
	for s, want := range map[string]string{"1w": "7d", "48h": "2d", "18mo": "1y6mo", "30d": "30d", "1y2mo3w4d5h": "1y2mo25d5h"} {
		p, err := ParsePeriod(s)
		if err != nil || p.String() != want {
			t.Errorf("ParsePeriod(%q) = %q, %v; want %q", s, p, err, want)
		}
	}
}

func zone(t *testing.T, name string) *time.Location {
	t.Helper()
	location, err := time.LoadLocation(name)
	if err != nil {
		t.Fatal(err)
	}
	return location
}
