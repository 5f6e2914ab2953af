package handler_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/mediasweep/mediasweep/handler"
	"github.com/mediasweep/mediasweep/internal/emulator"
	"github.com/mediasweep/mediasweep/internal/report"
	"github.com/mediasweep/mediasweep/internal/service"
)

// ask sends an HTTP request through the function's trigger.
func (w *world) ask(method, target, body string) (int, string) {
	w.t.Helper()
	recorder := httptest.NewRecorder()
	w.f.ServeHTTP(recorder, httptest.NewRequest(method, target, strings.NewReader(body)))
	return recorder.Code, recorder.Body.String()
}

func (w *world) askReport(method, target, body string) (int, report.Report) {
	w.t.Helper()
	status, answer := w.ask(method, target, body)
	var r report.Report
	if err := json.Unmarshal([]byte(answer), &r); err != nil {
		w.t.Fatalf("%s %s: %s", method, target, answer)
	}
	return status, r
}

// runs returns the latest runs.
func (w *world) runs() ([]*report.Report, error) {
	list, err := w.f.Runs(w.t.Context(), handler.Call{}, service.RunFilter{Limit: service.DefaultRuns})
	return list.Reports, err
}

// A request that the platform sends again is answered as it was: nothing is looked
// at and nothing deleted twice.
func TestTheSameRequestIsAnsweredOnce(t *testing.T) {
	for _, stored := range []string{"", "oss://ops/state/"} {
		w := newWorld(t, emulator.Config{Media: 100}, enforcing)
		if stored != "" {
			w.env["MEDIASWEEP_STATE"] = stored
			w.setPolicy(enforcing)
		}
		invoke := func() string {
			body, err := w.f.Invoke(context.Background(), handler.Call{RequestID: "1-abc-def"}, []byte(everything))
			if err != nil {
				t.Fatal(err)
			}
			return string(body)
		}
		first := invoke()
		calls := w.e.Count()
		if again := invoke(); again != first {
			t.Errorf("answered\n%s\nand then\n%s", first, again)
		}
		for operation, n := range w.e.Count() {
			if strings.HasPrefix(operation, "Query") && n != calls[operation] || operation == "DeleteMedia" && n != calls[operation] {
				t.Errorf("%d more calls of %s", n-calls[operation], operation)
			}
		}
	}
}

// A run that failed is run again.
func TestAFailedRequestIsTriedAgain(t *testing.T) {
	w := newWorld(t, emulator.Config{Media: 100}, enforcing)
	call := handler.Call{RequestID: "again"}
	w.e.Inject(emulator.Fault{Operation: "*", Kind: emulator.Forbidden})
	if _, err := w.f.Invoke(context.Background(), call, []byte(everything)); err == nil {
		t.Fatal("a run without permission does not fail")
	}
	w.e.ClearFaults()
	if body, err := w.f.Invoke(context.Background(), call, []byte(everything)); err != nil || !strings.Contains(string(body), `"status":"done"`) {
		t.Errorf("%v: %s", err, body)
	}
	r, err := w.f.Run(context.Background(), handler.Call{}, "again")
	if err != nil || r.Status != report.Done {
		t.Errorf("%+v, %v", r, err)
	}
}

// A plan is reviewed and then applied: what has expired still goes, what is held
// meanwhile stays, and the guard that blocked it is cleared once.
func TestApply(t *testing.T) {
	w := newWorld(t, emulator.Config{}, strings.Replace(enforcing, "guard: {maxPercent: 100}", "guard: {maxDelete: 10}", 1), "MEDIASWEEP_HTTP_AUTH", "function")
	var ids []string
	for i := range 25 {
		ids = append(ids, w.add("clips/"+string(rune('a'+i)), 300).ID)
	}
	status, blocked := w.askReport("POST", "/v1/sweeps", `{"mode":"enforce","inventory":true}`)
	if status != http.StatusConflict || blocked.Counts.Pending != 25 || len(w.sent()) > 0 {
		t.Fatalf("%d, %+v", status, blocked.Counts)
	}
	held, _ := w.e.Medium(ids[3])
	held.Tags = []string{"legal-hold"}
	w.e.Add(held)
	vanished, _ := w.e.Medium(ids[20])
	vanished.Deleted = true
	w.e.Add(vanished)

	status, r := w.askReport("POST", "/v1/plans/"+blocked.Plan+"/apply", "")
	if c := r.Counts; status != http.StatusOK || r.Plan != blocked.Plan || c.Deleted != 23 || c.Protected != 1 || c.Absent != 1 || r.Guard.Tripped {
		t.Errorf("%d, %s %s, %+v", status, r.Status, r.Error, r.Counts)
	}
	if want := "plan " + blocked.Plan + " was blocked: " + blocked.Guard.Reason + "; applied by a signed request"; r.Guard.Overridden != want || blocked.Guard.Overridden != "" {
		t.Errorf("overridden %q, want %q", r.Guard.Overridden, want)
	}
	for _, batch := range w.sent() {
		if slices.Contains(batch, ids[3]) || slices.Contains(batch, ids[20]) {
			t.Error("a medium was sent that is held or gone")
		}
	}
	// Applied again, over media that have come back, the guard holds.
	for _, id := range ids[5:17] {
		m, _ := w.e.Medium(id)
		m.Deleted = false
		w.e.Add(m)
	}
	if status, r := w.askReport("POST", "/v1/plans/"+blocked.Plan+"/apply", ""); status != http.StatusConflict || r.Counts.Pending != 12 || r.Guard.Overridden != "" || !strings.HasPrefix(r.Next, "make a new plan") {
		t.Errorf("applied twice: %d, %s %s, %+v", status, r.Status, r.Error, r.Counts)
	}
	w.noViolations()
}

// emptySegment is a segment without lines.
func emptySegment(t *testing.T) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := gzip.NewWriter(&b).Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestPlansThatMayNotBeApplied(t *testing.T) {
	clock := time.Now()
	w := newWorld(t, emulator.Config{Media: 200}, enforcing, "MEDIASWEEP_HTTP_AUTH", "function")
	w.now = func() time.Time { return clock }
	w.setPolicy(enforcing)
	status, planned := w.askReport("POST", "/v1/plans", `{"inventory":true}`)
	if status != http.StatusOK || planned.Counts.Pending == 0 || planned.Mode != "dry-run" {
		t.Fatalf("%d, %+v", status, planned)
	}
	apply := "/v1/plans/" + planned.Plan + "/apply"

	clock = clock.Add(-2 * time.Hour)
	for _, query := range []string{"", "?anyway=true"} {
		if status, r := w.askReport("POST", apply+query, ""); status != http.StatusBadRequest || !strings.Contains(r.Error, "in the future") {
			t.Errorf("a plan from the future%s: %d, %s", query, status, r.Error)
		}
	}
	clock = clock.Add(2 * time.Hour)
	w.setPolicy(strings.Replace(enforcing, "after: 180d", "after: 181d", 1))
	if status, r := w.askReport("POST", apply, ""); status != http.StatusBadRequest || !strings.Contains(r.Error, "another policy") {
		t.Errorf("under another policy: %d, %s", status, r.Error)
	}
	w.setPolicy(dryRun)
	if status, r := w.askReport("POST", apply, ""); status != http.StatusBadRequest || !strings.Contains(r.Error, "dry-run only") {
		t.Errorf("under a dry-run policy: %d, %s", status, r.Error)
	}
	w.setPolicy(enforcing)
	clock = clock.Add(8 * 24 * time.Hour)
	if status, r := w.askReport("POST", apply, ""); status != http.StatusBadRequest || !strings.Contains(r.Error, "planMaxAge") {
		t.Errorf("when it is old: %d, %s", status, r.Error)
	}
	if status, r := w.askReport("POST", "/v1/plans/sha256:"+strings.Repeat("0", 64)+"/apply", ""); status != http.StatusBadRequest || !strings.Contains(r.Error, "no plan") {
		t.Errorf("a plan that is not there: %d, %s", status, r.Error)
	}
	if status, _ := w.askReport("POST", "/v1/plans/everything/apply", ""); status != http.StatusBadRequest {
		t.Errorf("a plan that is none: %d", status)
	}
	if len(w.sent()) > 0 {
		t.Fatalf("%d deletions", len(w.sent()))
	}
	folder := filepath.Join(strings.TrimPrefix(w.env["MEDIASWEEP_STATE"], "file://"), "plans", strings.ReplaceAll(planned.Plan, ":", "-"))
	segment := filepath.Join(folder, "000001.jsonl.gz")
	whole, err := os.ReadFile(segment)
	if err != nil {
		t.Fatal(err)
	}
	for name, damaged := range map[string][]byte{"cut short": whole[:len(whole)/2], "of another plan": emptySegment(t)} {
		if err := os.WriteFile(segment, damaged, 0o600); err != nil {
			t.Fatal(err)
		}
		if status, r := w.askReport("POST", apply+"?anyway=true", ""); status != http.StatusBadGateway || len(w.sent()) > 0 {
			t.Errorf("a segment %s: %d, %s, %d deletions", name, status, r.Error, len(w.sent()))
		}
	}
	if err := os.WriteFile(segment, whole, 0o600); err != nil {
		t.Fatal(err)
	}
	if status, r := w.askReport("POST", apply+"?anyway=true", ""); status != http.StatusOK || r.Counts.Deleted != planned.Counts.Pending {
		t.Errorf("anyway: %d, %s, %+v", status, r.Error, r.Counts)
	}
}

// Runs and plans can be listed and read, by who may.
func TestRunsAndPlansOverHTTP(t *testing.T) {
	w := newWorld(t, emulator.Config{Media: 200}, enforcing, "MEDIASWEEP_HTTP_AUTH", "function")
	r := w.mustInvoke(everything, report.Done)
	for target, want := range map[string]string{
		"/v1/runs":                                     `"run":"` + r.Run + `"`,
		"/v1/runs/" + r.Run:                            `"status":"done"`,
		"/v1/runs/" + r.Run + "?format=csv":            "mediaId,object,rule,reason,expiresAt,state,title,bytes,videoSeconds,created,ageDays,tags\n",
		"/v1/runs/" + r.Run + "?format=csv&excel=true": "\ufeffmediaId,object,",
		"/v1/plans":                                    `"id":"` + r.Plan + `"`,
		"/v1/plans/" + r.Plan:                          `"entries":[{"mediaId":"`,
		"/v1/plans/" + r.Plan + "?format=csv":          ",everything-else,",
		"/v1/forecast?days=3":                          `"overdue":{`,
		"/v1/media/" + w.deleted()[0] + "/explain":     `"verdict":"absent"`,
	} {
		if status, answer := w.ask("GET", target, ""); status != http.StatusOK || !strings.Contains(answer, want) {
			t.Errorf("GET %s: %d, %.300s", target, status, answer)
		}
	}
	_, answer := w.ask("GET", "/v1/plans/"+r.Plan, "")
	var plan struct{ Entries []planEntry }
	if err := json.Unmarshal([]byte(answer), &plan); err != nil || len(plan.Entries) != r.Counts.Expired {
		t.Errorf("a plan of %d entries: %v", len(plan.Entries), err)
	}
	for target, want := range map[string]int{
		"/v1/runs/nobody": 404, "/v1/runs/..%2F..%2Fetc": 404, "/v1/plans/sha256:00": 400, "/v1/plans/sha256:" + strings.Repeat("0", 64): 404, "/v1/nothing": 404, "/v1/forecast?days=x": 400,
		"/v1/forecast?days=0": 400, "/v1/forecast?days=03": 400, "/v1/forecast?days=0x3": 400, "/v1/forecast?days=%2B3": 400, "/v1/forecast?days=1_0": 400,
		"/v1/forecast?days=": 400, "/v1/forecast?days=3&days=30": 400, "/v1/forecast?days=3e0": 400, "/v1/forecast?days=99999999999999999999": 400, "/v1/media/a,b/explain": 400, "/v1/sweeps": 405,
	} {
		if status, answer := w.ask("GET", target, ""); status != want || !json.Valid([]byte(answer)) {
			t.Errorf("GET %s: %d %s, want %d", target, status, answer, want)
		}
	}
	for target, want := range map[string]string{
		"/v1/runs/nobody-has-this": `{"error":"there is no run \"nobody-has-this\" in the state store: GET /v1/runs lists the latest"}`,
		"/v1/plans/00000000":       `{"error":"there is no plan \"00000000\" in the state store: GET /v1/plans lists the latest"}`,
	} {
		if _, answer := w.ask("GET", target, ""); strings.TrimSpace(answer) != want {
			t.Errorf("GET %s: %s, want %s", target, answer, want)
		}
	}
	w.env["MEDIASWEEP_HTTP_AUTH"] = ""
	w.setPolicy(enforcing)
	for _, target := range []string{"/v1/runs", "/v1/plans", "/v1/forecast", "/v1/nothing"} {
		if status, _ := w.ask("GET", target, ""); status != http.StatusForbidden {
			t.Errorf("GET %s by anybody: %d", target, status)
		}
	}
}

// State in a bucket that may overwrite its records is refused.
func TestVersionedStateIsRefused(t *testing.T) {
	w := newWorld(t, emulator.Config{Media: 50}, enforcing, "MEDIASWEEP_STATE", "oss://ops/state/")
	w.e.PutBucket("ops", "Suspended")
	r, err := w.invoke(everything)
	if err == nil || r.Status != report.Failed || !strings.Contains(r.Error, "versioning") || len(w.sent()) > 0 {
		t.Errorf("%s: %s", r.Status, r.Error)
	}
	w.e.PutBucket("ops", "")
	w.e.Inject(emulator.Fault{Operation: "GetBucketVersioning", Kind: emulator.Forbidden})
	w.setPolicy(enforcing) // a role that may not ask
	w.mustInvoke(everything, report.Done)
}

// A record named stop ends every run before its next batch; without it they go on.
func TestStopRecord(t *testing.T) {
	w := newWorld(t, emulator.Config{Media: 200}, enforcing)
	w.add("clips/one", 300)
	folder := strings.TrimPrefix(w.env["MEDIASWEEP_STATE"], "file://")
	stop := filepath.Join(folder, "stop")
	if err := errors.Join(os.MkdirAll(folder, 0o700), os.WriteFile(stop, nil, 0o600)); err != nil {
		t.Fatal(err)
	}
	for _, payload := range []string{everything, string(ossEvent("clips/one")), request("objects", []string{"oss://media-in/clips/one"})} {
		if r, _ := w.invoke(payload); r.Status != report.Incomplete || !strings.Contains(r.Error, "stop") || !strings.HasPrefix(r.Next, "file://"+stop+" stops all runs; once it is removed, ") {
			t.Errorf("%.40s: %s, %s, next %q", payload, r.Status, r.Error, r.Next)
		}
	}
	if len(w.sent()) > 0 {
		t.Errorf("%d deletions in spite of it", len(w.sent()))
	}
	if err := os.Remove(stop); err != nil {
		t.Fatal(err)
	}
	w.mustInvoke(everything, report.Done)
}

// One of two concurrent runs of the inventory is busy. Runs over given media do not wait.
func TestOneRunOfTheInventoryAtATime(t *testing.T) {
	w := newWorld(t, emulator.Config{Media: 100}, enforcing)
	w.e.Inject(emulator.Fault{Operation: "QueryMediaListByURL", Kind: emulator.Latency, Delay: 300 * time.Millisecond})
	answers := make(chan string, 2)
	for i := range 2 {
		go func() {
			body, _ := w.f.Invoke(context.Background(), handler.Call{RequestID: fmt.Sprint("timer-", i)}, []byte(everything))
			answers <- string(body)
		}()
	}
	busy := 0
	for range 2 {
		if answer := <-answers; strings.Contains(answer, `"status":"busy"`) {
			busy++
		} else if !strings.Contains(answer, `"status":"done"`) {
			t.Error(answer)
		}
	}
	if busy != 1 {
		t.Errorf("%d of 2 runs are busy", busy)
	}
	w.mustInvoke(everything, report.Done) // the lease was given back
}

// A scheduled run that is stopped halfway finishes the batch that is under way. The next
// one finishes its plan, reads every medium again and sends none twice.
func TestTheNextRunFinishesAPlan(t *testing.T) {
	t.Parallel()
	onTurnedClock(t, strings.Replace(enforcing, "share: 1", "share: 0.1", 1), testTheNextRunFinishesAPlan)
}

func testTheNextRunFinishesAPlan(t *testing.T, w *world) {
	const media = 300
	for i := range media {
		w.add(fmt.Sprint("clips/", i), 300)
	}
	folder := strings.TrimPrefix(w.env["MEDIASWEEP_STATE"], "file://")
	stop := filepath.Join(folder, "stop")
	go func() {
		for w.e.Count()["DeleteMedia"] < 5 {
			time.Sleep(time.Millisecond) // until the run deletes
		}
		_ = os.WriteFile(stop, nil, 0o600)
	}()
	cut := w.mustInvoke(everything, report.Incomplete)
	if c := cut.Counts; c.Deleted == 0 || c.Pending == 0 || c.Deleted+c.Pending != media || c.Deleted != len(w.deleted()) || !strings.Contains(cut.Error, "stop") {
		t.Errorf("%+v, %s; %d are deleted", c, cut.Error, len(w.deleted()))
	}
	if err := os.Remove(stop); err != nil {
		t.Fatal(err)
	}
	var held emulator.Medium
	for _, m := range w.e.Media() {
		if !m.Deleted {
			held = m
		}
	}
	held.Tags = []string{"legal-hold"}
	w.e.Add(held)
	next := w.mustInvoke(everything, report.Done)
	if got := len(w.deleted()); got != media-1 || next.Counts.Expired != 0 || next.Counts.Protected != 1 {
		t.Errorf("%d deleted, %+v", got, next.Counts)
	}
	seen := map[string]bool{}
	for _, call := range w.e.Calls() {
		if call.Operation != "DeleteMedia" {
			continue
		}
		for _, id := range call.MediaIDs {
			if seen[id] {
				t.Errorf("%s was sent twice", id)
			}
			seen[id] = true
		}
	}
	runs, err := w.runs()
	if err != nil || len(runs) != 3 {
		t.Fatalf("%d runs, %v", len(runs), err)
	}
	finished := slices.IndexFunc(runs, func(r *report.Report) bool { return r.Plan == cut.Plan && r.Run != cut.Run })
	if finished < 0 || runs[finished].Counts.Deleted+cut.Counts.Deleted != media-1 {
		t.Errorf("%+v", runs)
	}
	w.mustInvoke(everything, report.Done)
	if runs, _ := w.runs(); len(runs) != 4 {
		t.Error("a plan that is done is finished again")
	}
}

// A run that finishes an earlier plan reads its media again. A medium that MPS refuses
// to look up fails alone.
func TestOneOfAPlanThatCannotBeReadAgain(t *testing.T) {
	turnClock(t, testOneOfAPlanThatCannotBeReadAgain)
}

func testOneOfAPlanThatCannotBeReadAgain(t *testing.T) {
	w := newPipedWorld(t, emulator.Config{Faults: []emulator.Fault{{Operation: "DeleteMedia", Kind: emulator.Unavailable}}}, enforcing)
	var odd string
	for i := range 40 {
		odd = w.add(fmt.Sprint("clips/", i), 300).ID
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
	defer cancel()
	if body, _ := w.f.Invoke(ctx, handler.Call{RequestID: "cut-off"}, []byte(everything)); !strings.Contains(string(body), `"status":"incomplete"`) {
		t.Fatalf("%s", body)
	}
	w.e.ClearFaults()
	w.e.SetMPS(emulator.MPSOptions{Refused: []string{odd}})
	w.mustInvoke(everything, report.Partial)
	runs, err := w.runs()
	if err != nil {
		t.Fatal(err)
	}
	finished := slices.IndexFunc(runs, func(r *report.Report) bool { return r.Counts.Expired == 40 && r.Run != "cut-off" })
	if finished < 0 || runs[finished].Counts.Deleted != 39 || runs[finished].Counts.Failed != 1 || runs[finished].Failures[0].MediaID != odd {
		t.Errorf("%+v", runs)
	}
}

// A plan is applied with the groups of keepLatest as they are by then: what has
// become one of the latest stays.
func TestApplyRanksAnew(t *testing.T) {
	for _, per := range []string{"folder", "category", "folder, of a list"} {
		per, _, listed := strings.Cut(per, ", of a ")
		rules := strings.Replace(enforcing, "expire:", "expire:\n  - {name: series, match: {object: [\"oss://media-in/series/**\"]}, after: 30d, keepLatest: {count: 2, per: "+per+"}}", 1)
		if listed {
			rules = strings.Replace(rules, "{bucket: oss://media-in/}", "{bucket: oss://media-in/clips/}, {manifest: oss://ops/list.csv}", 1)
		}
		w := newWorld(t, emulator.Config{}, rules, "MEDIASWEEP_HTTP_AUTH", "function")
		var media []emulator.Medium
		rows := "mediaId\n"
		for i := range 5 {
			media = append(media, w.add(fmt.Sprint("series/", i), 100-i))
			rows += media[i].ID + "\n"
		}
		w.e.PutObject("ops", "list.csv", []byte(rows), time.Now())
		w.add("clips/old", 300)
		_, planned := w.askReport("POST", "/v1/plans", `{"inventory":true}`)
		if planned.Counts.Pending != 4 { // the oldest three, and the clip
			t.Fatalf("%+v", planned.Counts)
		}
		media[4].Deleted = true
		w.e.Add(media[4])
		_, r := w.askReport("POST", "/v1/plans/"+planned.Plan+"/apply", "")
		if c := r.Counts; c.Deleted != 3 || c.Kept != 1 || c.Looked != 4 {
			t.Errorf("per %s: %s, %+v", per, r.Status, c)
		}
		for _, batch := range w.sent() {
			if slices.Contains(batch, media[2].ID) || slices.Contains(batch, media[3].ID) {
				t.Errorf("per %s: one of the latest two was sent", per)
			}
		}
	}
}

// A group that cannot be read has fewer media deleted, and the run is partial.
func TestApplyWithoutTheGroups(t *testing.T) {
	rules := strings.Replace(enforcing, "expire:", "expire:\n  - {name: series, match: {object: [\"oss://media-in/series/**\"]}, after: 30d, keepLatest: {count: 2, per: folder}}", 1)
	w := newWorld(t, emulator.Config{}, rules, "MEDIASWEEP_HTTP_AUTH", "function")
	for i := range 5 {
		w.add(fmt.Sprint("series/", i), 100-i)
	}
	_, planned := w.askReport("POST", "/v1/plans", `{"inventory":true}`)
	w.e.Inject(emulator.Fault{Operation: "ListObjectsV2", Kind: emulator.Forbidden})
	_, r := w.askReport("POST", "/v1/plans/"+planned.Plan+"/apply", "")
	if planned.Counts.Pending != 3 || r.Status != report.Partial || r.Counts.Deleted != 1 || r.Counts.Kept != 2 {
		t.Errorf("of %d: %s %s, %+v", planned.Counts.Pending, r.Status, r.Error, r.Counts)
	}
	if len(r.Failures) != 1 || !strings.Contains(r.Failures[0].Message, "not all groups of keepLatest rules could be read: list oss://media-in/") {
		t.Errorf("failures %+v", r.Failures)
	}
}

// Each deleted medium has its latest record in a plan, even if the applied plan has an older one.
// A restore uses the latest record.
func TestApplyKeepsTheRecordsOfToday(t *testing.T) {
	w := newWorld(t, emulator.Config{}, enforcing, "MEDIASWEEP_HTTP_AUTH", "function")
	m := w.add("clips/a", 300)
	w.e.PutObject("media-in", "clips/a", nil, time.Now())
	_, planned := w.askReport("POST", "/v1/plans", `{"inventory":true}`)
	m.Title, m.Tags = "A new title", []string{"news"}
	w.e.Add(m)
	_, r := w.askReport("POST", "/v1/plans/"+planned.Plan+"/apply", "")
	if r.Counts.Deleted != 1 || r.Plan != planned.Plan {
		t.Fatalf("%+v", r)
	}
	done := w.restore(r.Run)
	if done.Restore.Restored != 1 {
		t.Fatalf("%+v", done.Restore)
	}
	if again, _ := w.e.Medium(done.Restore.Media[0].NewID); again.Title != "A new title" || !slices.Equal(again.Tags, m.Tags) {
		t.Errorf("restored as %q %v", again.Title, again.Tags)
	}
}

// The population of a plan that is applied is the plan: the percentage was checked
// when it was made.
func TestAPlanThatPassedIsNotBlockedLater(t *testing.T) {
	w := newWorld(t, emulator.Config{}, strings.Replace(enforcing, "maxPercent: 100", "maxPercent: 60", 1), "MEDIASWEEP_HTTP_AUTH", "function")
	for i := range 110 { // the percentage is of 100 media or more
		w.add(fmt.Sprint("clips/", i), 300)
		w.add(fmt.Sprint("clips/young/", i), 3)
	}
	_, planned := w.askReport("POST", "/v1/plans", `{"inventory":true}`)
	if _, r := w.askReport("POST", "/v1/plans/"+planned.Plan+"/apply", ""); r.Status != report.Done || r.Counts.Deleted != 110 {
		t.Errorf("%s, %s, %+v", r.Status, r.Guard.Reason, r.Counts)
	}
}

// A plan whose number of entries differs from its contents is refused.
func TestAPlanOfAnotherLength(t *testing.T) {
	w := newWorld(t, emulator.Config{Media: 200}, enforcing, "MEDIASWEEP_HTTP_AUTH", "function")
	_, planned := w.askReport("POST", "/v1/plans", `{"inventory":true}`)
	name := filepath.Join(strings.TrimPrefix(w.env["MEDIASWEEP_STATE"], "file://"), "plans", strings.ReplaceAll(planned.Plan, ":", "-"), "plan.json")
	contents, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	contents = bytes.Replace(contents, fmt.Appendf(nil, `"entries":%d`, planned.Counts.Pending), []byte(`"entries":1`), 1)
	if err := os.WriteFile(name, contents, 0o600); err != nil {
		t.Fatal(err)
	}
	if status, r := w.askReport("POST", "/v1/plans/"+planned.Plan+"/apply", ""); status != http.StatusBadGateway || len(w.sent()) > 0 {
		t.Errorf("%d, %s, %d deletions", status, r.Error, len(w.sent()))
	}
}

// A run whose outcomes cannot be written reports them, and is not done.
func TestALedgerThatCannotBeWritten(t *testing.T) {
	w := newWorld(t, emulator.Config{Media: 200}, enforcing)
	folder := strings.TrimPrefix(w.env["MEDIASWEEP_STATE"], "file://")
	if err := errors.Join(os.MkdirAll(folder, 0o700), os.WriteFile(filepath.Join(folder, "ledger"), nil, 0o600)); err != nil {
		t.Fatal(err)
	}
	r := w.mustInvoke(everything, report.Partial)
	if r.Counts.Deleted == 0 || r.Counts.Deleted != r.Counts.Expired || len(r.Failures) != 1 || !strings.Contains(r.Failures[0].Message, "ledger") {
		t.Errorf("%+v, %+v", r.Counts, r.Failures)
	}
}

// A plan that was cut off and cannot be read any more does not hold up the sweeps.
func TestAPlanThatCannotBeFinished(t *testing.T) {
	w := newWorld(t, emulator.Config{Media: 200}, enforcing)
	r := w.mustInvoke(everything, report.Done)
	folder := strings.TrimPrefix(w.env["MEDIASWEEP_STATE"], "file://")
	done, err := filepath.Glob(filepath.Join(folder, "open", "*.done"))
	if err != nil || len(done) != 1 {
		t.Fatal(done, err)
	}
	segment := filepath.Join(folder, "plans", strings.ReplaceAll(r.Plan, ":", "-"), "000001.jsonl.gz")
	if err := errors.Join(os.Remove(done[0]), os.Remove(segment)); err != nil {
		t.Fatal(err)
	}
	w.add("clips/new", 300)
	if r := w.mustInvoke(everything, report.Done); r.Counts.Deleted != 1 {
		t.Errorf("%+v", r.Counts)
	}
}

// Damaged records stop nothing that is safe without them.
func TestDamagedRecords(t *testing.T) {
	w := newWorld(t, emulator.Config{Media: 200}, enforcing)
	w.mustInvoke(everything, report.Done)
	folder := strings.TrimPrefix(w.env["MEDIASWEEP_STATE"], "file://")
	err := filepath.WalkDir(folder, func(name string, record fs.DirEntry, err error) error {
		if err != nil || record.IsDir() {
			return err
		}
		if strings.Contains(name, "/open/") || strings.Contains(name, "/lease/") {
			if err := os.WriteFile(name, []byte("{"), 0o600); err != nil {
				t.Fatal(err)
			}
			old := time.Now().Add(-time.Minute)
			if err := os.Chtimes(name, old, old); err != nil {
				t.Fatal(err)
			}
			if strings.HasSuffix(name, ".done") {
				_ = os.Remove(name) // as if the run had been cut off
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(folder, "runs", "request-1", "000001.json"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	w.requests = 0 // the first request comes again, and its report cannot be read
	if r := w.mustInvoke(everything, report.Done); r.Counts.Expired != 0 {
		t.Errorf("%+v", r.Counts)
	}
	if err := os.MkdirAll(filepath.Join(folder, "marks"), 0o700); err != nil {
		t.Fatal(err)
	}
	// What may say that a medium is to be left alone cannot be passed over.
	if err := os.WriteFile(filepath.Join(folder, "marks", "20260101T000000Z-x.json"), []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	sent := len(w.sent())
	w.add("clips/new", 300)
	if r, err := w.invoke(everything); err == nil || !strings.Contains(r.Error, "marks/2026") || len(w.sent()) != sent {
		t.Errorf("%s: %s", r.Status, r.Error)
	}
}

// A run that was killed left a plan and no report: its plan stands for it. What a run
// did not delete its restore does not bring back.
func TestRestoreOfAKilledRun(t *testing.T) {
	w := newWorld(t, emulator.Config{Media: 200}, enforcing, "MEDIASWEEP_HTTP_AUTH", "function")
	r := w.mustInvoke(everything, report.Done)
	_, second := w.askReport("POST", "/v1/plans/"+r.Plan+"/apply", "")
	if second.Counts.Absent != r.Counts.Deleted || second.Counts.Deleted != 0 {
		t.Fatalf("%+v", second.Counts)
	}
	if done := w.restore(second.Run); done.Restore.Restored != 0 {
		t.Errorf("%d media restored of a run that deleted none", done.Restore.Restored)
	}
	folder := strings.TrimPrefix(w.env["MEDIASWEEP_STATE"], "file://")
	if err := errors.Join(os.RemoveAll(filepath.Join(folder, "runs")), os.RemoveAll(filepath.Join(folder, "ledger"))); err != nil {
		t.Fatal(err)
	}
	if done := w.restore(r.Plan); done.Restore.Restored != r.Counts.Deleted {
		t.Errorf("%d of %d restored", done.Restore.Restored, r.Counts.Deleted)
	}
}

// A list of runs or plans has every readable record, and names the skipped ones.
func TestListsSkipWhatCannotBeRead(t *testing.T) {
	w := newWorld(t, emulator.Config{Media: 200}, enforcing, "MEDIASWEEP_HTTP_AUTH", "function")
	r := w.mustInvoke(everything, report.Done)
	folder := strings.TrimPrefix(w.env["MEDIASWEEP_STATE"], "file://")
	damage := map[string]func(name string) error{
		"vanished":  func(name string) error { return os.Symlink("nowhere", name) },
		"cut":       func(name string) error { return os.WriteFile(name, []byte(`{"format":1,`), 0o600) },
		"empty":     func(name string) error { return os.WriteFile(name, nil, 0o600) },
		"object":    func(name string) error { return os.WriteFile(name, []byte("{}"), 0o600) },
		"random":    func(name string) error { return os.WriteFile(name, []byte{0xff, 0, 13, 10, 7}, 0o600) },
		"too large": func(name string) error { return errors.Join(os.WriteFile(name, nil, 0o600), os.Truncate(name, 65<<20)) },
	}
	for kind, do := range damage {
		for _, record := range []string{"log/http/done/5000000000000000000-" + strings.ReplaceAll(kind, " ", "-") + ".1.0", "plans/sha256-" + kind + "/plan.json"} {
			name := filepath.Join(folder, record)
			if err := errors.Join(os.MkdirAll(filepath.Dir(name), 0o700), do(name)); err != nil {
				t.Fatal(err)
			}
		}
	}
	for target, want := range map[string]string{"/v1/runs": `"run":"` + r.Run + `"`, "/v1/plans": `"id":"` + r.Plan + `"`} {
		recorder := httptest.NewRecorder()
		w.f.ServeHTTP(recorder, httptest.NewRequest(http.MethodGet, target, nil))
		var list []json.RawMessage
		if err := json.Unmarshal(recorder.Body.Bytes(), &list); err != nil || recorder.Code != http.StatusOK || len(list) != 1 || !strings.Contains(string(list[0]), want) {
			t.Errorf("GET %s: %d, %d in the list, %v", target, recorder.Code, len(list), err)
		}
		notes := recorder.Header().Get("X-Mediasweep-Notes")
		for kind := range damage {
			if !strings.Contains(notes, kind) && !strings.Contains(notes, strings.ReplaceAll(kind, " ", "-")) {
				t.Errorf("GET %s: no note of the record that is %s: %s", target, kind, notes)
			}
		}
		if len(notes) > 8<<10 || strings.ContainsFunc(notes, func(r rune) bool { return r < ' ' || r > '~' }) {
			t.Errorf("GET %s: notes of %d bytes: %q", target, len(notes), notes)
		}
	}
}

// A list without a readable record is an error, not an empty list.
func TestListsThatCannotBeReadAtAll(t *testing.T) {
	w := newWorld(t, emulator.Config{Media: 20}, enforcing, "MEDIASWEEP_STATE", "oss://ops/state/", "MEDIASWEEP_HTTP_AUTH", "function")
	w.mustInvoke(everything, report.Done)
	w.e.Inject(emulator.Fault{Operation: "GetObject", Kind: emulator.Forbidden})
	if status, answer := w.ask("GET", "/v1/runs", ""); status != http.StatusBadGateway {
		t.Errorf("%d %s", status, answer)
	}
}

// A damaged plan breaks its answer off, in every form: no part of it ends as a whole one.
func TestDamagedPlansBreakOff(t *testing.T) {
	w := newWorld(t, emulator.Config{}, dryRun, "MEDIASWEEP_HTTP_AUTH", "function")
	for i := range 1100 { // a segment has a thousand
		w.add(fmt.Sprint("clips/", i), 300)
	}
	r := w.mustInvoke(everything, report.Done)
	segments, err := filepath.Glob(filepath.Join(strings.TrimPrefix(w.env["MEDIASWEEP_STATE"], "file://"), "plans", "*", "*.jsonl.gz"))
	if err != nil || len(segments) != 2 {
		t.Fatal(segments, err)
	}
	first, last := segments[0], segments[1]
	server := httptest.NewServer(w.f)
	defer server.Close()
	for name, damage := range map[string]func() error{
		"a segment is missing":      func() error { return os.Remove(last) },
		"a segment is cut":          func() error { return os.Truncate(last, 200) },
		"a segment is another's":    func() error { return copyFile(first, last) },
		"a segment is empty":        func() error { return os.Truncate(first, 0) },
		"the last segment is empty": func() error { return os.Truncate(last, 0) },
	} {
		t.Run(name, func(t *testing.T) {
			for _, segment := range segments {
				if err := copyFile(segment, segment+".whole"); err != nil {
					t.Fatal(err)
				}
				defer func() { _ = os.Rename(segment+".whole", segment) }() // an error shows below
			}
			if err := damage(); err != nil {
				t.Fatal(err)
			}
			for _, target := range []string{"/v1/plans/" + r.Plan, "/v1/plans/" + r.Plan + "?format=csv", "/v1/runs/" + r.Run + "?format=csv"} {
				w.mustBreakOff(t, server.URL, target)
			}
		})
	}
	if status, answer := w.ask("GET", "/v1/plans/"+r.Plan, ""); status != http.StatusOK || !json.Valid([]byte(answer)) {
		t.Errorf("the whole plan: %d", status)
	}
}

// mustBreakOff asks for a target by a server and by an event: neither answer may be a whole one.
func (w *world) mustBreakOff(t *testing.T, server, target string) {
	t.Helper()
	if response, err := http.Get(server + target); err == nil {
		body, err := io.ReadAll(response.Body)
		_ = response.Body.Close()
		if err == nil && response.StatusCode == http.StatusOK {
			t.Errorf("GET %s: a whole answer of %d bytes", target, len(body))
		}
	}
	path, query, _ := strings.Cut(target, "?")
	parameters := map[string]string{}
	if format, ok := strings.CutPrefix(query, "format="); ok {
		parameters["format"] = format
	}
	event, err := json.Marshal(map[string]any{"version": "v1", "rawPath": path, "queryParameters": parameters, "headers": map[string]string{}, "body": "",
		"requestContext": map[string]any{"http": map[string]string{"method": "GET", "path": path}}})
	if err != nil {
		t.Fatal(err)
	}
	answer, _ := w.f.Invoke(t.Context(), handler.Call{}, event)
	var response struct {
		StatusCode int
		Body       string
	}
	if err := json.Unmarshal(answer, &response); err != nil || response.StatusCode != http.StatusBadGateway || !json.Valid([]byte(response.Body)) {
		t.Errorf("%s as an event: %v, %.200s", target, err, answer)
	}
}

func copyFile(from, to string) error {
	data, err := os.ReadFile(from)
	return errors.Join(err, os.WriteFile(to, data, 0o600))
}

// A plan without media can be asked for and applied, whoever made it, and is in no list.
func TestAPlanWithoutMedia(t *testing.T) {
	w := newWorld(t, emulator.Config{}, enforcing, "MEDIASWEEP_HTTP_AUTH", "function")
	young := w.add("clips/young", 3)
	makes := map[string]func() report.Report{
		"a timer": func() report.Report { return w.mustInvoke(everything, report.Done) },
		"an event": func() report.Report {
			return w.mustInvoke(string(ossEvent("clips/young")), report.Done)
		},
		"a request for a plan": func() report.Report {
			_, r := w.askReport("POST", "/v1/plans", fmt.Sprintf(`{"mediaIds":[%q]}`, young.ID))
			return r
		},
		"a plan that is applied": func() report.Report {
			_, r := w.askReport("POST", "/v1/plans", `{"inventory":true}`)
			_, r = w.askReport("POST", "/v1/plans/"+r.Plan+"/apply", "")
			return r
		},
	}
	for name, do := range makes {
		r := do()
		if r.Status != report.Done || r.Counts.Expired != 0 || r.Plan == "" {
			t.Errorf("%s: %s %s, plan %q", name, r.Status, r.Error, r.Plan)
		}
		for target, want := range map[string]string{
			"/v1/plans/" + r.Plan:                 `"entries":[]`,
			"/v1/plans/" + r.Plan + "?format=csv": "mediaId,object,rule,reason,expiresAt,state,title,bytes,videoSeconds,created,ageDays,tags\n",
			"/v1/runs/" + r.Run + "?format=csv":   "mediaId,object,rule,reason,expiresAt,state,title,bytes,videoSeconds,created,ageDays,tags\n",
		} {
			if status, answer := w.ask("GET", target, ""); status != http.StatusOK || !strings.Contains(answer, want) || strings.Contains(answer, young.ID) && strings.Contains(target, "csv") {
				t.Errorf("%s: GET %s: %d %.300s", name, target, status, answer)
			}
		}
	}
	if status, answer := w.ask("GET", "/v1/plans", ""); status != http.StatusOK || strings.TrimSpace(answer) != "[]" {
		t.Errorf("plans: %d %s", status, answer)
	}
}
