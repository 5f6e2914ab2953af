package handler_test

import (
	"context"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/mediasweep/mediasweep/handler"
	"github.com/mediasweep/mediasweep/internal/emulator"
	"github.com/mediasweep/mediasweep/internal/report"
	"github.com/mediasweep/mediasweep/internal/service"
	"github.com/mediasweep/mediasweep/internal/state"
)

// listed asks for a list of runs and returns "trigger status" of each, and the address of the next page.
func (w *world) listed(target string) (runs []string, next string) {
	w.t.Helper()
	recorder := httptest.NewRecorder()
	w.f.ServeHTTP(recorder, httptest.NewRequest(http.MethodGet, target, nil))
	var list []report.Report
	if err := json.Unmarshal(recorder.Body.Bytes(), &list); err != nil || recorder.Code != http.StatusOK {
		w.t.Fatalf("GET %s: %d %s", target, recorder.Code, recorder.Body)
	}
	for _, r := range list {
		runs = append(runs, fmt.Sprintf("%s %s", r.Trigger, r.Status))
	}
	link, found := strings.CutSuffix(recorder.Header().Get("Link"), `>; rel="next"`)
	if found != (link != "") {
		w.t.Errorf("link %q", link)
	}
	return runs, strings.TrimPrefix(link, "<")
}

func TestPagesOfRuns(t *testing.T) {
	w := newWorld(t, emulator.Config{Media: 40}, enforcing, "MEDIASWEEP_HTTP_AUTH", "function")
	w.mustInvoke(everything, report.Done)
	for range 5 {
		w.mustInvoke(string(ossEvent("clips/none")), report.Done)
	}
	var all []string
	for target := "/v1/runs?limit=2&since=1d"; target != ""; {
		var runs []string
		runs, target = w.listed(target)
		all = append(all, runs...)
	}
	if got := strings.Join(all, ", "); got != strings.Repeat("oss done, ", 5)+"timer done" {
		t.Errorf("%s", got)
	}
	if runs, next := w.listed("/v1/runs?trigger=timer&limit=1"); strings.Join(runs, ", ") != "timer done" || next != "" {
		t.Errorf("%v, %s", runs, next)
	}
	if runs, _ := w.listed("/v1/runs?before=request-1"); len(runs) > 0 {
		t.Errorf("before the first run: %v", runs)
	}
	_, answer := w.ask("GET", "/v1/runs?format=csv", "")
	if rows, err := csv.NewReader(strings.NewReader(answer)).ReadAll(); err != nil || len(rows) != 7 || rows[6][0] != "request-1" {
		t.Errorf("%v: %s", err, answer)
	}
	for target, says := range map[string]string{
		"?trigger=cron": "trigger", "?status=ok": "status", "?since=0d": "since", "?since=2026-13-01": "since", "?limit=0": "limit", "?limit=1001": "limit", "?limit=-1": "limit",
		"?limit=99999999999999999999": "limit", "?limit=1&limit=2": "limit", "?before=x/../../y": "before", "?before=20260101T000000.000000000Z-": "before", "?format=xml": "format", "?format=csv&excel=1": "excel", "?statu=done": "statu",
	} {
		if status, answer := w.ask("GET", "/v1/runs"+target, ""); status != http.StatusBadRequest || !strings.Contains(answer, says) {
			t.Errorf("GET /v1/runs%s: %d %s", target, status, answer)
		}
	}
}

// A run that ends before it looks at anything is listed. It does not take the place of the report of a
// run with its ID. A refused request of a person is no run.
func TestRunsThatEndEarlyAreListed(t *testing.T) {
	w := newWorldOfObject(t, emulator.Config{Media: 40}, enforcing)
	w.mustInvoke(everything, report.Done)
	list := func() string {
		runs, _ := w.listed("/v1/runs")
		return strings.Join(runs, ", ")
	}
	w.putPolicy("mode: nonsense")
	for _, payload := range []string{everything, string(ossEvent("clips/a")), `{"mediaIds":["a"]}`, `{"mediaIds":[]}`,
		`{"triggerTime":"2026-06-30T20:00:00Z","triggerName":"nightly","payload":"{\"mode\":\"enfroce\"}"}`, `{"events":"x"}`} {
		_, _ = w.invoke(payload)
	}
	if got := list(); got != "oss failed, timer failed, oss failed, timer failed, timer done" {
		t.Errorf("with a mistake in the policy: %s", got)
	}
	w.putPolicy(enforcing)

	lease, err := state.Acquire(t.Context(), state.Folder(strings.TrimPrefix(w.env["MEDIASWEEP_STATE"], "file://")), "other")
	if err != nil {
		t.Fatal(err)
	}
	busy := w.mustInvoke(everything, report.Busy)
	if got := list(); !strings.HasPrefix(got, "timer busy, oss failed") {
		t.Errorf("busy: %s", got)
	}
	if _, r := w.askReport("GET", "/v1/runs/"+busy.Run, ""); r.Status != report.Busy {
		t.Errorf("%+v", r)
	}
	if status, answer := w.ask("GET", "/v1/runs/"+busy.Run+"?format=csv", ""); status != http.StatusNotFound || !strings.Contains(answer, "made no plan: it ended busy") {
		t.Errorf("the decisions of a busy run: %d %s", status, answer)
	}
	if err := lease.Release(t.Context()); err != nil {
		t.Fatal(err)
	}
	// The platform sends it again: it is the same run, and done. Then nothing replaces it.
	again := func() {
		if body, err := w.f.Invoke(context.Background(), handler.Call{RequestID: busy.Run}, []byte(everything)); err != nil || !strings.Contains(string(body), `"run":"`+busy.Run+`"`) {
			t.Errorf("%v, %s", err, body)
		}
	}
	again()
	w.putPolicy("mode: nonsense")
	for _, id := range []string{busy.Run, "first-failed"} {
		_, _ = w.f.Invoke(context.Background(), handler.Call{RequestID: id}, []byte(everything))
	}
	if _, r := w.askReport("GET", "/v1/runs/"+busy.Run, ""); r.Status != report.Done {
		t.Errorf("%+v: a failure replaced the report of a run that was done", r)
	}
	w.putPolicy(enforcing)
	again()
	busy.Run = "first-failed"
	again()
}

// An event of a record of ours leads to no other record, which would go on for ever: also without a policy.
func TestEventsOfRecordsAreNotRecorded(t *testing.T) {
	w := newWorldOfObject(t, emulator.Config{}, "mode: nonsense", "MEDIASWEEP_STATE", "oss://ops/state/")
	_, _ = w.invoke(strings.ReplaceAll(string(ossEvent("state/runs/a/000001.json", "state/log/b")), "media-in", "ops"))
	if got := len(w.e.Objects("ops")); got != 1 {
		t.Errorf("%d objects, want the policy alone", got)
	}
	_, _ = w.invoke(strings.ReplaceAll(string(ossEvent("state/runs/a/000001.json", "other/b")), "media-in", "ops"))
	if runs, _ := w.listed("/v1/runs"); strings.Join(runs, ", ") != "oss failed" {
		t.Errorf("%v, want the event of another object", runs)
	}
}

// A request that is turned away leaves nothing.
func TestStrangersAreNotRecorded(t *testing.T) {
	w := newWorld(t, emulator.Config{}, enforcing, "MEDIASWEEP_HTTP_TOKEN", "a token of the tests")
	for range 3 {
		if status, _ := w.ask("POST", "/v1/sweeps", `{"inventory":true}`); status != http.StatusUnauthorized {
			t.Errorf("%d", status)
		}
	}
	if _, err := os.Stat(strings.TrimPrefix(w.env["MEDIASWEEP_STATE"], "file://")); !os.IsNotExist(err) {
		t.Errorf("the state store has something: %v", err)
	}
}

// A scheduled run saves the totals of the days that have ended. They are counted without the log.
func TestScheduledRunsSaveTotals(t *testing.T) {
	w := newWorld(t, emulator.Config{Media: 40}, enforcing)
	first := w.mustInvoke(everything, report.Done)
	w.now = func() time.Time { return time.Now().Add(50 * time.Hour) }
	w.setPolicy(enforcing)
	w.mustInvoke(`{"inventory":true}`, report.Done)
	folder := strings.TrimPrefix(w.env["MEDIASWEEP_STATE"], "file://")
	if _, err := os.Stat(filepath.Join(folder, "totals")); !os.IsNotExist(err) {
		t.Errorf("a run that was not scheduled saved totals: %v", err)
	}
	w.mustInvoke(everything, report.Done)
	for range 2 {
		stats, err := w.f.Stats(t.Context(), handler.Call{}, report.ByRule, "")
		if err != nil || first.Counts.Deleted == 0 || stats.Total.Deleted != first.Counts.Deleted || len(stats.Notes) > 0 {
			t.Errorf("%+v, %v, want %d deleted", stats, err, first.Counts.Deleted)
		}
		if err := os.RemoveAll(filepath.Join(folder, "log", "timer")); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := w.f.Stats(t.Context(), handler.Call{}, "day", ""); !service.IsRefusal(err) {
		t.Errorf("%v", err)
	}
}

// What a killed run deleted is in the totals, once, when a scheduled run has finished its plan. Its day is not saved before,
// also if the first run that tries cannot read the plan.
func TestStatsOfAKilledRun(t *testing.T) {
	w := newWorld(t, emulator.Config{}, enforcing, "MEDIASWEEP_HTTP_AUTH", "function")
	later := time.Duration(0)
	w.now = func() time.Time { return time.Now().Add(later) }
	w.deploy()
	w.add("clips/a", 300)
	w.add("clips/b", 300)
	killed := w.mustInvoke(everything, report.Done)
	var records []string
	for _, pattern := range []string{"runs/*/*", "log/*/done/*", "open/*.done", "totals/*/*"} {
		found, err := filepath.Glob(filepath.Join(string(w.store()), pattern))
		if err != nil {
			t.Fatal(err)
		}
		records = append(records, found...)
	}
	for _, record := range records { // as after a kill
		if err := os.Remove(record); err != nil {
			t.Fatal(err)
		}
	}
	w.add("clips/c", 300)
	later = 72 * time.Hour
	w.mustInvoke(timer(`{"mode":"dry-run"}`), report.Done)
	segment := filepath.Join(string(w.store()), "plans", strings.ReplaceAll(killed.Plan, ":", "-"), "000001.jsonl.gz")
	away := filepath.Join(t.TempDir(), "away")
	if err := os.Rename(segment, away); err != nil {
		t.Fatal(err)
	}
	w.mustInvoke(everything, report.Done)
	if err := os.Rename(away, segment); err != nil {
		t.Fatal(err)
	}
	later += 72 * time.Hour
	for range 2 {
		w.mustInvoke(everything, report.Done)
		later += 72 * time.Hour // the days are saved
		stats, err := w.f.Stats(t.Context(), handler.Call{}, report.ByRule, "")
		if err != nil || stats.Total != (report.StatsTotal{Runs: 2, Deleted: 3}) || len(stats.Rows) != 1 || stats.Rows[0].Deleted != 3 {
			t.Errorf("%+v, %v", stats, err)
		}
	}
	if runs, _ := w.listed("/v1/runs?status=incomplete"); strings.Join(runs, ", ") != "timer incomplete" {
		t.Errorf("%s", runs)
	}
	status, r := w.askReport("GET", "/v1/runs/"+killed.Run, "")
	if status != http.StatusOK || r.Counts.Deleted != 2 || r.Plan != killed.Plan || !strings.Contains(r.Error, "it recorded the outcome of 2 media") {
		t.Errorf("the killed run: %d, %s %s, %+v", status, r.Status, r.Error, r.Counts)
	}
}
