package journal

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/mediasweep/mediasweep/internal/report"
	"github.com/mediasweep/mediasweep/internal/state"
)

// FuzzReport decodes reports: one that no run has written is damaged, and its error names it.
func FuzzReport(f *testing.F) {
	f.Add([]byte(`{"format":1,"report":{"run":"a","status":"done","counts":{"looked":1,"kept":1}},"ledger":"b"}`))
	f.Add([]byte(`{}`))
	f.Add([]byte(`{"format":1,"report":{"asOf":"10000-01-01T00:00:00Z"}}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		r, err := decodeReport("runs/a/000001.json", data)
		if (err == nil) != (r != nil) || err != nil && (!errors.Is(err, state.ErrDamaged) || !strings.Contains(err.Error(), "runs/a/000001.json")) {
			t.Errorf("%+v, %v", r, err)
		}
	})
}

// A run has a report for each time that its request came: the latest counts.
func TestReports(t *testing.T) {
	store := newMemory()
	if _, err := ReadReport(t.Context(), store, "a"); !errors.Is(err, state.ErrNotFound) {
		t.Errorf("%v, want that there is none", err)
	}
	for _, status := range []report.Status{report.Incomplete, report.Done} {
		no(t, SaveReport(t.Context(), store, &report.Report{Run: "a", Status: status, Ledger: "b", Asked: "sha256:0"}))
	}
	r, err := ReadReport(t.Context(), store, "a")
	no(t, err)
	if r.Status != report.Done || r.Ledger != "b" || r.Asked != "sha256:0" {
		t.Errorf("%+v, want the latest", r)
	}
	store.down, store.of = "create", "runs/"
	if err := SaveReport(t.Context(), store, r); !errors.Is(err, errDown) || !strings.Contains(err.Error(), `run "a"`) {
		t.Errorf("%v, want the store's error with the run", err)
	}
	large := &report.Report{Run: "b", Error: strings.Repeat("x", maxReport)}
	if err := SaveReport(t.Context(), newMemory(), large); err == nil {
		t.Error("a report was saved that cannot be read")
	}
}

// A list skips what cannot be read, and fails if that is all.
func TestLatestReports(t *testing.T) {
	store := newMemory()
	if list, skipped, err := LatestReports(t.Context(), store); list == nil || len(list)+len(skipped) > 0 || err != nil {
		t.Errorf("%v, %v, %v; want an empty list", list, skipped, err)
	}
	for i := range MaxListed {
		no(t, SaveReport(t.Context(), store, &report.Report{Run: fmt.Sprintf("run-%03d", i)}))
	}
	store.put("runs/zero/000001.json", []byte("{}"))
	store.put("runs/zero/note.txt", nil)
	list, skipped, err := LatestReports(t.Context(), store)
	no(t, err)
	if len(list) != MaxListed-1 || list[0].Run != "run-099" || list[len(list)-1].Run != "run-001" {
		t.Errorf("%d reports, want the newest first, without the oldest", len(list))
	}
	if len(skipped) != 1 || skipped[0].Record != "runs/zero/000001.json" || !strings.Contains(skipped[0].String(), "cannot be read") {
		t.Errorf("skipped %v", skipped)
	}
	store.down, store.of = "read", "runs/"
	if _, _, err := LatestReports(t.Context(), store); !errors.Is(err, errDown) {
		t.Errorf("%v, want the store's error", err)
	}
}
