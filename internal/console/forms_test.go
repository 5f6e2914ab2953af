package console_test

import (
	"bytes"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/net/html"

	"github.com/mediasweep/mediasweep/internal/console"
	"github.com/mediasweep/mediasweep/internal/report"
	"github.com/mediasweep/mediasweep/internal/retention"
)

// A form leads to a page that may be reloaded: an answer to the form itself would send it again.
func TestFormsLeadToPages(t *testing.T) {
	background := console.NewRuns(t.Context(), 0)
	defer background.Wait()
	for name, runs := range map[string]*console.Runs{"in the request": nil, "in the background": background} {
		lib := newLibrary(t, 10)
		lib.answer = &report.Report{Run: "r1", Status: report.Done, Plan: lib.contents.ID, Tally: report.Tally{Counts: report.Counts{Expired: 9}}, Restore: &report.Restore{Of: "r0", Restored: 2}}
		lib.saved["r1"] = lib.answer
		s := newSite(t, lib, runs)
		for _, test := range []struct {
			path string
			form url.Values
		}{
			{"/holds", url.Values{"target": {"m1"}, "reason": {"x"}}}, // and the service has a note on it
			{"/holds/1", nil},
			{"/plans", nil},
			{s.plan + "/hold", url.Values{"which": {"selected"}, "m": {lib.entries[3].MediaID}, "reason": {"x"}}},
			{s.plan + "/apply", url.Values{"count": {"10"}}},
			{"/runs/r0/restore", url.Values{"shown": {"2"}}},
		} {
			w := s.post(test.path, test.form)
			leadsTo := w.Header().Get("Location")
			if w.Code != http.StatusSeeOther || leadsTo == "" {
				t.Errorf("%s, %s: %d %s", name, test.path, w.Code, w.Body)
				continue
			}
			background.Wait()
			holds, requests := len(lib.list), len(lib.requests)
			for range 2 {
				if page := s.get(leadsTo); page.Code != http.StatusOK {
					t.Errorf("%s, %s leads to %s: %d %s", name, test.path, leadsTo, page.Code, page.Body)
				}
			}
			if len(lib.list) != holds || len(lib.requests) != requests {
				t.Errorf("%s, %s: its page %s does it again", name, test.path, leadsTo)
			}
		}
	}
}

// The notes on a new hold are on the page to which its form leads.
func TestNotesOnANewHold(t *testing.T) {
	s := newSite(t, newLibrary(t, 2), nil)
	const note = "MPS has no medium m1: check its spelling, unless it is yet to be added"
	to := s.post("/holds", url.Values{"target": {"m1"}, "reason": {"x"}}).Header().Get("Location")
	if page := s.get(to).Body.String(); !strings.Contains(page, note) {
		t.Errorf("%s: %s", to, page)
	}
	if page := s.get("/holds").Body.String(); strings.Contains(page, note) {
		t.Errorf("a note on an old hold: %s", page)
	}
}

// A refused form says why, and keeps what was typed and selected.
func TestRefusedFormsKeepWhatWasTyped(t *testing.T) {
	s := newSite(t, newLibrary(t, 250), nil)
	long := strings.Repeat("因", retention.MaxHoldReason) + `/"<i>x`
	marked := s.ids(s.get(s.plan + "?tag=tag1&page=2").Body)[3]
	for name, test := range map[string]struct {
		path string
		form url.Values
		says string
	}{
		"hold":           {"/holds", url.Values{"target": {"/m 1"}, "until": {"2027-02-30"}, "reason": {long}}, "is neither a media ID nor oss://bucket/key"},
		"hold of a plan": {s.plan + "/hold?tag=tag1&page=2", url.Values{"which": {"selected"}, "m": {marked}, "until": {"/x"}, "reason": {long}}, "the reason has 506 characters: the limit is 500"},
		"no reason":      {s.plan + "/hold?tag=tag1&page=2", url.Values{"which": {"selected"}, "m": {marked}, "until": {"2027-01-31"}}, "A hold needs a reason. Nothing was held."},
	} {
		w := s.post(test.path, test.form)
		if w.Code < 400 || len(s.lib.list) > 0 || !strings.Contains(w.Body.String(), test.says) {
			t.Fatalf("%s: %d, %d holds: %s", name, w.Code, len(s.lib.list), w.Body)
		}
		page := w.Body.Bytes()
		for _, field := range []string{"target", "until", "reason"} {
			if field == "target" && !test.form.Has(field) {
				continue
			}
			if got := s.field(bytes.NewBuffer(page), field); got != test.form.Get(field) {
				t.Errorf("%s: the field %s has %q, want %q", name, field, got, test.form.Get(field))
			}
		}
		var checked []string
		for _, box := range nodes(t, bytes.NewBuffer(page), func(n *html.Node) bool { return attribute(n, "name") == "m" }) {
			if strings.Contains(render(t, box), "checked") {
				checked = append(checked, attribute(box, "value"))
			}
		}
		if strings.Join(checked, " ") != strings.Join(test.form["m"], " ") {
			t.Errorf("%s: selected are %v, want %v", name, checked, test.form["m"])
		}
	}
}

func render(t *testing.T, n *html.Node) string {
	t.Helper()
	var b strings.Builder
	if err := html.Render(&b, n); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// A browser counts the characters of a reason as the program does, or more.
func TestLimitOfReasons(t *testing.T) {
	s := newSite(t, newLibrary(t, 10), nil)
	for _, path := range []string{"/holds", s.plan} {
		for _, field := range nodes(t, s.get(path).Body, func(n *html.Node) bool { return attribute(n, "name") == "reason" }) {
			if most := attribute(field, "maxlength"); most != strconv.Itoa(retention.MaxHoldReason) {
				t.Errorf("%s: %s characters", path, most)
			}
		}
	}
	longest := url.Values{"target": {"m1"}, "reason": {strings.Repeat("因", retention.MaxHoldReason)}}
	if w := s.post("/holds", longest); w.Code != http.StatusSeeOther {
		t.Errorf("the longest reason: %d %s", w.Code, w.Body)
	}
}

// Of several stores, a page moves its links below the path of its store, and nothing that somebody typed.
func TestTypedPathsStay(t *testing.T) {
	lib := newLibrary(t, 10)
	pages := console.Stores([]console.Options{optionsOf(lib, nil), optionsOf(lib, nil)})
	for _, path := range []string{"/plans/" + lib.contents.ID + "?q=%2Fclips", "/media?id=%2Fclips"} {
		w := httptest.NewRecorder()
		pages.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/stores/2"+path, nil))
		page := w.Body.String()
		if strings.Contains(path, "q=") && !strings.Contains(page, `value="/clips"`) || strings.Contains(page, `value="/stores/`) {
			t.Errorf("%s: %s", path, page)
		}
		for _, link := range []string{` href="/stores/2/holds"`, ` href="/stores/1/"`, ` href="/stores/2/static/style.css"`, ` src="/stores/2/static/select.js"`} {
			if !strings.Contains(page, link) {
				t.Errorf("%s has no%s", path, link)
			}
		}
	}
}
