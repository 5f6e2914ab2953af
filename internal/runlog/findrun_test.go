package runlog

import (
	"errors"
	"testing"

	"github.com/mediasweep/mediasweep/internal/report"
	"github.com/mediasweep/mediasweep/internal/state"
	"github.com/mediasweep/mediasweep/internal/state/statetest"
)

// A run is found by its ID or by a start of it that no other run has, in a folder as in OSS.
func TestFind(t *testing.T) {
	for store, s := range map[string]state.Store{"memory": statetest.New(), "folder": state.Folder(t.TempDir())} {
		for _, run := range []string{"1-67a59f35-aa", "1-67a59f35-ab", "1-67a59f35-ab", "1-67a59f35", "1-68000000-cc", "1", "with a space"} {
			if err := Save(t.Context(), s, &report.Report{Run: run}); err != nil {
				t.Fatal(err)
			}
		}
		for reference, want := range map[string]string{
			"1-67a59f35": "1-67a59f35", "1-67a59f35-ab": "1-67a59f35-ab", "1": "1", "with a space": "with a space", // whole IDs
			"1-680000": "1-68000000-cc", "1-68000000-c": "1-68000000-cc",
			"1-67a59f35-a": "ambiguous", "1-67a59f": "ambiguous",
			"1-68000": "", "1-68000000-cd": "", "1-680000/": "", "1-69000000": "", "with a s": "",
		} {
			r, err := Find(t.Context(), s, reference)
			var ambiguous *AmbiguousError
			switch {
			case want == "" && errors.Is(err, state.ErrNotFound), want == "ambiguous" && errors.As(err, &ambiguous) && len(ambiguous.IDs) > 1:
			case err != nil || r.Run != want:
				t.Errorf("%s, %s: %+v, %v, want %q", store, reference, r, err, want)
			}
		}
	}
	down := statetest.New()
	down.Down, down.Of = "list", reportFolder
	if _, err := Find(t.Context(), down, "1-67a59f35"); !errors.Is(err, statetest.ErrDown) {
		t.Errorf("%v, want the store's error", err)
	}
}
