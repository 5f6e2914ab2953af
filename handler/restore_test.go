package handler_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/mediasweep/mediasweep/handler"
	"github.com/mediasweep/mediasweep/internal/emulator"
	"github.com/mediasweep/mediasweep/internal/report"
	"github.com/mediasweep/mediasweep/internal/state"
	"github.com/mediasweep/mediasweep/internal/trigger"
)

func (w *world) restore(run string, only ...string) *report.Report {
	w.t.Helper()
	r := w.f.Sweep(context.Background(), handler.Call{}, &trigger.Request{Trigger: trigger.CLI, Restore: run, Only: only})
	if r.Status != report.Done {
		w.t.Fatalf("%s %s, %+v", r.Status, r.Error, r.Restore)
	}
	return r
}

// mediaWith returns the media of a restore with a result.
func mediaWith(r *report.Report, result report.Restoration) (media []report.RestoredMedium) {
	for _, m := range r.Restore.Media {
		if m.Result == result {
			media = append(media, m)
		}
	}
	return media
}

// living describes the live media by what a restore brings back.
func (w *world) living() []string {
	var list []string
	for _, m := range w.e.Media() {
		if !m.Deleted {
			list = append(list, fmt.Sprint(m.Bucket, "/", m.Key, " ", m.Title, " ", m.Tags, " ", m.CateID, " ", m.Description, " ", m.CoverURL))
		}
	}
	slices.Sort(list)
	return list
}

// A restore after a full sweep brings the library back to the same objects, titles,
// tags and categories, once; and the next sweeps leave it alone for 30 days.
func TestRestore(t *testing.T) {
	for _, options := range []emulator.MPSOptions{{}, {DeletedView: emulator.ViewDeleted}, {DeletedView: emulator.ViewInitiated}, {ReuseID: true}, {DeletedView: emulator.ViewInitiated, ReuseID: true}, {URLForm: emulator.EscapedSlash}} {
		t.Run(fmt.Sprintf("view %q, URLs %q, reuse %v", options.DeletedView, options.URLForm, options.ReuseID), func(t *testing.T) {
			t.Parallel()
			config := emulator.Config{Media: 300, MPS: options}
			if options.DeletedView == emulator.ViewInitiated {
				config.Media = 0 // of Initiated media nothing can be proven there
			}
			w := newWorld(t, config, enforcing)
			for i := range 30 {
				w.add(fmt.Sprintf("clips/more/%d, %%.mp4", i), 300-i*10)
				w.e.PutObject("media-in", fmt.Sprintf("clips/more/%d, %%.mp4", i), nil, time.Now())
			}
			clock := time.Now()
			w.now = func() time.Time { return clock }
			w.setPolicy(enforcing)
			before := w.living()
			r := w.mustInvoke(everything, report.Done)
			if r.Counts.Deleted == 0 || slices.Equal(before, w.living()) {
				t.Fatal("nothing was deleted")
			}
			done := w.restore(r.Run)
			if c := done.Restore; c.Restored != r.Counts.Deleted || c.Skipped+c.Failed > 0 || len(c.Media) != min(100, c.Restored) {
				t.Errorf("%d of %d restored, %+v, %+v", c.Restored, r.Counts.Deleted, c, done.Failures)
			}
			if diff := cmp.Diff(before, w.living()); diff != "" {
				t.Errorf("the library is not what it was (-want +got):\n%s", diff)
			}
			added := w.e.Count()["AddMedia"]
			if again := w.restore(r.Run); again.Restore.Restored > 0 || w.e.Count()["AddMedia"] != added {
				t.Errorf("restored twice: %+v", again.Restore)
			}
			clock = clock.Add(29 * 24 * time.Hour) // old drafts are due again, but for the hold
			w.mustInvoke(everything, report.Done)
			for _, one := range mediaWith(done, report.Restored) {
				if m, _ := w.e.Medium(one.NewID); m.Deleted {
					t.Errorf("%s was restored and is deleted again", one.Object)
				}
			}
			w.noViolations()
		})
	}
}

func TestRestoreOfWhatCannotBe(t *testing.T) {
	w := newWorld(t, emulator.Config{}, enforcing)
	for i := range 5 {
		w.add(fmt.Sprint("clips/", i), 300)
		w.e.PutObject("media-in", fmt.Sprint("clips/", i), nil, time.Now())
	}
	ids := map[string]string{}
	for _, m := range w.e.Media() {
		ids[m.Key] = m.ID
	}
	r := w.mustInvoke(everything, report.Done)
	w.e.RemoveObject("media-in", "clips/0")
	w.add("clips/1", 1) // somebody added it again
	w.e.Inject(emulator.Fault{Operation: "AddMedia", Kind: emulator.DropAfter, Count: 1})
	done := w.restore(r.Run, ids["clips/0"], ids["clips/1"], ids["clips/2"], ids["clips/3"], "nobody")
	if c := done.Restore; c.Restored != 2 || c.Skipped != 3 || c.Failed > 0 || w.e.Count()["AddMedia"] != 2 {
		t.Errorf("%+v", done.Restore)
	}
	for _, one := range mediaWith(done, report.Skipped) {
		want := map[string]string{ids["clips/0"]: "is gone", ids["clips/1"]: "has a medium", "nobody": "plan does not have it"}[one.MediaID]
		if want == "" || !strings.Contains(one.Reason, want) {
			t.Errorf("skipped %+v, want %q", one, want)
		}
	}
	dry := w.mustInvoke(timer(`{"mode":"dry-run"}`), report.Done)
	lease, err := state.Acquire(t.Context(), w.store(), "other")
	if err != nil {
		t.Fatal(err)
	}
	busy := w.mustInvoke(fmt.Sprintf(`{"mode":"enforce","plan":%q}`, r.Plan), report.Busy)
	if err := lease.Release(t.Context()); err != nil {
		t.Fatal(err)
	}
	w.add("clips/5", 300)
	w.setPolicy(strings.Replace(enforcing, "guard: {", "guard: {maxDelete: 0, ", 1))
	blocked := w.mustInvoke(everything, report.Blocked)
	for run, want := range map[string]string{"nobody": "there is no run", "request-": "names several runs: give the whole ID of one: request-1, request-", dry.Run: "has deleted nothing", blocked.Run: "has deleted nothing", busy.Run: "has deleted nothing", done.Run: `is a restore of "request-1"`} {
		r := w.f.Sweep(context.Background(), handler.Call{}, &trigger.Request{Trigger: trigger.CLI, Restore: run})
		if r.Status != report.Failed || !r.Refused || !strings.Contains(r.Error, want) {
			t.Errorf("run %q is restored: %s %s", run, r.Status, r.Error)
		}
	}
}

// The answer to an addition is lost, and MPS shows the medium late: the object gets no second medium.
func TestAnAdditionThatIsShownLate(t *testing.T) {
	onTurnedClock(t, enforcing, func(t *testing.T, w *world) {
		w.add("clips/a", 300)
		r := w.mustInvoke(everything, report.Done)
		w.e.SetMPS(emulator.MPSOptions{AdditionDelay: 2 * time.Second, AddAnother: true})
		w.e.Inject(emulator.Fault{Operation: "AddMedia", Kind: emulator.DropAfter, Count: 1})
		done := w.restore(r.Run)
		if c := done.Restore; c.Restored != 1 || w.e.Count()["AddMedia"] != 1 {
			t.Errorf("%d additions, %+v", w.e.Count()["AddMedia"], c)
		}
		w.noViolations()
	})
}

// Eight characters of a run's ID are enough for its report, for the runs before it and for a restore. Eight digits of a
// plan's ID are enough for a restore.
func TestARunByTheStartOfItsID(t *testing.T) {
	w := newWorld(t, emulator.Config{}, enforcing, "MEDIASWEEP_HTTP_AUTH", "function")
	w.add("clips/a", 300)
	w.e.PutObject("media-in", "clips/a", nil, time.Now())
	first := w.mustInvoke(everything, report.Done)
	run, plan := first.Run, first.Plan
	if answer := w.send("GET", "/v1/runs/"+run[:8], ""); answer.Code != http.StatusOK || !strings.Contains(answer.Body.String(), `{"run":"`+run+`"`) {
		t.Errorf("%d %s", answer.Code, answer.Body)
	}
	if answer := w.send("GET", "/v1/runs/"+run[:7], ""); answer.Code != http.StatusNotFound ||
		!strings.Contains(answer.Body.String(), "GET /v1/runs lists the latest; an ID may be shortened to 8 characters") {
		t.Errorf("seven characters: %d %s", answer.Code, answer.Body)
	}
	if answer := w.send("GET", "/v1/runs?before="+run[:8], ""); answer.Code != http.StatusOK || answer.Body.String() != "[]\n" {
		t.Errorf("before the first run: %d %s", answer.Code, answer.Body)
	}
	if _, r := w.askReport("POST", "/v1/runs/"+run[:8]+"/restore", ""); r.Status != report.Done || r.Restore.Of != run || r.Restore.Restored != 1 {
		t.Errorf("%s %s %+v", r.Status, r.Error, r.Restore)
	}
	for _, start := range []string{plan, plan[:len("sha256:")+8], plan[len("sha256:"):][:8], plan[len("sha256:"):]} {
		if _, r := w.askReport("POST", "/v1/runs/"+start+"/restore?dryRun=true", ""); r.Status != report.Done || r.Restore.Of != plan {
			t.Errorf("plan %s: %s %s %+v", start, r.Status, r.Error, r.Restore)
		}
	}
	w.mustInvoke(everything, report.Done)
	if answer := w.send("GET", "/v1/runs?before="+run[:8], ""); answer.Code != http.StatusBadRequest || !strings.Contains(answer.Body.String(), "names several runs") {
		t.Errorf("before one of several: %d %s", answer.Code, answer.Body)
	}
}

// A medium that this program deleted is not deleted again if the library shows it as Initiated.
// An unverified deletion is not sent again for 30 days.
func TestWhatEarlierRunsLeft(t *testing.T) {
	t.Parallel()
	t.Run("shown as Initiated", func(t *testing.T) {
		w := newWorld(t, emulator.Config{MPS: emulator.MPSOptions{DeletedView: emulator.ViewInitiated}}, enforcing)
		for i := range 12 {
			w.add(fmt.Sprint("clips/", i), 300)
		}
		if r := w.mustInvoke(everything, report.Done); r.Counts.Deleted != 12 {
			t.Fatalf("%+v", r.Counts)
		}
		sent := len(w.sent())
		w.setPolicy(enforcing) // another process
		if r := w.mustInvoke(everything, report.Done); r.Counts.Absent != 12 || len(w.sent()) != sent {
			t.Errorf("%+v, %d more calls", r.Counts, len(w.sent())-sent)
		}
	})
	t.Run("unverified", func(t *testing.T) { turnClock(t, testWhatCouldNotBeVerified) })
}

func testWhatCouldNotBeVerified(t *testing.T) {
	w := newPipedWorld(t, emulator.Config{MPS: emulator.MPSOptions{DeleteNothing: true}}, enforcing)
	clock := time.Now()
	w.now = func() time.Time { return clock }
	w.setPolicy(enforcing)
	id := w.add("clips/a", 300).ID
	if r := w.mustInvoke(everything, report.Partial); r.Counts.Unverified != 1 {
		t.Fatalf("%+v", r.Counts)
	}
	sent := len(w.sent())
	w.setPolicy(enforcing)
	if r := w.mustInvoke(everything, report.Done); r.Counts.Kept != 1 || len(w.sent()) != sent {
		t.Errorf("%+v, %d more calls", r.Counts, len(w.sent())-sent)
	}
	m, _ := w.e.Medium(id)
	m.CreationTime = "2020-01-01T00:00:00Z" // another medium of the same ID
	w.e.Add(m)
	if r := w.mustInvoke(everything, report.Partial); r.Counts.Unverified != 1 {
		t.Errorf("another record: %+v", r.Counts)
	}
	clock = clock.Add(31 * 24 * time.Hour)
	w.e.SetMPS(emulator.MPSOptions{})
	if r := w.mustInvoke(everything, report.Done); r.Counts.Deleted != 1 {
		t.Errorf("after 30 days: %+v", r.Counts)
	}
}

// A medium whose deletion had no effect stays once it is the latest of its group.
func TestAnUnverifiedMediumThatBecomesTheLatest(t *testing.T) {
	turnClock(t, func(t *testing.T) {
		rules := strings.Replace(enforcing, "expire:\n", "expire:\n  - {name: series, match: {object: [\"oss://media-in/series/**\"]}, after: 90d, keepLatest: {count: 1, per: folder}}\n", 1)
		w := newPipedWorld(t, emulator.Config{MPS: emulator.MPSOptions{DeleteNothing: true}}, rules)
		old, newer := w.add("series/a/old", 300), w.add("series/a/new", 200)
		if r := w.mustInvoke(everything, report.Partial); r.Counts.Unverified != 1 {
			t.Fatalf("%+v", r.Counts)
		}
		w.e.SetMPS(emulator.MPSOptions{})
		newer.Deleted = true // by somebody else
		w.e.Add(newer)
		time.Sleep(31 * 24 * time.Hour)
		r := w.mustInvoke(everything, report.Done)
		if m, _ := w.e.Medium(old.ID); m.Deleted || r.Counts.Kept != 1 {
			t.Errorf("deleted %v, %+v", m.Deleted, r.Counts)
		}
	})
}

// Of events that share a run each has its own deletions restored.
func TestRestoreOfOneOfManyEvents(t *testing.T) {
	onTurnedClock(t, enforcing, testRestoreOfOneOfManyEvents)
}

func testRestoreOfOneOfManyEvents(t *testing.T, w *world) {
	keys := []string{"clips/0", "clips/1", "clips/2"}
	for _, key := range keys {
		w.add(key, 300)
		w.e.PutObject("media-in", key, nil, time.Now())
	}
	reports := w.storm(keys, len(keys))
	if calls := w.e.Count()["DeleteMedia"]; calls != 1 {
		t.Fatalf("%d calls", calls)
	}
	for i, key := range keys {
		done := w.restore(reports[i].Run)
		if done.Restore.Restored != 1 || done.Restore.Media[0].Object != "oss://media-in/"+key || len(w.living()) != i+1 {
			t.Errorf("%s: %+v", key, done.Restore)
		}
	}
}

// A run whose outcomes could not be written has deleted what has gone of its plan.
func TestRestoreWithoutOutcomes(t *testing.T) {
	w := newWorld(t, emulator.Config{}, enforcing)
	var ids []string
	for i := range 3 {
		key := fmt.Sprint("clips/", i)
		ids = append(ids, w.add(key, 300).ID)
		w.e.PutObject("media-in", key, nil, time.Now())
	}
	folder := strings.TrimPrefix(w.env["MEDIASWEEP_STATE"], "file://")
	if err := errors.Join(os.MkdirAll(folder, 0o700), os.WriteFile(filepath.Join(folder, "ledger"), nil, 0o600)); err != nil {
		t.Fatal(err)
	}
	r := w.mustInvoke(strings.Replace(request("mediaIds", ids), "{", `{"mode":"enforce",`, 1), report.Partial)
	if err := os.Remove(filepath.Join(folder, "ledger")); err != nil {
		t.Fatal(err)
	}
	if done := w.restore(r.Run); done.Restore.Restored != 3 {
		t.Errorf("%+v", done.Restore)
	}
}

// A run is named by its whole ID.
func TestRestoreOfARunWhoseIDEndsAlike(t *testing.T) {
	w := newWorld(t, emulator.Config{}, enforcing)
	w.add("clips/a", 300)
	w.e.PutObject("media-in", "clips/a", nil, time.Now())
	if _, err := w.f.Invoke(context.Background(), handler.Call{RequestID: "1-aaaa-0001"}, []byte(everything)); err != nil {
		t.Fatal(err)
	}
	folder := strings.TrimPrefix(w.env["MEDIASWEEP_STATE"], "file://")
	if err := os.RemoveAll(filepath.Join(folder, "runs")); err != nil { // as after a kill
		t.Fatal(err)
	}
	for _, run := range []string{"0001", "aaaa-0001"} {
		r := w.f.Sweep(context.Background(), handler.Call{}, &trigger.Request{Trigger: trigger.CLI, Restore: run})
		if r.ExitCode() != 2 || !strings.Contains(r.Error, "there is no run") {
			t.Errorf("run %s: %s %s", run, r.Status, r.Error)
		}
	}
	if done := w.restore("1-aaaa-0001"); done.Restore.Restored != 1 {
		t.Errorf("%+v", done.Restore)
	}
}

// Media of events that did not go do not count among those that went.
func TestTheGuardOfEventsCountsWhatWent(t *testing.T) {
	w := newWorld(t, emulator.Config{}, strings.Replace(enforcing, "maxPercent: 100", "maxPercent: 100, maxDelete: 10", 1))
	var keys []string
	for i := range 8 {
		keys = append(keys, fmt.Sprint("clips/", i))
		w.add(keys[i], 300)
	}
	w.e.Inject(emulator.Fault{Operation: "DeleteMedia", Kind: emulator.Forbidden, Count: 3})
	for range 3 {
		if r, err := w.invoke(string(ossEvent(keys...))); r.Status != report.Failed {
			t.Errorf("%s, %v", r.Status, err)
		}
	}
	if r := w.mustInvoke(string(ossEvent(keys...)), report.Done); r.Counts.Deleted != 8 {
		t.Errorf("%+v", r.Counts)
	}
	w.add("clips/more", 300)
	w.add("clips/most", 300)
	w.add("clips/last", 300)
	w.mustInvoke(string(ossEvent("clips/more", "clips/most", "clips/last")), report.Blocked)
}

// All media that a killed run deleted can be restored by the start of its ID, before and after the next run finishes its plan.
// The restore keeps the pace of the service, and writes one record for all held media.
func TestRestoreOfARunThatWasKilledWhileItDeleted(t *testing.T) {
	for _, finished := range []bool{false, true} {
		for _, view := range []emulator.DeletedView{emulator.ViewNonExist, emulator.ViewInitiated} {
			t.Run(fmt.Sprintf("finished %v, view %q", finished, view), func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					s := newSimulation(t, 1, simulated, emulator.MPSOptions{DeletedView: view})
					defer s.end()
					s.addOld("media-in", 300)
					s.e.Inject(emulator.Fault{Operation: "*", Kind: emulator.Latency, Delay: 40 * time.Millisecond})
					s.programs = []*program{s.start(0)}
					s.calls.Go(func() {
						_, _ = s.programs[0].f.Invoke(t.Context(), handler.Call{RequestID: "1-killed-7"}, []byte(everything))
					})
					for s.e.Count()["DeleteMedia"] < 10 {
						time.Sleep(10 * time.Millisecond)
					}
					s.programs[0].kill()
					s.calls.Wait()
					s.programs[0] = s.start(0)
					gone := s.gone()
					time.Sleep(31 * time.Second) // until the lease of the killed run ends
					if finished {
						if r := s.timer(time.Minute); r.Status != report.Done || s.gone() != 300 {
							t.Fatalf("%s %s, %d are gone", r.Status, r.Error, s.gone())
						}
					}
					if gone < 50 {
						t.Fatalf("only %d are gone", gone)
					}
					began := time.Now()
					done := s.programs[0].f.Sweep(t.Context(), handler.Call{}, &trigger.Request{Trigger: trigger.CLI, Restore: "1-killed"})
					if done.Status != report.Done {
						t.Fatal(done.Status, done.Error, done.Failures)
					}
					if restored := done.Restore.Restored; view == emulator.ViewNonExist && restored != gone || s.e.Count()["AddMedia"] != restored {
						t.Errorf("%d of %d restored, %+v", restored, gone, done.Restore)
					}
					if took := time.Since(began); took > time.Duration(gone)*10*time.Millisecond+3*time.Second {
						t.Errorf("it took %s to restore %d media", took, gone)
					}
				})
			})
		}
	}
}

// Two concurrent restores add no medium twice: one of them is busy.
func TestTwoRestoresAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSimulation(t, 1, simulated, emulator.MPSOptions{})
		defer s.end()
		s.addOld("media-in", 50)
		s.programs = []*program{s.start(0), s.start(0)}
		r := s.timer(time.Hour)
		s.e.Inject(emulator.Fault{Operation: "*", Kind: emulator.Latency, Delay: 10 * time.Millisecond})
		busy := make(chan bool, 2)
		for _, p := range s.programs {
			s.calls.Go(func() {
				undone := p.f.Sweep(t.Context(), handler.Call{}, &trigger.Request{Trigger: trigger.CLI, Restore: r.Run})
				busy <- undone.Status == report.Busy
			})
		}
		s.calls.Wait()
		if first, second := <-busy, <-busy; first == second || s.e.Count()["AddMedia"] != 50 {
			t.Errorf("%d media added of 50", s.e.Count()["AddMedia"])
		}
	})
}
