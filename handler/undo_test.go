package handler_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/mediasweep/mediasweep/handler"
	"github.com/mediasweep/mediasweep/internal/emulator"
	"github.com/mediasweep/mediasweep/internal/report"
	"github.com/mediasweep/mediasweep/internal/state"
	"github.com/mediasweep/mediasweep/internal/trigger"
)

// deletedWorld has a run that deleted so many media whose objects stayed.
func deletedWorld(t *testing.T, media int, env ...string) (*world, report.Report) {
	t.Helper()
	w := newWorld(t, emulator.Config{}, enforcing, env...)
	w.fill(media)
	r := w.mustInvoke(everything, report.Done)
	if r.Counts.Deleted != media {
		t.Fatalf("%+v", r.Counts)
	}
	return w, r
}

func (w *world) fill(media int) {
	for i := range media {
		w.add(fmt.Sprint("clips/", i), 300)
		w.e.PutObject("media-in", fmt.Sprint("clips/", i), nil, time.Now())
	}
}

// A run is undone over HTTP, also as an event of go1: a dry run first, then the media, once, under a
// policy of any mode.
func TestUndoOverHTTP(t *testing.T) {
	w, r := deletedWorld(t, 12, "MEDIASWEEP_HTTP_AUTH", "function")
	w.setPolicy(strings.Replace(enforcing, "mode: enforce", "mode: dry-run", 1))
	send := func(query string) (int, report.Report) {
		t.Helper()
		by := w.send
		if query == "" {
			by = w.sendEvent
		}
		answer := by("POST", "/v1/runs/"+r.Run+"/restore"+query, "")
		var done report.Report
		if err := json.Unmarshal(answer.Body.Bytes(), &done); err != nil {
			t.Fatalf("%s: %v", answer.Body, err)
		}
		return answer.Code, done
	}
	status, dry := send("?dryRun=true")
	if c := dry.Restore; status != http.StatusOK || dry.Status != report.Done || c == nil || !c.DryRun || c.Of != r.Run || c.Restored != 12 || c.Records != "" ||
		len(c.Media) != 12 || c.Media[0].NewID != "" || w.e.Count()["AddMedia"] > 0 || !strings.Contains(dry.Next, "POST /v1/runs/"+r.Run+"/restore") {
		t.Fatalf("dry run: %d, %s %s, %+v, next %q", status, dry.Status, dry.Error, c, dry.Next)
	}
	for _, wrong := range []string{"?dryRun=yes", "?dryRun=", "?dryRun=true&dryRun=false"} {
		if status, done := send(wrong); status != http.StatusBadRequest || !strings.Contains(done.Error, "dryRun must be true or false") {
			t.Errorf("%s: %d %s", wrong, status, done.Error)
		}
	}
	for _, wrong := range []string{"?only=", "?only=a,,b", "?only=oss://media-in/clips/1", "?Only=a", "?dryrun=true", "?dryRun=true&limit=1"} {
		if status, done := send(wrong); status != http.StatusBadRequest || !strings.Contains(done.Error, "only") || w.e.Count()["AddMedia"] > 0 {
			t.Errorf("%s: %d %s", wrong, status, done.Error)
		}
	}
	if status, some := send("?dryRun=true&only=" + dry.Restore.Media[0].MediaID + ",nobody&only=" + dry.Restore.Media[1].MediaID); status != http.StatusOK || some.Restore.Restored != 2 || some.Restore.Skipped != 1 {
		t.Errorf("only some: %d, %s %+v", status, some.Error, some.Restore)
	}
	status, done := send("?dryRun=false")
	if c := done.Restore; status != http.StatusOK || done.Status != report.Done || c.DryRun || c.Restored != 12 || c.Media[0].NewID == "" || done.Calls.AddMedia != 12 || done.Counts != (report.Counts{}) {
		t.Errorf("restore: %d, %s %s, %+v", status, done.Status, done.Error, c)
	}
	status, again := send("")
	if status != http.StatusOK || again.Restore.Restored != 0 || again.Restore.Skipped != 12 || w.e.Count()["AddMedia"] != 12 {
		t.Errorf("restored twice, as an event of go1: %d, %s %s, %+v", status, again.Status, again.Error, again.Restore)
	}
	if status, saved := w.askReport("GET", "/v1/runs/"+done.Run, ""); status != http.StatusOK || saved.Restore == nil || saved.Restore.Restored != 12 || saved.Trigger != "http" {
		t.Errorf("the report in runs: %d, %+v", status, saved.Restore)
	}
	// The results as CSV: of a restore from its records, of a dry run from its report.
	for run, rows := range map[string]string{done.Run: ",restored,\n", dry.Run: ",restored,\n", again.Run: ",skipped,its object has a medium"} {
		answer := w.send("GET", "/v1/runs/"+run+"?format=csv", "")
		if body := answer.Body.String(); answer.Code != http.StatusOK || !strings.HasPrefix(body, "mediaId,newId,object,outcome,message\n") ||
			strings.Count(body, rows) != 12 || strings.Count(body, "oss://media-in/clips/") != 12 || strings.Contains(body, ",,") == (run == done.Run) {
			t.Errorf("results of %s: %d %s", run, answer.Code, body)
		}
	}
	if status, done := w.askReport("POST", "/v1/runs/nobody/restore", ""); status != http.StatusBadRequest || !strings.Contains(done.Error, "there is no run") {
		t.Errorf("an unknown run: %d %s", status, done.Error)
	}
	if status, done := w.askReport("POST", "/v1/sweeps", `{"restore":"`+r.Run+`"}`); status != http.StatusBadRequest || !strings.Contains(done.Error, "POST /v1/runs/{run}/restore") {
		t.Errorf("as a sweep: %d %s", status, done.Error)
	}
	w.noViolations()
}

// The media of another region are not restored: the request is refused, as an apply is.
func TestUndoInAnotherRegion(t *testing.T) {
	w, r := deletedWorld(t, 3, "MEDIASWEEP_HTTP_AUTH", "function")
	w.env["MEDIASWEEP_REGION"] = "cn-beijing"
	w.deploy()
	for _, query := range []string{"", "?dryRun=true"} {
		status, refused := w.askReport("POST", "/v1/runs/"+r.Run+"/restore"+query, "")
		if status != http.StatusBadRequest || !strings.Contains(refused.Error, `the plan is of region "cn-shanghai"`) || w.e.Count()["AddMedia"] > 0 {
			t.Errorf("restore%s: %d, %s", query, status, refused.Error)
		}
	}
}

// A request of s invoke restores too; a repeated one is answered from its report.
func TestUndoByInvoke(t *testing.T) {
	w, r := deletedWorld(t, 3)
	request := fmt.Sprintf(`{"restore":%q}`, r.Run)
	dry := w.mustInvoke(fmt.Sprintf(`{"restore":%q,"dryRun":true}`, r.Run), report.Done)
	if dry.Restore.Restored != 3 || w.e.Count()["AddMedia"] > 0 || dry.Mode != "dry-run" || dry.Trigger != "invoke" {
		t.Errorf("dry run: %+v", dry.Restore)
	}
	calls := 0
	for range 2 {
		body, err := w.f.Invoke(context.Background(), handler.Call{RequestID: "undo"}, []byte(request))
		var done report.Report
		if jsonErr := json.Unmarshal(body, &done); err != nil || jsonErr != nil || done.Run != "undo" || done.Restore.Restored != 3 {
			t.Errorf("%s, %v", body, err)
		}
		if calls > 0 && len(w.e.Calls()) != calls {
			t.Errorf("%d more calls for a repeated request", len(w.e.Calls())-calls)
		}
		calls = len(w.e.Calls())
	}
}

// A restore takes the lease of runs that delete; a dry run takes none. The kill switch stops a restore.
func TestRestoresTakeALease(t *testing.T) {
	w, r := deletedWorld(t, 3)
	store := w.store()
	lease, err := state.Acquire(t.Context(), store, "other")
	if err != nil {
		t.Fatal(err)
	}
	busy := w.mustInvoke(fmt.Sprintf(`{"restore":%q}`, r.Run), report.Busy)
	if busy.HTTPStatus() != http.StatusConflict || busy.ExitCode() != 6 || w.e.Count()["AddMedia"] > 0 {
		t.Errorf("%d, %d", busy.HTTPStatus(), busy.ExitCode())
	}
	w.mustInvoke(`{"restore":"under-way"}`, report.Busy) // it reads nothing that the other run may still write
	w.mustInvoke(fmt.Sprintf(`{"restore":%q,"dryRun":true}`, r.Run), report.Done)
	if err := lease.Release(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := store.Create(t.Context(), "stop", nil); err != nil {
		t.Fatal(err)
	}
	stopped := w.mustInvoke(fmt.Sprintf(`{"restore":%q}`, r.Run), report.Incomplete)
	if name := w.env["MEDIASWEEP_STATE"] + "/stop"; !strings.HasPrefix(stopped.Next, name+" stops all runs; once it is removed, ") || w.e.Count()["AddMedia"] > 0 {
		t.Errorf("next %q, error %q", stopped.Next, stopped.Error)
	}
	if err := os.Remove(strings.TrimPrefix(w.env["MEDIASWEEP_STATE"], "file://") + "/stop"); err != nil {
		t.Fatal(err)
	}
	w.mustInvoke(fmt.Sprintf(`{"restore":%q}`, r.Run), report.Done) // the lease was released
}

// A restore ends before the deadline of its call, and goes on when it is sent again.
func TestARestoreThatIsCutOffGoesOn(t *testing.T) {
	onTurnedClock(t, enforcing, func(t *testing.T, w *world) {
		const media = 1000
		w.fill(media)
		r := w.mustInvoke(everything, report.Done)
		w.e.Inject(emulator.Fault{Operation: "AddMedia", Kind: emulator.Latency, Delay: 200 * time.Millisecond})
		restored, calls := 0, 0
		for ; restored < media && calls < 20; calls++ {
			ctx, cancel := context.WithTimeout(t.Context(), 6*time.Second)
			began := time.Now()
			body, err := w.f.Invoke(ctx, handler.Call{RequestID: "undo"}, fmt.Appendf(nil, `{"restore":%q}`, r.Run))
			cancel()
			var done report.Report
			if jsonErr := json.Unmarshal(body, &done); err != nil || jsonErr != nil {
				t.Fatalf("%s, %v", body, err)
			}
			if took := time.Since(began); took > 6*time.Second {
				t.Errorf("it took %s", took)
			}
			restored += done.Restore.Restored
			if want := restored < media; (done.Status == report.Incomplete) != want || want && (done.Next == "" || !strings.Contains(done.Error, "time limit reached")) {
				t.Fatalf("%s %s, next %q, %d restored", done.Status, done.Error, done.Next, restored)
			}
			if done.Restore.Restored == 0 {
				t.Fatalf("no progress: %s, %+v", done.Error, done.Restore.Skipped)
			}
		}
		if got := w.e.Count()["AddMedia"]; restored != media || got != media || calls < 3 || len(w.living()) != media {
			t.Errorf("%d restored in %d calls, %d AddMedia, %d media", restored, calls, got, len(w.living()))
		}
		w.noViolations()
	})
}

// A preview shows what a restore would bring back, or why it would not. It writes no record.
func TestPreviewOfARestoreWritesNothing(t *testing.T) {
	w, r := deletedWorld(t, 3)
	records := func() []string {
		var names []string
		for record, err := range w.store().List(t.Context(), "", "") {
			if err != nil {
				t.Fatal(err)
			}
			names = append(names, record.Name)
		}
		return names
	}
	before := records()
	for _, test := range []struct {
		of       string
		status   report.Status
		restored int
	}{{r.Run, report.Done, 3}, {r.Plan, report.Done, 3}, {"nobody", report.Failed, 0}} {
		preview := w.f.PreviewRestore(t.Context(), handler.Call{RequestID: "preview"}, &trigger.Request{Trigger: trigger.HTTP, Restore: test.of})
		if preview.Status != test.status || preview.Restore.Restored != test.restored || !preview.Restore.DryRun {
			t.Errorf("%s: %s %s, %+v", test.of, preview.Status, preview.Error, preview.Restore)
		}
	}
	if diff := cmp.Diff(before, records()); diff != "" {
		t.Errorf("records: %s", diff)
	}
}

// What cannot be added is a failure of the report.
func TestRestoreWithFailures(t *testing.T) {
	w, r := deletedWorld(t, 3)
	w.e.Inject(emulator.Fault{Operation: "AddMedia", Kind: emulator.Forbidden, Count: 100})
	if done := w.mustRestore(t, r.Run); done.Status != report.Failed || done.Refused || done.ExitCode() != 1 {
		t.Errorf("without permission: %s %s", done.Status, done.Error)
	}
}

func (w *world) mustRestore(t *testing.T, run string) report.Report {
	t.Helper()
	body, _ := w.f.Invoke(t.Context(), handler.Call{}, fmt.Appendf(nil, `{"restore":%q}`, run))
	var r report.Report
	if err := json.Unmarshal(body, &r); err != nil {
		t.Fatal(err)
	}
	return r
}

// An undo does not turn against the media that a rule kept as the latest: what comes back is new to the
// library, and takes no place among them. A later upload does.
func TestUndoLeavesTheLatest(t *testing.T) {
	onTurnedClock(t, seriesOfTwo,
		func(t *testing.T, w *world) {
			for i := range 4 {
				w.add(fmt.Sprint("series/a/", i), 400-i)
				w.e.PutObject("media-in", fmt.Sprint("series/a/", i), nil, time.Now())
			}
			r := w.mustInvoke(everything, report.Done)
			if r.Counts.Deleted != 2 || r.Counts.Kept != 2 {
				t.Fatalf("%+v", r.Counts)
			}
			if done := w.restore(r.Run); done.Restore.Restored != 2 {
				t.Fatalf("%+v", done.Restore)
			}
			for _, days := range []int{1, 40, 400} {
				time.Sleep(time.Duration(days) * 24 * time.Hour)
				if r = w.mustInvoke(everything, report.Done); r.Counts.Deleted != 0 {
					t.Errorf("%d days later: %+v", days, r.Counts)
				}
			}
			w.add("series/a/new", 31)
			w.add("series/a/newer", 30)
			if r = w.mustInvoke(everything, report.Done); r.Counts.Deleted != 2 || r.Counts.Kept != 4 {
				t.Errorf("with two new media: %+v", r.Counts)
			}
		})
}

// seriesOfTwo keeps the latest two media of a folder.
var seriesOfTwo = strings.Replace(enforcing, "  - {name: everything-else",
	"  - {name: series, match: {object: [\"oss://media-in/series/**\"]}, after: 30d, keepLatest: {count: 2, per: folder}}\n  - {name: everything-else", 1)

// What a restore brings back while another run is under way takes no place among the latest of a group either: a sweep reads
// the marks once it has the lease, and a request deletes nothing.
func TestUndoBesideAnotherRun(t *testing.T) {
	for name, test := range map[string]struct {
		payload string
		slow    string // the call of the other run that lasts until the restore has ended
		want    report.Status
	}{
		"a sweep that waits for the lease":  {everything, "PutObject", report.Done},
		"a request that looks its media up": {`{"mode":"enforce","objects":["oss://media-in/series/a/0","oss://media-in/series/a/1","oss://media-in/series/a/2"]}`, "QueryMediaListByURL", report.Failed},
	} {
		t.Run(name, func(t *testing.T) {
			onTurnedClock(t, seriesOfTwo, func(t *testing.T, w *world) {
				w.env["MEDIASWEEP_STATE"] = "oss://ops/state/"
				w.setPolicy(seriesOfTwo)
				for i := range 3 {
					w.add(fmt.Sprint("series/a/", i), 40+10*i)
					w.e.PutObject("media-in", fmt.Sprint("series/a/", i), nil, time.Now())
				}
				first := w.mustInvoke(everything, report.Done)
				if first.Counts.Deleted != 1 {
					t.Fatalf("%+v", first.Counts)
				}
				restorer := w.f
				w.now = func() time.Time { return time.Now().Add(5 * time.Minute) }
				w.setPolicy(seriesOfTwo) // another process, whose clock makes nothing of these minutes lie in the future
				w.e.Inject(emulator.Fault{Operation: test.slow, Kind: emulator.Latency, Delay: 30 * time.Second, Count: 1})
				var r report.Report
				var other sync.WaitGroup
				other.Go(func() { r, _ = w.invoke(test.payload) })
				time.Sleep(5 * time.Second)
				if r := restorer.Sweep(t.Context(), handler.Call{}, &trigger.Request{Trigger: trigger.CLI, Restore: first.Run}); r.Status != report.Done || r.Restore.Restored != 1 {
					t.Fatalf("%s %s %+v", r.Status, r.Error, r.Restore)
				}
				other.Wait()
				if r.Status != test.want || r.Counts.Deleted != 0 || len(w.deleted()) != 1 {
					t.Errorf("%s %s, %+v", r.Status, r.Error, r.Counts)
				}
				if r = w.mustInvoke(everything, report.Done); r.Counts.Deleted != 0 {
					t.Errorf("the next sweep: %+v", r.Counts)
				}
			})
		})
	}
}
