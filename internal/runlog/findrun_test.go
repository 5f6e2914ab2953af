package runlog

import (
	"errors"
	"strings"
	"testing"

	"github.com/mediasweep/mediasweep/internal/journal"
	"github.com/mediasweep/mediasweep/internal/plan"
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
			case err != nil || want == "" || r.Run != want:
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

// Of a run without a report its intent is known.
func TestFindARunWithoutAReport(t *testing.T) {
	store := statetest.New()
	planID := "sha256:" + strings.Repeat("0", 64)
	for _, run := range []string{"killed-1", "killed-22", "killed-23", "with a space", "1"} {
		_, err := journal.SaveIntent(t.Context(), store, asOf, journal.Intent{Run: run, Plan: planID, AsOf: asOf})
		no(t, err)
	}
	for reference, want := range map[string]string{
		"killed-1": "killed-1", "killed-22": "killed-22", "with a space": "with a space", "1": "1",
		"killed-2": "names several runs", "killed-": "", "killed-3": "", "with a s": "",
	} {
		_, err := Find(t.Context(), store, reference)
		var unreported *UnreportedError
		known := errors.As(err, &unreported) && errors.Is(err, state.ErrNotFound)
		switch {
		case want == "" && !known && errors.Is(err, state.ErrNotFound), known && unreported.Begun.Run == want && strings.Contains(err.Error(), planID):
		case want == "" || known || !strings.Contains(err.Error(), want):
			t.Errorf("%s: %v, want %q", reference, err, want)
		}
	}
	store.Down, store.Of = "list", "open/"
	if _, err := Find(t.Context(), store, "killed-1"); !errors.Is(err, statetest.ErrDown) {
		t.Errorf("%v, want the store's error", err)
	}
}

// What is restored is named by the start of the ID of a run or of a plan, if nothing else starts so.
func TestFindRunOrPlan(t *testing.T) {
	id := func(digits string) string { return "sha256:" + digits + strings.Repeat("0", 64-len(digits)) }
	store := statetest.New()
	for _, digits := range []string{"aaaaaaaa1", "aaaaaaaa2", "bbbbbbbb", "cccccccc"} {
		store.Put(plan.Name(id(digits)), []byte("{}"))
	}
	for _, run := range []string{"bbbbbbbb-1", "dddddddd-1", "dddddddd-2", "eeeeeeee-1", "latest-1"} {
		no(t, Save(t.Context(), store, &report.Report{Run: run}))
	}
	for _, killed := range []string{"eeeeeeee-1", "gggggggg-1", "hhhhhhhh-1", "hhhhhhhh-2"} {
		_, err := journal.SaveIntent(t.Context(), store, asOf, journal.Intent{Run: killed, Plan: id("cccccccc"), AsOf: asOf})
		no(t, err)
	}
	for reference, want := range map[string]string{
		"gggggggg": "gggggggg-1", "hhhhhhhh": "names several runs: ", "hhhhhhhh-2": "hhhhhhhh-2",
		"cccccccc": id("cccccccc"), "sha256:cccccccc": id("cccccccc"), id("cccccccc")[7:]: id("cccccccc"), "aaaaaaaa2": id("aaaaaaaa2"), "sha256:bbbbbbbb": id("bbbbbbbb"), "bbbbbbbb0": id("bbbbbbbb"),
		"eeeeeeee": "eeeeeeee-1", "bbbbbbbb-": "bbbbbbbb-1", "dddddddd-2": "dddddddd-2",
		"aaaaaaaa": "names several plans: ", "dddddddd": "names several runs: ", "bbbbbbbb": "names several runs and plans: give the whole ID of one: bbbbbbbb-1, " + id("bbbbbbbb"),
		"ccccccc": "", "eeeeeee": "", "ffffffff": "", "latest": "", "sha256:": "", "cccccccc/": "", "": "",
	} {
		got, err := FindRunOrPlan(t.Context(), store, reference)
		var ambiguous *AmbiguousError
		switch {
		case want == "" && errors.Is(err, state.ErrNotFound), want != "" && errors.As(err, &ambiguous) && strings.Contains(err.Error(), want):
		case err != nil || want == "" || got != want:
			t.Errorf("%s: %q, %v, want %q", reference, got, err, want)
		}
	}
	for folder, reference := range map[string]string{"plans/": "ffffffff", reportFolder: "zzzzzzzz", "open/": "zzzzzzzz"} {
		store.Down, store.Of = "list", folder
		if got, err := FindRunOrPlan(t.Context(), store, reference); !errors.Is(err, statetest.ErrDown) {
			t.Errorf("%s: %q, %v, want the store's error", folder, got, err)
		}
	}
}
