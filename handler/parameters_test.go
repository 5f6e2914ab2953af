package handler_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/mediasweep/mediasweep/handler"
	"github.com/mediasweep/mediasweep/internal/emulator"
	"github.com/mediasweep/mediasweep/internal/report"
)

// A route refuses a parameter or a body that it would not obey: a request for a dry run must not delete.
func TestRoutesRefuseWhatTheyDoNotObey(t *testing.T) {
	w := newWorld(t, emulator.Config{Media: 40}, enforcing, "MEDIASWEEP_HTTP_AUTH", "function")
	dry := w.mustInvoke(`{"mode":"dry-run","inventory":true}`, report.Done)
	apply := "/v1/plans/" + dry.Plan + "/apply"
	for _, one := range []struct{ method, target, body, want string }{
		{"POST", apply + "?dryRun=true", "", "this route takes anyway"},
		{"POST", apply + "?mode=dry-run", "", "this route takes anyway"},
		{"POST", apply + "?anyway=1", "", "anyway must be true or false"},
		{"POST", apply + "?anyway=true&anyway=false", "", "anyway must be true or false"},
		{"POST", apply, `{"mode":"dry-run"}`, "this route takes no body"},
		{"POST", apply, "garbage", "this route takes no body"},
		{"POST", apply, "{", "this route takes no body"},
		{"POST", apply, "{}}", "this route takes no body"},
		{"POST", apply, strings.Repeat(" ", 2000) + "garbage", "this route takes no body"},
		{"POST", "/v1/runs/" + dry.Run + "/restore", `{"dryRun":true}`, "this route takes no body"},
		{"POST", "/v1/runs/" + dry.Run + "/restore?only=a,", "", "separate several by commas"},
		{"POST", "/v1/sweeps?mode=dry-run", `{"mode":"enforce","inventory":true}`, "this route takes none"},
		{"POST", "/v1/plans?limit=1", `{"inventory":true}`, "this route takes none"},
		{"POST", "/v1/holds?until=forever", `{"target":"a","reason":"r"}`, "this route takes none"},
		{"DELETE", "/v1/holds/0000000001?dryRun=true", "", "this route takes none"},
		{"DELETE", "/v1/holds/0000000001", "x", "this route takes no body"},
		{"GET", "/v1/holds?limit=1", "", "this route takes none"},
		{"GET", "/v1/plans?limit=1", "", "this route takes before"},
		{"GET", "/v1/plans/" + dry.Plan + "?format=pdf", "", "format must be json or csv"},
		{"GET", "/v1/plans/" + dry.Plan + "?excel=true", "", "excel is for format=csv"},
		{"GET", "/v1/runs?format=json&excel=true", "", "excel is for format=csv"},
		{"GET", "/v1/plans/" + dry.Plan + "?format=csv&excel=1", "", "excel must be true or false"},
		{"GET", "/v1/runs/" + dry.Run + "?Format=csv", "", "this route takes excel, format"},
		{"GET", "/v1/media/a/explain?x", "", "this route takes none"},
		{"GET", "/v1/media/a/history?x=1", "", "this route takes none"},
		{"GET", "/v1/forecast?days=3&x=1", "", "this route takes days"},
		{"GET", "/v1/forecast?days=0", "", "days 0: a forecast has 1 to "},
		{"GET", "/v1/forecast?days=030", "", `days: "030" is not a plain decimal number`},
		{"GET", "/v1/runs?limit=1&limit=1", "", `limit: "1,1" is not a plain decimal number`},
		{"GET", "/v1/media/oss%3A%2F%2Fmedia-in%2F/history", "", `"oss://media-in/": the object key is empty`},
		{"POST", apply + "?anyway", "", "anyway must be true or false"},
		{"POST", "/v1/runs/" + dry.Run + "/restore?dryRun=", "", "dryRun must be true or false"},
		{"POST", "/v1/runs/" + dry.Run + "/restore?dryRun=true&only", "", "only is empty"},
		{"GET", "/v1/runs?trigger=", "", "trigger is empty"},
		{"GET", "/v1/runs?status=", "", "status is empty"},
		{"GET", "/v1/runs?since=", "", "since is empty: leave it out"},
		{"GET", "/v1/runs?before=", "", "before is empty"},
		{"GET", "/v1/runs?limit=", "", "limit is empty"},
		{"GET", "/v1/runs?format=", "", "format must be json or csv"},
		{"GET", "/v1/runs?format=csv&excel=", "", "excel must be true or false"},
		{"GET", "/v1/runs/" + dry.Run + "?format=", "", "format must be json or csv"},
		{"GET", "/v1/runs/" + dry.Run + "?excel=", "", "excel must be true or false"},
		{"GET", "/v1/plans?before=", "", "before is empty"},
		{"GET", "/v1/plans/" + dry.Plan + "?format=", "", "format must be json or csv"},
		{"GET", "/v1/plans/" + dry.Plan + "?excel=", "", "excel must be true or false"},
		{"GET", "/v1/forecast?days=", "", "days is empty"},
	} {
		answer := w.send(one.method, one.target, one.body)
		var failed struct{ Error string }
		if err := json.Unmarshal(answer.Body.Bytes(), &failed); err != nil || answer.Code != http.StatusBadRequest || !strings.Contains(failed.Error, one.want) {
			t.Errorf("%s %s %.40s: %d %s, want %q", one.method, one.target, one.body, answer.Code, answer.Body, one.want)
		}
	}
	if sent := w.sent(); len(sent) > 0 {
		t.Errorf("sent %v", sent)
	}
	if status, r := w.askReport("POST", apply, " {} "); status != http.StatusOK || r.Counts.Deleted != dry.Counts.Expired {
		t.Errorf("%d %s %s %+v", status, r.Status, r.Error, r.Counts)
	}
}

// A route that takes no body refuses one at its first byte: the rest may never arrive.
func TestARefusedBodyIsNotReadToItsEnd(t *testing.T) {
	w := newWorld(t, emulator.Config{}, enforcing, "MEDIASWEEP_HTTP_AUTH", "function")
	for _, start := range []string{"x", " { x", "{}{", "null"} {
		body := io.MultiReader(strings.NewReader(start), iotest.ErrReader(errors.New("the rest was read")))
		answer := httptest.NewRecorder()
		w.f.ServeHTTP(answer, httptest.NewRequest(http.MethodDelete, "/v1/holds/1", body))
		if answer.Code != http.StatusBadRequest || !strings.Contains(answer.Body.String(), "this route takes no body") {
			t.Errorf("%q: %d %s", start, answer.Code, answer.Body)
		}
	}
}

// A query of an HTTP event that stands in its path is not lost: without dryRun=true the run would restore.
func TestAQueryInThePathOfAnHTTPEvent(t *testing.T) {
	w := newWorld(t, emulator.Config{}, enforcing, "MEDIASWEEP_HTTP_AUTH", "function")
	w.add("clips/a", 300)
	run := w.mustInvoke(everything, report.Done).Run
	for _, path := range []string{"/v1/runs/" + run + "/restore?dryRun=true", "/v1/runs/" + run + "/restore?", "http://media-in/v1/runs/" + run + "/restore"} {
		event := fmt.Sprintf(`{"version":"v1","rawPath":%q,"requestContext":{"http":{"method":"POST"}}}`, path)
		if answer, err := w.f.Invoke(t.Context(), handler.Call{}, []byte(event)); err == nil || !strings.Contains(err.Error(), "rawPath must be a path") {
			t.Errorf("%s: %s, %v", path, answer, err)
		}
	}
	if added := w.e.Count()["AddMedia"]; added > 0 {
		t.Errorf("%d media added", added)
	}
}

// gone is a reader who has closed the connection.
type gone struct{ *httptest.ResponseRecorder }

func (gone) Write([]byte) (int, error) { return 0, io.ErrClosedPipe }

// A reader who leaves in the middle of a plan is no damaged record.
func TestReadersWhoHaveGone(t *testing.T) {
	w := newWorld(t, emulator.Config{Media: 20}, enforcing, "MEDIASWEEP_HTTP_AUTH", "function")
	dry := w.mustInvoke(`{"mode":"dry-run","inventory":true}`, report.Done)
	w.log.Reset()
	for _, target := range []string{"/v1/plans/" + dry.Plan, "/v1/plans/latest?format=csv", "/v1/runs/" + dry.Run + "?format=csv", "/v1/runs?format=csv"} {
		w.f.ServeHTTP(gone{httptest.NewRecorder()}, httptest.NewRequest(http.MethodGet, target, nil))
	}
	if said := w.log.String(); said != "" {
		t.Error(said)
	}
}
