package handler_test

import (
	"fmt"
	"maps"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/mediasweep/mediasweep/handler"
	"github.com/mediasweep/mediasweep/internal/emulator"
	"github.com/mediasweep/mediasweep/internal/policy"
	"github.com/mediasweep/mediasweep/internal/report"
	"github.com/mediasweep/mediasweep/internal/retention"
	"github.com/mediasweep/mediasweep/internal/trigger"
)

// policyObject is the name of the policy of a world with its policy in OSS.
const policyObject = "oss://ops/retention.yaml"

// newWorldOfObject returns a world with its policy in OSS, deployed once.
func newWorldOfObject(t *testing.T, config emulator.Config, text string, env ...string) *world {
	t.Helper()
	w := newWorld(t, config, text, env...)
	w.e.PutBucket("ops", "")
	w.env["MEDIASWEEP_POLICY"], w.env["MEDIASWEEP_HTTP_AUTH"] = policyObject, "function"
	w.deploy()
	w.putPolicy(text)
	return w
}

func (w *world) deploy() {
	env := maps.Clone(w.env)
	w.f = handler.New(handler.Options{Getenv: func(name string) string { return env[name] }, Log: &w.log, Now: w.now, Dial: w.dial})
}

func (w *world) putPolicy(text string) {
	w.e.PutObject("ops", "retention.yaml", []byte(text), time.Now())
}

// reads returns the statuses of the reads of the policy object since the last call.
func (w *world) reads(since int) (statuses []int) {
	for _, call := range w.e.Calls()[since:] {
		if call.Operation == "GetObject" && call.Key == "retention.yaml" {
			statuses = append(statuses, call.Status)
		}
	}
	return statuses
}

// Every run is under the policy of its start, without a new deployment. A policy with a mistake
// ends the run with the place of the mistake, and a later good one works again.
func TestPolicyInOSSChangesBetweenRuns(t *testing.T) {
	w := newWorldOfObject(t, emulator.Config{Media: 60}, dryRun)
	if calls := len(w.e.Calls()); calls > 0 {
		t.Errorf("%d calls before the first run", calls)
	}
	first := w.mustInvoke(everything, report.Done)
	seen := len(w.e.Calls())
	if again := w.mustInvoke(everything, report.Done); again.Policy != first.Policy || again.Mode != policy.DryRun || again.Plan == "" {
		t.Errorf("report %+v, the first was under %s", again, first.Policy)
	}
	if got := fmt.Sprint(w.reads(seen)); got != "[304]" {
		t.Errorf("an unchanged policy was read with %s, want one 304", got)
	}

	mistake := strings.Replace(enforcing, "maxPercent: 100", "maxPercent: 101", 1)
	w.putPolicy(mistake)
	for range 2 {
		r, err := w.invoke(everything)
		if err == nil || r.Status != report.Failed || !strings.Contains(r.Error, policyObject+":10:21: ") || r.Policy != "" {
			t.Errorf("%s, %v: %s; want the place of the mistake", r.Status, err, r.Error)
		}
	}
	if status, body := w.ask("POST", "/v1/plans", `{"inventory":true}`); status != http.StatusBadRequest || !strings.Contains(body, policyObject+":10:21: ") {
		t.Errorf("HTTP %d: %s", status, body)
	}
	if len(w.sent()) > 0 {
		t.Fatal("a policy with a mistake deleted media")
	}

	w.putPolicy(strings.Replace(enforcing, "180d", "170d", 1))
	if r, _ := w.invoke(`{"mode":"enforce","plan":"` + first.Plan + `"}`); r.Status != report.Failed || !strings.Contains(r.Error, "made under another policy") {
		t.Errorf("a plan of an earlier policy is %s: %s", r.Status, r.Error)
	}
	w.putPolicy(enforcing)
	if r := w.mustInvoke(everything, report.Done); r.Mode != policy.Enforce || r.Counts.Deleted == 0 || r.Policy != first.Policy {
		t.Errorf("mode %s, %d deleted, policy %s; the rules are those of %s", r.Mode, r.Counts.Deleted, r.Policy, first.Policy)
	}
	w.noViolations()
}

// A policy that cannot be read ends every kind of run, names the object, and deletes nothing: the last
// good one is not used. Once it can be read, runs work again.
func TestUnreadablePolicyInOSS(t *testing.T) {
	for name, test := range map[string]struct {
		text   string
		fault  emulator.FaultKind
		status int // over HTTP
		says   string
	}{
		"missing":     {"", "", 502, policyObject},
		"forbidden":   {enforcing, emulator.Forbidden, 502, "AccessDenied"},
		"cut off":     {enforcing, emulator.CutOff, 502, "CRC-64"},
		"too large":   {enforcing + strings.Repeat("#", policy.MaxBytes), "", 400, "the limit is 100000"},
		"empty":       {"\n", "", 400, policyObject + ":1:1: the policy is empty"},
		"not text":    {"version: 1\nmode: \xff\n", "", 400, policyObject + ":2:7: "},
		"another key": {"version: 1\nexpre: []\n", "", 400, policyObject + ":2:1: "},
		"a state of its own": {strings.Replace(enforcing, "inventory: [", "inventory: [{bucket: oss://state/mediasweep/}, ", 1), "", 400,
			policyObject + ": MEDIASWEEP_STATE lies below"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorldOfObject(t, emulator.Config{Media: 40}, dryRun, "MEDIASWEEP_STATE", "oss://state/mediasweep/")
			w.e.PutBucket("state", "")
			plan := w.mustInvoke(everything, report.Done).Plan
			w.putPolicy(test.text)
			if test.text == "" {
				w.e.RemoveObject("ops", "retention.yaml")
			}
			if test.fault != "" {
				w.e.Inject(emulator.Fault{Operation: "GetObject", Kind: test.fault})
			}
			for _, payload := range []string{everything, `{"mode":"enforce","plan":"` + plan + `"}`, request("mediaIds", []string{w.e.Media()[0].ID})} {
				if r, err := w.invoke(payload); err == nil || r.Status != report.Failed || !strings.Contains(r.Error, test.says) || r.Plan != "" {
					t.Errorf("%s: %s %s, want %q", payload, r.Status, r.Error, test.says)
				}
			}
			for _, route := range []string{"/v1/forecast", "/v1/media/" + w.e.Media()[0].ID + "/explain"} {
				if status, body := w.ask("GET", route, ""); status != test.status || !strings.Contains(body, "status\":\"failed") {
					t.Errorf("GET %s: %d %s", route, status, body)
				}
			}
			w.e.ClearFaults()
			if status, body := w.ask("GET", "/v1/runs", ""); status != http.StatusOK {
				t.Errorf("GET /v1/runs: %d %s; a list needs no policy", status, body)
			}
			if len(w.sent()) > 0 {
				t.Error("media were deleted")
			}
			w.putPolicy(enforcing)
			if r := w.mustInvoke(everything, report.Done); r.Counts.Deleted == 0 {
				t.Errorf("nothing deleted once the policy is good: %+v", r.Counts)
			}
			w.noViolations()
		})
	}
}

// An OSS event for the policy object is for no medium and no manifest.
func TestEventForThePolicy(t *testing.T) {
	w := newWorldOfObject(t, emulator.Config{}, enforcing+"manifests: [\"oss://ops/**\"]\n", "MEDIASWEEP_STATE", "oss://state/mediasweep/")
	w.e.PutBucket("state", "")
	for _, name := range []string{"ObjectCreated:PutObject", "ObjectRemoved:DeleteObject"} {
		r := w.mustInvoke(fmt.Sprintf(`{"events":[{"eventName":%q,"oss":{"bucket":{"name":"ops"},"object":{"key":"retention.yaml"}}}]}`, name), report.Done)
		if len(r.Notes) != 1 || r.Notes[0] != `ignored: "`+policyObject+`" is the policy` || r.Counts.Looked > 0 || len(r.Failures) > 0 {
			t.Errorf("%s: %+v", name, r)
		}
	}
}

func TestNameOfThePolicyObject(t *testing.T) {
	for name, test := range map[string]struct{ policy, says string }{
		"no key":                {"oss://ops", "write oss://bucket/retention.yaml"},
		"no bucket":             {"oss:///LTAI5tSecretSecretSecret", "write oss://bucket/retention.yaml"},
		"below the state":       {"oss://state/mediasweep/retention.yaml", "lies below MEDIASWEEP_STATE"},
		"a record of the state": {"oss://state/mediasweep/policies/a.yaml", "lies below MEDIASWEEP_STATE"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorldOfObject(t, emulator.Config{}, enforcing, "MEDIASWEEP_STATE", "oss://state/mediasweep/")
			w.env["MEDIASWEEP_POLICY"] = test.policy
			w.deploy()
			r, err := w.invoke(everything)
			if err == nil || !strings.Contains(r.Error, test.says) || strings.Contains(r.Error, "LTAI5t") || len(w.e.Calls()) > 0 {
				t.Errorf("%v: %s", r.Status, r.Error)
			}
			if status, _ := w.ask("GET", "/healthz", ""); status != http.StatusServiceUnavailable {
				t.Errorf("health %d", status)
			}
		})
	}
}

// A function whose policy refuses every run says so before the first one.
func TestHealthOfAPolicyThatOverlapsWithTheState(t *testing.T) {
	w := newWorld(t, emulator.Config{}, enforcing, "MEDIASWEEP_STATE", "oss://media-in/state/", "MEDIASWEEP_HTTP_AUTH", "function")
	const want = "retention.yaml: MEDIASWEEP_STATE lies below the inventory's oss://media-in/"
	if broken := w.f.Broken(t.Context()); broken == nil || !strings.Contains(broken.Error(), want) {
		t.Errorf("broken: %v", broken)
	}
	if status, body := w.ask("GET", "/healthz", ""); status != http.StatusServiceUnavailable {
		t.Errorf("health %d %s", status, body)
	}
	if r, err := w.invoke(everything); err == nil || strings.Count(r.Error, want) != 1 {
		t.Errorf("%s %s", r.Status, r.Error)
	}
}

// The policy is read with the credentials of the call where the environment has none.
func TestPolicyInOSSByTheCredentialsOfTheCall(t *testing.T) {
	w := newWorldOfObject(t, emulator.Config{Media: 40}, enforcing)
	call := handler.Call{RequestID: "r"}
	for name, into := range map[string]*string{"ALIBABA_CLOUD_ACCESS_KEY_ID": &call.Credentials.AccessKeyID,
		"ALIBABA_CLOUD_ACCESS_KEY_SECRET": &call.Credentials.AccessKeySecret, "ALIBABA_CLOUD_SECURITY_TOKEN": &call.Credentials.SecurityToken} {
		*into = w.env[name]
		delete(w.env, name)
	}
	w.deploy()
	if body, err := w.f.Invoke(t.Context(), call, []byte(everything)); err != nil || len(w.sent()) == 0 {
		t.Errorf("%v: %s", err, body)
	}
	r, err := w.invoke(everything)
	if err == nil || !strings.Contains(r.Error, "no credentials") {
		t.Errorf("%s %s; neither has credentials", r.Status, r.Error)
	}
}

// Explanations and forecasts are under the policy object as it is now.
func TestSurveysUnderThePolicyInOSS(t *testing.T) {
	w := newWorldOfObject(t, emulator.Config{}, enforcing)
	m := w.add("clips/a", 100)
	expired := func() int {
		forecast, r := w.f.Forecast(t.Context(), handler.Call{}, trigger.CLI, 1)
		if r.Status != report.Done {
			t.Fatal(r.Error)
		}
		return forecast.Overdue.Media
	}
	if verdict, n := w.explain(&trigger.Request{MediaIDs: []string{m.ID}}).Verdict, expired(); verdict != retention.Keep || n != 0 {
		t.Errorf("%s, %d expired; want it kept", verdict, n)
	}
	w.putPolicy(strings.Replace(enforcing, "180d", "90d", 1))
	if verdict, n := w.explain(&trigger.Request{MediaIDs: []string{m.ID}}).Verdict, expired(); verdict != retention.Expired || n != 1 {
		t.Errorf("%s, %d expired; want it expired", verdict, n)
	}
}

// What was deleted can be restored whatever the policy says.
func TestRestoreUnderAPolicyWithAMistake(t *testing.T) {
	w := newWorldOfObject(t, emulator.Config{}, enforcing)
	m := w.add("clips/a", 400)
	w.e.PutObject(m.Bucket, m.Key, []byte("video"), time.Now())
	run := w.mustInvoke(everything, report.Done)
	w.putPolicy("version: 2\n")
	if restored := w.restore(run.Run); restored.Restore.Restored != 1 || !strings.Contains(w.log.String(), "policy not read") {
		t.Errorf("%+v of %+v", restored.Restore, run.Counts)
	}
}

// The pace is that of the policy of the latest run.
func TestPaceOfThePolicyInOSS(t *testing.T) {
	slow := strings.Replace(dryRun, "share: 1", "share: 0.01", 1)
	onTurnedClock(t, dryRun, func(t *testing.T, w *world) {
		w.e.PutBucket("ops", "")
		w.env["MEDIASWEEP_POLICY"] = policyObject
		w.deploy()
		for range 50 {
			w.add(fmt.Sprint("clips/", len(w.e.Media())), 10)
		}
		for _, test := range []struct {
			text        string
			least, most time.Duration
		}{{slow, 4 * time.Second, 8 * time.Second}, {dryRun, 0, 2 * time.Second}, {slow, 4 * time.Second, 8 * time.Second}} {
			w.putPolicy(test.text)
			r := w.mustInvoke(`{"inventory":true}`, report.Done)
			if took := r.FinishedAt.Sub(r.StartedAt); took < test.least || took > test.most || r.Calls.QueryMediaListByURL < 5 {
				t.Errorf("%d calls in %v, want %v to %v", r.Calls.QueryMediaListByURL, took, test.least, test.most)
			}
		}
		w.noViolations()
	})
}

// The text of each policy is kept under its digest, of a file too. A run that deletes fails without it.
func TestTextOfThePolicyIsKept(t *testing.T) {
	for _, place := range []string{"a file", "OSS"} {
		t.Run(place, func(t *testing.T) {
			w := newWorld(t, emulator.Config{Media: 40}, enforcing, "MEDIASWEEP_STATE", "oss://state/mediasweep/")
			w.e.PutBucket("state", "")
			if place == "OSS" {
				w = newWorldOfObject(t, emulator.Config{Media: 40}, enforcing, "MEDIASWEEP_STATE", "oss://state/mediasweep/")
				w.e.PutBucket("state", "")
			}
			w.e.Inject(emulator.Fault{Operation: "PutObject", Kind: emulator.Forbidden})
			if r, err := w.invoke(everything); err == nil || !strings.Contains(r.Error, "save the text of the policy as policies/") || len(w.sent()) > 0 {
				t.Fatalf("%s: %s; %d calls that delete", r.Status, r.Error, len(w.sent()))
			}
			if r := w.mustInvoke(`{"mediaIds":["none"]}`, report.Done); len(r.Notes) != 1 || !strings.Contains(r.Notes[0], "save the text of the policy") {
				t.Errorf("notes %q of a dry run", r.Notes)
			}
			w.e.ClearFaults()
			r := w.mustInvoke(everything, report.Done)
			name := "mediasweep/policies/" + strings.TrimPrefix(r.Policy, "sha256:") + ".yaml"
			if object, ok := w.e.Object("state", name); !ok || string(object.Body) != enforcing {
				t.Errorf("%s has %q", name, object.Body)
			}
			w.mustInvoke(everything, report.Done)
			written := 0
			for _, call := range w.e.Calls() {
				if call.Operation == "PutObject" && call.Key == name && call.Status != http.StatusForbidden {
					written++
				}
			}
			if written != 1 {
				t.Errorf("written %d times", written)
			}
		})
	}
}

// A process that starts with a mistake in its policy file is like one whose file got it later: its timers are
// listed, and it recovers when the file is mended.
func TestAProcessStartsWithAMistakeInItsPolicy(t *testing.T) {
	w := newWorld(t, emulator.Config{Media: 20}, enforcing+"foo: 1\n", "MEDIASWEEP_HTTP_AUTH", "function")
	failed := w.mustInvoke(everything, report.Failed)
	if !strings.Contains(failed.Error, "foo") {
		t.Errorf("%+v", failed)
	}
	if status, listed := w.askReport("GET", "/v1/runs/"+failed.Run, ""); status != http.StatusOK || listed.Trigger != trigger.Timer {
		t.Errorf("the failed run: %d, %+v", status, listed)
	}
	if status, answer := w.ask("GET", "/healthz", ""); status != http.StatusServiceUnavailable {
		t.Errorf("health: %d %s", status, answer)
	}
	if err := os.WriteFile(w.env["MEDIASWEEP_POLICY"], []byte(enforcing), 0o600); err != nil {
		t.Fatal(err)
	}
	w.mustInvoke(everything, report.Done)
	if status, answer := w.ask("GET", "/healthz", ""); status != http.StatusOK {
		t.Errorf("health: %d %s", status, answer)
	}
}
