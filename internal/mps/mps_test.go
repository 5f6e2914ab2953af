package mps_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mediasweep/mediasweep/internal/account"
	"github.com/mediasweep/mediasweep/internal/emulator"
	"github.com/mediasweep/mediasweep/internal/media"
	"github.com/mediasweep/mediasweep/internal/mps"
)

// session starts an emulator and a session of a client with a share of its quota.
func session(t *testing.T, config emulator.Config, share float64) (*emulator.Emulator, *mps.Session) {
	t.Helper()
	e, err := emulator.Start(config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = e.Close() })
	return e, sessionIn(t, e.Env(), share)
}

func sessionIn(t *testing.T, env map[string]string, share float64) *mps.Session {
	t.Helper()
	getenv := func(name string) string { return env[name] }
	a, err := account.FromEnvironment(getenv)
	if err != nil {
		t.Fatal(err)
	}
	client, err := mps.New(a, share)
	if err != nil {
		t.Fatal(err)
	}
	return client.Session(account.NewKeyring(getenv).Or(account.Credentials{}))
}

// remove waits for its permit and deletes.
func remove(ctx context.Context, s *mps.Session, ids ...string) error {
	permit, err := s.Permit(ctx, mps.DeleteMedia)
	if err != nil {
		return err
	}
	return permit.Delete(ctx, ids)
}

// byID and byURL look media up with a permit.
func byID(ctx context.Context, s *mps.Session, ids []string) (mps.Found, error) {
	permit, err := s.Permit(ctx, mps.QueryMediaList)
	if err != nil {
		return mps.Found{}, err
	}
	return permit.ByID(ctx, ids)
}

func byURL(ctx context.Context, s *mps.Session, urls []string) (mps.Found, error) {
	permit, err := s.Permit(ctx, mps.QueryMediaListByURL)
	if err != nil {
		return mps.Found{}, err
	}
	return permit.ByURL(ctx, urls)
}

func TestLookUpAndDelete(t *testing.T) {
	e, s := session(t, emulator.Config{}, 1)
	kept := e.Add(emulator.Medium{Key: "dir/a b,c+d%.mp4", CreationTime: "2026-01-01T00:00:00Z", Tags: []string{"x"},
		Outputs: []emulator.Output{{Kind: emulator.Play, Bucket: emulator.OutputBucket, Key: "a.m3u8"}}})
	gone := e.Add(emulator.Medium{CreationTime: "2026-01-01T00:00:00Z"})
	ctx := context.Background()

	found, err := byID(ctx, s, []string{kept.ID, gone.ID, "unknown"})
	if err != nil || len(found.Media) != 2 || len(found.Missing) != 1 || found.Missing[0] != "unknown" {
		t.Fatalf("ByID = %+v, %v", found, err)
	}
	if records := string(found.Media[0].Record) + string(found.Media[1].Record); !strings.Contains(records, "a.m3u8") {
		t.Errorf("the records lack the outputs: %s", records)
	}
	object := media.Object{Bucket: kept.Bucket, Key: kept.Key}
	other := media.Object{Bucket: kept.Bucket, Key: "none.mp4"}
	found, err = byURL(ctx, s, []string{object.URL("cn-shanghai", media.SlashPlain), other.URL("cn-shanghai", media.SlashPlain)})
	if err != nil || len(found.Media) != 1 || found.Media[0].ID != kept.ID || found.Media[0].Object != object || len(found.Missing) != 1 {
		t.Fatalf("ByURL = %+v, %v", found, err)
	}
	if err := remove(ctx, s, gone.ID); err != nil {
		t.Fatal(err)
	}
	found, err = s.Probe(ctx, []string{kept.ID, gone.ID})
	if err != nil || len(found.Media) != 1 || found.Media[0].ID != kept.ID || len(found.Missing) != 1 {
		t.Fatalf("Probe = %+v, %v", found, err)
	}
	if s.Calls(mps.QueryMediaList) != 2 || s.Calls(mps.QueryMediaListByURL) != 1 || s.Calls(mps.DeleteMedia) != 1 || s.Retried() != 0 || !s.Answered() {
		t.Errorf("calls are counted wrongly: %+v", s)
	}
	if violations := e.Violations(); len(violations) > 0 {
		t.Errorf("violations: %v", violations)
	}
}

// TestThrottling holds each form in which a service may say that it is too much, against
// how a look-up and a deletion take it.
func TestThrottling(t *testing.T) {
	const delay = 400 * time.Millisecond
	tests := []struct {
		name    string
		options emulator.MPSOptions
		want    mps.Kind
	}{
		{"MPS's own", emulator.MPSOptions{}, mps.Throttled},
		{"of the API", emulator.MPSOptions{ThrottleCode: "Throttling.Api", ThrottleStatus: 503}, mps.Throttled},
		{"status 429 with a foreign code", emulator.MPSOptions{ThrottleCode: "Whatever.Limit", ThrottleStatus: 429}, mps.Throttled},
		{"status 429 with a code of another kind", emulator.MPSOptions{ThrottleCode: "Forbidden.RAM", ThrottleStatus: 429}, mps.Throttled},
		{"QpsLimitExceeded", emulator.MPSOptions{ThrottleCode: "QpsLimitExceeded"}, mps.Throttled},
		{"FlowControl", emulator.MPSOptions{ThrottleCode: "FlowControl.Exceeded", ThrottleStatus: 403}, mps.Throttled},
		{"ServiceBusy", emulator.MPSOptions{ThrottleCode: "ServiceBusy", ThrottleStatus: 503}, mps.Throttled},
		{"LastTokenProcessing", emulator.MPSOptions{ThrottleCode: "LastTokenProcessing"}, mps.Throttled},
		{"OperationConflict", emulator.MPSOptions{ThrottleCode: "OperationConflict", ThrottleStatus: 409}, mps.Throttled},
		{"a delay with a foreign code", emulator.MPSOptions{ThrottleCode: "InvalidParameter", RetryAfter: delay}, mps.Throttled},
		{"an error under status 200", emulator.MPSOptions{ThrottleStatus: 200}, mps.Throttled},
		{"a refusal under status 200", emulator.MPSOptions{ThrottleCode: "Forbidden.RAM", ThrottleStatus: 200}, mps.Unauthorized},
		{"a foreign code alone", emulator.MPSOptions{ThrottleCode: "InvalidParameter"}, mps.Rejected},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			e, s := session(t, emulator.Config{MPS: test.options}, 1)
			m := e.Add(emulator.Medium{CreationTime: "2026-01-01T00:00:00Z"})
			e.Inject(emulator.Fault{Operation: "DeleteMedia", Kind: emulator.Throttle, Count: 1}, emulator.Fault{Operation: "QueryMediaList", Kind: emulator.Throttle, Count: 1})
			_, err := byID(t.Context(), s, []string{m.ID})
			if (err != nil) != (test.want != mps.Throttled) {
				t.Errorf("look-up: %v", err)
			}
			calls := e.Calls()
			if test.options.RetryAfter > 0 && (len(calls) != 2 || calls[1].Time.Sub(calls[0].Time) < delay) {
				t.Errorf("the look-up was repeated too early: %+v", calls)
			}
			var failed *mps.Error
			if err := remove(t.Context(), s, m.ID); !errors.As(err, &failed) || failed.Kind != test.want || failed.RetryAfter != test.options.RetryAfter {
				t.Errorf("deletion: %v, want kind %d", err, test.want)
			}
			if throttled := s.Throttled() == 2; throttled != (test.want == mps.Throttled) {
				t.Errorf("%d calls were throttled", s.Throttled())
			}
		})
	}
}

// A gateway's page with status 429 has no code, and says that nothing was done.
func TestThrottlingWithoutACode(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("X-Acs-Retry-After", "250")
		http.Error(w, "<html>slow down</html>", http.StatusTooManyRequests)
	}))
	defer server.Close()
	env := map[string]string{"MEDIASWEEP_REGION": "cn-shanghai", "MEDIASWEEP_MPS_ENDPOINT": server.URL,
		"ALIBABA_CLOUD_ACCESS_KEY_ID": "id", "ALIBABA_CLOUD_ACCESS_KEY_SECRET": "secret"}
	var failed *mps.Error
	if err := remove(t.Context(), sessionIn(t, env, 1), "a"); !errors.As(err, &failed) || failed.Kind != mps.Throttled || failed.RetryAfter != 250*time.Millisecond {
		t.Errorf("%v", err)
	}
}

// An expired token of one source gives way to the other source's credentials, for every
// operation, also for those that are not repeated otherwise.
func TestExpiredTokenGivesWay(t *testing.T) {
	e, err := emulator.Start(emulator.Config{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = e.Close() })
	expired := e.Env()
	e.ExpireToken()
	fresh := e.Env()
	a, err := account.FromEnvironment(func(name string) string { return fresh[name] })
	if err != nil {
		t.Fatal(err)
	}
	of := func(env map[string]string) account.Credentials {
		return account.Credentials{AccessKeyID: env["ALIBABA_CLOUD_ACCESS_KEY_ID"], AccessKeySecret: env["ALIBABA_CLOUD_ACCESS_KEY_SECRET"], SecurityToken: env["ALIBABA_CLOUD_SECURITY_TOKEN"]}
	}
	for name, sources := range map[string]struct{ environment, call map[string]string }{
		"of the environment": {expired, fresh}, "of the call, which an environment without credentials uses": {map[string]string{}, fresh}, "of the call": {fresh, expired},
	} {
		t.Run(name, func(t *testing.T) {
			m := e.Add(emulator.Medium{CreationTime: "2026-01-01T00:00:00Z"})
			client, err := mps.New(a, 1)
			if err != nil {
				t.Fatal(err)
			}
			provider := account.NewKeyring(func(name string) string { return sources.environment[name] }).Or(of(sources.call))
			for _, op := range []func(*mps.Session) error{
				func(s *mps.Session) error { _, err := byID(t.Context(), s, []string{m.ID}); return err },
				func(s *mps.Session) error {
					_, err := s.Add(t.Context(), "http://media-in.oss-cn-shanghai.aliyuncs.com/"+m.Key, mps.Texts{})
					return err
				},
				func(s *mps.Session) error { return remove(t.Context(), s, m.ID) },
			} {
				if err := op(client.Session(provider)); err != nil {
					t.Error(err)
				}
			}
		})
	}
	refused := 0
	for _, call := range e.Calls() {
		if call.Status == http.StatusForbidden {
			refused++
		}
	}
	if refused != 1 { // the others remember
		t.Errorf("%d calls with the expired token", refused)
	}
}

// TestKinds holds each way in which a call can go wrong against what it means.
// A deletion is never repeated unless the service said that it did nothing.
func TestKinds(t *testing.T) {
	tests := []struct {
		fault  emulator.FaultKind
		kind   mps.Kind
		code   string
		tries  int // of a deletion
		mended bool
	}{
		{emulator.DropBefore, mps.Ambiguous, "", 1, false},
		{emulator.DropAfter, mps.Ambiguous, "", 1, false},
		{emulator.Truncate, mps.Ambiguous, "", 1, false},
		{emulator.HTML500, mps.Ambiguous, "", 1, false},
		{emulator.HTML502, mps.Ambiguous, "", 1, false},
		{emulator.Empty, mps.Ambiguous, "", 1, false},
		{emulator.NumericCode, mps.Ambiguous, "", 1, false},
		{emulator.Unavailable, mps.Ambiguous, "ServiceUnavailable", 1, false},
		{emulator.NonceUsed, mps.Ambiguous, "SignatureNonceUsed", 1, false},
		{emulator.Forbidden, mps.Unauthorized, "Forbidden.RAM", 1, false},
		{emulator.TokenExpired, mps.Unauthorized, "InvalidSecurityToken.Expired", 2, true},
		{emulator.Throttle, mps.Throttled, "Throttling.User", 1, false},
	}
	for _, test := range tests {
		t.Run(string(test.fault), func(t *testing.T) {
			t.Parallel()
			e, s := session(t, emulator.Config{}, 1)
			m := e.Add(emulator.Medium{CreationTime: "2026-01-01T00:00:00Z"})
			e.Inject(emulator.Fault{Operation: "DeleteMedia", Kind: test.fault, Count: 1})
			err := remove(context.Background(), s, m.ID)
			if got := s.Calls(mps.DeleteMedia); got != test.tries {
				t.Errorf("%d tries, want %d", got, test.tries)
			}
			if test.mended != (err == nil) || !test.mended && (!mps.Is(err, test.kind) || mps.CodeOf(err) != test.code) {
				t.Errorf("%v, want kind %d and code %q", err, test.kind, test.code)
			}
			// A look-up changes nothing and is repeated until it is answered.
			e.ClearFaults()
			e.Inject(emulator.Fault{Operation: "QueryMediaList", Kind: test.fault, Count: 1})
			if _, err := byID(context.Background(), s, []string{m.ID}); (err != nil) != (test.kind == mps.Unauthorized && !test.mended) {
				t.Errorf("look-up: %v", err)
			}
		})
	}
}

func TestRefusedParameterIsNotRepeated(t *testing.T) {
	_, s := session(t, emulator.Config{MPS: emulator.MPSOptions{UnknownID: emulator.RefuseWhole}}, 1)
	err := remove(context.Background(), s, "unknown")
	var failed *mps.Error
	if !errors.As(err, &failed) || failed.Kind != mps.Rejected || s.Calls(mps.DeleteMedia) != 1 {
		t.Errorf("%v after %d calls", err, s.Calls(mps.DeleteMedia))
	}
}

// What is no media ID could widen a deletion: it is not sent.
func TestDeleteSendsMediaIDsOnly(t *testing.T) {
	e, s := session(t, emulator.Config{}, 1)
	for _, id := range []string{"", " ", "a,b", " a", "a\n", "a b", strings.Repeat("a", 65)} {
		if err := remove(context.Background(), s, "c", id); err == nil {
			t.Errorf("%q is sent", id)
		}
	}
	if n := e.Count()["DeleteMedia"]; n != 0 {
		t.Errorf("%d calls", n)
	}
}

func TestDeadlineEndsAHangingCall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLibrary(t, emulator.MPSOptions{}, 1)
		l.Inject(emulator.Fault{Operation: "*", Kind: emulator.Hang})
		s := l.client.Session(l.credentials)
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		defer cancel()
		err := remove(ctx, s, "a")
		var failed *mps.Error
		if !errors.Is(err, context.DeadlineExceeded) || !errors.As(err, &failed) || failed.Kind != mps.Ambiguous {
			t.Errorf("a call given up: %v", err)
		}
		err = remove(ctx, s, "a")
		if !errors.Is(err, context.DeadlineExceeded) || errors.As(err, &failed) && s.Calls(mps.DeleteMedia) > 1 {
			t.Errorf("a call after the deadline: %v, %d calls", err, s.Calls(mps.DeleteMedia))
		}
	})
}

// An answer without a RequestId is none, and a redirect leads nowhere.
func TestAnswersThatAreNone(t *testing.T) {
	visited := false
	elsewhere := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { visited = true }))
	defer elsewhere.Close()
	for name, answer := range map[string]http.HandlerFunc{
		"nothing in it": func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "{}") },
		"no object":     func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "[]") },
		"a redirect": func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, elsewhere.URL, http.StatusTemporaryRedirect)
		},
	} {
		t.Run(name, func(t *testing.T) {
			server := httptest.NewServer(answer)
			defer server.Close()
			s := sessionIn(t, map[string]string{"MEDIASWEEP_REGION": "cn-shanghai", "MEDIASWEEP_MPS_ENDPOINT": server.URL,
				"ALIBABA_CLOUD_ACCESS_KEY_ID": "id", "ALIBABA_CLOUD_ACCESS_KEY_SECRET": "secret"}, 1)
			var failed *mps.Error
			if err := remove(context.Background(), s, "a"); !errors.As(err, &failed) || failed.Kind != mps.Ambiguous || visited {
				t.Errorf("%v; visited elsewhere: %v", err, visited)
			}
		})
	}
}

// TestErrorsCarryNoSecret is promise 7 of the design, wherever an error is made.
func TestErrorsCarryNoSecret(t *testing.T) {
	const wrong = "wrong+Secret/1="
	tests := []struct {
		name  string
		spoil func(env map[string]string, e *emulator.Emulator)
	}{
		{"wrong secret", func(env map[string]string, _ *emulator.Emulator) { env["ALIBABA_CLOUD_ACCESS_KEY_SECRET"] = wrong }},
		{"wrong token", func(env map[string]string, _ *emulator.Emulator) {
			env["ALIBABA_CLOUD_SECURITY_TOKEN"] = "CAIS wrong+token/&="
		}},
		{"wrong key", func(env map[string]string, _ *emulator.Emulator) { env["ALIBABA_CLOUD_ACCESS_KEY_ID"] = "LTAIwrong" }},
		{"nothing listens", func(_ map[string]string, e *emulator.Emulator) { _ = e.Close() }},
		{"dropped", func(_ map[string]string, e *emulator.Emulator) {
			e.Inject(emulator.Fault{Operation: "*", Kind: emulator.DropBefore})
		}},
		{"HTML", func(_ map[string]string, e *emulator.Emulator) {
			e.Inject(emulator.Fault{Operation: "*", Kind: emulator.HTML500})
		}},
		{"panic in the SDK", func(_ map[string]string, e *emulator.Emulator) {
			e.Inject(emulator.Fault{Operation: "*", Kind: emulator.NumericCode})
		}},
		{"expired", func(_ map[string]string, e *emulator.Emulator) { e.ExpireToken() }},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			e, err := emulator.Start(emulator.Config{})
			if err != nil {
				t.Fatal(err)
			}
			defer e.Close() //nolint:errcheck // closed twice in one case
			env := e.Env()
			test.spoil(env, e)
			s := sessionIn(t, env, 1)
			err = remove(context.Background(), s, "a")
			if err == nil {
				t.Fatal("the call went through")
			}
			for _, name := range []string{"ALIBABA_CLOUD_ACCESS_KEY_ID", "ALIBABA_CLOUD_ACCESS_KEY_SECRET", "ALIBABA_CLOUD_SECURITY_TOKEN"} {
				once := url.QueryEscape(env[name])
				for _, form := range []string{env[name], once, url.QueryEscape(once)} {
					if strings.Contains(err.Error(), form) {
						t.Errorf("the error shows %s: %v", name, err)
					}
				}
			}
			if strings.Contains(err.Error(), "Signature=") || strings.Contains(err.Error(), "http://") {
				t.Errorf("the error shows a signed address: %v", err)
			}
		})
	}
}

// TestConcurrentCalls is for the race detector: the SDK's client is not safe for
// concurrent use.
func TestConcurrentCalls(t *testing.T) {
	e, s := session(t, emulator.Config{Media: 64}, 1)
	var wg sync.WaitGroup
	for i, m := range e.Media() {
		wg.Go(func() {
			if _, err := byID(context.Background(), s, []string{m.ID, fmt.Sprint("unknown", i)}); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if got := s.Calls(mps.QueryMediaList); got != 64 {
		t.Errorf("%d calls, want 64", got)
	}
}

// A token that expires during a run is renewed from the environment once. If that does not help, the
// error names the setting to change.
func TestTokenIsRenewed(t *testing.T) {
	e, err := emulator.Start(emulator.Config{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = e.Close() })
	env := e.Env()
	s := sessionIn(t, env, 1)
	if _, err := byID(context.Background(), s, []string{"a"}); err != nil {
		t.Fatal(err)
	}
	e.ExpireToken()
	var failed *mps.Error
	if err := remove(context.Background(), s, "a"); !errors.As(err, &failed) || failed.Kind != mps.Unauthorized || !strings.Contains(err.Error(), "token has expired") {
		t.Errorf("with the old token: %v", err)
	}
	if n := e.Count()["DeleteMedia"]; n != 2 {
		t.Errorf("%d tries with the old token, want 2", n)
	}
	maps.Copy(env, e.Env())
	if err := remove(context.Background(), s, "a"); err != nil {
		t.Errorf("with the new token: %v", err)
	}
}

// A service that fails throughout is not asked six times for everything.
func TestRetriesAreBudgeted(t *testing.T) {
	e, s := session(t, emulator.Config{MPS: emulator.MPSOptions{Quota: map[string]int{"QueryMediaList": 100000}}}, 1)
	e.Inject(emulator.Fault{Operation: "QueryMediaList", Kind: emulator.Unavailable})
	var workers sync.WaitGroup
	for range 60 {
		workers.Go(func() {
			if _, err := byID(context.Background(), s, []string{"a"}); err == nil {
				t.Error("a call that was never answered succeeds")
			}
		})
	}
	workers.Wait()
	// 60 calls may be repeated 60 times and 100 more, but for those that find the
	// budget used up at once.
	if got := s.Retried(); got < 60 || got > 60+100+60 {
		t.Errorf("%d calls repeated", got)
	}
}

// TestShare is promise 6 as the service sees it: it counts, and would refuse what
// is above its quota.
func TestShare(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const share, limit, calls = 0.5, 50, 130
		l := newLibrary(t, emulator.MPSOptions{Quota: map[string]int{"QueryMediaList": limit}}, share)
		l.Inject(emulator.Fault{Operation: "*", Kind: emulator.Latency, Delay: 20 * time.Millisecond})
		s := l.client.Session(l.credentials)
		var workers sync.WaitGroup
		start := time.Now()
		for range calls {
			workers.Go(func() {
				if _, err := byID(t.Context(), s, []string{"a"}); err != nil {
					t.Error(err)
				}
			})
		}
		workers.Wait()
		if got := l.Violations(); len(got) > 0 || s.Throttled() > 0 {
			t.Errorf("%d calls throttled: %v", s.Throttled(), got)
		}
		if took, most := time.Since(start), time.Second*calls/limit*11/10; took > most {
			t.Errorf("%d calls took %v, want at most %v: the share is not used", calls, took, most)
		}
	})
}
