package handler_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/mediasweep/mediasweep/internal/emulator"
	"github.com/mediasweep/mediasweep/internal/journal"
	"github.com/mediasweep/mediasweep/internal/plan"
)

// A list of plans links its next page.
func TestPagesOfPlans(t *testing.T) {
	w := newWorld(t, emulator.Config{}, enforcing, "MEDIASWEEP_HTTP_AUTH", "function")
	const saved = journal.MaxListed + 3
	for i := range saved {
		made := plan.Contents{Head: plan.Head{AsOf: time.Unix(int64(i), 0).UTC()}}
		line, err := plan.LineOf(plan.Entry{MediaID: "m1", Rule: "r", Record: json.RawMessage(`{"MediaId":"m1"}`)}, made.Head.AsOf, made.Head.AsOf)
		if err != nil {
			t.Fatal(err)
		}
		lines := func(yield func(plan.Line, error) bool) { yield(line, nil) }
		if _, err := journal.SavePlan(t.Context(), w.store(), made, lines); err != nil {
			t.Fatal(err)
		}
	}
	seen := map[string]bool{}
	target := "/v1/plans"
	for pages := 0; target != ""; pages++ {
		recorder := httptest.NewRecorder()
		w.f.ServeHTTP(recorder, httptest.NewRequest(http.MethodGet, target, nil))
		var list []plan.Contents
		if err := json.Unmarshal(recorder.Body.Bytes(), &list); err != nil || recorder.Code != http.StatusOK || pages > 1 {
			t.Fatalf("page %d, GET %s: %d %s", pages, target, recorder.Code, recorder.Body)
		}
		for _, one := range list {
			seen[one.ID] = true
		}
		target = strings.TrimPrefix(strings.TrimSuffix(recorder.Header().Get("Link"), `>; rel="next"`), "<")
	}
	if len(seen) != saved {
		t.Errorf("%d plans, want %d", len(seen), saved)
	}
	for _, wrong := range []string{"sha256:" + strings.Repeat("0", 64), "00000000", "x"} {
		if status, answer := w.ask("GET", "/v1/plans?before="+wrong, ""); status != http.StatusBadRequest || !strings.Contains(answer, `"error":"before \"`+wrong+`\": `) {
			t.Errorf("before %s: %d %s", wrong, status, answer)
		}
	}
}

// Before the first plan, and where nothing is called latest, an answer says what to do.
func TestNothingIsTheLatestYet(t *testing.T) {
	w := newWorld(t, emulator.Config{}, enforcing, "MEDIASWEEP_HTTP_AUTH", "function")
	for _, test := range []struct{ method, target, says string }{
		{"GET", "/v1/plans/latest", "there is no plan with media yet: POST /v1/plans makes one"},
		{"GET", "/v1/plans/latest?format=csv", "there is no plan with media yet: POST /v1/plans makes one"},
		{"POST", "/v1/plans/latest/apply", "there is no plan with media yet: mediasweep plan or POST /v1/plans makes one"},
		{"GET", "/v1/runs/latest", "latest is not the ID of a run: GET /v1/runs lists the latest"},
		{"POST", "/v1/runs/latest/restore", "latest is not the ID of a run or plan: mediasweep runs and mediasweep plans list the latest"},
	} {
		if status, answer := w.ask(test.method, test.target, ""); status/100 != 4 || !strings.Contains(answer, `"`+test.says+`"`) {
			t.Errorf("%s %s: %d %s", test.method, test.target, status, answer)
		}
	}
}
