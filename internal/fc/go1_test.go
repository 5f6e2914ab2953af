package fc_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"os/signal"
	"path"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/mediasweep/mediasweep/handler"
	"github.com/mediasweep/mediasweep/internal/fc"
)

// These tests run the function in a process of its own, against a stub of the runtime
// API on loopback: Start of the SDK never returns, and changes package log.

// asFunction, set in the environment, makes the test binary the function.
const asFunction = "GO1_TEST_AS_FUNCTION"

const (
	keyID  = "STS.fromTheCall"
	secret = "secretOfTheCall"
	token  = "tokenOfTheCall"

	mediaID = "43b7335a4b1d4fe883670036affb0001"
	timer   = `{"triggerTime":"2026-01-02T03:00:00Z","triggerName":"nightly",` +
		`"payload":"{\"mediaIds\":[\"` + mediaID + `\"]}"}`
)

func TestMain(m *testing.M) {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	var function fc.Invoker
	switch os.Getenv(asFunction) {
	case "panics":
		function = panics{}
	case "program":
		function = handler.New(handler.Options{Getenv: os.Getenv, Log: os.Stderr})
	default:
		os.Exit(m.Run())
	}
	rt := fc.Go1{Function: function, API: os.Getenv(fc.RuntimeAPI), Timeout: time.Minute, Logger: slog.New(slog.NewJSONHandler(os.Stderr, nil))}
	if err := rt.Serve(ctx); err != nil {
		panic(err)
	}
}

// panics is a function that panics at every call.
type panics struct{}

func (panics) Invoke(context.Context, handler.Call, []byte) (json.RawMessage, error) {
	panic("state of the program")
}

func TestTimer(t *testing.T) {
	var used atomic.Value
	mps := func(w http.ResponseWriter, r *http.Request) {
		used.Store([2]string{r.FormValue("AccessKeyId"), r.FormValue("SecurityToken")})
		_, _ = fmt.Fprintf(w, `{"RequestId":"0A1B2C3D-0000-4000-8000-000000000001",
			"MediaList":{"Media":[]},"NonExistMediaIds":{"MediaId":[%q]}}`, mediaID)
	}
	a := start(t, mps).call("timer-1", timer, time.Minute)
	if a.path != "timer-1/response" {
		t.Fatalf("answered at %s: %s", a.path, a.body)
	}
	var report struct {
		Run, Trigger, Status string
		Counts               struct{ Looked, Absent int }
	}
	// A report that the SDK made a base64 text would not decode into a struct.
	if err := json.Unmarshal(a.body, &report); err != nil {
		t.Fatalf("%v in %s", err, a.body)
	}
	if report.Run != "timer-1" || report.Trigger != "timer" || report.Status != "done" || report.Counts.Absent != 1 {
		t.Errorf("report %s", a.body)
	}
	if got, want := used.Load(), [2]string{keyID, token}; got != want {
		t.Errorf("the media library saw the credentials %q, want the call's own, %q", got, want)
	}
}

func TestFailureIsReportedAndTheProcessStays(t *testing.T) {
	f := start(t, nil)
	a := f.call("bad-1", refusedEvent, time.Minute)
	var failure struct{ ErrorMessage string }
	if err := json.Unmarshal(a.body, &failure); err != nil {
		t.Fatalf("%v in %s", err, a.body)
	}
	if a.path != "bad-1/error" || !strings.Contains(failure.ErrorMessage, "hello") {
		t.Errorf("answered at %s: %s; want an error that names what it saw", a.path, a.body)
	}
	if a := f.call("bad-2", refusedEvent, time.Minute); a.path != "bad-2/error" {
		t.Errorf("the second call was answered at %s", a.path)
	}
}

func TestHTTPEvent(t *testing.T) {
	const event = `{"version":"v1","rawPath":"/healthz","body":"","isBase64Encoded":true,"headers":{},"queryParameters":{},
		"requestContext":{"http":{"method":"GET","path":"/healthz","protocol":"HTTP/1.1","sourceIp":"192.0.2.1"},"requestId":"http-1"}}`
	a := start(t, nil).call("http-1", event, time.Minute)
	var response struct{ StatusCode int }
	if err := json.Unmarshal(a.body, &response); err != nil {
		t.Fatalf("%v in %s", err, a.body)
	}
	if a.path != "http-1/response" || response.StatusCode != http.StatusOK {
		t.Errorf("answered at %s: %s", a.path, a.body)
	}
}

func TestDeadlineOfTheContextIsKept(t *testing.T) {
	hang := func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body) // the server watches for a hang-up from here on
		<-r.Context().Done()
	}
	f := start(t, hang)
	began := time.Now()
	f.call("slow-1", timer, 3*time.Second)
	if took := time.Since(began); took > 30*time.Second { // a slow machine may be late, but without a deadline there is no end
		t.Errorf("answered after %v, the deadline is after 3s", took)
	}
}

// The requests of the SDK for an address with more than a host and a port would pass the gate.
func TestAddressOfTheRuntimeAPI(t *testing.T) {
	for _, api := range []string{"http://127.0.0.1:9001", "127.0.0.1:9001/", "127.0.0.1:9001?x", "user@127.0.0.1:9001", "127.0.0.1:x"} {
		rt := fc.Go1{API: api}
		if err := rt.Serve(t.Context()); err == nil || err.Error() != "FC_RUNTIME_API must be a host and a port, such as 127.0.0.1:9001" {
			t.Errorf("%s: %v", api, err)
		}
	}
}

// The SDK's own loop would send some 3,000 requests a second.
func TestOutageOfTheRuntimeAPI(t *testing.T) {
	var mu sync.Mutex
	var asked []time.Time
	const failures = 4
	f := start(t, nil, func(w http.ResponseWriter, _ *http.Request) (failed bool) {
		mu.Lock()
		defer mu.Unlock()
		asked = append(asked, time.Now())
		switch len(asked) {
		case 1:
			w.WriteHeader(http.StatusServiceUnavailable)
		case 2: // a call that cannot be answered
			w.WriteHeader(http.StatusOK)
		case 3: // a payload that is cut off
			w.Header().Set("Content-Length", "10")
			w.Header().Set("x-fc-request-id", "cut-off")
			w.WriteHeader(http.StatusOK)
		case failures:
			panic(http.ErrAbortHandler)
		}
		return len(asked) <= failures
	})
	if a := f.call("after-1", refusedEvent, time.Minute); a.path != "after-1/error" {
		t.Errorf("answered at %s: %s", a.path, a.body)
	}
	mu.Lock()
	defer mu.Unlock()
	for i := 1; i <= failures; i++ {
		if pause := asked[i].Sub(asked[i-1]); pause < 200*time.Millisecond {
			t.Errorf("asked again %v after failure %d", pause, i)
		}
	}
	if lines := strings.Count(f.printed(), "no next call from the runtime API"); lines == 0 || lines > failures {
		t.Errorf("%d lines about %d failures", lines, failures)
	}
}

func TestHeadersThatTheSDKCannotParse(t *testing.T) {
	f := start(t, nil)
	tests := []struct {
		name    string
		headers map[string]string
	}{
		{"no deadline", map[string]string{"x-fc-function-deadline": ""}},
		{"no timeout", map[string]string{"x-fc-function-timeout": ""}},
		{"neither", map[string]string{"x-fc-function-deadline": "", "x-fc-function-timeout": ""}},
		{"garbled", map[string]string{"x-fc-function-deadline": "soon", "x-fc-function-timeout": "1e3"}},
		{"too large", map[string]string{"x-fc-function-deadline": "9223372036854775807", "x-fc-function-timeout": "9223372036854775807"}},
		{"garbled options", map[string]string{"x-fc-retry-count": "once", "x-fc-tracing-opentracing-span-baggages": "{"}},
	}
	for i, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			id := fmt.Sprintf("headers-%d", i)
			if a := f.send(call{id, refusedEvent, time.Now().Add(time.Minute), test.headers}); a.path != id+"/error" || !bytes.Contains(a.body, []byte("hello")) {
				t.Errorf("answered at %s: %s", a.path, a.body)
			}
		})
	}
}

// A runtime that hands out calls without end gets no more than twenty answered at once.
func TestCallsAreBounded(t *testing.T) {
	const calls = 30
	var inHand, most atomic.Int32
	all := make(chan struct{})
	mps := func(w http.ResponseWriter, _ *http.Request) {
		if now := inHand.Add(1); now > most.Load() {
			most.Store(now)
		}
		defer inHand.Add(-1)
		<-all
		_, _ = fmt.Fprintf(w, `{"RequestId":"0A1B2C3D-0000-4000-8000-000000000001","NonExistMediaIds":{"MediaId":[%q]}}`, mediaID)
	}
	f := start(t, mps)
	taken, patience := 0, 30*time.Second
	for ; taken < calls; taken++ {
		if taken == 20 {
			patience = time.Second // it asks no more: a call takes some milliseconds to be taken
		}
		select {
		case f.calls <- call{fmt.Sprintf("call-%d", taken), timer, time.Now().Add(time.Minute), nil}:
			continue
		case <-time.After(patience):
		}
		break
	}
	if taken != 20 {
		t.Errorf("%d calls in hand, want 20", taken)
	}
	close(all)
	for range taken {
		<-f.answers
	}
	if a := f.call("after", refusedEvent, time.Minute); a.path != "after/error" {
		t.Errorf("answered at %s", a.path)
	}
}

func TestPanicIsReportedAndTheProcessStays(t *testing.T) {
	f := startAs(t, "panics", nil)
	for _, id := range []string{"panic-1", "panic-2"} {
		a := f.call(id, timer, time.Minute)
		if a.path != id+"/error" || bytes.Contains(a.body, []byte("state of the program")) || !bytes.Contains(a.body, []byte("internal error")) {
			t.Errorf("answered at %s: %s", a.path, a.body)
		}
	}
	f.stop()
	if printed := f.printed(); !strings.Contains(printed, `"panic":"state of the program"`) {
		t.Errorf("printed %s", printed)
	}
}

func TestStopEndsTheProcess(t *testing.T) {
	f := start(t, nil)
	if a := f.call("first", refusedEvent, time.Minute); a.path != "first/error" {
		t.Errorf("answered at %s", a.path)
	}
	f.stop()
}

// Whatever the SDK and the function write to stderr is JSON.
func TestLogIsJSON(t *testing.T) {
	f := start(t, nil)
	f.call("log-1", refusedEvent, time.Minute)
	f.stop()
	for line := range strings.Lines(f.printed()) {
		if !strings.HasPrefix(line, "FC Invoke ") && !json.Valid([]byte(line)) {
			t.Errorf("printed %q", line)
		}
	}
	if printed := f.printed(); !strings.Contains(printed, `"msg":"run finished"`) || !strings.Contains(printed, "FC Invoke Start RequestId: log-1\n") {
		t.Errorf("printed %s", printed)
	}
}

// refusedEvent is a payload that the function refuses without a call to a service.
const refusedEvent = `{"hello":1}`

// instance is a running function and the runtime API that it asks for calls.
type instance struct {
	t       *testing.T
	calls   chan call
	answers chan answer
	process *os.Process
	exited  chan error
	mu      sync.Mutex
	output  bytes.Buffer
}

// Write takes what the process prints.
func (f *instance) Write(p []byte) (int, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.output.Write(p)
}

func (f *instance) printed() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.output.String()
}

type call struct {
	id, event string
	deadline  time.Time
	headers   map[string]string // set on top of the usual ones; empty removes
}

// answer is one posted answer; path ends in /response or /error.
type answer struct {
	path string
	body []byte
}

// start runs the function with mps as its media library. What it has printed
// by the test's end must hold no secret.
//
// Each of the outages answers requests for the next call until it says that none failed.
func start(t *testing.T, mps http.HandlerFunc, outages ...func(http.ResponseWriter, *http.Request) (failed bool)) *instance {
	t.Helper()
	return startAs(t, "program", mps, outages...)
}

// startAs runs what TestMain makes of a value of asFunction.
func startAs(t *testing.T, as string, mps http.HandlerFunc, outages ...func(http.ResponseWriter, *http.Request) (failed bool)) *instance {
	t.Helper()
	if mps == nil {
		mps = func(_ http.ResponseWriter, r *http.Request) { t.Errorf("unexpected call: %s", r.URL.Path) }
	}
	library := httptest.NewServer(mps)
	t.Cleanup(library.Close)
	dir := t.TempDir()
	policy := filepath.Join(dir, "retention.yaml")
	if err := os.WriteFile(policy, []byte("version: 1\nexpire:\n  - name: all\n    after: 180d\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return launch(t, as, []string{
		"FC_REGION=cn-shanghai",
		"MEDIASWEEP_POLICY=" + policy,
		"MEDIASWEEP_STATE=file://" + filepath.Join(dir, "state"),
		"MEDIASWEEP_MPS_ENDPOINT=" + library.URL,
	}, outages...)
}

// launch runs what TestMain makes of a value of asFunction, in an environment.
func launch(t *testing.T, as string, env []string, outages ...func(http.ResponseWriter, *http.Request) (failed bool)) *instance {
	t.Helper()
	f := &instance{t: t, calls: make(chan call), answers: make(chan answer, 1), exited: make(chan error, 1)}
	const prefix = "/2020-11-11/runtime/invocation/"
	mux := http.NewServeMux()
	mux.HandleFunc("GET "+prefix+"next", func(w http.ResponseWriter, r *http.Request) {
		for _, outage := range outages {
			if outage(w, r) {
				return
			}
		}
		select {
		case c := <-f.calls:
			w.Header().Set("x-fc-request-id", c.id)
			w.Header().Set("x-fc-function-deadline", strconv.FormatInt(c.deadline.UnixMilli(), 10))
			w.Header().Set("x-fc-function-timeout", "60")
			w.Header().Set("x-fc-access-key-id", keyID)
			w.Header().Set("x-fc-access-key-secret", secret)
			w.Header().Set("x-fc-security-token", token)
			for name, value := range c.headers {
				if w.Header().Set(name, value); value == "" {
					w.Header().Del(name)
				}
			}
			_, _ = io.WriteString(w, c.event)
		case <-r.Context().Done():
		}
	})
	mux.HandleFunc("POST "+prefix+"{id}/{kind}", func(_ http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		f.answers <- answer{path.Join(r.PathValue("id"), r.PathValue("kind")), body}
	})
	api := httptest.NewServer(mux)
	t.Cleanup(api.Close)

	cmd := exec.Command(os.Args[0])
	cmd.Dir, cmd.Stdout, cmd.Stderr = t.TempDir(), f, f
	cmd.Env = append([]string{
		asFunction + "=" + as,
		"FC_RUNTIME_API=" + strings.TrimPrefix(api.URL, "http://"),
		"FC_FUNCTION_NAME=mediasweep-go1",
	}, env...)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	f.process = cmd.Process
	ended := make(chan struct{})
	go func() {
		f.exited <- cmd.Wait()
		close(ended)
	}()
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		<-ended // the output is whole
		for _, s := range []string{secret, token} {
			if strings.Contains(f.printed(), s) {
				t.Errorf("printed %q", s)
			}
		}
		if t.Failed() {
			t.Logf("the function printed:\n%s", f.printed())
		}
	})
	return f
}

// stop ends the process: all that it printed has been read then.
func (f *instance) stop() {
	f.t.Helper()
	if err := f.process.Signal(syscall.SIGTERM); err != nil {
		f.t.Fatal(err)
	}
	if err := <-f.exited; err != nil {
		f.t.Errorf("%v, want exit 0", err)
	}
}

// call hands the function an event and returns its answer.
func (f *instance) call(id, event string, timeout time.Duration) answer {
	f.t.Helper()
	return f.send(call{id, event, time.Now().Add(timeout), nil})
}

func (f *instance) send(c call) answer {
	f.t.Helper()
	late := time.After(2 * time.Minute) // far beyond any deadline that is kept
	select {
	case f.calls <- c:
	case <-late:
		f.t.Fatal("the function asks for no call")
	}
	select {
	case a := <-f.answers:
		return a
	case <-late:
		f.t.Fatal("the function does not answer")
	}
	panic("unreachable")
}
