package handler_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/mediasweep/mediasweep/handler"
	"github.com/mediasweep/mediasweep/internal/account"
	"github.com/mediasweep/mediasweep/internal/emulator"
	"github.com/mediasweep/mediasweep/internal/report"
)

// Records that are no reason to look at a medium are in the report, and cost their
// neighbours nothing. Alone they are no failure, and leave nothing.
func TestIgnoredRecordsAreReported(t *testing.T) {
	w := newWorld(t, emulator.Config{}, enforcing)
	old := w.add("clips/old", 300)
	const bucketEvent = `{"eventName":"BucketCreated:PutBucket","eventSource":"acs:oss","oss":{"bucket":{"name":"media-in"}}}`
	for _, payload := range []string{`{"events":[` + bucketEvent + `]}`, bucketEvent, `{"events":[null]}`,
		`[{"specversion":"1.0","source":"acs.oss","type":"oss:ActionTrail:ApiCall","data":{"eventName":"PutBucketAcl"}}]`} {
		r := w.mustInvoke(payload, report.Done)
		if len(r.Notes) != 1 || !strings.HasPrefix(r.Notes[0], "ignored: record 1: ") || len(w.e.Calls()) > 0 {
			t.Errorf("%s: notes %q, calls %v", payload, r.Notes, w.e.Calls())
		}
	}
	if _, err := os.Stat(strings.TrimPrefix(w.env["MEDIASWEEP_STATE"], "file://")); err == nil {
		t.Error("an event about nothing leaves a record")
	}
	r := w.mustInvoke(`{"events":[`+strings.Repeat(bucketEvent+",", 30)+strings.TrimSuffix(strings.TrimPrefix(string(ossEvent("clips/old")), `{"events":[`), `]}`)+`]}`, report.Done)
	if got := w.deleted(); len(got) != 1 || got[0] != old.ID {
		t.Errorf("deleted %q", got)
	}
	if len(r.Notes) != 21 || r.Notes[20] != "ignored: 10 more records" {
		t.Errorf("notes %q", r.Notes)
	}
	w.noViolations()
}

// The answer to a request is not that to another request which has the same ID. Each is
// known again when it comes again.
func TestARequestIDThatComesWithAnotherRequest(t *testing.T) {
	w := newWorld(t, emulator.Config{}, enforcing)
	first, second := w.add("clips/first", 300), w.add("clips/second", 300)
	call := handler.Call{RequestID: "1-abc"}
	invoke := func(payload string) report.Report {
		t.Helper()
		body, err := w.f.Invoke(t.Context(), call, []byte(payload))
		if err != nil {
			t.Fatal(err)
		}
		var r report.Report
		if err := json.Unmarshal(body, &r); err != nil {
			t.Fatal(err)
		}
		return r
	}
	ask := func(id string) string { return fmt.Sprintf(`{"mode":"enforce","mediaIds":[%q]}`, id) }
	runs := map[string]string{}
	for round := range 3 {
		for _, id := range []string{first.ID, second.ID} {
			r := invoke(ask(id))
			if r.Status != report.Done || r.Counts.Looked != 1 || r.Counts.Deleted != 1 {
				t.Errorf("round %d: %s, %+v", round, r.Status, r.Counts)
			}
			if round > 0 && r.Run != runs[id] {
				t.Errorf("round %d: run %s, before it was %s", round, r.Run, runs[id])
			}
			runs[id] = r.Run
			if kept, err := w.f.Run(t.Context(), call, r.Run); err != nil || kept.Counts.Deleted != 1 {
				t.Errorf("run %s: %+v, %v", r.Run, kept, err)
			}
		}
	}
	if runs[first.ID] != "1-abc" || runs[second.ID] == "1-abc" || !strings.HasPrefix(runs[second.ID], "1-abc-") {
		t.Errorf("runs %v", runs)
	}
	if dry := invoke(fmt.Sprintf(`{"mediaIds":[%q]}`, first.ID)); dry.Mode != "dry-run" || dry.Counts.Deleted != 0 {
		t.Errorf("a dry run is answered from the deletion: %+v", dry)
	}
	if sent := w.sent(); len(sent) != 2 {
		t.Errorf("sent %v", sent)
	}
	w.noViolations()
}

// The environment's token has expired and the call brings a fresh one, or the other way
// round: the run uses what is valid, whole, for MPS and for OSS.
func TestAnExpiredTokenGivesWay(t *testing.T) {
	names := []string{"ALIBABA_CLOUD_ACCESS_KEY_ID", "ALIBABA_CLOUD_ACCESS_KEY_SECRET", "ALIBABA_CLOUD_SECURITY_TOKEN"}
	callOf := func(env map[string]string) handler.Call {
		return handler.Call{RequestID: "r", Credentials: account.Credentials{AccessKeyID: env[names[0]], AccessKeySecret: env[names[1]], SecurityToken: env[names[2]]}}
	}
	for _, stored := range []string{"file", "oss://ops/state/"} {
		for _, fresh := range []string{"the call's", "the environment's"} {
			t.Run(fresh+" is fresh, state in "+stored, func(t *testing.T) {
				w := newWorld(t, emulator.Config{Media: 50}, enforcing)
				w.e.PutBucket("ops", "")
				if stored != "file" {
					w.env["MEDIASWEEP_STATE"] = stored
				}
				w.setPolicy(enforcing) // with the token that will have expired
				expired := w.e.Env()
				w.e.ExpireToken()
				call := callOf(w.e.Env())
				if fresh != "the call's" {
					for _, name := range names {
						w.env[name] = w.e.Env()[name]
					}
					w.setPolicy(enforcing)
					call = callOf(expired)
				}
				body, err := w.f.Invoke(t.Context(), call, []byte(everything))
				if err != nil || !strings.Contains(string(body), `"status":"done"`) || len(w.sent()) == 0 {
					t.Errorf("%v: %s", err, body)
				}
				refused := 0
				for _, c := range w.e.Calls() {
					if c.Status == 403 {
						refused++
					}
				}
				if refused > 3 { // those that were under way together
					t.Errorf("%d calls with the expired token", refused)
				}
				for _, secret := range []string{expired[names[1]], expired[names[2]], w.e.Env()[names[1]], w.e.Env()[names[2]]} {
					if strings.Contains(w.log.String()+string(body), secret) {
						t.Errorf("a secret is shown")
					}
				}
				w.noViolations()
			})
		}
	}
}

// On Debian 11 the headers of a call have a temporary key without its token. The answer to an expired token is about that one.
func TestAHeaderWithoutItsToken(t *testing.T) {
	w := newWorld(t, emulator.Config{}, enforcing)
	w.e.ExpireToken()
	fresh, header := w.e.Env(), http.Header{"X-Fc-Request-Id": {"r"}}
	header.Set("X-Fc-Access-Key-Id", fresh["ALIBABA_CLOUD_ACCESS_KEY_ID"])
	header.Set("X-Fc-Access-Key-Secret", fresh["ALIBABA_CLOUD_ACCESS_KEY_SECRET"])
	body, err := w.f.Invoke(t.Context(), handler.CallFromHeader(header), []byte(`{"mediaIds":["m1"]}`))
	if err == nil || !strings.Contains(string(body), "InvalidSecurityToken.Expired: ") || !strings.Contains(string(body), "(credentials: ALIBABA_CLOUD_ACCESS_KEY_ID, ") {
		t.Errorf("%v: %s", err, body)
	}
}

// A delay that the service asks for ends with the call's time: the answer comes before
// the deadline.
func TestADelayEndsWithTheCall(t *testing.T) { turnClock(t, testADelayEndsWithTheCall) }

func testADelayEndsWithTheCall(t *testing.T) {
	w := newPipedWorld(t, emulator.Config{Media: 50, MPS: emulator.MPSOptions{ThrottleStatus: 429, ThrottleCode: "FlowControl.Exceeded", RetryAfter: time.Hour}}, enforcing)
	w.e.Inject(emulator.Fault{Operation: "QueryMediaListByURL", Kind: emulator.Throttle})
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
	defer cancel()
	body, _ := w.f.Invoke(ctx, handler.Call{}, []byte(everything))
	if ctx.Err() != nil || strings.Contains(string(body), `"status":"done"`) || len(w.sent()) > 0 || w.e.Count()["QueryMediaListByURL"] == 0 {
		t.Errorf("%v: %s", ctx.Err(), body)
	}
}

// An event for a record of this program is answered, and leaves no record: that would lead to the next event.
func TestEventsOfOwnRecordsAreIgnored(t *testing.T) {
	w := newWorld(t, emulator.Config{}, enforcing, "MEDIASWEEP_STATE", "oss://ops/state/")
	w.e.PutBucket("ops", "")
	r := w.mustInvoke(strings.ReplaceAll(string(ossEvent("state/runs/a/000001.json", "state/lease/b")), "media-in", "ops"), report.Done)
	if len(r.Notes) != 2 || !strings.Contains(r.Notes[0], "is a record of this program's") || r.Counts.Looked != 0 {
		t.Errorf("notes %q, %+v", r.Notes, r.Counts)
	}
	if left := w.e.Objects("ops"); len(left) > 0 {
		t.Errorf("%d records", len(left))
	}
}
