package fc_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/mediasweep/mediasweep/handler"
	"github.com/mediasweep/mediasweep/internal/emulator"
)

// door is a way into the function: a runtime of Function Compute. Without a method it takes an event call.
type door func(t *testing.T, id, method, target, body string) reply

// reply is the answer to a request or an event. An event that failed has the status 404.
type reply struct {
	status int
	header http.Header
	body   string
}

// doorPolicy blocks a sweep of more than two media.
const doorPolicy = `
version: 1
mode: enforce
inventory: [{bucket: oss://media-in/}]
expire: [{name: all, after: 180d}]
guard: {maxDelete: 2}
`

// step is one request. {run}, {plan}, {short}, {medium}, {hold} and {next} stand for what an earlier answer had.
type step struct {
	name, method, target, body string
	status                     int
	says                       string // a pattern for the answer
	digests                    int    // that arrive
}

var daily = []step{
	{"a night that is blocked", "", "", `{"triggerTime":"2026-06-30T20:00:00Z","triggerName":"nightly","payload":""}`, 200, `"status":"blocked".*"next":"review plan .*POST /v1/plans/`, 1},
	{"the blocked runs", "GET", "/v1/runs?trigger=timer&status=blocked&since=1d", "", 200, `^\[\{"run":"[^"]+","trigger":"timer"[^{}]*"status":"blocked".*\]\n$`, 0},
	{"no such status", "GET", "/v1/runs?status=angry", "", 400, `"error":"status \\"angry\\" is none of done, `, 0},
	{"runs as CSV", "GET", "/v1/runs?format=csv", "", 200, `(?s)^run,trigger,.*,timer,enforce,blocked,`, 0},
	{"plans", "GET", "/v1/plans", "", 200, `^\[\{.*"entries":3`, 0},
	{"the latest plan", "GET", "/v1/plans/latest", "", 200, `^\{"id":"{plan}"`, 0},
	{"a plan by eight digits, as CSV", "GET", "/v1/plans/{short}?format=csv", "", 200, `(?s)^mediaId,object,.*oss://media-in/clips/0,`, 0},
	{"a plan that is none", "GET", "/v1/plans/00000000", "", 404, `there is no plan`, 0},
	{"a hold", "POST", "/v1/holds", `{"target":"oss://media-in/clips/1","until":"forever","reason":"trial"}`, 201, `"id":"[^"]+".*"target":"oss://media-in/clips/1"`, 0},
	{"a hold until no day", "POST", "/v1/holds", `{"target":"oss://media-in/clips/1","until":"soon"}`, 400, `"error":`, 0},
	{"the holds", "GET", "/v1/holds", "", 200, `^\[\{"id":"{hold}"`, 0},
	{"approval", "POST", "/v1/plans/{short}/apply", "", 200, `"plan":"{plan}".*"protected":1,.*"deleted":2,.*"overridden":"plan {plan} was blocked`, 1},
	{"its report", "GET", "/v1/runs/{run}", "", 200, `"deleted":2,`, 0},
	{"the end of the hold", "DELETE", "/v1/holds/{hold}", "", 200, `"id":"{hold}"`, 0},
	{"a hold that has ended", "DELETE", "/v1/holds/{hold}", "", 404, `is not in force: GET /v1/holds`, 0},
	{"the history of a medium", "GET", "/v1/media/oss:%2F%2Fmedia-in%2Fclips%2F0/history", "", 200, `"outcome":"deleted".*"next":"to get it back`, 0},
	{"why it is gone", "GET", "/v1/media/{medium}/explain", "", 200, `"deleted":\{.*"run":"{run}"`, 0},
	{"why an object is gone", "GET", "/v1/media/oss:%2F%2Fmedia-in%2Fclips%2F0/explain", "", 400, `history takes an object too`, 0},
	{"what is coming", "GET", "/v1/forecast?days=7", "", 200, `"days":`, 0},
	{"a day that is none", "GET", "/v1/forecast?days=07", "", 400, `days: \\"07\\" is not`, 0},
	{"a preview of the restore", "POST", "/v1/runs/{run}/restore?dryRun=true", "", 200, `"restore":\{"of":"[^"]+","dryRun":true,"restored":2,.*"next":"to restore these media`, 0},
	{"the restore", "POST", "/v1/runs/{run}/restore", "", 200, `"restore":\{"of":"[^"]+","dryRun":false,"restored":2,`, 1},
	{"its results", "GET", "/v1/runs/{run}?format=csv", "", 200, `(?s)^mediaId,newId,object,outcome,message\n.*,restored,\n`, 0},
	{"a plan over HTTP", "POST", "/v1/plans", `{"objects":["oss://media-in/clips/1"]}`, 200, `"mode":"dry-run".*"expired":1,.*"next":"review plan`, 0},
	{"a sweep over HTTP", "POST", "/v1/sweeps", `{"mediaIds":["nobody"]}`, 200, `"status":"done".*"absent":1,`, 0},
	{"a restore by s invoke", "", "", `{"restore":"nobody"}`, 404, `there is no run`, 1},
	{"a dry run by s invoke", "", "", `{"inventory":true}`, 200, `"mode":"dry-run".*"expired":1,`, 0},
	{"an apply by s invoke", "", "", `{"mode":"enforce","plan":"latest"}`, 200, `"status":"done".*"deleted":1,`, 1},
	{"a page of runs", "GET", "/v1/runs?limit=1", "", 200, `^\[\{[^\n]*\}\]\n$`, 0},
	{"the page after it", "GET", "{next}", "", 200, `^\[\{"run":"`, 0},
	{"no route", "GET", "/v1/nothing", "", 404, `there is no such route`, 0},
	{"only the header of a list", "HEAD", "/v1/plans", "", 200, `^$`, 0},
	{"only the header of an error", "HEAD", "/v1/nothing", "", 404, `^$`, 0},
	{"another method", "PUT", "/v1/plans/latest", "", 405, `this route takes GET`, 0},
}

// TestDoors asks for everything that a day needs, through both runtimes.
func TestDoors(t *testing.T) {
	for name, open := range map[string]func(t *testing.T, e *emulator.Emulator, env map[string]string) door{"custom": openCustom, "go1": openGo1} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e, env := newDeployment(t)
			through := open(t, e, env)
			known := map[string]string{}
			for _, s := range daily {
				replace := func(text string, escape func(string) string) string {
					for name, value := range known {
						text = strings.ReplaceAll(text, "{"+name+"}", escape(value))
					}
					return text
				}
				same := func(s string) string { return s }
				before := len(e.Digests())
				got := through(t, strings.ReplaceAll(s.name, " ", "-"), s.method, replace(s.target, same), replace(s.body, same))
				if want := regexp.MustCompile(replace(s.says, regexp.QuoteMeta)); got.status != s.status || !want.MatchString(got.body) {
					t.Errorf("%s: %d %s\nwant %d, %s", s.name, got.status, got.body, s.status, want)
				}
				if told := len(e.Digests()) - before; told != s.digests {
					t.Errorf("%s: %d digests, want %d", s.name, told, s.digests)
				}
				if csv := strings.Contains(s.target, "format=csv"); s.method != "" && (csv != strings.HasPrefix(got.header.Get("Content-Type"), "text/csv") || got.header.Get("X-Fc-Status") != "") {
					t.Errorf("%s: %v", s.name, got.header)
				}
				checkHeader(t, s.name, got.header)
				learn(known, s, got)
			}
			if wrong := e.Violations(); len(wrong) > 0 {
				t.Errorf("%q", wrong)
			}
		})
	}
}

// checkHeader refuses a header that FC does not pass on from an HTTP trigger. Source: FC custom runtime, "Limits".
func checkHeader(t *testing.T, step string, header http.Header) {
	t.Helper()
	size := 0
	for name, values := range header {
		for _, value := range values {
			size += len(name + ": " + value + "\r\n")
		}
	}
	for _, name := range []string{"Connection", "Keep-Alive", "Server", "Upgrade"} {
		if header.Get(name) != "" {
			t.Errorf("%s: the answer has the header %s: %s", step, name, header.Get(name))
		}
	}
	if strings.HasPrefix(header.Get("Content-Disposition"), "attachment") || size > 8<<10 {
		t.Errorf("%s: %d bytes of headers: %v", step, size, header)
	}
}

// learn takes from an answer what later steps name.
func learn(known map[string]string, s step, got reply) {
	var answer struct{ ID, Run, Plan string }
	_ = json.Unmarshal([]byte(got.body), &answer) // a list or CSV has none of it
	known["next"] = strings.TrimPrefix(strings.TrimSuffix(got.header.Get("Link"), `>; rel="next"`), "<")
	switch s.name {
	case "a night that is blocked":
		known["plan"], known["short"] = answer.Plan, strings.TrimPrefix(answer.Plan, "sha256:")[:8]
	case "a plan by eight digits, as CSV":
		for line := range strings.Lines(got.body) {
			if id, rest, _ := strings.Cut(line, ","); strings.HasPrefix(rest, "oss://media-in/clips/0,") {
				known["medium"] = id
			}
		}
	case "a hold":
		known["hold"] = answer.ID
	case "approval", "the restore":
		known["run"] = answer.Run
	}
}

// newDeployment returns a library with three expired media, and the environment of a function.
func newDeployment(t *testing.T) (*emulator.Emulator, map[string]string) {
	t.Helper()
	e, err := emulator.Start(emulator.Config{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = e.Close() })
	for i := range 3 {
		key := fmt.Sprint("clips/", i)
		e.Add(emulator.Medium{Bucket: "media-in", Key: key, PublishState: "Published", CreationTime: time.Now().UTC().AddDate(-1, 0, 0).Format("2006-01-02T15:04:05Z")})
		e.PutObject("media-in", key, nil, time.Now())
	}
	policy := filepath.Join(t.TempDir(), "retention.yaml")
	if err := os.WriteFile(policy, []byte(doorPolicy), 0o600); err != nil {
		t.Fatal(err)
	}
	env := e.Env()
	for name := range env {
		if strings.HasPrefix(name, "ALIBABA_CLOUD_") {
			delete(env, name) // the call has the credentials
		}
	}
	maps.Copy(env, map[string]string{"FC_FUNCTION_NAME": "mediasweep", "MEDIASWEEP_POLICY": policy, "MEDIASWEEP_STATE": "oss://ops/state/", "MEDIASWEEP_HTTP_AUTH": "function"})
	for _, target := range e.Targets() {
		if strings.HasPrefix(target, "json+") {
			env["MEDIASWEEP_NOTIFY"] = target
		}
	}
	return e, env
}

// callHeaders are the headers of a call with the credentials of a role.
func callHeaders(e *emulator.Emulator, id string) map[string]string {
	env := e.Env()
	return map[string]string{
		"x-fc-request-id": id, "x-fc-access-key-id": env["ALIBABA_CLOUD_ACCESS_KEY_ID"],
		"x-fc-access-key-secret": env["ALIBABA_CLOUD_ACCESS_KEY_SECRET"], "x-fc-security-token": env["ALIBABA_CLOUD_SECURITY_TOKEN"],
	}
}

// openCustom serves the custom runtime.
func openCustom(t *testing.T, e *emulator.Emulator, env map[string]string) door {
	t.Helper()
	getenv := func(name string) string { return env[name] }
	rt := runtime(nil, io.Discard)
	rt.Function = handler.New(handler.Options{Getenv: getenv, Log: io.Discard})
	server := httptest.NewServer(rt)
	t.Cleanup(server.Close)
	return func(t *testing.T, id, method, target, body string) reply {
		t.Helper()
		control := "/http-invoke"
		if method == "" {
			method, target, control = http.MethodPost, "/invoke", "/invoke"
		}
		request, err := http.NewRequestWithContext(t.Context(), method, server.URL+target, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		for name, value := range callHeaders(e, id) {
			request.Header.Set(name, value)
		}
		request.Header.Set("X-Fc-Control-Path", control)
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		defer response.Body.Close()
		answer, err := io.ReadAll(response.Body)
		if err != nil {
			t.Fatal(err)
		}
		return reply{response.StatusCode, response.Header, string(answer)}
	}
}

// openGo1 runs the function in a process of the go1 runtime.
func openGo1(t *testing.T, e *emulator.Emulator, env map[string]string) door {
	t.Helper()
	var list []string
	for name, value := range env {
		list = append(list, name+"="+value)
	}
	f := launch(t, "program", list)
	return func(t *testing.T, id, method, target, body string) reply {
		t.Helper()
		event := body
		if method != "" {
			event = httpEvent(t, method, target, body)
		}
		a := f.send(call{id, event, time.Now().Add(time.Minute), callHeaders(e, id)})
		if method == "" {
			if strings.HasSuffix(a.path, "/error") {
				return reply{http.StatusNotFound, nil, string(a.body)}
			}
			return reply{http.StatusOK, nil, string(bytes.TrimSuffix(a.body, []byte("\n")))}
		}
		var answer struct {
			StatusCode int
			Headers    map[string]string
			Body       string
		}
		if err := json.Unmarshal(a.body, &answer); err != nil {
			t.Fatalf("%s: %v", a.body, err)
		}
		header := http.Header{}
		for name, value := range answer.Headers {
			header.Set(name, value)
		}
		return reply{answer.StatusCode, header, answer.Body}
	}
}

// httpEvent returns a request as the HTTP trigger hands it to go1.
func httpEvent(t *testing.T, method, target, body string) string {
	t.Helper()
	at, err := url.Parse(target)
	if err != nil {
		t.Fatal(err)
	}
	query := map[string]string{}
	for name := range at.Query() {
		query[name] = at.Query().Get(name)
	}
	event, err := json.Marshal(map[string]any{
		"version": "v1", "rawPath": at.EscapedPath(), "body": body, "isBase64Encoded": false, "headers": map[string]string{}, "queryParameters": query,
		"requestContext": map[string]any{"http": map[string]string{"method": method, "path": at.EscapedPath()}},
	})
	if err != nil {
		t.Fatal(err)
	}
	return string(event)
}
