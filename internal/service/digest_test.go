package service

import (
	"testing"
	"time"
)

// Digests about events and requests are ten minutes apart, and the next one of any kind counts those held back.
func TestAdmitDigests(t *testing.T) {
	var d digests
	start := time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC)
	for i, step := range []struct {
		after   time.Duration
		limited bool
		held    int
		ok      bool
	}{
		{0, true, 0, true},
		{time.Minute, true, 0, false},
		{2 * time.Minute, true, 0, false},
		{3 * time.Minute, false, 2, true},
		{4 * time.Minute, true, 0, false},
		{10*time.Minute - 1, true, 0, false},
		{10 * time.Minute, true, 2, true},
		{11 * time.Minute, true, 0, false},
		{-time.Minute, true, 1, true}, // the clock was set back: by eleven minutes
	} {
		if held, ok := d.admit(start.Add(step.after), step.limited); held != step.held || ok != step.ok {
			t.Errorf("step %d: %d held, admitted %v; want %d, %v", i, held, ok, step.held, step.ok)
		}
	}
}
