package handler_test

import (
	"slices"
	"testing"
	"time"

	"github.com/mediasweep/mediasweep/internal/emulator"
	"github.com/mediasweep/mediasweep/internal/report"
)

// A sweep deletes what is due, whichever way the services take where their documents leave it open.
func TestWhatTheDocumentsLeaveOpen(t *testing.T) {
	for name, config := range map[string]emulator.Config{
		"the likeliest":                {},
		"members in any order":         {MPS: emulator.MPSOptions{Shuffled: true}},
		"file URLs bounded together":   {MPS: emulator.MPSOptions{JoinedURLs: true}},
		"an empty token at the end":    {MPS: emulator.MPSOptions{ListEnd: emulator.EmptyToken}},
		"an empty page at the end":     {MPS: emulator.MPSOptions{ListEnd: emulator.EmptyPage}},
		"the oldest executions first":  {MPS: emulator.MPSOptions{OldestFirst: true}},
		"executions of live media":     {MPS: emulator.MPSOptions{HidesDeleted: true}},
		"start-after before the token": {OSS: emulator.OSSOptions{StartAfterWins: true}},
		"empty pages":                  {OSS: emulator.OSSOptions{EmptyPages: true}},
		"pages that overlap":           {OSS: emulator.OSSOptions{Overlap: 3}},
		"objects that cannot change":   {OSS: emulator.OSSOptions{Immutable: true}},
		"late listings":                {OSS: emulator.OSSOptions{ListingDelay: 2 * time.Second}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			turnClock(t, func(t *testing.T) {
				config.Media, config.Seed = 1300, 3
				w := newPipedWorld(t, config, withInventory("{bucket: oss://media-in/}, {workflow: all}"), "MEDIASWEEP_STATE", "oss://ops/state/")
				already, want := w.deleted(), due(w.e.Media(), time.Now())
				w.mustInvoke(everything, report.Done)
				got := slices.DeleteFunc(w.deleted(), func(id string) bool { return slices.Contains(already, id) })
				if !slices.Equal(got, want) {
					t.Errorf("deleted %d media, %d are due", len(got), len(want))
				}
				time.Sleep(time.Minute)
				if again := w.mustInvoke(everything, report.Done); again.Calls.DeleteMedia > 0 {
					t.Errorf("a second run deletes again: %+v", again.Counts)
				}
				w.noViolations()
			})
		})
	}
}
