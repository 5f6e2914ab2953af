package handler_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/mediasweep/mediasweep/handler"
	"github.com/mediasweep/mediasweep/internal/emulator"
	"github.com/mediasweep/mediasweep/internal/report"
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

// sendEvent answers the same as an HTTP event of the go1 runtime.
func (w *world) sendEvent(method, target, body string) *httptest.ResponseRecorder {
	w.t.Helper()
	event, err := json.Marshal(map[string]any{"version": "v1", "rawPath": target, "body": body, "isBase64Encoded": false,
		"requestContext": map[string]any{"requestId": "r", "http": map[string]string{"method": method, "path": target}}})
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

var _ = slices.Contains[[]string]
var _ = http.MethodGet
var _ = report.Done
