package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// These tests run main in a process of its own, against a stub of the runtime
// API on loopback that waits as the real one does: the SDK neither returns from
// Start nor backs off when the API is gone, and it has no tests itself.

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
	if os.Getenv(asFunction) != "" {
		main()
		return
	}
	os.Exit(m.Run())
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
	a := f.call("bad-1", `{"hello":1}`, time.Minute)
	var failure struct{ ErrorMessage string }
	if err := json.Unmarshal(a.body, &failure); err != nil {
		t.Fatalf("%v in %s", err, a.body)
	}
	if a.path != "bad-1/error" || !strings.Contains(failure.ErrorMessage, "hello") {
		t.Errorf("answered at %s: %s; want an error that names what it saw", a.path, a.body)
	}
	if a := f.call("bad-2", `{"hello":1}`, time.Minute); a.path != "bad-2/error" {
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
	if took := time.Since(began); took >= 3*time.Second {
		t.Errorf("answered after %v, which is past the deadline", took)
	}
}

// The MPS SDK prints every secret when DEBUG names it.
func TestDebugOfTheSDKIsRefused(t *testing.T) {
	cmd := exec.Command(os.Args[0])
	// Nothing listens at this port: a function that started would try for ever.
	cmd.Env = []string{asFunction + "=1", "DEBUG=sdk", "FC_RUNTIME_API=127.0.0.1:1"}
	stop := time.AfterFunc(time.Minute, func() { _ = cmd.Process.Kill() })
	defer stop.Stop()
	out, err := cmd.CombinedOutput()
	if exit := new(exec.ExitError); !errors.As(err, &exit) || exit.ExitCode() != 1 || !bytes.Contains(out, []byte("DEBUG")) {
		t.Errorf("%v: %s; want exit 1 and a word about DEBUG", err, out)
	}
}

// function is a running function and the runtime API that it asks for calls.
type function struct {
	t       *testing.T
	calls   chan call
	answers chan answer
}

type call struct {
	id, event string
	deadline  time.Time
}

// answer is what was posted; path ends in /response or /error.
type answer struct {
	path string
	body []byte
}

// start runs the function with mps as its media library. What it has printed
// by the test's end must hold no secret.
func start(t *testing.T, mps http.HandlerFunc) *function {
	t.Helper()
	if mps == nil {
		mps = func(_ http.ResponseWriter, r *http.Request) { t.Errorf("unexpected call: %s", r.URL.Path) }
	}
	library := httptest.NewServer(mps)
	t.Cleanup(library.Close)

	f := &function{t, make(chan call), make(chan answer, 1)}
	const prefix = "/2020-11-11/runtime/invocation/"
	mux := http.NewServeMux()
	mux.HandleFunc("GET "+prefix+"next", func(w http.ResponseWriter, r *http.Request) {
		select {
		case c := <-f.calls:
			w.Header().Set("x-fc-request-id", c.id)
			w.Header().Set("x-fc-function-deadline", strconv.FormatInt(c.deadline.UnixMilli(), 10))
			w.Header().Set("x-fc-function-timeout", "60")
			w.Header().Set("x-fc-access-key-id", keyID)
			w.Header().Set("x-fc-access-key-secret", secret)
			w.Header().Set("x-fc-security-token", token)
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

	dir := t.TempDir()
	policy := filepath.Join(dir, "retention.yaml")
	if err := os.WriteFile(policy, []byte("version: 1\nexpire:\n  - name: all\n    after: 180d\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	var output bytes.Buffer
	cmd := exec.Command(os.Args[0])
	cmd.Dir, cmd.Stdout, cmd.Stderr = dir, &output, &output
	cmd.Env = []string{
		asFunction + "=1",
		"FC_RUNTIME_API=" + strings.TrimPrefix(api.URL, "http://"),
		"FC_FUNCTION_NAME=mediasweep-go1",
		"FC_REGION=cn-shanghai",
		"MEDIASWEEP_POLICY=" + policy,
		"MEDIASWEEP_STATE=file://" + filepath.Join(dir, "state"),
		"MEDIASWEEP_MPS_ENDPOINT=" + library.URL,
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait() // killed, so it fails; from here on output is whole
		for _, s := range []string{secret, token} {
			if strings.Contains(output.String(), s) {
				t.Errorf("printed %q", s)
			}
		}
		if t.Failed() {
			t.Logf("the function printed:\n%s", &output)
		}
	})
	return f
}

// call hands the function an event and returns its answer.
func (f *function) call(id, event string, timeout time.Duration) answer {
	f.t.Helper()
	late := time.After(timeout + time.Minute) // far beyond any deadline that is kept
	select {
	case f.calls <- call{id, event, time.Now().Add(timeout)}:
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
