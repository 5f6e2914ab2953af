package trigger_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/mediasweep/mediasweep/internal/media"
	"github.com/mediasweep/mediasweep/internal/policy"
	"github.com/mediasweep/mediasweep/internal/trigger"
)

// TestSamples decodes every payload in events/: a new sample needs a line here.
func TestSamples(t *testing.T) {
	in := func(key string) media.Object { return media.Object{Bucket: "media-in", Key: key} }
	want := map[string]trigger.Event{
		"timer.json":         {Request: &trigger.Request{Trigger: trigger.Timer, Inventory: true}},
		"timer-request.json": {Request: &trigger.Request{Trigger: trigger.Timer, Inventory: true, Mode: policy.DryRun}},
		"oss.json": {Request: &trigger.Request{Trigger: trigger.OSS,
			Objects: []media.Object{in("drafts/take 1+2, 100% 剪辑.mp4"), in("clips/a%2Fb.mp4")}, Removed: []media.Object{in("clips/a%2Fb.mp4")}}},
		"eventbridge.json":       {Request: &trigger.Request{Trigger: trigger.OSS, Objects: []media.Object{in("series/s01/e01.mp4")}}},
		"eventbridge-batch.json": {Request: &trigger.Request{Trigger: trigger.OSS, Objects: []media.Object{in("series/s01/e01.mp4"), in("series/s01/e02.mp4")}}},
		"request.json": {Request: &trigger.Request{Trigger: trigger.Invoke, Mode: policy.DryRun,
			Objects: []media.Object{in("drafts/take 1.mp4"), in("clips/a,b.mp4")}}},
		"http.json": {HTTP: &trigger.HTTPCall{Method: "POST", Path: "/v1/sweeps",
			Header: map[string]string{"Content-Type": "application/json"}, Query: map[string]string{}, Body: []byte(`{"mode":"dry-run","inventory":true}`)}},
		"http-health.json": {HTTP: &trigger.HTTPCall{Method: "GET", Path: "/healthz",
			Header: map[string]string{}, Query: map[string]string{}, Body: []byte{}}},
	}
	files, err := filepath.Glob("../../events/*")
	if err != nil || len(files) != len(want) {
		t.Fatalf("%d samples, %d expectations, %v", len(files), len(want), err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			payload, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			got, err := trigger.Parse(payload)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want[filepath.Base(file)], got); diff != "" {
				t.Errorf("event differs (-want +got):\n%s", diff)
			}
		})
	}
}

func timer(payload string) string {
	text, _ := json.Marshal(payload)
	return fmt.Sprintf(`{"triggerTime":"2026-01-02T03:00:00Z","triggerName":"nightly","payload":%s}`, text)
}

func record(name, bucket, key string) string {
	text, _ := json.Marshal(key)
	return fmt.Sprintf(`{"eventName":%q,"oss":{"bucket":{"name":%q},"object":{"key":%s}}}`, name, bucket, text)
}

func TestScopes(t *testing.T) {
	tests := []struct {
		name, payload string
		want          trigger.Request
	}{
		{"timer, payload missing", `{"triggerTime":"t","triggerName":"nightly"}`, trigger.Request{Trigger: trigger.Timer, Inventory: true}},
		{"timer, a key that the platform added", `{"triggerTime":"t","triggerName":"nightly","payload":"","triggerId":"7"}`, trigger.Request{Trigger: trigger.Timer, Inventory: true}},
		{"timer, payload blank", timer(" \n"), trigger.Request{Trigger: trigger.Timer, Inventory: true}},
		{"timer, empty request", timer("{}"), trigger.Request{Trigger: trigger.Timer, Inventory: true}},
		{"timer, only a mode", timer(`{"mode":"dry-run"}`), trigger.Request{Trigger: trigger.Timer, Inventory: true, Mode: policy.DryRun}},
		{"timer with IDs", timer(`{"mediaIds":["a"]}`), trigger.Request{Trigger: trigger.Timer, MediaIDs: []string{"a"}}},
		{"duplicates are folded", `{"mediaIds":["b","a","b"]}`, trigger.Request{Trigger: trigger.Invoke, MediaIDs: []string{"b", "a"}}},
		{"inventory by hand", `{"inventory":true}`, trigger.Request{Trigger: trigger.Invoke, Inventory: true}},
		{"raw data of EventBridge", record("ObjectCreated:PutObject", "media-in", "a+b %41"),
			trigger.Request{Trigger: trigger.OSS, Objects: []media.Object{{Bucket: "media-in", Key: "a+b %41"}}}},
		{"product before the event name", record("oss:ObjectCreated:PutObject", "media-in", "a"),
			trigger.Request{Trigger: trigger.OSS, Objects: []media.Object{{Bucket: "media-in", Key: "a"}}}},
		{"parts are ignored", `{"events":[` + record("ObjectCreated:UploadPart", "media-in", "a") + `,` + record("ObjectCreated:PutObject", "media-in", "a") + `,` +
			record("ObjectCreated:PutObject", "media-in", "a") + `]}`,
			trigger.Request{Trigger: trigger.OSS, Objects: []media.Object{{Bucket: "media-in", Key: "a"}},
				Ignored: []string{"ObjectCreated:UploadPart of oss://media-in/a says nothing about a finished object"}}},
		{"an upload given up", `{"events":[` + record("ObjectRemoved:AbortMultipartUpload", "media-in", "a") + `]}`,
			trigger.Request{Trigger: trigger.OSS, Ignored: []string{"ObjectRemoved:AbortMultipartUpload of oss://media-in/a says nothing about a finished object"}}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got, err := trigger.Parse([]byte(test.payload))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(&test.want, got.Request); diff != "" {
				t.Errorf("request differs (-want +got):\n%s", diff)
			}
		})
	}
}

func TestParseRefuses(t *testing.T) {
	tests := []struct{ name, payload, says string }{
		{"nothing", "", "the payload is empty"},
		{"blanks", strings.Repeat(" \n\t ", 40), "the payload is empty"},
		{"not JSON", "hello", "not JSON"},
		{"a text", `"mode"`, "a JSON object is expected"},
		{"cut off", `{"mediaIds":["a"]`, "not JSON"},
		{"two values", `{"mediaIds":["a"]}{"mediaIds":["b"]}`, "something follows"},
		{"nothing known", `{"foo":1,"bar":2}`, "has the keys bar, foo"},
		{"no scope", `{}`, "no scope"},
		{"only a mode", `{"mode":"dry-run"}`, "no scope"},
		{"null scope", `{"mediaIds":null}`, "mediaIds must be a list"},
		{"empty IDs", `{"mediaIds":[]}`, "mediaIds must be a list of at least one text"},
		{"empty objects", `{"objects":[]}`, "objects must be a list of at least one text"},
		{"null ID", `{"mediaIds":["a",null]}`, "mediaIds[1] is null"},
		{"blank ID", `{"mediaIds":["a",""]}`, "mediaIds[1]"},
		{"two IDs in one", `{"mediaIds":["a,b"]}`, `mediaIds[0]: "a,b"`},
		{"IDs as a text", `{"mediaIds":"a"}`, "mediaIds must be a list"},
		{"IDs as numbers", `{"mediaIds":[1]}`, "mediaIds must be a list"},
		{"object is no OSS address", `{"objects":["http://bkt.oss-cn-shanghai.aliyuncs.com/a"]}`, "objects[0]"},
		{"two scopes", `{"mediaIds":["a"],"inventory":true}`, "one scope, this one has inventory and mediaIds"},
		{"unknown key", `{"mediaIds":["a"],"force":true}`, `no key "force": allowed are mode, mediaIds`},
		{"other case", `{"mediaIds":["a"],"Mode":"enforce"}`, `no key "Mode"`},
		{"set twice", `{"mediaIds":["a"],"mediaIds":["b"]}`, `"mediaIds" is set twice`},
		{"bad mode", `{"mode":"Enforce","mediaIds":["a"]}`, `mode must be "dry-run" or "enforce"`},
		{"inventory false", `{"inventory":false}`, "inventory must be true"},
		{"plan", `{"plan":"sha256:00"}`, "plan must be the ID of a plan"},
		{"manifest of nothing", `{"manifest":""}`, "does not start with oss://"},
		{"manifest, several", `{"manifest":["oss://ops/a.csv"]}`, "manifest must be a text"},
		{"all at once", `{"mode":1,"mediaIds":[],"x":1}`, "; "},
		{"timer with a text", timer("sweep!"), "timer event: payload: not JSON"},
		{"timer with an empty scope", timer(`{"mediaIds":[]}`), "timer event: payload: mediaIds must be"},
		{"timer with an unknown key", timer(`{"dryRun":true}`), `timer event: payload: there is no key "dryRun"`},
		{"timer with a number", `{"triggerTime":"t","triggerName":"n","payload":5}`, "payload must be a text"},
		{"timer without a time", `{"triggerName":"n","payload":""}`, "both expected"},
		{"timer with null", `{"triggerTime":null,"triggerName":"n","payload":""}`, "triggerTime must be a text"},
		{"timer with a null payload", `{"triggerTime":"t","triggerName":"n","payload":null}`, "payload must be a text"},
		{"timer with a payload of another case", `{"triggerTime":"t","triggerName":"n","Payload":"{}"}`, `no key "Payload"`},
		{"timer with a mode of another case", `{"triggerTime":"t","triggerName":"n","Mode":"dry-run"}`, `no key "Mode"`},
		{"timer with a request beside it", `{"triggerTime":"t","triggerName":"n","payload":"","mode":"dry-run","mediaIds":["a"]}`, `no key "payload"`},
		{"OSS event with a mode beside it", `{"mode":"dry-run","events":[` + record("ObjectCreated:PutObject", "media-in", "a") + `]}`, `no key "events"`},
		{"no events", `{"events":[]}`, "events must be a list"},
		{"events null", `{"events":null}`, "events must be a list"},
		{"record without a key", `{"events":[{"eventName":"ObjectCreated:PutObject","oss":{"bucket":{"name":"media-in"}}}]}`, "record 0: the object key is empty"},
		{"record without a name", `{"events":[{"oss":{"bucket":{"name":"media-in"},"object":{"key":"a"}}}]}`, "record 0 has no eventName"},
		{"empty array", `[]`, "empty array"},
		{"array of others", `[{"a":1}]`, "EventBridge event 0 has no data"},
		{"another source", `{"specversion":"1.0","source":"acs.ecs","data":{}}`, `source is "acs.ecs"`},
		{"HTTP event of another version", `{"version":"v2","requestContext":{"http":{"method":"GET"}}}`, "version v1"},
		{"HTTP event with bad base64", `{"version":"v1","isBase64Encoded":true,"body":"%","requestContext":{"http":{"method":"GET"}}}`, "body"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got, err := trigger.Parse([]byte(test.payload))
			if err == nil || !strings.Contains(err.Error(), test.says) {
				t.Errorf("Parse(%s) = %+v, %v; want an error with %q", test.payload, got.Request, err, test.says)
			}
		})
	}
}

func TestEffectiveMode(t *testing.T) {
	const none, dry, enforce = policy.Mode(""), policy.DryRun, policy.Enforce
	tests := []struct {
		kind            trigger.Kind
		asked, most     policy.Mode
		want            policy.Mode
		refusedAsRaised bool
	}{
		{trigger.Timer, none, dry, dry, false}, {trigger.Timer, none, enforce, enforce, false}, {trigger.Timer, dry, enforce, dry, false},
		{trigger.OSS, none, dry, dry, false}, {trigger.OSS, none, enforce, enforce, false},
		{trigger.HTTP, none, enforce, dry, false}, {trigger.Invoke, none, enforce, dry, false}, {trigger.CLI, none, enforce, dry, false},
		{trigger.HTTP, enforce, enforce, enforce, false}, {trigger.Invoke, enforce, enforce, enforce, false},
		{trigger.HTTP, enforce, dry, none, true}, {trigger.Invoke, enforce, dry, none, true}, {trigger.Timer, enforce, dry, none, true},
	}
	for _, test := range tests {
		t.Run(fmt.Sprintf("%s asks %q of %s", test.kind, test.asked, test.most), func(t *testing.T) {
			got, err := (&trigger.Request{Trigger: test.kind, Mode: test.asked}).EffectiveMode(test.most)
			if got != test.want || (err != nil) != test.refusedAsRaised {
				t.Errorf("mode %q, %v; want %q", got, err, test.want)
			}
		})
	}
}

// FuzzParse: no payload makes a request that would look at something unasked.
func FuzzParse(f *testing.F) {
	files, err := filepath.Glob("../../events/*")
	if err != nil {
		f.Fatal(err)
	}
	for _, file := range files {
		payload, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(payload)
	}
	f.Fuzz(func(t *testing.T, payload []byte) {
		event, err := trigger.Parse(payload)
		if err != nil || event.HTTP != nil {
			return
		}
		r := event.Request
		scopes := 0
		for _, set := range []bool{len(r.MediaIDs) > 0, len(r.Objects) > 0, r.Inventory} {
			if set {
				scopes++
			}
		}
		if scopes != 1 && !(scopes == 0 && r.Trigger == trigger.OSS && len(r.Ignored) > 0) {
			t.Errorf("%d scopes: %+v", scopes, r)
		}
		if r.Inventory && r.Trigger != trigger.Timer && !strings.Contains(string(payload), "inventory") && !strings.Contains(string(payload), `\u`) {
			t.Errorf("sweeps the inventory unasked: %s", payload)
		}
		for _, id := range r.MediaIDs {
			if id == "" || strings.ContainsAny(id, ", \n") {
				t.Errorf("media ID %q", id)
			}
		}
		if mode, err := r.EffectiveMode(policy.DryRun); err == nil && mode != policy.DryRun {
			t.Errorf("mode raised to %s", mode)
		}
	})
}
