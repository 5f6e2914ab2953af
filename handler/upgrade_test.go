package handler_test

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/mediasweep/mediasweep/internal/emulator"
	"github.com/mediasweep/mediasweep/internal/journal"
	"github.com/mediasweep/mediasweep/internal/report"
)

// upgraded returns a deployment whose state an earlier version wrote, that of commit 6688c46. The runs
// of testdata/upgrade/fixture_test.go.txt made it.
func upgraded(t *testing.T) *world {
	t.Helper()
	if testing.Short() {
		t.Skip("it is long")
	}
	t.Parallel()
	folder := t.TempDir()
	if out, err := exec.Command("tar", "-xzf", "testdata/upgrade/state.tar.gz", "-C", folder).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	var library struct {
		Today   time.Time
		Removed string
		Media   []emulator.Medium
	}
	data, err := os.ReadFile(filepath.Join(folder, "library.json"))
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(data, &library); err != nil {
		t.Fatal(err)
	}
	const rules = `
version: 1
mode: enforce
inventory: [{bucket: oss://media-in/}]
protect:
  - {name: legal-hold, match: {tags: [legal-hold]}}
expire:
  - {name: orphans, onSourceRemoved: true}
  - {name: drafts, match: {object: ["oss://media-in/drafts/**"], state: [Initiated, UnPublish]}, after: 7d}
  - {name: everything-else, after: 90d}
guard: {maxPercent: 100}
pace: {share: 1}
`
	seeded := time.Date(2026, time.November, 20, 2, 0, 0, 0, time.UTC)
	w := newWorld(t, emulator.Config{Media: 120, Seed: 1, AsOf: seeded}, rules, "MEDIASWEEP_HTTP_AUTH", "function", "MEDIASWEEP_STATE", "file://"+filepath.Join(folder, "state"))
	for _, m := range library.Media {
		w.e.Add(m)
	}
	w.e.RemoveObject("media-in", library.Removed)
	tomorrow := library.Today.AddDate(0, 0, 1)
	w.now = func() time.Time { return tomorrow }
	w.setPolicy(rules)
	return w
}

// The runs, plans and reports of an earlier version are listed and read.
func TestUpgradeListsWhatTheEarlierVersionDid(t *testing.T) {
	w := upgraded(t)
	runs, err := w.runs()
	got := map[string]report.Status{}
	for _, r := range runs {
		got[r.Run] = r.Status
	}
	plans := map[string]bool{}
	want := map[string]report.Status{
		"dry-run": report.Done, "dry-run-cut-off": report.Incomplete, "request": report.Done, "event": report.Done,
		"orphan": report.Done, "unverified": report.Partial, "blocked": report.Blocked, "cut-off": report.Incomplete,
	}
	for run, status := range want {
		if got[run] != status {
			t.Errorf("run %s is listed as %q, want %s (%v)", run, got[run], status, err)
		}
		status, r := w.askReport("GET", "/v1/runs/"+run, "")
		if status != 200 || r.Run != run {
			t.Errorf("run %s: HTTP %d, %+v", run, status, r)
			continue
		}
		if r.Plan == "" {
			continue // cut off before it had a plan
		}
		plans[r.Plan] = true
		if status, rows := w.ask("GET", "/v1/plans/"+r.Plan+"?format=csv", ""); status != 200 || strings.Count(rows, "\n") != 1+r.Counts.Expired {
			t.Errorf("plan of %s: HTTP %d, %d rows, want one for each of %d media", run, status, strings.Count(rows, "\n")-1, r.Counts.Expired)
		}
	}
	if status, listed := w.ask("GET", "/v1/plans", ""); status != 200 || len(plans) < 6 || strings.Count(listed, `"id"`) != len(plans) {
		t.Errorf("HTTP %d, %d plans, want %d: %s", status, strings.Count(listed, `"id"`), len(plans), listed)
	}
}

// A plan that the earlier version blocked is approved, and its unfinished run is finished. No medium is
// sent twice, and one that the earlier version could not verify is not sent.
func TestUpgradeGoesOn(t *testing.T) {
	w := upgraded(t)
	_, unverified := w.askReport("GET", "/v1/runs/unverified", "")
	_, rows := w.ask("GET", "/v1/plans/"+unverified.Plan+"?format=csv", "")
	odd := strings.Split(strings.Split(rows, "\n")[1], ",")[0]
	before := w.deleted()

	_, unfinished := w.askReport("GET", "/v1/runs/cut-off", "")
	_, blocked := w.askReport("GET", "/v1/runs/blocked", "")
	if applied := w.mustInvoke(`{"mode":"enforce","plan":"`+blocked.Plan+`"}`, report.Done); applied.Counts.Deleted != 2 {
		t.Errorf("the blocked plan: %+v", applied.Counts)
	}
	w.mustInvoke(everything, report.Done)
	finished, err := w.runs()
	if err != nil || !slices.ContainsFunc(finished, func(r *report.Report) bool {
		return r.Run != "cut-off" && r.Plan == unfinished.Plan && r.Counts.Deleted == 45
	}) {
		t.Errorf("the plan of the run that was cut off is not finished: %v", err)
	}
	sent := slices.Concat(w.sent()...)
	for _, id := range sent {
		if id == odd || slices.Contains(before, id) {
			t.Errorf("%s was sent again", id)
		}
	}
	left := due(w.e.Media(), w.now())
	if !slices.Equal(left, []string{odd}) {
		t.Errorf("%q are still due, want %s only: %d sent", left, odd, len(sent))
	}
	w.mustInvoke(everything, report.Done)
	if again := slices.Concat(w.sent()...); len(again) != len(sent) {
		t.Errorf("%d more were sent", len(again)-len(sent))
	}
	if strings.Contains(w.log.String(), `"level":"ERROR"`) {
		t.Errorf("log: %s", w.log.String())
	}
	w.noViolations()
}

// What the earlier version deleted is in the history after the next sweep, and comes back.
func TestUpgradeKnowsAndRestoresWhatWasDeleted(t *testing.T) {
	w := upgraded(t)
	w.mustInvoke(everything, report.Done)
	sent := len(slices.Concat(w.sent()...))
	_, rows := w.ask("GET", "/v1/runs/request?format=csv", "")
	lines := strings.Split(rows, "\n")
	for _, line := range lines[1:3] {
		id, _, _ := strings.Cut(line, ",")
		found := w.history(id, 200)
		if len(found.Decisions) != 1 || found.Decisions[0].Outcome != journal.Deleted || found.Decisions[0].Run != "request" {
			t.Errorf("history of %s: %+v", id, found)
		}
	}
	// The earlier version brought one of the two back.
	if r := w.restore("request").Restore; r.Restored != 1 || r.Skipped != 1 {
		t.Errorf("restored: %+v", r)
	}
	// What the run that finished the plan deleted comes back by the plan's ID.
	if r := w.restore("cut-off").Restore; r.Restored != 10 || r.Skipped != 47 || r.Failed != 0 {
		t.Errorf("restored: %+v", r)
	}
	_, cutOff := w.askReport("GET", "/v1/runs/cut-off", "")
	if r := w.restore(cutOff.Plan).Restore; r.Restored != 47 || r.Failed != 0 {
		t.Errorf("restored by the plan: %+v", r)
	}
	w.mustInvoke(everything, report.Done)
	if again := slices.Concat(w.sent()...); len(again) != sent {
		t.Errorf("%d restored media were sent again", len(again)-sent)
	}
	w.noViolations()
}
