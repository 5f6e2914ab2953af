package handler_test

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/mediasweep/mediasweep/handler"
	"github.com/mediasweep/mediasweep/internal/emulator"
	"github.com/mediasweep/mediasweep/internal/plan"
	"github.com/mediasweep/mediasweep/internal/report"
	"github.com/mediasweep/mediasweep/internal/state"
)

// store returns the folder of a world's state.
func (w *world) store() state.Folder {
	return state.Folder(strings.TrimPrefix(w.env["MEDIASWEEP_STATE"], "file://"))
}

// A plan is named by its ID, by eight of its digits, or as the latest; the report has the whole ID.
func TestPlansByReference(t *testing.T) {
	w := newWorld(t, emulator.Config{}, enforcing, "MEDIASWEEP_HTTP_AUTH", "function")
	w.add("clips/a", 300)
	w.add("clips/b", 300)
	_, older := w.askReport("POST", "/v1/plans", request("objects", []string{"oss://media-in/clips/a"}))
	_, newer := w.askReport("POST", "/v1/plans", request("objects", []string{"oss://media-in/clips/b"}))
	for reference, want := range map[string]string{older.Plan: older.Plan, older.Plan[:15]: older.Plan, older.Plan[7:15]: older.Plan, "latest": newer.Plan} {
		status, answer := w.ask("GET", "/v1/plans/"+reference, "")
		var got struct{ ID string }
		if err := json.Unmarshal([]byte(answer), &got); status != http.StatusOK || err != nil || got.ID != want {
			t.Errorf("GET %s: %d %s", reference, status, answer)
		}
	}
	if status, answer := w.ask("GET", "/v1/plans/latest?format=csv", ""); status != http.StatusOK || !strings.Contains(answer, "clips/b") {
		t.Errorf("as CSV: %d %s", status, answer)
	}
	for _, wrong := range []string{"newest", "0123456", "sha256:" + strings.Repeat("g", 8), strings.ToUpper(older.Plan[7:15]) + "G"} {
		if status, answer := w.ask("GET", "/v1/plans/"+wrong, ""); status != http.StatusBadRequest || !strings.Contains(answer, "plan must be latest") {
			t.Errorf("GET %s: %d %s", wrong, status, answer)
		}
	}
	if status, answer := w.ask("GET", "/v1/plans/00000000", ""); status != http.StatusNotFound {
		t.Errorf("GET an unknown plan: %d %s", status, answer)
	}
	if status, r := w.askReport("POST", "/v1/plans/latest/apply", ""); status != http.StatusOK || r.Plan != newer.Plan || r.Counts.Deleted != 1 {
		t.Errorf("apply: %d, %s %s, plan %s, want %s", status, r.Status, r.Error, r.Plan, newer.Plan)
	}
	if status, r := w.askReport("POST", "/v1/sweeps", `{"mode":"enforce","plan":"`+older.Plan[7:15]+`"}`); status != http.StatusOK || r.Plan != older.Plan || r.Counts.Deleted != 1 {
		t.Errorf("apply by eight digits: %d, %s %s, plan %s, want %s", status, r.Status, r.Error, r.Plan, older.Plan)
	}
}

// The list of plans says which run deleted one: the plan that a person approved, and the one that the apply
// saved. The history names the approved one.
func TestPlansSayWhatDeletedThem(t *testing.T) {
	w := newWorld(t, emulator.Config{}, enforcing, "MEDIASWEEP_HTTP_AUTH", "function")
	now := time.Now()
	w.now = func() time.Time { return now }
	w.deploy()
	gone, left := w.add("clips/a", 300), w.add("clips/b", 300)
	planned := w.mustInvoke(`{"inventory":true}`, report.Done)
	now = now.Add(time.Minute) // the apply saves a plan of its own
	_, applied := w.askReport("POST", "/v1/plans/"+planned.Plan+"/apply", "")
	_, answer := w.ask("GET", "/v1/plans", "")
	var plans []struct{ ID, Run string }
	if err := json.Unmarshal([]byte(answer), &plans); err != nil || len(plans) != 2 {
		t.Fatalf("%v: %s", err, answer)
	}
	for _, plan := range plans {
		if plan.Run != applied.Run {
			t.Errorf("plan %s was deleted by %q, want %q", plan.ID, plan.Run, applied.Run)
		}
	}
	for _, id := range []string{gone.ID, left.ID} {
		if d := w.history(id, http.StatusOK).Decisions[0]; d.Plan != planned.Plan {
			t.Errorf("the history names plan %s, want %s", d.Plan, planned.Plan)
		}
	}
}

// A plan is not applied to the library of another region, whose media may have the same IDs. Plans of earlier
// versions name no region.
func TestAPlanOfAnotherRegion(t *testing.T) {
	w := newWorld(t, emulator.Config{}, enforcing, "MEDIASWEEP_HTTP_AUTH", "function")
	w.add("clips/a", 300)
	_, planned := w.askReport("POST", "/v1/plans", `{"inventory":true}`)
	w.env["MEDIASWEEP_REGION"] = "cn-beijing"
	w.deploy()
	const want = `the plan is of region "cn-shanghai" and this run of cn-beijing`
	for _, query := range []string{"", "?anyway=true"} {
		if status, r := w.askReport("POST", "/v1/plans/latest/apply"+query, ""); status != http.StatusBadRequest || !strings.Contains(r.Error, want) {
			t.Errorf("apply%s: %d, %s %s", query, status, r.Status, r.Error)
		}
	}
	name := filepath.Join(string(w.store()), plan.Name(planned.Plan))
	record, err := os.ReadFile(name)
	if err == nil {
		err = os.WriteFile(name, bytes.Replace(record, []byte(`,"region":"cn-shanghai"`), nil, 1), 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	if _, r := w.askReport("POST", "/v1/plans/latest/apply", ""); strings.Contains(r.Error, "the plan is of") {
		t.Errorf("a plan of an earlier version: %s %s", r.Status, r.Error)
	}
}

// The plan that an apply saves, of what has still expired, is not the latest.
func TestLatestPlanAfterAnApply(t *testing.T) {
	w := newWorld(t, emulator.Config{}, enforcing, "MEDIASWEEP_HTTP_AUTH", "function")
	later := time.Duration(0)
	w.now = func() time.Time { return time.Now().Add(later) }
	w.deploy()
	w.add("clips/a", 300)
	w.add("clips/b", 300)
	older := w.mustInvoke(request("objects", []string{"oss://media-in/clips/a"}), report.Done)
	later = time.Minute
	latest := w.mustInvoke(`{"inventory":true}`, report.Done)
	for _, apply := range []string{older.Plan, "latest", "latest"} {
		later += time.Minute
		_, r := w.askReport("POST", "/v1/plans/"+apply+"/apply", "")
		_, answer := w.ask("GET", "/v1/plans/latest", "")
		if !strings.HasPrefix(answer, `{"id":"`+latest.Plan+`"`) {
			t.Errorf("after apply %s (%s %s): latest is %.90s, want %s", apply, r.Status, r.Error, answer, latest.Plan)
		}
	}
}

// A request for the latest plan that comes again goes on with the plan that it took.
func TestARepeatedRequestForTheLatestPlan(t *testing.T) {
	w := newWorld(t, emulator.Config{}, enforcing)
	w.add("clips/a", 300)
	w.add("clips/b", 300)
	first := w.mustInvoke(request("objects", []string{"oss://media-in/clips/a"}), report.Done)
	apply := func() (r report.Report) {
		body, err := w.f.Invoke(context.Background(), handler.Call{RequestID: "apply"}, []byte(`{"mode":"enforce","plan":"latest"}`))
		if jsonErr := json.Unmarshal(body, &r); jsonErr != nil {
			t.Fatal(err, jsonErr)
		}
		return r
	}
	w.e.Inject(emulator.Fault{Operation: "QueryMediaList", Kind: emulator.Forbidden, Count: 1})
	if r := apply(); r.Status != report.Failed || r.Plan != first.Plan {
		t.Fatalf("%s, plan %s", r.Status, r.Plan)
	}
	second := w.mustInvoke(request("objects", []string{"oss://media-in/clips/b"}), report.Done)
	if r := apply(); r.Status != report.Done || r.Plan != first.Plan || second.Plan == first.Plan {
		t.Errorf("%s %s, plan %s, want %s", r.Status, r.Error, r.Plan, first.Plan)
	}
}

// An apply takes the lease of the inventory, and a dry run takes none.
func TestWhoTakesTheLease(t *testing.T) {
	w := newWorld(t, emulator.Config{}, enforcing, "MEDIASWEEP_HTTP_AUTH", "function")
	w.add("clips/a", 300)
	lease, err := state.Acquire(context.Background(), w.store(), "other")
	if err != nil {
		t.Fatal(err)
	}
	dry := w.mustInvoke(timer(`{"mode":"dry-run"}`), report.Done)
	w.mustInvoke(everything, report.Busy)
	status, r := w.askReport("POST", "/v1/plans/"+dry.Plan+"/apply", "")
	if status != http.StatusConflict || r.Status != report.Busy || r.ExitCode() != 6 || r.Next == "" || len(w.sent()) > 0 {
		t.Errorf("apply beside a run: %d, %s, next %q", status, r.Status, r.Next)
	}
	if err := lease.Release(context.Background()); err != nil {
		t.Fatal(err)
	}
	w.e.Inject(emulator.Fault{Operation: "DeleteMedia", Kind: emulator.Latency, Delay: 300 * time.Millisecond})
	done := make(chan report.Report, 1)
	go func() {
		_, r := w.askReport("POST", "/v1/plans/"+dry.Plan+"/apply", "")
		done <- r
	}()
	for w.e.Count()["DeleteMedia"] == 0 {
		time.Sleep(time.Millisecond) // until the apply deletes
	}
	w.mustInvoke(timer(`{"mode":"dry-run"}`), report.Done)
	if r := <-done; r.Status != report.Done || r.Counts.Deleted != 1 {
		t.Errorf("apply beside a dry run: %s %s, %+v", r.Status, r.Error, r.Counts)
	}
	w.mustInvoke(everything, report.Done) // the lease was released
}

// The guard checks the rest of a blocked plan again, once some of its media are held. Who applies a rest
// that it blocks overrides it; one that it does not block needs no override.
func TestTheRestOfABlockedPlan(t *testing.T) {
	for name, test := range map[string]struct {
		guard   string
		held    []string
		blocked string // of the rest
	}{
		"number":           {"maxDelete: 1, ", []string{"a"}, "2 media have expired and guard.maxDelete is 1"},
		"no number":        {"maxDelete: 1, ", []string{"a", "b"}, ""},
		"share":            {"maxPercent: 40, minPopulation: 0, ", []string{"a"}, "2 of 4 live media have expired (50.0 %) and guard.maxPercent is 40"},
		"no share":         {"maxPercent: 40, minPopulation: 0, ", []string{"a", "b"}, ""},
		"number and share": {"maxDelete: 2, maxPercent: 40, minPopulation: 0, ", []string{"a"}, "2 of 4 live media have expired (50.0 %) and guard.maxPercent is 40"},
	} {
		t.Run(name, func(t *testing.T) {
			guarded := regexp.MustCompile(`guard: \{.*\}`).ReplaceAllString(enforcing, "guard: {"+strings.TrimSuffix(test.guard, ", ")+"}")
			w := newWorld(t, emulator.Config{}, guarded, "MEDIASWEEP_HTTP_AUTH", "function")
			later := time.Duration(0)
			w.now = func() time.Time { return time.Now().Add(later) }
			w.deploy()
			for _, key := range []string{"a", "b", "c"} {
				w.add("clips/"+key, 300)
			}
			w.add("clips/new", 0)
			blocked := w.mustInvoke(everything, report.Blocked)
			for _, key := range test.held {
				w.hold("oss://media-in/clips/"+key, "forever")
			}
			later = time.Minute
			rest := w.mustInvoke(`{"plan":"`+blocked.Plan+`"}`, report.Done)
			left := 3 - len(test.held)
			if rest.Plan == blocked.Plan || rest.Counts.Expired != left {
				t.Fatalf("plan %s, %+v", rest.Plan, rest.Counts)
			}
			_, applied := w.askReport("POST", "/v1/plans/"+rest.Plan+"/apply", "")
			if by := applied.Guard.Overridden; applied.Counts.Deleted != left || !strings.Contains(by, test.blocked) || (by == "") != (test.blocked == "") {
				t.Errorf("%s %s, %+v, overridden %q", applied.Status, applied.Error, applied.Counts, by)
			}
		})
	}
}

// A run whose lease another one took sends nothing more.
func TestALostLeaseEndsItsRun(t *testing.T) {
	onTurnedClock(t, enforcing, func(t *testing.T, w *world) {
		w.fill(3000)
		w.e.Inject(emulator.Fault{Operation: "DeleteMedia", Kind: emulator.Latency, Delay: 9 * time.Second})
		go func() {
			for w.e.Count()["DeleteMedia"] == 0 {
				time.Sleep(time.Millisecond) // until the run deletes
			}
			const other = `{"format":1,"holder":"other","run":"other"}`
			if err := w.store().Create(t.Context(), state.NumberedName("lease/", 2), []byte(other)); err != nil {
				t.Error(err)
			}
		}()
		r := w.mustInvoke(everything, report.Incomplete)
		if !strings.Contains(r.Error, "another run is under way") || r.Counts.Pending == 0 {
			t.Errorf("%s, %+v", r.Error, r.Counts)
		}
	})
}
