package trigger_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/mediasweep/mediasweep/internal/fuzztest"
	"github.com/mediasweep/mediasweep/internal/media"
	"github.com/mediasweep/mediasweep/internal/policy"
	"github.com/mediasweep/mediasweep/internal/trigger"
)

// TestSamples decodes every payload in events/: a new sample needs a line here.
func TestSamples(t *testing.T) {
	in := func(key string) media.Object { return media.Object{Bucket: "media-in", Key: key} }
	want := map[string]trigger.Event{
		"timer.json":         {Trigger: trigger.Timer, Request: &trigger.Request{Trigger: trigger.Timer, Inventory: true}},
		"timer-request.json": {Trigger: trigger.Timer, Request: &trigger.Request{Trigger: trigger.Timer, Inventory: true, Mode: policy.DryRun}},
		"oss.json": {Trigger: trigger.OSS, Request: &trigger.Request{Trigger: trigger.OSS,
			Objects: []media.Object{in("drafts/take 1+2, 100% 剪辑.mp4"), in("clips/a%2Fb.mp4")}, Removed: []media.Object{in("clips/a%2Fb.mp4")}}},
		"eventbridge.json":       {Trigger: trigger.OSS, Request: &trigger.Request{Trigger: trigger.OSS, Objects: []media.Object{in("series/s01/e01.mp4")}}},
		"eventbridge-batch.json": {Trigger: trigger.OSS, Request: &trigger.Request{Trigger: trigger.OSS, Objects: []media.Object{in("series/s01/e01.mp4"), in("series/s01/e02.mp4")}}},
		"request.json": {Trigger: trigger.Invoke, Request: &trigger.Request{Trigger: trigger.Invoke, Mode: policy.DryRun,
			Objects: []media.Object{in("drafts/take 1.mp4"), in("clips/a,b.mp4")}}},
		"http.json": {Trigger: trigger.HTTP, HTTP: &trigger.HTTPCall{Method: "POST", Host: "mediasweep.cn-shanghai.fcapp.run", Path: "/v1/sweeps",
			Header: map[string]string{"Content-Type": "application/json"}, Query: map[string]string{}, Body: []byte(`{"mode":"dry-run","inventory":true}`)}},
		"http-health.json": {Trigger: trigger.HTTP, HTTP: &trigger.HTTPCall{Method: "GET", Host: "mediasweep.cn-shanghai.fcapp.run", Path: "/healthz",
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
				Ignored: []string{`record 1: "ObjectCreated:UploadPart" of "oss://media-in/a" says nothing about a finished object`}}},
		{"an upload given up", `{"events":[` + record("ObjectRemoved:AbortMultipartUpload", "media-in", "a") + `]}`,
			trigger.Request{Trigger: trigger.OSS, Ignored: []string{`record 1: "ObjectRemoved:AbortMultipartUpload" of "oss://media-in/a" says nothing about a finished object`}}},
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
		{"two values", `{"mediaIds":["a"]}{"mediaIds":["b"]}`, "not JSON: invalid character '{' after top-level value"},
		{"nothing known", `{"foo":1,"bar":2}`, `has the keys "bar, foo"`},
		{"no scope", `{}`, "no scope"},
		{"only a mode", `{"mode":"dry-run"}`, "no scope"},
		{"null scope", `{"mediaIds":null}`, "mediaIds must be a list"},
		{"empty IDs", `{"mediaIds":[]}`, "mediaIds must be a list of at least one text"},
		{"empty objects", `{"objects":[]}`, "objects must be a list of at least one text"},
		{"empty plan", `{"plan":""}`, "plan must be latest, the ID of a plan, or at least 8 of its digits, not \"\""},
		{"null plan", `{"plan":null}`, "plan must be a text, not null"},
		{"null ID", `{"mediaIds":["a",null]}`, "mediaIds[1] must be a text, not null"},
		{"blank ID", `{"mediaIds":["a",""]}`, "mediaIds[1]"},
		{"two IDs in one", `{"mediaIds":["a,b"]}`, `mediaIds[0]: "a,b"`},
		{"IDs as a text", `{"mediaIds":"a"}`, "mediaIds must be a list"},
		{"IDs as numbers", `{"mediaIds":[1]}`, "mediaIds[0] must be a text, not 1"},
		{"object is no OSS address", `{"objects":["http://bkt.oss-cn-shanghai.aliyuncs.com/a"]}`, "objects[0]"},
		{"two scopes", `{"mediaIds":["a"],"inventory":true}`, "one scope, this one has inventory and mediaIds"},
		{"unknown key", `{"mediaIds":["a"],"force":true}`, `no key "force": allowed are mode, mediaIds`},
		{"other case", `{"mediaIds":["a"],"Mode":"enforce"}`, `no key "Mode"`},
		{"set twice", `{"mediaIds":["a"],"mediaIds":["b"]}`, `"mediaIds" is set twice`},
		{"bad mode", `{"mode":"Enforce","mediaIds":["a"]}`, `mode must be "dry-run" or "enforce"`},
		{"inventory false", `{"inventory":false}`, "inventory must be true"},
		{"plan", `{"plan":"sha256:00"}`, `plan must be latest, the ID of a plan, or at least 8 of its digits, not "sha256:00": list the plans`},
		{"plan in capitals", `{"plan":"0123ABCD"}`, "plan must be latest"},
		{"plan that is too long", `{"plan":"` + strings.Repeat("0", 65) + `"}`, "plan must be latest"},
		{"plan that is a number", `{"plan":12345678}`, "plan must be a text"},
		{"timer with the latest plan", timer(`{"plan":"latest"}`), "a timer must name its plan by ID"},
		{"manifest of nothing", `{"manifest":""}`, "does not start with oss://"},
		{"manifest, several", `{"manifest":["oss://ops/a.csv"]}`, "manifest must be a text"},
		{"all at once", `{"mode":1,"mediaIds":[],"x":1}`, "; "},
		{"timer with a text", timer("sweep!"), "timer event: payload: not JSON"},
		{"timer with an empty scope", timer(`{"mediaIds":[]}`), "timer event: payload: mediaIds must be"},
		{"timer with an unknown key", timer(`{"force":true}`), `timer event: payload: there is no key "force"`},
		{"dryRun without restore", `{"dryRun":true,"inventory":true}`, `dryRun belongs to restore: a sweep has "mode": "dry-run"`},
		{"dryRun as a text", `{"restore":"r","dryRun":"true"}`, "dryRun must be true or false"},
		{"dryRun null", `{"restore":"r","dryRun":null}`, "dryRun must be true or false"},
		{"restore of nothing", `{"restore":""}`, "restore must be the ID of a run"},
		{"restore as a number", `{"restore":7}`, "restore must be the ID of a run"},
		{"restore with a mode", `{"restore":"r","mode":"enforce"}`, "restore takes no mode"},
		{"restore and another scope", `{"restore":"r","inventory":true}`, "one scope, this one has inventory and restore"},
		{"restore by a timer", timer(`{"restore":"r"}`), "timer event: payload: a timer cannot restore"},

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
		{"empty array", `[]`, "empty array"},
		{"array of others", `[{"a":1}]`, "EventBridge event 1 has no data"},
		{"another source", `{"specversion":"1.0","source":"acs.ecs","data":{}}`, `source is "acs.ecs"`},
		{"HTTP event of another version", `{"version":"v2","requestContext":{"http":{"method":"GET"}}}`, "version v1"},
		{"HTTP event with a list as a header", `{"version":"v1","headers":{"A":["b"]},"requestContext":{"http":{"method":"GET"}}}`, "HTTP event: headers must not be a JSON array"},
		{"HTTP event with a body that is an object", `{"version":"v1","body":{},"requestContext":{"http":{"method":"GET"}}}`, "HTTP event: body must not be a JSON object"},
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

// TestIgnoredRecords: a record that is about no object, or cannot be read, costs its
// neighbours nothing, and is no failure alone.
func TestIgnoredRecords(t *testing.T) {
	const put = "ObjectCreated:PutObject"
	long := strings.Repeat("k", 1024)
	records := map[string]struct{ record, why string }{
		"null":                     {`null`, "a JSON object is expected"},
		"a number":                 {`5`, "a JSON object is expected"},
		"a list":                   {`[]`, "a JSON object is expected"},
		"empty":                    {`{}`, "no eventName"},
		"no name":                  {`{"eventSource":"acs:oss","oss":{"bucket":{"name":"media-in"},"object":{"key":"a"}}}`, "no eventName"},
		"a name of another type":   {`{"eventName":7,"oss":{}}`, "no eventName"},
		"a name that is empty":     {record("", "media-in", "a"), "no eventName"},
		"no object":                {`{"eventName":"` + put + `","oss":{"bucket":{"name":"media-in"}}}`, "no object key"},
		"an empty key":             {record(put, "media-in", ""), "no object key"},
		"an empty bucket":          {record(put, "", "a"), "not a bucket name"},
		"a key that is too long":   {record(put, "media-in", long), "1024 bytes"},
		"a key of another type":    {`{"eventName":"` + put + `","oss":{"bucket":{"name":"media-in"},"object":{"key":["a"]}}}`, "oss.object.key: a text is expected"},
		"an object of another":     {`{"eventName":"` + put + `","oss":{"bucket":{"name":"media-in"},"object":"a"}}`, "a JSON object is expected"},
		"oss of another type":      {`{"eventName":"` + put + `","oss":[]}`, "a JSON object is expected"},
		"a bucket of another case": {`{"eventName":"` + put + `","oss":{"Bucket":{"name":"media-in"},"object":{"key":"a"}}}`, "not a bucket name"},
		"two keys":                 {`{"eventName":"` + put + `","oss":{"bucket":{"name":"media-in"},"object":{"key":"a","key":"b"}}}`, "set twice"},
		"half a character":         {`{"eventName":"` + put + `","oss":{"bucket":{"name":"media-in"},"object":{"key":"a\ud800"}}}`, "not Unicode"},
		"no UTF-8":                 {`{"eventName":"` + put + `","oss":{"bucket":{"name":"media-in"},"object":{"key":"a` + "\xff" + `"}}}`, "not Unicode"},
		"an unknown event":         {record("ObjectCreated:Tomorrow", "media-in", "a"), "says nothing about a finished object"},
		"replication":              {record("ObjectReplication:ObjectCreated", "media-in", "a"), "says nothing about a finished object"},
		"metadata":                 {record("ObjectModified:UpdateObjectMeta", "media-in", "a"), "says nothing about a finished object"},
		"a bucket":                 {`{"eventName":"BucketCreated:PutBucket","eventSource":"acs:oss","oss":{"bucket":{"name":"media-in"}}}`, "about no object"},
		"ActionTrail":              {`{"eventName":"PutBucketAcl","eventSource":"oss-cn-shanghai.aliyuncs.com","serviceName":"Oss"}`, "about no object"},
		"several without keys":     {`{"eventName":"ObjectRemoved:DeleteObjects","oss":{"bucket":{"name":"media-in"}}}`, "nobody can tell"},
	}
	cloud := func(data string) string {
		return `{"specversion":"1.0","id":"1","source":"acs.oss","type":"oss:CloudMonitor:Alarm","data":` + data + `}`
	}
	good := record(put, "media-in", "good")
	want := []media.Object{{Bucket: "media-in", Key: "good"}}
	for name, odd := range records {
		forms := map[string]struct {
			payload string
			want    []media.Object
		}{
			"alone":              {`{"events":[` + odd.record + `]}`, nil},
			"first":              {`{"events":[` + odd.record + `,` + good + `]}`, want},
			"last":               {`{"events":[` + good + `,` + odd.record + `]}`, want},
			"CloudEvent alone":   {cloud(odd.record), nil},
			"CloudEvents, first": {`[` + cloud(odd.record) + `,` + cloud(good) + `]`, want},
			"CloudEvents, alone": {`[` + cloud(odd.record) + `]`, nil},
		}
		if strings.HasPrefix(odd.record, "{") && odd.record != "{}" {
			forms["RawData"] = struct {
				payload string
				want    []media.Object
			}{odd.record, nil}
		}
		for form, test := range forms {
			t.Run(name+", "+form, func(t *testing.T) {
				got, err := trigger.Parse([]byte(test.payload))
				if err != nil {
					t.Fatalf("Parse(%s): %v", test.payload, err)
				}
				if diff := cmp.Diff(test.want, got.Request.Objects); diff != "" {
					t.Errorf("objects differ (-want +got):\n%s", diff)
				}
				why := odd.why
				if strings.HasPrefix(form, "CloudEvent") && why == "no eventName" {
					why = "CloudMonitor:Alarm" // the type stands for it
				}
				if len(got.Request.Ignored) != 1 || !strings.Contains(got.Request.Ignored[0], why) || len(got.Request.Ignored[0]) > 500 {
					t.Errorf("ignored %q, want %q", got.Request.Ignored, why)
				}
			})
		}
	}
}

// TestIgnoredCloudEvents: an element of an array that is no event of OSS costs its
// neighbours nothing. Alone it is no event, and refused.
func TestIgnoredCloudEvents(t *testing.T) {
	good := `{"specversion":"1.0","source":"acs.oss","data":` + record("ObjectCreated:PutObject", "media-in", "good") + `}`
	for name, test := range map[string]struct {
		element string
		refused bool // alone
	}{
		"null":                      {`null`, true},
		"a text":                    {`"x"`, true},
		"another object":            {`{"a":1}`, true},
		"another source":            {`{"specversion":"1.0","source":"acs.ecs","data":{}}`, true},
		"no source":                 {`{"specversion":"1.0","data":{}}`, true},
		"a source of another type":  {`{"specversion":"1.0","source":1,"data":{}}`, true},
		"no data":                   {`{"specversion":"1.0","source":"acs.oss","type":"oss:ActionTrail:ApiCall"}`, false},
		"data null":                 {`{"specversion":"1.0","source":"acs.oss","type":"oss:ActionTrail:ApiCall","data":null}`, false},
		"data as a text":            {`{"specversion":"1.0","source":"acs.oss","data":"e30="}`, false},
		"a record of a bucket, raw": {`{"eventName":"BucketCreated:PutBucket","eventSource":"acs:oss"}`, false},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := trigger.Parse([]byte(`[` + good + `,` + test.element + `]`))
			if err != nil || len(got.Request.Objects) != 1 || len(got.Request.Ignored) != 1 || !strings.HasPrefix(got.Request.Ignored[0], "record 2: ") {
				t.Errorf("beside another: %+v, %v", got.Request, err)
			}
			got, err = trigger.Parse([]byte(`[` + test.element + `]`))
			if (err != nil) != test.refused || err == nil && len(got.Request.Ignored) != 1 {
				t.Errorf("alone: %+v, %v", got.Request, err)
			}
		})
	}
}

// TestMarksBeforeJSON: a byte order mark is no part of JSON, wherever it stands before it.
func TestMarksBeforeJSON(t *testing.T) {
	const mark = "\uFEFF"
	for name, payload := range map[string]string{
		"request": mark + `{"mediaIds":["a"]}`, "request after a line": mark + "\r\n" + `{"mediaIds":["a"]}`,
		"timer": mark + timer(mark+`{"mediaIds":["a"]}`), "timer without a request": timer(mark + " "),
		"OSS event":   mark + `{"events":[` + record("ObjectCreated:PutObject", "media-in", "a") + `]}`,
		"CloudEvents": mark + `[{"specversion":"1.0","source":"acs.oss","data":` + record("ObjectCreated:PutObject", "media-in", "a") + `}]`,
		"HTTP event":  mark + `{"version":"v1","requestContext":{"http":{"method":"GET"}}}`,
	} {
		if _, err := trigger.Parse([]byte(payload)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := trigger.ParseRequest([]byte(mark+`{"mediaIds":["a"]}`), trigger.HTTP); err != nil {
		t.Error(err)
	}
	for _, order := range []string{"\xff\xfe{\x00}\x00", "\xfe\xff\x00{\x00}"} {
		if _, err := trigger.Parse([]byte(order)); err == nil || !strings.Contains(err.Error(), "write it as UTF-8") {
			t.Errorf("UTF-16: %v", err)
		}
	}
	if _, err := trigger.ParseRequest([]byte("\x1f\x8b\x08"), trigger.HTTP); err == nil || !strings.Contains(err.Error(), "send it uncompressed") {
		t.Errorf("gzip: %v", err)
	}
}

// TestNamesAreTakenByteForByte: encoding/json mends what is not Unicode, with a character
// that is part of another name.
func TestNamesAreTakenByteForByte(t *testing.T) {
	for name, test := range map[string]struct{ key, want string }{ // a key as JSON writes it, and what it names; empty if nothing
		"not UTF-8":                     {"a\xff.mp4", ""},
		"half a pair":                   {`a\ud800.mp4`, ""},
		"the other half":                {`a\uDC00.mp4`, ""},
		"half a pair beside the mark":   {"a\uFFFD" + `\ud800.mp4`, ""},
		"half a pair after a backslash": {`a\\\ud800.mp4`, ""},
		"the mark":                      {"a\uFFFD.mp4", "a\uFFFD.mp4"},
		"the mark, escaped":             {`a\uFFFD.mp4`, "a\uFFFD.mp4"},
		"the mark, escaped in part":     {`a\ufFfd` + "\uFFFD", "a\uFFFD\uFFFD"},
		"a backslash and a name":        {`a\\ufffd`, `a\ufffd`},
		"a pair":                        {`a\ud83d\ude00`, "a\U0001F600"},
		"blanks":                        {` a\t `, " a\t "},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := trigger.ParseRequest([]byte(`{"objects":["oss://media-in/`+test.key+`"]}`), trigger.HTTP)
			switch {
			case test.want == "" && err == nil:
				t.Errorf("names %q", got.Objects)
			case test.want != "" && (err != nil || got.Objects[0].Key != test.want):
				t.Errorf("%+v, %v", got, err)
			}
		})
	}
	if got, err := trigger.NewRequest(map[string]any{"objects": []string{"oss://media-in/a\xff"}}, trigger.CLI); err == nil {
		t.Errorf("names %q", got.Objects)
	}
}

// TestBounds: what is too much is refused at once, with a message that is short.
func TestBounds(t *testing.T) {
	list := func(n int, element string) string {
		return "[" + strings.TrimSuffix(strings.Repeat(element+",", n), ",") + "]"
	}
	names := func(n int) string {
		ids := make([]string, n)
		for i := range ids {
			ids[i] = fmt.Sprintf(`"%032x"`, i)
		}
		return strings.Join(ids, ",")
	}
	fill := func(head, unit, tail string) string {
		return strings.TrimSuffix(head+strings.Repeat(unit, (trigger.MaxBytes-len(head)-len(tail))/len(unit)), ",") + tail
	}
	tests := []struct{ name, payload, says string }{
		{"names that fit", `{"mediaIds":[` + names(trigger.MaxNames) + `]}`, ""},
		{"names that fit, twice", `{"mediaIds":[` + names(trigger.MaxNames) + "," + names(trigger.MaxNames) + `]}`, ""},
		{"one name more", `{"mediaIds":[` + names(trigger.MaxNames+1) + `]}`, "mediaIds has more than 10000 entries: list the media in a manifest"},
		{"one object often", fill(`{"objects":[`, `"oss://media-in/a",`, `]}`), ""},
		{"a byte more", strings.Repeat(" ", trigger.MaxBytes+1), "more than 6 MiB: list the media in a manifest"},
		{"records that fit", `{"events":` + list(trigger.MaxNames, `{}`) + `}`, ""},
		{"one record more", `{"events":` + list(trigger.MaxNames+1, `{}`) + `}`, "more than 10000"},
		{"CloudEvents", list(trigger.MaxNames+1, `{}`), "more than 10000"},
		{"as many problems as are listed", `{"mediaIds":` + list(20, `"."`) + `}`, `mediaIds[19]: `},
		{"many problems", `{"mediaIds":` + list(9999, `"a,b"`) + `}`, "9999 problems, the first 20: mediaIds[0]: "},
		{"many long problems", `{"objects":` + list(900, `"`+strings.Repeat("x", 5000)+`"`) + `}`, "900 problems, the first 20: "},
		{"a long name", `{"objects":["` + strings.Repeat("x", 1<<20) + `"]}`, "does not start with oss://"},
		{"a long mode", `{"mode":"` + strings.Repeat("x", 1<<20) + `","inventory":true}`, "mode must be"},
		{"a long key", `{"` + strings.Repeat("x", 1<<20) + `":1,"mode":"dry-run"}`, "no key"},
		{"a long foreign key", `{"` + strings.Repeat("x", 1<<20) + `":1}`, "the payload has the keys"},
		{"a long scope", `{"mediaIds":{"a":"` + strings.Repeat("x", 1<<20) + `"}}`, "mediaIds must be a list"},
		{"a long source", `{"specversion":"1.0","source":"` + strings.Repeat("x", 1<<20) + `","data":{}}`, "not acs.oss"},
		{"a long text", `"` + strings.Repeat("x", 1<<20) + `"`, "a JSON object is expected"},
		{"empty names", fill(`{"mediaIds":[`, `"",`, `]}`), "10001 problems, the first 20: mediaIds[0]"},
		{"nulls", fill(`{"mediaIds":[`, `null,`, `]}`), "10001 problems, the first 20: mediaIds[0] must be a text, not null"},
		{"nested lists", fill(`{"mediaIds":`, `[`, ``), "not JSON"},
		{"nested in a key that is not known", fill(`{"x":`, `[`, ``), "not JSON"},
		{"keys", fill(`{`, `"":1,`, `}`), "set twice"},
		{"empty records", fill(`{"events":[`, `{},`, `]}`), "more than 10000"},
	}
	var many strings.Builder
	for i := range 100_000 {
		fmt.Fprintf(&many, `"k%d":1,`, i)
	}
	tests = append(tests, struct{ name, payload, says string }{"many keys", "{" + strings.TrimSuffix(many.String(), ",") + "}", "more than 100 keys"})
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			allocated := testing.AllocsPerRun(1, func() { _, _ = trigger.Parse([]byte(test.payload)) })
			got, err := trigger.Parse([]byte(test.payload))
			if test.says == "" {
				if err != nil {
					t.Error(err)
				}
				return
			}
			if err == nil || !strings.Contains(err.Error(), test.says) {
				t.Fatalf("%+v, %.300v; want an error with %q", got, err, test.says)
			}
			if len(err.Error()) > 3<<10 || allocated > 300_000 {
				t.Errorf("the error has %d bytes, and was made with %.0f allocations", len(err.Error()), allocated)
			}
		})
	}
}

// A body is bounded as a payload is.
func TestParseRequestBound(t *testing.T) {
	body := `{"inventory":true}`
	for spaces, fits := range map[int]bool{trigger.MaxBytes - len(body): true, trigger.MaxBytes - len(body) + 1: false} {
		if _, err := trigger.ParseRequest([]byte(body+strings.Repeat(" ", spaces)), trigger.HTTP); (err == nil) != fits {
			t.Errorf("%d bytes: %v", len(body)+spaces, err)
		}
	}
}

// TestDigest: requests have the same digest if they ask for the same.
func TestDigest(t *testing.T) {
	payloads := []string{
		`{"mediaIds":["a"]}`, `{"mediaIds":["b"]}`, `{"mediaIds":["a","b"]}`, `{"mediaIds":["a"],"mode":"dry-run"}`, `{"mediaIds":["a"],"mode":"enforce"}`,
		`{"objects":["oss://media-in/a"]}`, `{"objects":["oss://media-in/a b"]}`, `{"objects":["oss://media-in/a","oss://media-in/b"]}`, `{"manifest":"oss://media-in/a"}`,
		`{"inventory":true}`, `{"plan":"sha256:` + strings.Repeat("0", 64) + `"}`, timer(""), timer(`{"mediaIds":["a"]}`),
		`{"events":[` + record("ObjectCreated:PutObject", "media-in", "a") + `]}`, `{"events":[` + record("ObjectRemoved:DeleteObject", "media-in", "a") + `]}`,
	}
	seen := map[string]string{}
	for _, payload := range payloads {
		event, err := trigger.Parse([]byte(payload))
		if err != nil {
			t.Fatal(err)
		}
		digest := event.Request.Digest()
		if other := seen[digest]; other != "" {
			t.Errorf("%s and %s have the same digest", other, payload)
		}
		seen[digest] = payload
		again, err := trigger.Parse([]byte(" " + payload))
		if err != nil || again.Request.Digest() != digest {
			t.Errorf("%s has two digests, %v", payload, err)
		}
	}
}

// So do restores.
func TestDigestOfARestore(t *testing.T) {
	seen := map[string]*trigger.Request{}
	for _, request := range []*trigger.Request{
		{}, {Restore: "r"}, {Restore: "s"}, {Restore: "r", DryRun: true}, {Restore: "r", Only: []string{"a"}}, {Restore: "r", Only: []string{"b"}},
		{Restore: "r", Only: []string{"a", "b"}}, {Restore: "r", Only: []string{"a b"}}, {Restore: "r", Trigger: trigger.HTTP},
	} {
		digest := request.Digest()
		if other := seen[digest]; other != nil {
			t.Errorf("%+v and %+v have the same digest", other, request)
		}
		seen[digest] = request
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
	fuzztest.Fuzz(f, func(t *testing.T, payload []byte) {
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

// What follows a request is no part of it, whatever it is.
func TestNothingFollows(t *testing.T) {
	const request = `{"mode":"enforce","mediaIds":["0319dd3b9680d28a4e16ae79898c1d24"]}`
	quoted, _ := json.Marshal(request + "}")
	for _, payload := range []string{
		request + "}", request + "]", request + `}],"mode":"dry-run"}`, request + "}}} more", request + request,
		`{"events":[5]}]}}`, `[{"specversion":"1.0"}]]`,
		`{"triggerTime":"2026-01-02T03:00:00Z","triggerName":"nightly","payload":` + string(quoted) + `}`,
		`{"triggerTime":"2026-01-02T03:00:00Z","triggerName":"nightly","payload ":"{}"}`,
	} {
		if event, err := trigger.Parse([]byte(payload)); err == nil {
			t.Errorf("%s: %+v, want an error", payload, event.Request)
		}
	}
}
