package handler_test

import (
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"

	"github.com/mediasweep/mediasweep/handler"
	"github.com/mediasweep/mediasweep/internal/emulator"
	"github.com/mediasweep/mediasweep/internal/report"
)

// A page of another origin cannot use the credentials that a reader's browser adds.
func TestPagesOfOtherOriginsChangeNothing(t *testing.T) {
	w := newWorld(t, emulator.Config{Media: 20}, enforcing, "MEDIASWEEP_HTTP_AUTH", "basic")
	for _, target := range []string{"/v1/sweeps", "/v1/plans", "/v1/plans/latest/apply?anyway=true", "/v1/holds", "/v1/runs/x/restore"} {
		for _, header := range [][]string{{"Sec-Fetch-Site", "cross-site"}, {"Origin", "https://evil.example"}, {"Origin", "null"}} {
			for runtime, send := range w.runtimes() {
				if answer := send(http.MethodPost, target, `{"inventory":true,"mode":"enforce"}`, header...); answer.Code != http.StatusForbidden {
					t.Errorf("%s: POST %s with %v: %d %s", runtime, target, header, answer.Code, answer.Body)
				}
			}
		}
	}
	if len(w.sent()) > 0 {
		t.Error("media were deleted")
	}
	for runtime, send := range w.runtimes() {
		for _, header := range [][]string{{"Origin", "http://example.com"}, {"Origin", "https://example.com"}} {
			if answer := send(http.MethodPost, "/v1/sweeps", `{"inventory":true}`, header...); answer.Code != http.StatusOK {
				t.Errorf("%s: our own origin, %v: %d %s", runtime, header, answer.Code, answer.Body)
			}
		}
	}
	// FC lets a page of any origin read what it may GET. A link to a page has no origin.
	for _, target := range []string{"/", "/v1/runs", "/v1/plans/latest", "/v1/holds"} {
		for runtime, send := range w.runtimes() {
			for _, origin := range []string{"https://evil.example", "null"} {
				if answer := send(http.MethodGet, target, "", "Origin", origin, "Sec-Fetch-Site", "cross-site"); answer.Code != http.StatusForbidden {
					t.Errorf("%s: GET %s of origin %s: %d %s", runtime, target, origin, answer.Code, answer.Body)
				}
			}
			for _, header := range [][]string{{"Sec-Fetch-Site", "cross-site"}, {"Origin", "https://example.com"}} {
				if answer := send(http.MethodGet, target, "", header...); answer.Code == http.StatusForbidden {
					t.Errorf("%s: GET %s with %v: %d %s", runtime, target, header, answer.Code, answer.Body)
				}
			}
		}
	}
	unnamed := `{"version":"v1","rawPath":"/v1/sweeps","headers":{"Origin":"null"},"body":"{\"inventory\":true}","requestContext":{"http":{"method":"POST"}}}`
	if answer, err := w.f.Invoke(t.Context(), handler.Call{}, []byte(unnamed)); err != nil || !strings.Contains(string(answer), `"statusCode":403`) {
		t.Errorf("an event without a host: %s, %v", answer, err)
	}
	own := []string{"Host", "media.example.org", "Origin", "https://media.example.org"}
	if answer := w.sendEvent(http.MethodPost, "/v1/sweeps", `{"inventory":true}`, own...); answer.Code != http.StatusOK {
		t.Errorf("an event of a custom domain: %d %s", answer.Code, answer.Body)
	}
}

// runtimes returns what sends a request as each runtime does.
func (w *world) runtimes() map[string]func(method, target, body string, header ...string) *httptest.ResponseRecorder {
	return map[string]func(method, target, body string, header ...string) *httptest.ResponseRecorder{"custom": w.send, "go1": w.sendEvent}
}

// A query that cannot be read must not lose a parameter.
func TestMalformedQueries(t *testing.T) {
	w := newWorld(t, emulator.Config{Media: 20}, enforcing, "MEDIASWEEP_HTTP_AUTH", "function")
	run := w.mustInvoke(everything, report.Done).Run
	for _, query := range []string{"dryRun=true;x", "dryRun=%zz", "only=a;b"} {
		if answer := w.send(http.MethodPost, "/v1/runs/"+run+"/restore?"+query, ""); answer.Code != http.StatusBadRequest || !strings.Contains(answer.Body.String(), "query") {
			t.Errorf("?%s: %d %s", query, answer.Code, answer.Body)
		}
	}
	if n := w.e.Count()["AddMedia"]; n > 0 {
		t.Errorf("%d media were added", n)
	}
}

// A change of the policy file binds the next request of a process that runs.
func TestAPolicyFileThatChanges(t *testing.T) {
	w := newWorld(t, emulator.Config{Media: 20}, enforcing, "MEDIASWEEP_HTTP_AUTH", "function")
	w.mustInvoke(`{"inventory":true}`, report.Done)
	for _, test := range []struct {
		text   string
		status report.Status
	}{{strings.Replace(enforcing, "match: {tags: [legal-hold]}", `match: {object: ["oss://media-in/**"]}`, 1), report.Done}, {enforcing + "bogus: 1\n", report.Failed}} {
		if err := os.WriteFile(w.env["MEDIASWEEP_POLICY"], []byte(test.text), 0o600); err != nil {
			t.Fatal(err)
		}
		w.mustInvoke(everything, test.status)
		if len(w.sent()) > 0 {
			t.Fatal("media were deleted by the old policy")
		}
	}
}
