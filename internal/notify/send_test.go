package notify

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mediasweep/mediasweep/internal/policy"
	"github.com/mediasweep/mediasweep/internal/report"
)

// The parts of a target that no error may show.
const (
	token  = "token-hunter2hunter2"
	secret = "SEC-hunter2hunter2"
)

func someDigest() Digest {
	return Digest{Report: newReport(policy.Enforce, report.Done, report.Counts{Looked: 1, Expired: 1, Deleted: 1}, nil)}
}

// listener hands out connections within the program.
type listener struct{ conns chan net.Conn }

func (l listener) Accept() (net.Conn, error) {
	conn, ok := <-l.conns
	if !ok {
		return nil, net.ErrClosed
	}
	return conn, nil
}
func (l listener) Close() error   { close(l.conns); return nil }
func (l listener) Addr() net.Addr { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)} }

// sendTo sends a digest to a server on a turned clock, and returns the errors and the time that it took.
func sendTo(t *testing.T, serve http.HandlerFunc, kinds ...string) (errs []error, took time.Duration) {
	synctest.Test(t, func(t *testing.T) {
		l := listener{make(chan net.Conn)}
		server := &http.Server{Handler: serve, ReadHeaderTimeout: time.Minute}
		go server.Serve(l)   //nolint:errcheck // it ends with Close
		defer server.Close() //nolint:errcheck // the test is over
		dial := func(context.Context, string, string) (net.Conn, error) {
			client, conn := net.Pipe()
			l.conns <- conn
			return client, nil
		}
		var targets []string
		for _, kind := range kinds {
			targets = append(targets, kind+"+http://127.0.0.1/"+token+"?access_token="+token)
			if kind != "slack" && kind != "wecom" {
				targets[len(targets)-1] += "&secret=" + secret
			}
		}
		n, err := New(func(name string) string {
			if name == "MEDIASWEEP_NOTIFY" {
				return strings.Join(targets, " ")
			}
			return ""
		}, dial)
		if err != nil {
			t.Fatal(err)
		}
		start := time.Now()
		errs = n.Send(context.Background(), someDigest(), report.Origin{})
		took = time.Since(start)
	})
	return errs, took
}

func answer(status int, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}
}

// A server that repeats the whole request in its answer, and every other failure, leaves nothing of a
// target in the error.
func TestSendErrors(t *testing.T) {
	echo := func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		_, _ = io.WriteString(w, r.URL.String()+string(body))
	}
	for name, test := range map[string]struct {
		kind  string
		serve http.HandlerFunc
		want  string
	}{
		"DingTalk sign":    {"dingtalk", answer(200, `{"errcode":310000,"errmsg":"`+token+secret+`"}`), "errcode 310000: the signature, a keyword or the IP address was refused"},
		"DingTalk unknown": {"dingtalk", answer(200, `{"errcode":7,"errmsg":"`+token+`"}`), "errcode 7"},
		"no code":          {"dingtalk", answer(200, `{}`), "the answer has no errcode"},
		"code of text":     {"dingtalk", answer(200, `{"errcode":"`+token+`"}`), "the answer has no errcode"},
		"code null":        {"feishu", answer(200, `{"code":null}`), "the answer has no code"},
		"code of 64 bits":  {"feishu", answer(200, `{"code":4294967296}`), "the answer has no code"},
		"Feishu":           {"feishu", answer(200, `{"code":19021,"msg":"`+secret+`"}`), "code 19021: the signature or the time was refused"},
		"WeCom":            {"wecom", answer(200, `{"errcode":93000}`), "errcode 93000: the key was refused"},
		"Slack":            {"slack", answer(404, token), "HTTP status 404"},
		"Slack not ok":     {"slack", answer(200, token), "the answer is not ok"},
		"JSON":             {"json", answer(500, token), "HTTP status 500"},
		"no JSON":          {"wecom", answer(200, "<html>"+token), "the answer is not JSON"},
		"empty":            {"feishu", answer(200, ""), "the answer is not JSON"},
		"echo":             {"dingtalk", echo, "the answer is not JSON"},
		"endless":          {"wecom", answer(200, strings.Repeat(token, 1<<16)), "the answer is not JSON"},
		"redirect": {"json", func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "http://127.0.0.1/"+token, http.StatusTemporaryRedirect)
		}, "HTTP status 307: redirects are not followed"},
		"dropped": {"json", func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, "the answer was lost"},
		"not HTTP": {"json", func(w http.ResponseWriter, r *http.Request) {
			conn, _, _ := http.NewResponseController(w).Hijack()
			_, _ = io.WriteString(conn, r.URL.String()+"\n\n")
			_ = conn.Close()
		}, "the answer was lost"},
		"hangs": {"slack", func(_ http.ResponseWriter, r *http.Request) { _, _ = io.ReadAll(r.Body); <-r.Context().Done() }, "no answer in time"},
		"half answer": {"slack", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "9")
			_, _ = io.WriteString(w, "ok")
		}, "the answer was lost"},
	} {
		t.Run(name, func(t *testing.T) {
			calls := 0
			errs, took := sendTo(t, func(w http.ResponseWriter, r *http.Request) { calls++; test.serve(w, r) }, test.kind)
			if want := "target 1 (" + test.kind + "): " + test.want; len(errs) != 1 || errs[0] == nil || !strings.HasPrefix(errs[0].Error(), want) {
				t.Errorf("errors %v, want %q", errs, want)
			}
			if strings.Contains(errs[0].Error(), "hunter2") || strings.Contains(errs[0].Error(), "127.0.0.1") {
				t.Errorf("the error shows the target: %v", errs[0])
			}
			if calls != 1 || took > MaxTime {
				t.Errorf("%d calls in %v", calls, took)
			}
		})
	}
}

func TestSendRepeats(t *testing.T) {
	for name, test := range map[string]struct {
		kind, body, after, ok string
		status                int
		took                  time.Duration
	}{
		"status":      {kind: "slack", status: 429, ok: "ok", took: time.Second},
		"Retry-After": {kind: "slack", status: 429, after: "3", ok: "ok", took: 3 * time.Second},
		"date":        {kind: "json", status: 503, after: "Fri, 31 Dec 2100 23:59:59 GMT", took: time.Second},
		"DingTalk":    {kind: "dingtalk", status: 200, body: `{"errcode":130101}`, ok: `{"errcode":0}`, took: time.Second},
		"WeCom":       {kind: "wecom", status: 200, body: `{"errcode":-1}`, ok: `{"errcode":0}`, took: time.Second},
		"Feishu":      {kind: "feishu", status: 200, body: `{"code":11232}`, ok: `{"StatusCode":0,"StatusMessage":"success"}`, took: time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			seen := map[string]bool{}
			calls := 0
			errs, took := sendTo(t, func(w http.ResponseWriter, r *http.Request) {
				body, _ := io.ReadAll(r.Body)
				seen[r.URL.String()+string(body)] = true
				if calls++; calls > 1 {
					_, _ = io.WriteString(w, test.ok)
					return
				}
				w.Header().Set("Retry-After", test.after)
				w.WriteHeader(test.status)
				_, _ = io.WriteString(w, test.body)
			}, test.kind)
			if errs[0] != nil || calls != 2 || took != test.took {
				t.Errorf("%v after %d calls and %v", errs[0], calls, took)
			}
			if signed := test.kind == "dingtalk" || test.kind == "feishu"; signed && len(seen) != 2 {
				t.Error("the second send has the time of the first")
			}
		})
	}
}

// A target that stays busy, or says to wait for longer, costs no more than the time that there is.
func TestSendGivesUp(t *testing.T) {
	for name, after := range map[string]string{"busy": "", "an hour": "3600", "zero": "0"} {
		t.Run(name, func(t *testing.T) {
			calls := 0
			errs, took := sendTo(t, func(w http.ResponseWriter, _ *http.Request) {
				calls++
				w.Header().Set("Retry-After", after)
				w.WriteHeader(http.StatusTooManyRequests)
			}, "json")
			if errs[0] == nil || errs[0].Error() != "target 1 (json): busy: HTTP status 429" || took > MaxTime || calls > 50 {
				t.Errorf("%v after %d calls and %v", errs[0], calls, took)
			}
		})
	}
}

// One target that hangs does not keep the message from the others.
func TestSendConcurrently(t *testing.T) {
	errs, took := sendTo(t, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		if strings.Contains(string(body), "msgtype") {
			<-r.Context().Done()
		}
		_, _ = io.WriteString(w, "ok")
	}, "dingtalk", "slack", "wecom", "json")
	if errs[0] == nil || errs[1] != nil || errs[2] == nil || errs[3] != nil || took != MaxTime {
		t.Errorf("%v after %v", errs, took)
	}
}

func TestSendNowhere(t *testing.T) {
	server := httptest.NewTLSServer(answer(200, "ok"))
	defer server.Close()
	closed := httptest.NewServer(nil)
	closed.Close()
	for address, want := range map[string]string{
		server.URL:                         "the certificate of the host is not valid",
		closed.URL:                         "the host cannot be reached",
		"https://hunter2-no-host.invalid":  "the host name cannot be resolved",
		"http" + server.URL[len("https"):]: "HTTP status 400",
	} {
		dial := func(ctx context.Context, network, address string) (net.Conn, error) {
			if strings.HasSuffix(address, ".invalid:443") {
				return nil, &net.OpError{Op: "dial", Err: &net.DNSError{Err: "no such host", Name: address}}
			}
			return (&net.Dialer{}).DialContext(ctx, network, address)
		}
		n, err := New(func(name string) string {
			return map[string]string{"MEDIASWEEP_NOTIFY": "slack+" + address + "/" + token}[name]
		}, dial)
		if err != nil {
			t.Fatal(err)
		}
		errs := n.Send(context.Background(), someDigest(), report.Origin{})
		if errs[0] == nil || errs[0].Error() != "target 1 (slack): "+want {
			t.Errorf("%s: %v", want, errs)
		}
	}
}
