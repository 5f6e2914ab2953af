package service

import (
	"testing"
	"time"
)

// A day begins in the policy's timezone; a period ends now.
func TestSince(t *testing.T) {
	zone := time.FixedZone("CST", 8*3600)
	s := &Service{clock: clock{now: func() time.Time { return time.Date(2026, 3, 31, 12, 0, 0, 5, time.UTC) }}}
	for written, want := range map[string]string{
		"2026-03-30":                "2026-03-29T16:00:00Z",
		"2026-03-30T00:00:00Z":      "2026-03-30T00:00:00Z",
		"2026-03-30T00:00:00+02:00": "2026-03-29T22:00:00Z",
		"24h":                       "2026-03-30T12:00:00Z",
		"7d":                        "2026-03-24T12:00:00Z",
		"2026-02-30":                "", "yesterday": "", "-7d": "", "7": "", " 7d": "", "2026-03-30 00:00:00": "",
	} {
		got, err := s.since(written, zone)
		switch {
		case want == "" && !IsRefusal(err):
			t.Errorf("%q: %v, %v; want a refusal", written, got, err)
		case want != "" && (err != nil || got.Format(time.RFC3339Nano) != want):
			t.Errorf("%q: %v, %v; want %s", written, got.Format(time.RFC3339Nano), err, want)
		}
	}
}
