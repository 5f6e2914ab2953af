package runlog

import (
	"errors"
	"strings"
	"testing"

	"github.com/mediasweep/mediasweep/internal/fuzztest"
	"github.com/mediasweep/mediasweep/internal/report"
	"github.com/mediasweep/mediasweep/internal/state"
	"github.com/mediasweep/mediasweep/internal/state/statetest"
)

// FuzzReport decodes reports: one that no run has written is damaged, and its error names it.
func FuzzReport(f *testing.F) {
	f.Add([]byte(`{"format":1,"report":{"run":"a","status":"done","counts":{"looked":1,"kept":1}},"ledger":"b"}`))
	f.Add([]byte(`{}`))
	f.Add([]byte(`{"format":1,"report":{"asOf":"10000-01-01T00:00:00Z"}}`))
	fuzztest.Fuzz(f, func(t *testing.T, data []byte) {
		r, err := decodeReport("runs/a/000001.json", data)
		if (err == nil) != (r != nil) || err != nil && (!errors.Is(err, state.ErrDamaged) || !strings.Contains(err.Error(), "runs/a/000001.json")) {
			t.Errorf("%+v, %v", r, err)
		}
	})
}

// A damaged report says what is wrong with it.
func TestDamagedReports(t *testing.T) {
	for data, want := range map[string]string{
		`{"format":1}`: "it has no report", `{"format":2,"report":{}}`: "format 2: this program reads format 1", `{}`: "format 0: this program reads format 1", `{`: "unexpected end of JSON",
	} {
		if _, err := decodeReport("a", []byte(data)); !errors.Is(err, state.ErrDamaged) || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %s", data, err, want)
		}
	}
}

// A run has a report for each time that its request came: the latest counts.
func TestReports(t *testing.T) {
	store := statetest.New()
	if _, err := Read(t.Context(), store, "a"); !errors.Is(err, state.ErrNotFound) {
		t.Errorf("%v, want that there is none", err)
	}
	for _, status := range []report.Status{report.Incomplete, report.Done} {
		no(t, Save(t.Context(), store, &report.Report{Run: "a", Status: status, Hidden: report.Hidden{Ledger: "b", Asked: "sha256:0"}}))
	}
	r, err := Read(t.Context(), store, "a")
	no(t, err)
	if r.Status != report.Done || r.Ledger != "b" || r.Asked != "sha256:0" {
		t.Errorf("%+v, want the latest", r)
	}
	no(t, SaveFirst(t.Context(), store, &report.Report{Run: "a", Status: report.Busy}))
	if r, err := Read(t.Context(), store, "a"); err != nil || r.Status != report.Done {
		t.Errorf("%+v, %v: a run that did nothing took the place of one that did", r, err)
	}
	large := &report.Report{Run: "b", Error: strings.Repeat("x", maxReport)}
	if err := Save(t.Context(), statetest.New(), large); err == nil {
		t.Error("a report was saved that cannot be read")
	}
	store.Down, store.Of = "create", "runs/"
	if err := Save(t.Context(), store, r); !errors.Is(err, statetest.ErrDown) || !strings.Contains(err.Error(), `run "a"`) {
		t.Errorf("%v, want the store's error with the run", err)
	}
}
