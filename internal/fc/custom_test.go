package fc_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/mediasweep/mediasweep/handler"
	"github.com/mediasweep/mediasweep/internal/account"
	"github.com/mediasweep/mediasweep/internal/fc"
)

// function records what it is asked, and answers as a test wants.
type function struct {
	mu       sync.Mutex
	invoked  []string
	visited  []string
	call     handler.Call
	deadline time.Duration
	ended    error // of the context, when the call came
	invoke   func(payload []byte) (json.RawMessage, error)
}

func (f *function) Invoke(ctx context.Context, call handler.Call, payload []byte) (json.RawMessage, error) {
	f.mu.Lock()
	f.invoked = append(f.invoked, string(payload))
	f.call = call
	deadline, _ := ctx.Deadline()
	f.deadline, f.ended = time.Until(deadline), ctx.Err()
	f.mu.Unlock()
	if f.invoke != nil {
		return f.invoke(payload)
	}
	return json.RawMessage(`{"status":"done"}`), nil
}

func (f *function) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.visited = append(f.visited, r.Method+" "+r.URL.Path)
	if r.URL.Path == "/panic" {
		panic("a visitor's request panics")
	}
	if r.URL.Path == "/refused" {
		_, _ = r.Body.Read(make([]byte, 1))
		_ = r.Body.Close()
	}
	w.WriteHeader(http.StatusAccepted)
	if r.URL.Path == "/large" {
		_, _ = w.Write(bytes.Repeat([]byte("row\n"), 10_000))
	}
	if r.URL.Path == "/broken-off" {
		_, _ = w.Write(bytes.Repeat([]byte("row\n"), 10_000))
		panic(http.ErrAbortHandler)
	}
}

func TestRoutes(t *testing.T) {
	tests := []struct {
		name, method, path string
		control            []string
		status             int
		fcStatus           string
		invoked, visited   int
	}{
		{"event call", "POST", "/invoke", []string{"/invoke"}, 200, "200", 1, 0},
		{"through an HTTP trigger", "POST", "/invoke", []string{"/http-invoke"}, 404, "", 0, 0},
		{"without the header", "POST", "/invoke", nil, 404, "", 0, 0},
		{"with the header twice", "POST", "/invoke", []string{"/http-invoke", "/invoke"}, 404, "", 0, 0},
		{"with the same header twice", "POST", "/invoke", []string{"/invoke", "/invoke"}, 404, "", 0, 0},
		{"with both in one header", "POST", "/invoke", []string{"/invoke, /http-invoke"}, 404, "", 0, 0},
		{"by another method", "GET", "/invoke", []string{"/invoke"}, 404, "", 0, 0},
		{"another path as an event call", "POST", "/v1/sweeps", []string{"/invoke"}, 404, "", 0, 0},
		{"initialize", "POST", "/initialize", []string{"/initialize"}, 200, "", 0, 0},
		{"initialize through a trigger", "POST", "/initialize", []string{"/http-invoke"}, 404, "", 0, 0},
		{"pre-stop", "GET", "/pre-stop", []string{"/pre-stop"}, 200, "", 0, 0},
		{"pre-stop through a trigger", "GET", "/pre-stop", []string{"/http-invoke"}, 404, "", 0, 0},
		{"pre-stop without the header", "GET", "/pre-stop", nil, 404, "", 0, 0},
		{"a visitor at the path of the header", "POST", "/http-invoke", []string{"/http-invoke"}, 202, "", 0, 1},
		{"a visitor", "POST", "/v1/sweeps", []string{"/http-invoke"}, 202, "", 0, 1},
		{"a visitor elsewhere", "GET", "/", nil, 202, "", 0, 1},
		{"a visitor with two headers", "GET", "/", []string{"/http-invoke", "/http-invoke"}, 404, "", 0, 0},
		{"an unclean path as an event call", "POST", "//invoke", []string{"/invoke"}, 404, "", 0, 0},
		{"an unclean path with a header like it", "POST", "//invoke", []string{"//invoke"}, 404, "", 0, 0},
		{"an unclean path of a visitor", "POST", "/x/../invoke", []string{"/http-invoke"}, 202, "", 0, 1},
		{"a visitor's panic", "GET", "/panic", []string{"/http-invoke"}, 500, "", 0, 1},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			f := &function{}
			rt := runtime(f, io.Discard)
			r := httptest.NewRequest(test.method, test.path, strings.NewReader("payload"))
			r.Header["X-Fc-Control-Path"] = test.control
			w := httptest.NewRecorder()
			rt.ServeHTTP(w, r)
			if w.Code != test.status || w.Header().Get("X-Fc-Status") != test.fcStatus {
				t.Errorf("status %d, x-fc-status %q; want %d, %q", w.Code, w.Header().Get("X-Fc-Status"), test.status, test.fcStatus)
			}
			if len(f.invoked) != test.invoked || len(f.visited) != test.visited {
				t.Errorf("invoked %v, visited %v", f.invoked, f.visited)
			}
		})
	}
}

// A run does not end with the connection of its call: what is under way would stay unverified.
func TestARunOutlivesItsConnection(t *testing.T) {
	gone, end := context.WithCancel(t.Context())
	end()
	r := httptest.NewRequest(http.MethodPost, "/invoke", strings.NewReader("payload")).WithContext(gone)
	r.Header.Set("X-Fc-Control-Path", "/invoke")
	f := &function{}
	runtime(f, io.Discard).ServeHTTP(httptest.NewRecorder(), r)
	if len(f.invoked) != 1 || f.ended != nil || f.deadline <= 0 {
		t.Errorf("invoked %q, %v, with %s left", f.invoked, f.ended, f.deadline)
	}
}

func TestFailuresAreToldToFC(t *testing.T) {
	tests := []struct {
		name   string
		invoke func([]byte) (json.RawMessage, error)
		body   string
	}{
		{"error", func([]byte) (json.RawMessage, error) {
			return json.RawMessage(`{"error":"bad"}`), errors.New("bad")
		}, `{"error":"bad"}`},
		{"panic", func([]byte) (json.RawMessage, error) { panic("secret state") }, `internal error`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			var log bytes.Buffer
			w := httptest.NewRecorder()
			runtime(&function{invoke: test.invoke}, &log).ServeHTTP(w, eventCall("{}"))
			if w.Code != 404 || w.Header().Get("X-Fc-Status") != "404" || !strings.Contains(w.Body.String(), test.body) ||
				strings.Contains(w.Body.String(), "secret") || !json.Valid(w.Body.Bytes()) {
				t.Errorf("%d, x-fc-status %q: %s", w.Code, w.Header().Get("X-Fc-Status"), w.Body)
			}
			lines := strings.Split(strings.TrimSpace(log.String()), "\n")
			if lines[0] != "FC Invoke Start RequestId: r1" || lines[len(lines)-1] != "FC Invoke End RequestId: r1, Error: Unhandled function error" {
				t.Errorf("log:\n%s", log.String())
			}
		})
	}
}

func TestLogLines(t *testing.T) {
	var log bytes.Buffer
	rt := runtime(&function{}, &log)
	rt.ServeHTTP(httptest.NewRecorder(), eventCall("{}"))
	preStop := httptest.NewRequest(http.MethodGet, "/pre-stop", nil)
	preStop.Header.Set("X-Fc-Control-Path", "/pre-stop")
	preStop.Header.Set("X-Fc-Request-Id", "r2\nFC Invoke Start RequestId: forged")
	rt.ServeHTTP(httptest.NewRecorder(), preStop)
	want := "FC Invoke Start RequestId: r1\nFC Invoke End RequestId: r1\nFC PreStop Start RequestId: r2\nFC PreStop End RequestId: r2\n"
	if log.String() != want {
		t.Errorf("log:\n%s\nwant:\n%s", log.String(), want)
	}
}

// Only FC's requests have an ID, and only its console reads the lines.
func TestNoLogLinesWithoutAnID(t *testing.T) {
	var log bytes.Buffer
	rt := runtime(&function{}, &log)
	for _, path := range []string{"/invoke", "/v1/runs"} {
		r := httptest.NewRequest(http.MethodPost, path, strings.NewReader("{}"))
		r.Header.Set("X-Fc-Control-Path", path)
		rt.ServeHTTP(httptest.NewRecorder(), r)
	}
	if log.Len() > 0 {
		t.Errorf("log:\n%s", log.String())
	}
}

func TestCallAndDeadline(t *testing.T) {
	tests := []struct {
		header string
		want   time.Duration
	}{{"", time.Minute}, {"120", 2 * time.Minute}, {"soon", time.Minute}, {"-5", time.Minute}, {"0", time.Minute}, {"99999999999999999999", time.Minute}}
	for _, test := range tests {
		f := &function{}
		r := eventCall("{}")
		r.Header.Set("X-Fc-Function-Timeout", test.header)
		r.Header.Set("X-Fc-Access-Key-Id", "id")
		r.Header.Set("X-Fc-Access-Key-Secret", "secret")
		r.Header.Set("X-Fc-Security-Token", "token")
		runtime(f, io.Discard).ServeHTTP(httptest.NewRecorder(), r)
		if f.deadline > test.want || f.deadline < test.want-10*time.Second {
			t.Errorf("timeout %q: %v are left, want %v", test.header, f.deadline, test.want)
		}
		if want := (handler.Call{RequestID: "r1", Credentials: account.Credentials{AccessKeyID: "id", AccessKeySecret: "secret", SecurityToken: "token"}}); f.call != want {
			t.Errorf("call %+v", f.call)
		}
	}
}

// TestServe goes over a socket: a connection that FC keeps open is answered, and
// a call goes on when the connection that asked for it is gone.
func TestServe(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	started, finished := make(chan struct{}), make(chan struct{})
	release := make(chan struct{})
	f := &function{invoke: func(payload []byte) (json.RawMessage, error) {
		if string(payload) == "slow" {
			close(started)
			<-release
			close(finished)
		}
		return json.RawMessage(`{}`), nil
	}}
	ctx, cancel := context.WithCancel(context.Background())
	served := make(chan error, 1)
	go func() { served <- runtime(f, io.Discard).Serve(ctx, listener) }()

	call, hangUp := context.WithCancel(context.Background())
	r := eventCall("slow")
	r.URL.Host, r.URL.Scheme, r.RequestURI = listener.Addr().String(), "http", ""
	gone := make(chan struct{})
	go func() {
		defer close(gone)
		if response, err := http.DefaultClient.Do(r.WithContext(call)); err == nil {
			_ = response.Body.Close()
		}
	}()
	<-started
	hangUp()
	<-gone
	close(release)
	<-finished
	cancel()
	if err := <-served; err != nil {
		t.Error(err)
	}
}

// An answer that the function breaks off does not reach the caller as a whole one.
func TestAnAnswerThatIsBrokenOff(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	ctx, cancel := context.WithCancel(context.Background())
	served := make(chan error, 1)
	go func() { served <- runtime(&function{}, &log).Serve(ctx, listener) }()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+listener.Addr().String()+"/broken-off", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("X-Fc-Request-Id", "r1")
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(response.Body)
	_ = response.Body.Close()
	if err == nil || bytes.Contains(body, []byte("internal error")) {
		t.Errorf("%d bytes, error %v, ending %q", len(body), err, body[max(0, len(body)-40):])
	}
	cancel()
	if err := <-served; err != nil {
		t.Error(err)
	}
	if !strings.HasSuffix(log.String(), "FC Invoke End RequestId: r1, Error: Unhandled function error\n") || strings.Contains(log.String(), "stack") {
		t.Errorf("log:\n%s", log.String())
	}
}

func TestAddress(t *testing.T) {
	tests := []struct {
		env  map[string]string
		inFC bool
		want string
	}{
		{nil, false, "127.0.0.1:9000"},
		{nil, true, "0.0.0.0:9000"},
		{map[string]string{"FC_CUSTOM_LISTEN_PORT": "9001"}, true, "0.0.0.0:9001"},
		{map[string]string{"FC_SERVER_PORT": "9002", "FC_CUSTOM_LISTEN_PORT": "9001"}, true, "0.0.0.0:9002"},
		{map[string]string{"FC_SERVER_PORT": "9002"}, false, "127.0.0.1:9002"},
	}
	for _, test := range tests {
		if got, err := fc.Address(func(name string) string { return test.env[name] }, test.inFC); err != nil || got != test.want {
			t.Errorf("%v in FC %v: %s, %v; want %s", test.env, test.inFC, got, err, test.want)
		}
	}
	for _, port := range []string{"hunter2", "65536", "-1", "90 00", "09000"} {
		got, err := fc.Address(func(string) string { return port }, true)
		if err == nil || strings.Contains(err.Error(), port) {
			t.Errorf("port %q: %s, %v", port, got, err)
		}
	}
}

func runtime(f fc.Function, log io.Writer) *fc.Custom {
	return &fc.Custom{Function: f, Timeout: time.Minute, Log: log, Logger: slog.New(slog.NewJSONHandler(log, nil))}
}

func eventCall(payload string) *http.Request {
	r := httptest.NewRequest(http.MethodPost, "/invoke", strings.NewReader(payload))
	r.Header.Set("X-Fc-Control-Path", "/invoke")
	r.Header.Set("X-Fc-Request-Id", "r1")
	return r
}
