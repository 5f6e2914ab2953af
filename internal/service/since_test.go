package service

import (
	"testing"
	"time"
	_ "time/tzdata"
)

// A day begins with its first instant, also where clocks skip midnight.
func TestSince(t *testing.T) {
	zone, err := time.LoadLocation("America/Santiago")
	if err != nil {
		t.Fatal(err)
	}
	s := &Service{now: func() time.Time { return time.Date(2026, 9, 7, 12, 0, 0, 0, time.UTC) }}
	for written, want := range map[string]string{
		"2026-09-06":                "2026-09-06T04:00:00Z",
		"2026-09-07":                "2026-09-07T03:00:00Z",
		"2026-09-06T10:00:00+08:00": "2026-09-06T02:00:00Z",
		"24h":                       "2026-09-06T12:00:00Z",
		"1mo":                       "2026-08-07T13:00:00Z",
	} {
		if got, err := s.since(written, zone); err != nil || got.Format(time.RFC3339) != want {
			t.Errorf("since %s: %s, %v; want %s", written, got.Format(time.RFC3339), err, want)
		}
	}
	for _, wrong := range []string{"yesterday", "2026-02-30", "0d", "-7d", "7"} {
		if got, err := s.since(wrong, zone); !IsRefusal(err) {
			t.Errorf("since %s: %s, %v; want a refusal", wrong, got, err)
		}
	}
}
