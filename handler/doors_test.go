package handler_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/mediasweep/mediasweep/handler"
	"github.com/mediasweep/mediasweep/internal/emulator"
	"github.com/mediasweep/mediasweep/internal/logs"
	"github.com/mediasweep/mediasweep/internal/report"
	"github.com/mediasweep/mediasweep/internal/text"
)

// send answers an HTTP request as the custom runtime does.
func (w *world) send(method, target, body string, header ...string) *httptest.ResponseRecorder {
	w.t.Helper()
	r := httptest.NewRequest(method, target, strings.NewReader(body))
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	recorder := httptest.NewRecorder()
	w.f.ServeHTTP(recorder, r)
	return recorder
}

// sendEvent answers the same as an HTTP event of the go1 runtime, which names the host in domainName.
func (w *world) sendEvent(method, target, body string, header ...string) *httptest.ResponseRecorder {
	w.t.Helper()
	headers := map[string]string{}
	for i := 0; i < len(header); i += 2 {
		headers[header[i]] = header[i+1]
	}
	path, rawQuery, _ := strings.Cut(target, "?")
	query := map[string]string{}
	for _, one := range strings.FieldsFunc(rawQuery, func(c rune) bool { return c == '&' }) {
		name, value, _ := strings.Cut(one, "=")
		query[name] = value
	}
	event, err := json.Marshal(map[string]any{"version": "v1", "rawPath": path, "headers": headers, "queryParameters": query, "body": body, "isBase64Encoded": false,
		"requestContext": map[string]any{"requestId": "r", "domainName": "example.com", "http": map[string]string{"method": method, "path": path}}})
	if err != nil {
		w.t.Fatal(err)
	}
	answer, err := w.f.Invoke(context.Background(), handler.Call{}, event)
	var response struct {
		StatusCode int
		Headers    map[string]string
		Body       string
	}
	if jsonErr := json.Unmarshal(answer, &response); err != nil || jsonErr != nil {
		w.t.Fatalf("%s, %v", answer, err)
	}
	recorder := httptest.NewRecorder()
	for name, value := range response.Headers {
		recorder.Header().Set(name, value)
	}
	recorder.WriteHeader(response.StatusCode)
	_, _ = recorder.WriteString(response.Body) // a Buffer takes everything
	return recorder
}

func TestHTTPReadsOnlyManifestsOfThePolicy(t *testing.T) {
	rules := withInventory("{bucket: oss://media-in/}, {manifest: oss://ops/exports/media.csv}", `manifests: ["oss://ops/inbox/**"]`, "")
	tests := []struct {
		name, object string
		status       int
	}{
		{"named by manifests", "oss://ops/inbox/a.csv", 200},
		{"named by inventory", "oss://ops/exports/media.csv", 200},
		{"a secret", "oss://ops/private/.env", 400},
		{"not there", "oss://ops/private/none", 400},
		{"another bucket", "oss://media-in/inbox/a.csv", 400},
		{"beside one of the inventory", "oss://ops/exports/media.csv.bak", 400},
		{"below one of the inventory", "oss://ops/exports/media.csv/x", 400},
		{"case", "oss://ops/INBOX/a.csv", 400},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, emulator.Config{}, rules, "MEDIASWEEP_HTTP_AUTH", "function")
			m := w.add("a", 0)
			for _, key := range []string{"inbox/a.csv", "exports/media.csv"} {
				w.e.PutObject("ops", key, []byte("mediaId\n"+m.ID+"\n"), time.Now())
			}
			w.e.PutObject("ops", "private/.env", []byte("mediaId\nPASSWORD=hunter2\n"), time.Now())
			body := fmt.Sprintf(`{"manifest":%q}`, test.object)
			before := w.e.Count()
			for name, answer := range map[string]*httptest.ResponseRecorder{
				"sweep": w.send("POST", "/v1/sweeps", body), "plan": w.send("POST", "/v1/plans", body), "event": w.sendEvent("POST", "/v1/sweeps", body),
			} {
				if answer.Code != test.status || strings.Contains(answer.Body.String(), "hunter2") {
					t.Errorf("%s: %d %s", name, answer.Code, answer.Body)
				}
				if test.status == 400 && !strings.Contains(answer.Body.String(), "`manifests` or `inventory`") {
					t.Errorf("%s does not say what is allowed: %s", name, answer.Body)
				}
			}
			if after := w.e.Count(); test.status == 400 && fmt.Sprint(before) != fmt.Sprint(after) {
				t.Errorf("a refused request called the services: %v, then %v", before, after)
			}
			// Whoever may invoke the function may name any.
			if r, _ := w.invoke(body); strings.Contains(r.Error, "over HTTP") {
				t.Errorf("s invoke: %s", r.Error)
			}
		})
	}
}

// variables are all that the program reads.
var variables = []string{"MEDIASWEEP_POLICY", "MEDIASWEEP_STATE", "MEDIASWEEP_REGION", "FC_REGION", "MEDIASWEEP_MPS_ENDPOINT", "MEDIASWEEP_OSS_ENDPOINT",
	"MEDIASWEEP_TIMEOUT", "MEDIASWEEP_HTTP_AUTH", "MEDIASWEEP_HTTP_TOKEN", "DEBUG"}

// TestNoEnvironmentValueIsShown puts a secret into every variable, in forms that one may be pasted in.
func TestNoEnvironmentValueIsShown(t *testing.T) {
	const secret = "hunter2Hunter2"
	for _, variable := range variables {
		for _, form := range []string{"%s", " %s", "%s\n", "https://%s", "http://%s/", "https://user:%s@host", "https://host/%s", "oss://%s/", "oss://%s",
			"oss://bucket//%s", "oss://b/%s", "file://%s", "file://%s/x", "s3://%s", "STS.%s", "cn-%s", "sdk %s", "%%zz%s", "1%s"} {
			value := fmt.Sprintf(form, secret)
			w := newWorld(t, emulator.Config{}, enforcing)
			env := maps.Clone(w.env)
			if variable == "FC_REGION" {
				delete(env, "MEDIASWEEP_REGION")
			}
			env[variable] = value
			f := handler.New(handler.Options{Getenv: func(name string) string { return env[name] }, Log: &w.log})
			body, err := f.Invoke(context.Background(), handler.Call{}, []byte(`{"inventory":true}`))
			w.f = f
			answers := w.send("GET", "/healthz", "").Body.String() + w.send("GET", "/v1/runs", "").Body.String()
			if output := fmt.Sprint(string(body), err, answers, w.log.String()); strings.Contains(strings.ToLower(output), "hunter2") {
				t.Errorf("%s=%q is shown: %s", variable, value, output)
			}
		}
	}
}

func TestHTTPTokens(t *testing.T) {
	tests := []struct{ name, token, says string }{
		{"sixteen characters", "0123456789abcdef", ""},
		{"one less", "0123456789abcde", "at least 16 characters"},
		{"a space after it", "0123456789abcdef ", "white space around it"},
		{"a line feed after it", "0123456789abcdef\n", "white space around it"},
		{"a wide space before it", "\u30000123456789abcdef", "white space around it"},
		{"two lines", "0123456789abcdef\n0123456789abcdef", "a line break"},
		{"nothing but space", "                ", "white space around it"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			w := newWorld(t, emulator.Config{}, enforcing, "MEDIASWEEP_HTTP_TOKEN", test.token)
			r, _ := w.invoke(`{"inventory":true}`)
			if test.says == "" && r.Error != "" || !strings.Contains(r.Error, test.says) {
				t.Errorf("error %q, want one with %q", r.Error, test.says)
			}
			if answer := w.send("GET", "/v1/runs", "", "X-Mediasweep-Token", test.token); (answer.Code == 200) != (test.says == "") {
				t.Errorf("status %d", answer.Code)
			}
		})
	}
}

// TestAnswersAreNotGuessedAt: a browser takes an answer for what it is, and saves CSV as a file. FC lets
// no function send "attachment".
func TestAnswersAreNotGuessedAt(t *testing.T) {
	w := newWorld(t, emulator.Config{Media: 200}, enforcing, "MEDIASWEEP_HTTP_AUTH", "function")
	var made struct{ Run, Plan string }
	if err := json.Unmarshal(w.send("POST", "/v1/plans", `{"inventory":true}`).Body.Bytes(), &made); err != nil || made.Plan == "" {
		t.Fatalf("%+v, %v", made, err)
	}
	targets := map[string]string{
		"/healthz": "", "/none": "", "/v1/sweeps": "", "/v1/runs": "", "/v1/runs/none": "", "/v1/plans": "", "/v1/runs/" + made.Run: "", "/v1/plans/" + made.Plan: "",
		"/v1/forecast?days=x":                    "",
		"/v1/runs/" + made.Run + "?format=csv":   `inline; filename="run-` + made.Run + `.csv"`,
		"/v1/plans/" + made.Plan + "?format=csv": `inline; filename="plan-` + strings.TrimPrefix(made.Plan, "sha256:") + `.csv"`,
	}
	for target, disposition := range targets {
		answers := map[string]*httptest.ResponseRecorder{"HTTP": w.send("GET", target, "")}
		if !strings.Contains(target, "?") { // the query of an event is a field of its own
			answers["event"] = w.sendEvent("GET", target, "")
		}
		for form, answer := range answers {
			header := answer.Header()
			if header.Get("X-Content-Type-Options") != "nosniff" || header.Get("Content-Disposition") != disposition {
				t.Errorf("%s %s: %v", form, target, header)
			}
		}
	}
}

// TestWhatIsSaidIsBounded sends long and hostile names by every way in.
func TestWhatIsSaidIsBounded(t *testing.T) {
	for _, unit := range []string{"x", "\x1b[31m", "\u009b", "\u202e", "/", "\n", `"`, "视"} {
		long := strings.Repeat(unit, 20000/len(unit))
		w := newWorld(t, emulator.Config{}, enforcing, "MEDIASWEEP_HTTP_AUTH", "function")
		quoted, err := json.Marshal(long)
		if err != nil {
			t.Fatal(err)
		}
		escaped := url.PathEscape(long)
		for _, ask := range [][3]string{
			{"GET", "/v1/runs/" + escaped, ""}, {"GET", "/v1/plans/" + escaped, ""}, {"GET", "/v1/plans/" + escaped + "?format=csv", ""},
			{"GET", "/v1/forecast?days=" + url.QueryEscape(long), ""}, {"GET", "/v1/media/" + escaped + "/explain", ""}, {"POST", "/v1/plans/" + escaped + "/apply", ""},
			{"POST", "/v1/sweeps", `{"manifest":` + string(quoted) + `}`},
			{"POST", "/v1/sweeps", `{"manifest":"oss://ops/` + string(quoted)[1:] + `}`},
			{"POST", "/v1/sweeps", `{"objects":[` + string(quoted) + `]}`},
		} {
			answer := w.send(ask[0], ask[1], ask[2])
			var said struct{ Error string }
			if err := json.Unmarshal(answer.Body.Bytes(), &said); answer.Code < 400 || answer.Code < 404 && (err != nil || said.Error == "") || len(said.Error) > text.MaxMessage {
				t.Errorf("%s %.40s: %d, %d bytes of error, %v", ask[0], ask[1], answer.Code, len(said.Error), err)
			}
		}
		for line := range strings.Lines(w.log.String()) {
			if len(line) > logs.MaxLine || text.Printable(line) != line {
				t.Errorf("a log line of %d bytes: %.200q", len(line), line)
			}
		}
	}
}

// endless is a body that does not end.
type endless struct{ read int }

func (e *endless) Read(p []byte) (int, error) {
	e.read += len(p)
	return len(p), nil
}

// TestLongBodiesAreRefused: quickly, and without memory for what is refused.
func TestLongBodiesAreRefused(t *testing.T) {
	w := newWorld(t, emulator.Config{}, enforcing, "MEDIASWEEP_HTTP_AUTH", "function")
	for name, length := range map[string]int64{"with a length": 1 << 40, "in chunks": -1} {
		body := &endless{}
		r := httptest.NewRequest(http.MethodPost, "/v1/sweeps", io.NopCloser(body))
		r.ContentLength = length
		recorder := httptest.NewRecorder()
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		w.f.ServeHTTP(recorder, r)
		runtime.ReadMemStats(&after)
		var answer report.Report
		if err := json.Unmarshal(recorder.Body.Bytes(), &answer); err != nil || recorder.Code != 400 || !strings.Contains(answer.Error, "in a manifest") {
			t.Errorf("%s: %d %s", name, recorder.Code, recorder.Body)
		}
		if allocated := after.TotalAlloc - before.TotalAlloc; allocated > 32<<20 || body.read > 64<<20 {
			t.Errorf("%s: %d bytes were read, %d allocated", name, body.read, allocated)
		}
	}
}

// TestNoSecretOfAPayloadIsShown puts credentials where names are expected, by every way in.
func TestNoSecretOfAPayloadIsShown(t *testing.T) {
	const secret = "hunter2Hunter2hunter2"
	w := newWorld(t, emulator.Config{}, withInventory("{bucket: oss://media-in/}", `manifests: ["oss://ops/**"]`), "MEDIASWEEP_HTTP_AUTH", "function")
	for _, credential := range []string{
		"LTAI" + secret, "STS." + secret, "CAIS" + secret,
		"https://media-in.oss-cn-shanghai.aliyuncs.com/a.mp4?Expires=1&OSSAccessKeyId=LTAI" + secret + "&Signature=" + secret,
		"https://media-in.oss-cn-shanghai.aliyuncs.com/a.mp4?x-oss-signature=" + secret + "&x-oss-credential=" + secret,
		"https://oapi.dingtalk.com/robot/send?access_token=" + secret + "&sign=" + secret,
		"https://hooks.slack.com/services/T0/B0/" + secret, "accessKeySecret: " + secret,
	} {
		w.e.PutObject("ops", "list.csv", []byte("mediaId,object\n"+credential+",\n,"+credential+"\n"), time.Now())
		key := url.PathEscape(credential)
		for _, form := range []string{
			`{"mediaIds":[%q,"a b %[1]s"]}`, `{"objects":[%q]}`, `{"manifest":%q}`, `{"plan":%q}`, `{"mode":%q}`, `{"inventory":%q}`, `{%q:1}`, `{"mode":{"SecurityToken":%q}}`,
			`{"manifest":"oss://ops/list.csv"}`, `{"triggerTime":"t","triggerName":"n","payload":%q}`, `{"triggerTime":"t","triggerName":"n","payload":"{\"mode\":\"x %[1]s\"}"}`,
			`{"events":[{"eventName":"ObjectCreated:PutObject","oss":{"bucket":{"name":%q},"object":{"key":"a"}}},{"eventName":%[1]q,"oss":{}}]}`,
			`{"events":[{"eventName":"ObjectCreated:PutObject","oss":{"bucket":{"name":"media-in"},"object":{"key":%q}}}]}`,
			`[{"specversion":"1.0","source":%q,"data":{}}]`, `{"version":"v1","requestContext":{"http":{"method":%q}},"rawPath":%[1]q}`, `%q`, `%[1]s`,
		} {
			body := form
			if strings.Contains(form, "%") {
				body = fmt.Sprintf(form, credential)
			}
			answer, err := w.f.Invoke(context.Background(), handler.Call{}, []byte(body))
			said := fmt.Sprint(string(answer), err, w.send("POST", "/v1/sweeps", body).Body, w.send("POST", "/v1/plans", body).Body)
			if strings.Contains(said, secret) {
				t.Errorf("%s is answered by %s", body, said)
			}
		}
		for _, target := range []string{"/v1/runs/%s", "/v1/runs/%s?format=csv", "/v1/plans/%s", "/v1/media/%s/explain", "/v1/forecast?days=%s"} {
			if answer := w.send("GET", fmt.Sprintf(target, key), ""); answer.Code >= 400 && strings.Contains(answer.Body.String(), secret) {
				t.Errorf("%s: %s", target, answer.Body)
			}
		}
		answer := w.send("GET", "/v1/runs", "").Body.String() + w.send("POST", "/v1/plans/"+key+"/apply", "").Body.String()
		if strings.Contains(answer, secret) {
			t.Errorf("a list or an apply shows it: %s", answer)
		}
		if strings.Contains(w.log.String(), secret) {
			t.Errorf("the log shows it: %s", w.log.String())
		}
		w.log.Reset()
	}
}

// A route over records, or a page, whose time is up says so, in time for its answer.
func TestRoutesEndInTime(t *testing.T) {
	turnClock(t, func(t *testing.T) {
		w := newPipedWorld(t, emulator.Config{}, dryRun, "MEDIASWEEP_STATE", "oss://ops/state/", "MEDIASWEEP_HTTP_AUTH", "function")
		w.e.PutBucket("ops", "")
		w.e.Inject(emulator.Fault{Operation: "ListObjectsV2", Kind: emulator.Latency, Delay: time.Hour}, emulator.Fault{Operation: "GetObject", Kind: emulator.Latency, Delay: time.Hour})
		w.f.SetPages(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
			<-r.Context().Done()
			http.Error(rw, "time limit reached", http.StatusServiceUnavailable)
		}))
		for _, path := range []string{"/v1/runs", "/v1/runs/r", "/v1/plans", "/v1/plans/latest", "/v1/media/m/history", "/v1/holds", "/page", "/v1/media/m/explain", "/v1/forecast"} {
			started := time.Now()
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
			recorder := httptest.NewRecorder()
			w.f.ServeHTTP(recorder, httptest.NewRequestWithContext(ctx, http.MethodGet, path, nil))
			cancel()
			if took := time.Since(started); recorder.Code != http.StatusServiceUnavailable || !strings.Contains(recorder.Body.String(), "time limit reached") || took > 9*time.Second {
				t.Errorf("GET %s: %d, %s, after %s", path, recorder.Code, recorder.Body, took)
			}
		}
	})
}

// A run whose time ends before it looks at anything has failed, so that the platform repeats its event, and says what to do.
// It answers in time.
func TestARunWithoutTime(t *testing.T) {
	turnClock(t, func(t *testing.T) {
		for name, operation := range map[string]string{"the policy": "GetObject", "the store": "ListObjectsV2"} {
			w := newWorldOfObject(t, emulator.Config{Listener: emulator.NewPipes()}, enforcing, "MEDIASWEEP_STATE", "oss://ops/state/")
			w.e.Inject(emulator.Fault{Operation: operation, Kind: emulator.Latency, Delay: time.Hour})
			for _, payload := range []string{everything, string(ossEvent("clips/a"))} {
				started := time.Now()
				ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
				body, err := w.f.Invoke(ctx, handler.Call{RequestID: name}, []byte(payload))
				cancel()
				var r report.Report
				if jsonErr := json.Unmarshal(body, &r); jsonErr != nil {
					t.Fatal(jsonErr)
				}
				if took := time.Since(started); err == nil || r.Status != report.Failed || r.Refused || r.HTTPStatus() != http.StatusBadGateway || r.Next != "" || !strings.HasPrefix(r.Error, "time limit reached before anything was decided: ") || took >= 10*time.Second {
					t.Errorf("%s, %.20s: %s %q, %v after %s", name, payload, r.Status, r.Error, err, took)
				}
			}
		}
	})
}

// TestUncleanPathsAreNoRoutes: an answer is never a redirect, nor HTML, and no form of a path passes the access check.
func TestUncleanPathsAreNoRoutes(t *testing.T) {
	const token = "0123456789abcdef"
	w := newWorld(t, emulator.Config{}, enforcing, "MEDIASWEEP_HTTP_TOKEN", token)
	parts := []string{"/", "//", "/.", "/..", "/%2e%2e", "/%2F", "/v1", "/runs", "/healthz", "/invoke"}
	paths := []string{"*"}
	for range 4 {
		for _, path := range paths[max(0, len(paths)-500):] {
			for _, part := range parts {
				paths = append(paths, strings.TrimPrefix(path, "*")+part)
			}
		}
	}
	send := func(method, path, token string) *httptest.ResponseRecorder {
		r := httptest.NewRequest(method, "/", nil)
		at, err := url.ParseRequestURI(path)
		if err != nil {
			t.Fatal(err)
		}
		r.URL = at
		r.Header.Set("X-Mediasweep-Token", token)
		recorder := httptest.NewRecorder()
		w.f.ServeHTTP(recorder, r)
		return recorder
	}
	routes := map[string]bool{"/v1/runs": true, "/v1/runs/healthz": true, "/v1/runs/invoke": true, "/v1/runs/v1": true, "/v1/runs/runs": true, "/healthz": true}
	for _, path := range paths {
		for _, method := range []string{http.MethodGet, http.MethodPost, http.MethodConnect} {
			for form, answer := range map[string]*httptest.ResponseRecorder{"HTTP": send(method, path, token), "event": w.sendEvent(method, path, "")} {
				var said struct{ Error string }
				err := json.Unmarshal(answer.Body.Bytes(), &said)
				if form == "HTTP" && !routes[path] && !strings.Contains(path, "%") && (answer.Code != http.StatusNotFound || err != nil || said.Error == "") ||
					answer.Code/100 == 3 || answer.Header().Get("Content-Type") != "application/json" {
					t.Errorf("%s %s %s: %d %s", form, method, path, answer.Code, answer.Body)
				}
				if form == "event" && path != "/healthz" && answer.Code != http.StatusUnauthorized {
					t.Errorf("%s %s without a token: %d %s", method, path, answer.Code, answer.Body)
				}
			}
			if answer := send(method, path, ""); path != "/healthz" && answer.Code != http.StatusUnauthorized {
				t.Errorf("%s %s without a token: %d %s", method, path, answer.Code, answer.Body)
			}
		}
	}
}
