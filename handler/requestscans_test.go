package handler_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/mediasweep/mediasweep/internal/emulator"
	"github.com/mediasweep/mediasweep/internal/report"
)

// A request whose scan the deadline cuts off resumes it when it comes again, with the same ID or another one.
func TestARequestResumesItsScan(t *testing.T) {
	for name, body := range map[string]string{
		"inventory": `{"mode":"enforce","inventory":true}`,
		"manifest":  `{"mode":"enforce","manifest":"oss://ops/list.csv"}`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			turnClock(t, func(t *testing.T) {
				rules := slow(strings.Replace(enforcing, "inventory: [", `manifests: ["oss://ops/*.csv"]`+"\ninventory: [", 1))
				w := newPipedWorld(t, emulator.Config{}, rules, "MEDIASWEEP_HTTP_AUTH", "function")
				list := "mediaId\n"
				for i := range 600 {
					list += w.add(fmt.Sprintf("clips/%04d", i), 300).ID + "\n"
				}
				w.e.PutObject("ops", "list.csv", []byte(list), time.Now())
				w.e.Inject(emulator.Fault{Operation: "*", Kind: emulator.Latency, Delay: 40 * time.Millisecond})
				ask := func(run string, limit time.Duration) (r report.Report) {
					ctx, cancel := context.WithTimeout(t.Context(), limit)
					defer cancel()
					request := httptest.NewRequest("POST", "/v1/sweeps", strings.NewReader(body)).WithContext(ctx)
					request.Header.Set("X-Fc-Request-Id", run)
					recorder := httptest.NewRecorder()
					w.f.ServeHTTP(recorder, request)
					if err := json.Unmarshal(recorder.Body.Bytes(), &r); err != nil {
						t.Fatal(err)
					}
					return r
				}
				for _, run := range []string{"first", "second"} {
					if r := ask(run, 3*time.Second); r.Status != report.Incomplete || r.Plan != "" || r.Next != "send the request again: its scan goes on where it stopped" {
						t.Fatalf("%s: %s %s, next %q", run, r.Status, r.Error, r.Next)
					}
				}
				r := ask("first", time.Hour)
				if looked := r.Calls.QueryMediaList + r.Calls.QueryMediaListByURL; r.Status != report.Done || r.Counts.Deleted != 600 || looked >= 180 {
					t.Errorf("%s %s, %+v, %d look-ups: 180 are for a scan, and two readings of all media", r.Status, r.Error, r.Counts, looked)
				}
				w.noViolations()
			})
		})
	}
}
