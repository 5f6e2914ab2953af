package console_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mediasweep/mediasweep/internal/console"
	"github.com/mediasweep/mediasweep/internal/plan"
	"github.com/mediasweep/mediasweep/internal/report"
	"github.com/mediasweep/mediasweep/internal/retention"
	"github.com/mediasweep/mediasweep/internal/review"
	"github.com/mediasweep/mediasweep/internal/service"
	"github.com/mediasweep/mediasweep/internal/state"
	"github.com/mediasweep/mediasweep/internal/trigger"
)

// What falls due is counted from the policy's day on, as a forecast counts it.
func TestDueFromThePolicysDay(t *testing.T) {
	for name, test := range map[string]struct {
		zone *time.Location
		asOf time.Time
		want []string
	}{
		"ahead of UTC":  {time.FixedZone("Shanghai", 8*3600), time.Date(2026, 11, 25, 20, 14, 0, 0, time.UTC), []string{"from 2026-11-26 to 2027-02-23", "within 7 days: 3 media", "within 30 days: 7 media"}},
		"behind UTC":    {time.FixedZone("Los Angeles", -8*3600), time.Date(2026, 11, 27, 2, 0, 0, 0, time.UTC), []string{"from 2026-11-26 to 2027-02-23", "within 7 days: 3 media", "within 30 days: 7 media"}},
		"UTC":           {time.UTC, time.Date(2026, 11, 25, 20, 14, 0, 0, time.UTC), []string{"from 2026-11-25 to 2027-02-22", "within 7 days: 1 media", "within 30 days: 3 media"}},
		"another since": {time.UTC, time.Date(2026, 11, 27, 20, 14, 0, 0, time.UTC), []string{"from 2026-11-26 to 2027-02-23"}},
	} {
		s := newSite(t, newLibrary(t, 1), nil)
		s.lib.zone = test.zone
		s.lib.later = []*report.Report{{Run: "night", Trigger: trigger.Timer, Status: report.Done, AsOf: test.asOf, FinishedAt: test.asOf,
			Due: []report.Due{{Day: "2026-11-26", Media: 1}, {Day: "2026-12-03", Media: 2}, {Day: "2026-12-26", Media: 4}}}}
		page := s.get("/").Body.String()
		for _, want := range test.want {
			if !strings.Contains(page, want) {
				t.Errorf("%s: without %q", name, want)
			}
		}
	}
}

// The chart has the days that its text names. A long notice ends on a later day.
func TestDueWithinTheChart(t *testing.T) {
	s := newSite(t, newLibrary(t, 1), nil)
	s.lib.zone = time.UTC
	asOf := time.Date(2026, 11, 25, 20, 14, 0, 0, time.UTC)
	s.lib.later = []*report.Report{{Run: "night", Trigger: trigger.Timer, Status: report.Done, AsOf: asOf, FinishedAt: asOf,
		Due: []report.Due{{Day: "2027-02-22", Media: 4}}, Announced: []report.Announced{{Day: "2027-02-23", Media: 5}, {Day: "2027-11-25", Media: 400}}}}
	page := s.get("/").Body.String()
	if bars := strings.Count(page, "<title>20"); bars != 1 || !strings.Contains(page, `x="712" y="0" width="7" height="100"><title>2027-02-22: 4</title>`) || !strings.Contains(page, "within 90 days: 4 media") {
		t.Errorf("%d bars: %s", bars, page)
	}
}

// Holds that cannot be read hide nothing else of the overview.
func TestOverviewWithoutHolds(t *testing.T) {
	s := newSite(t, newLibrary(t, 10), nil)
	s.lib.unread = errors.New("holds/7.json is damaged")
	w := s.get("/")
	for _, want := range []string{"holds/7.json is damaged", "The holds cannot be read.", "waiting for approval", "Latest runs", `<td class="right">7</td><td class="right">2</td>`} {
		if !strings.Contains(w.Body.String(), want) || w.Code != http.StatusOK {
			t.Errorf("%d, without %q", w.Code, want)
		}
	}
}

// The list of plans links its next page.
func TestPagesOfPlans(t *testing.T) {
	s := newSite(t, newLibrary(t, 1), nil)
	next := `<a rel="next" href="/plans?before=sha256%3A` + strings.Repeat("ab", 32) + `">`
	if page := s.get("/plans").Body.String(); !strings.Contains(page, next) {
		t.Error(page)
	}
	if page := s.get("/plans?before=sha256%3A" + strings.Repeat("ab", 32)).Body.String(); strings.Contains(page, `rel="next"`) || !strings.Contains(page, s.plan) {
		t.Error(page)
	}
}

// A page whose time is up says what to do, in the language of the person.
func TestAPageWhoseTimeIsUp(t *testing.T) {
	s := newSite(t, newLibrary(t, 1), nil)
	s.lib.unread = fmt.Errorf("read the holds: %w", context.DeadlineExceeded)
	for language, want := range map[string]string{"en": "time limit reached before the state store answered: ask again", "zh": "到时限前状态存储没有应答"} {
		page := s.get("/holds", "Accept-Language", language)
		if text := page.Body.String(); page.Code != http.StatusServiceUnavailable || !strings.Contains(text, want) || strings.Contains(text, "deadline exceeded") {
			t.Errorf("%s: %d %s", language, page.Code, text)
		}
	}
}

// unanswered is a service whose state store gives no answer before the request ends.
type unanswered struct{ *library }

func (u unanswered) Holds(ctx context.Context, _ service.Call) ([]retention.Hold, []string, error) {
	<-ctx.Done()
	return nil, nil, ctx.Err()
}

func (u unanswered) Items(ctx context.Context, _ service.Call, _ string) (plan.Contents, iter.Seq2[review.Item, error], error) {
	<-ctx.Done()
	return plan.Contents{}, nil, ctx.Err()
}

func (u unanswered) Sweep(ctx context.Context, call service.Call, _ *trigger.Request) *report.Report {
	<-ctx.Done()
	return &report.Report{Run: call.RequestID, Status: report.Incomplete}
}

// Each request has a time limit, and so has each run and each plan that is read in the background.
func TestEachPageHasATimeLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const limit = 10 * time.Second
		runs := console.NewRuns(t.Context(), limit)
		o := optionsOf(unanswered{newLibrary(t, 1)}, runs)
		o.Timeout = limit
		s := &site{t: t, pages: console.New(o)}
		for path, want := range map[string]int{"/holds": http.StatusServiceUnavailable, "/plans/latest": http.StatusServiceUnavailable, "/plans/latest?q=x": http.StatusServiceUnavailable, "/": http.StatusOK} {
			began := time.Now()
			if w := s.get(path); w.Code != want || time.Since(began) > limit {
				t.Errorf("%s: %d after %v", path, w.Code, time.Since(began))
			}
		}
		began, at := time.Now(), s.post("/plans", nil).Header().Get("Location")
		runs.Wait()
		if took := time.Since(began); took > limit {
			t.Errorf("run %s ends after %v", at, took)
		}
	})
}

// planless is a service without a plan.
type planless struct{ *library }

func (planless) Items(context.Context, service.Call, string) (plan.Contents, iter.Seq2[review.Item, error], error) {
	return plan.Contents{}, nil, state.ErrNotFound
}

// Before the first plan the address of the latest one says what to do.
func TestThereIsNoPlanYet(t *testing.T) {
	s := &site{t: t, pages: pagesOf(t, planless{newLibrary(t, 1)}, nil)}
	for path, want := range map[string]string{"/plans/latest": "There is no plan with media yet: make one on the page of plans.", "/plans/latest/csv": "There is no plan with media yet", "/plans/00000000": "There is no plan &#34;00000000&#34;."} {
		if w := s.get(path); w.Code != http.StatusNotFound || !strings.Contains(w.Body.String(), want) {
			t.Errorf("%s: %d %s", path, w.Code, w.Body)
		}
	}
	if w := s.post("/plans/latest/apply", url.Values{"count": {"1"}}); w.Code != http.StatusNotFound || !strings.Contains(w.Body.String(), "There is no plan with media yet") {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}
