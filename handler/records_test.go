package handler_test

import (
	"net/http"
	"path/filepath"
	"strings"
	"testing"

	"github.com/mediasweep/mediasweep/internal/emulator"
	"github.com/mediasweep/mediasweep/internal/report"
)

// Records are read without a policy, and without the environment of a run. A policy decides on what is written, but for
// restores and releases: an invalid environment decides on all of it.
func TestRecordsNeedNoPolicy(t *testing.T) {
	tests := []struct {
		name, state string
		policy      string
		env         []string
		status      int
		says        string
	}{
		{name: "a policy with mistakes", policy: "version: 1\nmode: on\n", status: 200, says: "retention.yaml:2:7"},
		{name: "a policy with mistakes, state in OSS", state: "oss://ops/state/", policy: "version: 1\nmode: on\n", status: 200, says: "retention.yaml:2:7"},
		{name: "no policy", env: []string{"MEDIASWEEP_POLICY", "/nowhere/retention.yaml"}, status: 200, says: "policy not read"},
		{name: "no object with a policy", env: []string{"MEDIASWEEP_POLICY", "oss://ops/none.yaml"}, status: 200, says: "no policy"},
		{name: "no region", env: []string{"MEDIASWEEP_REGION", "", "FC_REGION", ""}, status: 200},
		{name: "a wrong target of digests", env: []string{"MEDIASWEEP_NOTIFY", "https://example.com/x"}, status: 200},
		{name: "a wrong language", env: []string{"MEDIASWEEP_LANG", "chinese"}, status: 200},
		{name: "a wrong language in FC", env: []string{"MEDIASWEEP_LANG", "chinese", "FC_FUNCTION_NAME", "f"}, status: 200},
		{name: "no region, state in OSS", state: "oss://ops/state/", env: []string{"MEDIASWEEP_REGION", "", "FC_REGION", ""}, status: 400},
		{name: "no state", env: []string{"MEDIASWEEP_STATE", "s3://x/"}, status: 400},
		{name: "unknown authentication", env: []string{"MEDIASWEEP_HTTP_AUTH", "digest"}, status: 403},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			state := test.state
			if state == "" {
				state = "file://" + filepath.Join(t.TempDir(), "state")
			}
			w := newWorld(t, emulator.Config{Media: 20}, enforcing, "MEDIASWEEP_HTTP_AUTH", "function", "MEDIASWEEP_STATE", state)
			r := w.mustInvoke(everything, report.Done)
			if status, answer := w.ask("POST", "/v1/holds", `{"target":"oss://media-in/x","reason":"a test"}`); status != http.StatusCreated {
				t.Fatal(answer)
			}
			for i := 0; i < len(test.env); i += 2 {
				w.env[test.env[i]] = test.env[i+1]
			}
			if test.policy != "" {
				w.setPolicy(test.policy)
			}
			w.deploy()
			before := len(w.sent())
			notes := ""
			for _, target := range []string{"/v1/runs", "/v1/runs?since=1d", "/v1/runs/" + r.Run, "/v1/runs/" + r.Run + "?format=csv", "/v1/plans", "/v1/plans/latest", "/v1/holds",
				"/v1/media/43b7335a4b1d4fe883670036affb0001/history"} {
				answer := w.send(http.MethodGet, target, "")
				if answer.Code != test.status {
					t.Errorf("GET %s: %d %s", target, answer.Code, answer.Body)
				}
				notes += answer.Header().Get("X-Mediasweep-Notes")
			}
			if !strings.Contains(notes, test.says) || (notes == "") != (test.says == "") {
				t.Errorf("notes %q, want %q", notes, test.says)
			}
			isOfPolicy := test.says != ""
			for _, write := range []struct {
				method, target, body string
				needsPolicy          bool
			}{
				{"POST", "/v1/sweeps", `{"inventory":true}`, true},
				{"POST", "/v1/plans", `{"inventory":true}`, true},
				{"POST", "/v1/plans/latest/apply", "", true},
				{"POST", "/v1/holds", `{"target":"oss://media-in/y","reason":"a test"}`, true},
				{"POST", "/v1/runs/" + r.Run + "/restore?dryRun=true", "", false},
				{"DELETE", "/v1/holds/1", "", false},
			} {
				answer := w.send(write.method, write.target, write.body)
				if want := isOfPolicy && !write.needsPolicy; (answer.Code/100 == 2) != want {
					t.Errorf("%s %s: %d %s, want success %v", write.method, write.target, answer.Code, answer.Body, want)
				}
			}
			if len(w.sent()) > before {
				t.Error("media were deleted")
			}
		})
	}
}
