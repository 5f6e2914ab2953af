package console_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/mediasweep/mediasweep/internal/policy"
	"github.com/mediasweep/mediasweep/internal/report"
)

// A restore brings back as many media as its page showed, or none.
func TestRestore(t *testing.T) {
	for name, test := range map[string]struct {
		now  int // what a restore would bring back when the form is sent
		form url.Values
		want int
	}{
		"as shown":       {4, nil, http.StatusSeeOther},
		"more":           {5, nil, http.StatusConflict},
		"fewer":          {3, nil, http.StatusConflict},
		"without number": {4, url.Values{}, http.StatusConflict},
	} {
		s := newSite(t, newLibrary(t, 1), nil)
		s.lib.answer = &report.Report{Run: "r2", Status: report.Done, Restore: &report.Restore{Of: "r1", Restored: 4}}
		form := url.Values{"shown": {s.field(s.get("/runs/r1/restore").Body, "shown")}}
		if test.form != nil {
			form = test.form
		}
		s.lib.answer.Restore.Restored = test.now
		w := s.post("/runs/r1/restore", form)
		if w.Code != test.want || (len(s.lib.requests) == 1) != (test.want == http.StatusSeeOther) {
			t.Errorf("%s: %d, %d requests: %s", name, w.Code, len(s.lib.requests), w.Body)
		}
	}
}

// The page of a run that deleted nothing leads to no restore.
func TestRunsThatCanBeRestored(t *testing.T) {
	for _, status := range report.Statuses() {
		s := newSite(t, newLibrary(t, 1), nil)
		s.lib.saved["r1"] = &report.Report{Run: "r1", Mode: policy.Enforce, Plan: s.lib.contents.ID, Status: status}
		want := status != report.Blocked && status != report.Busy
		if got := strings.Contains(s.get("/runs/r1").Body.String(), "/runs/r1/restore"); got != want {
			t.Errorf("%s: links a restore: %t", status, got)
		}
	}
}

// Without a preview nothing is restored.
func TestRestoreOfAnUnknownRun(t *testing.T) {
	s := newSite(t, newLibrary(t, 1), nil)
	s.lib.answer = &report.Report{Run: "r2", Status: report.Failed, Hidden: report.Hidden{Refused: true}, Error: "there is no run r1", Restore: &report.Restore{Of: "r1"}}
	if w := s.post("/runs/r1/restore", url.Values{"shown": {"0"}}); w.Code != http.StatusBadRequest || len(s.lib.requests) > 0 {
		t.Errorf("%d, %d requests", w.Code, len(s.lib.requests))
	}
}

// A restore may be of a plan, and a plan has another page than a run.
func TestRestoreOfAPlan(t *testing.T) {
	s := newSite(t, newLibrary(t, 1), nil)
	if w := s.get("/runs/" + s.lib.contents.ID); w.Code != http.StatusSeeOther || w.Header().Get("Location") != s.plan {
		t.Errorf("%d %s", w.Code, w.Header())
	}
}
