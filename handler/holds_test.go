package handler_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/mediasweep/mediasweep/handler"
	"github.com/mediasweep/mediasweep/internal/emulator"
	"github.com/mediasweep/mediasweep/internal/report"
	"github.com/mediasweep/mediasweep/internal/retention"
	"github.com/mediasweep/mediasweep/internal/trigger"
)

// hold places a hold over HTTP.
func (w *world) hold(target, until string) retention.Hold {
	w.t.Helper()
	status, answer := w.ask("POST", "/v1/holds", fmt.Sprintf(`{"target":%q,"until":%q,"reason":"trial"}`, target, until))
	var hold retention.Hold
	if err := json.Unmarshal([]byte(answer), &hold); err != nil || status != http.StatusCreated {
		w.t.Fatalf("hold on %s: status %d, %s", target, status, answer)
	}
	return hold
}

func (w *world) release(hold retention.Hold) {
	w.t.Helper()
	if status, answer := w.ask("DELETE", "/v1/holds/"+hold.ID, ""); status != http.StatusOK {
		w.t.Fatalf("release of %s: status %d, %s", hold.ID, status, answer)
	}
}

// holdLine returns the line of a hold in a report.
func holdLine(r report.Report, hold retention.Hold) report.Rule {
	line := r.Rule(hold.Rule())
	if line == nil {
		return report.Rule{}
	}
	return *line
}

func TestHoldRoutes(t *testing.T) {
	w := newWorld(t, emulator.Config{}, enforcing, "MEDIASWEEP_HTTP_AUTH", "function")
	first, second := w.hold("oss://media-in/clips/**", "2099-01-31"), w.hold("id1", "forever")
	if first.ID != "1" || first.Until != time.Date(2099, 2, 1, 0, 0, 0, 0, time.UTC) || first.By != "a signed request" || first.At.IsZero() || !second.Until.IsZero() {
		t.Errorf("holds %+v, %+v", first, second)
	}
	for body, want := range map[string]string{
		``: "not JSON", `{}`: "target", `{"target":"id1"}`: "a hold needs a reason", `{"target":"id1","reason":"x","until":"2020-01-01"}`: "that day has passed",
		`{"target":"id1","reason":"x","until":"tomorrow"}`: "neither a day", `{"target":"id1","reason":"x","until":""}`: "neither a day",
		`{"target":"id1","reason":"x","forever":true}`: "allowed are target, until, reason", `{"target":"oss://media-in/clips/","reason":"x"}`: "oss://media-in/clips/**",
		`{"target":"oss://media-in","reason":"x"}`: "names no object", `{"target":"*","reason":"x"}`: "neither a media ID", `{"target":"id1","reason":"a\u001b[0m"}`: "cannot be shown",
		`{"target":"id1","reason":"by the key LTAI5tAbCdEfGhIjKlMnOpQr"}`: "looks like a credential",
	} {
		if status, answer := w.ask("POST", "/v1/holds", body); status != http.StatusBadRequest || !strings.Contains(answer, want) {
			t.Errorf("%s: status %d, %s", body, status, answer)
		}
	}
	for _, id := range []string{"01", "x", "3", "0"} {
		if status, answer := w.ask("DELETE", "/v1/holds/"+id, ""); status != http.StatusNotFound {
			t.Errorf("release of %s: status %d, %s", id, status, answer)
		}
	}
	w.release(first)
	w.release(retention.Hold{ID: "hold:2"}) // as reports name it
	if status, answer := w.ask("DELETE", "/v1/holds/2", ""); status != http.StatusNotFound || !strings.Contains(answer, "GET /v1/holds") {
		t.Errorf("released again: status %d, %s", status, answer)
	}
	third := w.hold("oss://media-in/clips/a.mp4", "forever")
	var list []retention.Hold
	status, answer := w.ask("GET", "/v1/holds", "")
	if err := json.Unmarshal([]byte(answer), &list); err != nil || status != 200 || len(list) != 1 || !list[0].Says(&third) {
		t.Errorf("status %d, %s, want %+v", status, answer, third)
	}
	w.release(third)
	if _, answer = w.ask("GET", "/v1/holds", ""); strings.TrimSpace(answer) != "[]" {
		t.Errorf("no hold is left: %s", answer)
	}
	w.env["FC_FUNCTION_NAME"] = "f"
	w.setPolicy(enforcing)
	if status, answer := w.ask("POST", "/v1/holds", `{"target":"id1","reason":"x"}`); status != http.StatusBadRequest || !strings.Contains(answer, "MEDIASWEEP_STATE") {
		t.Errorf("a hold in a folder of an instance: status %d, %s", status, answer)
	}
}

// A hold whose target may be misspelled is placed, and noted. MPS need not answer.
func TestHoldsOfWhatIsNotThere(t *testing.T) {
	w := newWorld(t, emulator.Config{}, enforcing)
	w.add("clips/1.mp4", 300)
	w.e.PutObject("media-in", "clips/1.mp4", nil, time.Now())
	hold := func(target string) string {
		t.Helper()
		placed, err := w.f.Hold(t.Context(), handler.Call{}, trigger.HoldRequest{Target: target, Until: "forever", Reason: "trial"})
		if err != nil {
			t.Fatal(err)
		}
		return strings.Join(w.f.HoldNotes(t.Context(), handler.Call{}, placed), "\n")
	}
	unknown := strings.Repeat("a", 32)
	for target, want := range map[string]string{
		w.e.Media()[0].ID: "", "oss://media-in/clips/1.mp4": "", "oss://media-in/other/**": "",
		unknown: "MPS has no medium " + unknown, "oss://media-in/clips/2.mp4": "MPS has no medium oss://media-in/clips/2.mp4", "id1": "is none: check its spelling",
		"oss://other/clips/**": "no object of the policy's inventory can match", "oss://other/clips/1.mp4": "no object of the policy's inventory can match",
	} {
		if notes := hold(target); !strings.Contains(notes, want) || want == "" && notes != "" || strings.Contains(notes, "\n") {
			t.Errorf("%s: notes %q, want %q", target, notes, want)
		}
	}
	w.e.Inject(emulator.Fault{Operation: "QueryMediaList", Kind: emulator.Forbidden})
	if notes := hold(unknown); notes != "" {
		t.Errorf("MPS does not answer: %q", notes)
	}
}

// A hold that is placed between a plan and its apply keeps the media, whichever way they come: by
// apply, by ID, by an event. Released, they go.
func TestHoldsBindEveryRequest(t *testing.T) {
	w := newWorld(t, emulator.Config{}, enforcing, "MEDIASWEEP_HTTP_AUTH", "function")
	for i := range 6 {
		w.add(fmt.Sprintf("clips/%d.mp4", i), 300)
		w.e.PutObject("media-in", fmt.Sprintf("clips/%d.mp4", i), nil, time.Now())
	}
	id := func(i int) string { return w.e.Media()[i].ID }
	plan := w.mustInvoke(`{"inventory":true}`, report.Done)
	byID, byGlob := w.hold(id(0), "forever"), w.hold("oss://media-in/clips/[0-9]**", "forever")
	w.release(byGlob) // [ is a character as any other, so that it held nothing
	byObject := w.hold("oss://media-in/clips/1.mp4", "2099-12-31")
	again := w.mustInvoke(`{"inventory":true}`, report.Done)
	if again.Counts.Protected != 2 || holdLine(again, byID) != (report.Rule{Name: "hold:1", Kind: "hold", Applied: 1}) || holdLine(again, byObject).Applied != 1 || again.Plan == plan.Plan {
		t.Errorf("a dry run: %+v, %+v", again.Counts, again.Rules)
	}
	r := w.mustInvoke(fmt.Sprintf(`{"mode":"enforce","plan":%q}`, plan.Plan), report.Done)
	if r.Counts.Protected != 2 || r.Counts.Deleted != 4 {
		t.Errorf("apply: %+v", r.Counts)
	}
	w.mustInvoke(fmt.Sprintf(`{"mode":"enforce","mediaIds":[%q]}`, id(0)), report.Done)
	w.mustInvoke(string(ossEvent("clips/0.mp4", "clips/1.mp4")), report.Done)
	w.mustInvoke(everything, report.Done)
	if n := len(w.deleted()); n != 4 {
		t.Errorf("%d media are deleted", n)
	}
	status, answer := w.ask("GET", "/v1/media/"+id(1)+"/explain", "")
	var e struct {
		Rule  string
		Holds []retention.Hold
		DueAt time.Time
	}
	if err := json.Unmarshal([]byte(answer), &e); err != nil || status != 200 || e.Rule != byObject.Rule() || len(e.Holds) != 1 || !e.Holds[0].Says(&byObject) || !e.DueAt.Equal(byObject.Until) {
		t.Errorf("explained as %s", answer)
	}
	w.release(byID)
	w.release(byObject)
	if r := w.mustInvoke(everything, report.Done); r.Counts.Deleted != 2 || r.Counts.Protected != 0 {
		t.Errorf("after the releases: %+v", r.Counts)
	}
}

// Two runs under the same holds have the same plan, one that deletes and one that does not. Of
// many holds a report has a hundred lines.
func TestAReportWithManyHolds(t *testing.T) {
	w := newWorld(t, emulator.Config{}, enforcing, "MEDIASWEEP_HTTP_AUTH", "function")
	now := time.Now()
	w.now = func() time.Time { return now }
	w.setPolicy(enforcing)
	for i := range 113 {
		w.add(fmt.Sprintf("clips/%d.mp4", i), 300)
		w.e.PutObject("media-in", fmt.Sprintf("clips/%d.mp4", i), nil, time.Now())
	}
	for i := range 110 {
		w.hold(fmt.Sprintf("oss://media-in/clips/%d.mp4", i), "forever")
	}
	dry, real := w.mustInvoke(`{"inventory":true}`, report.Done), w.mustInvoke(`{"inventory":true,"mode":"enforce"}`, report.Done)
	if dry.Plan != real.Plan || real.Counts.Deleted != 3 || real.Counts.Protected != 110 {
		t.Errorf("plans %s and %s, %+v", dry.Plan, real.Plan, real.Counts)
	}
	if n, others := len(real.Rules), real.Rule("other-holds"); n != 3+101 || others == nil || others.Applied != 10 {
		t.Errorf("%d lines, %+v", n, others)
	}
}

// A hold that cannot be read stops every run and look, and is named. A release that cannot be read
// releases nothing, and is noted.
func TestADamagedHoldStopsAll(t *testing.T) {
	w := newWorld(t, emulator.Config{}, enforcing, "MEDIASWEEP_HTTP_AUTH", "function")
	w.add("clips/a.mp4", 300)
	w.add("clips/b.mp4", 300)
	w.hold(w.e.Media()[0].ID, "forever")
	folder := strings.TrimPrefix(w.env["MEDIASWEEP_STATE"], "file://")
	record := filepath.Join(folder, "holds", "0000000001.json")
	good, err := os.ReadFile(record)
	if err != nil {
		t.Fatal(err)
	}
	write := func(name string, data []byte) {
		if err := firstOf(os.MkdirAll(filepath.Dir(name), 0o700), os.WriteFile(name, data, 0o600)); err != nil {
			t.Fatal(err)
		}
		w.setPolicy(enforcing) // a new process
	}
	for _, data := range []string{"", "{}", string(good[:20]), strings.Replace(string(good), `"format":1`, `"format":9`, 1)} {
		write(record, []byte(data))
		ids := fmt.Sprintf(`"mediaIds":[%q,%q]`, w.e.Media()[0].ID, w.e.Media()[1].ID)
		for _, payload := range []string{everything, `{` + ids + `}`, `{"mode":"enforce",` + ids + `}`, string(ossEvent("clips/a.mp4"))} {
			if r, _ := w.invoke(payload); r.Status != report.Failed || !strings.Contains(r.Error, "holds/0000000001.json") {
				t.Errorf("record %q, %s: %s, %s", data, payload, r.Status, r.Error)
			}
		}
		for _, target := range []string{"/v1/holds", "/v1/forecast", "/v1/media/" + w.e.Media()[1].ID + "/explain"} {
			if status, answer := w.ask("GET", target, ""); status != http.StatusBadGateway || !strings.Contains(answer, "holds/0000000001.json") {
				t.Errorf("record %q, GET %s: %d, %s", data, target, status, answer)
			}
		}
	}
	if n := len(w.sent()); n > 0 {
		t.Errorf("%d deletions", n)
	}
	write(record, []byte("{}"))
	if status, answer := w.ask("DELETE", "/v1/holds/1", ""); status != http.StatusOK || !strings.HasPrefix(answer, `{"id":"1"`) || strings.Contains(answer, "0001-01-01") {
		t.Errorf("the release of a damaged hold: %d, %s", status, answer)
	}
	write(record, good)
	write(filepath.Join(folder, "releases", "0000000001.json"), []byte(`{"format":1,"hold":`))
	if r := w.mustInvoke(everything, report.Done); r.Counts.Deleted != 0 && r.Counts.Protected != 1 || !strings.Contains(fmt.Sprint(r.Notes), "releases/0000000001.json") {
		t.Errorf("%+v, %q", r.Counts, r.Notes)
	}
}

func firstOf(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// A hold that another process places in the middle of a run binds what is sent two seconds later: of
// sweeps, of events that share calls, and of a plan that is applied. A record that cannot be read
// ends the run, which the next one finishes.
func TestAHoldInTheMiddleOfARun(t *testing.T) {
	slow := strings.Replace(enforcing, "pace: {share: 1}", "pace: {share: 0.02}", 1) // two calls a second
	for name, start := range map[string]func(w *world, media []emulator.Medium){
		"sweep": func(w *world, _ []emulator.Medium) { _, _ = w.invoke(everything) },
		"events": func(w *world, media []emulator.Medium) {
			var keys []string
			for _, m := range media {
				keys = append(keys, m.Key)
			}
			w.storm(keys, len(keys))
		},
	} {
		t.Run(name, func(t *testing.T) {
			turnClock(t, func(t *testing.T) {
				w := newPipedWorld(t, emulator.Config{}, slow, "MEDIASWEEP_HTTP_AUTH", "function")
				for i := range 120 {
					w.add(fmt.Sprintf("clips/%03d.mp4", i), 300)
					w.e.PutObject("media-in", fmt.Sprintf("clips/%03d.mp4", i), nil, time.Now())
				}
				other := newPipedFunction(w)
				media := w.e.Media()
				done := make(chan struct{})
				go func() { start(w, media); close(done) }()
				for len(w.sent()) < 3 {
					time.Sleep(100 * time.Millisecond)
				}
				place := func(target string) time.Time {
					if _, err := other.Hold(t.Context(), handler.Call{}, trigger.HoldRequest{Target: target, Until: "forever", Reason: "a test"}); err != nil {
						t.Error(err)
					}
					return time.Now()
				}
				durable := place("oss://media-in/clips/*5.mp4")
				time.Sleep(3 * time.Second)
				place("oss://media-in/clips/*0.mp4")
				<-done
				late, held := 0, 0
				for _, call := range w.e.Calls() {
					if call.Operation != "DeleteMedia" || call.Time.Sub(durable) <= 2*time.Second {
						continue
					}
					late++
					for _, id := range call.MediaIDs {
						if m, _ := w.e.Medium(id); strings.HasSuffix(m.Key, "5.mp4") {
							held++
						}
					}
				}
				if late < 3 || held > 0 {
					t.Errorf("%d calls were sent later, with %d held media", late, held)
				}
				w.noViolations()
			})
		})
	}
}

// newPipedFunction returns another process of a world.
func newPipedFunction(w *world) *handler.Function {
	return handler.New(handler.Options{Getenv: func(name string) string { return w.env[name] }, Log: &w.log, Now: w.now, Dial: w.dial})
}

func TestADamagedHoldInTheMiddleOfARun(t *testing.T) {
	slow := strings.Replace(enforcing, "pace: {share: 1}", "pace: {share: 0.02}", 1)
	turnClock(t, func(t *testing.T) {
		w := newPipedWorld(t, emulator.Config{}, slow)
		for i := range 200 {
			w.add(fmt.Sprintf("clips/%03d.mp4", i), 300)
			w.e.PutObject("media-in", fmt.Sprintf("clips/%03d.mp4", i), nil, time.Now())
		}
		record := filepath.Join(strings.TrimPrefix(w.env["MEDIASWEEP_STATE"], "file://"), "holds", "0000000001.json")
		answer := make(chan report.Report)
		go func() {
			r, _ := w.invoke(everything)
			answer <- r
		}()
		for len(w.sent()) < 3 {
			time.Sleep(100 * time.Millisecond)
		}
		if err := firstOf(os.MkdirAll(filepath.Dir(record), 0o700), os.WriteFile(record, []byte("{"), 0o600)); err != nil {
			t.Fatal(err)
		}
		at := time.Now()
		r := <-answer
		if r.Status != report.Incomplete || !strings.Contains(r.Error, "holds/0000000001.json") || r.Counts.Pending == 0 {
			t.Errorf("%s, %s, %+v", r.Status, r.Error, r.Counts)
		}
		for _, call := range w.e.Calls() {
			if call.Operation == "DeleteMedia" && call.Time.Sub(at) > 2*time.Second {
				t.Errorf("sent %s later", call.Time.Sub(at))
			}
		}
		if err := os.Remove(record); err != nil {
			t.Fatal(err)
		}
		_, _ = w.invoke(everything)
		if n := len(w.deleted()); n != 200 {
			t.Errorf("%d of 200 are deleted", n)
		}
	})
}

// A run that is cut off, and the next one that finishes its plan: a hold between them binds.
func TestAHoldBetweenARunAndItsResume(t *testing.T) {
	slow := strings.Replace(enforcing, "pace: {share: 1}", "pace: {share: 0.02}", 1)
	turnClock(t, func(t *testing.T) {
		w := newPipedWorld(t, emulator.Config{}, slow, "MEDIASWEEP_HTTP_AUTH", "function")
		for i := range 200 {
			w.add(fmt.Sprintf("clips/%03d.mp4", i), 300)
			w.e.PutObject("media-in", fmt.Sprintf("clips/%03d.mp4", i), nil, time.Now())
		}
		ctx, cancel := context.WithTimeout(context.Background(), 25*time.Second)
		defer cancel()
		if body, _ := w.f.Invoke(ctx, handler.Call{}, []byte(everything)); len(w.deleted()) == 0 || len(w.deleted()) == 200 {
			t.Fatalf("%d are deleted: %s", len(w.deleted()), body)
		}
		before := w.deleted()
		w.hold("oss://media-in/clips/*5.mp4", "forever")
		_, _ = w.invoke(everything)
		for _, m := range w.e.Media() {
			held := strings.HasSuffix(m.Key, "5.mp4") && !slices.Contains(before, m.ID)
			if m.Deleted == held {
				t.Errorf("%s is deleted: %t", m.Key, m.Deleted)
			}
		}
	})
}

// Everybody who may list holds reads their reasons.
func TestAHoldWithASecret(t *testing.T) {
	w := newWorld(t, emulator.Config{}, enforcing, "MEDIASWEEP_HTTP_AUTH", "function")
	status, answer := w.ask("POST", "/v1/holds", `{"target":"oss://media-in/a","reason":"access_key_secret=Zq8vT2kLm4XcW9rBn7HsPd3JfYg5Ua"}`)
	if status != http.StatusBadRequest || strings.Contains(answer, "Zq8v") || !strings.Contains(answer, "credential") {
		t.Errorf("%d %s", status, answer)
	}
	if _, list := w.ask("GET", "/v1/holds", ""); list != "[]\n" {
		t.Errorf("holds %s", list)
	}
}
