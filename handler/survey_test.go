package handler_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/mediasweep/mediasweep/handler"
	"github.com/mediasweep/mediasweep/internal/emulator"
	"github.com/mediasweep/mediasweep/internal/media"
	"github.com/mediasweep/mediasweep/internal/policy"
	"github.com/mediasweep/mediasweep/internal/report"
	"github.com/mediasweep/mediasweep/internal/retention"
	"github.com/mediasweep/mediasweep/internal/trigger"
)

func (w *world) explain(request *trigger.Request) *retention.Explanation {
	w.t.Helper()
	request.Trigger = trigger.CLI
	list, r := w.f.Explain(context.Background(), handler.Call{}, request)
	if len(list) != 1 || r.Status != report.Done {
		w.t.Fatalf("%d explanations, %s: %s", len(list), r.Status, r.Error)
	}
	return list[0]
}

// add puts a medium of some age into the library.
func (w *world) add(key string, days int, tags ...string) emulator.Medium {
	return w.e.Add(emulator.Medium{Bucket: "media-in", Key: key, PublishState: "Published", Tags: tags,
		CreationTime: time.Now().UTC().AddDate(0, 0, -days).Format("2006-01-02T15:04:05Z")})
}

// An explanation says what a sweep of the inventory then does, medium by medium,
// also where that depends on the others of a group.
func TestExplainAgreesWithTheSweep(t *testing.T) {
	for _, per := range []string{"folder", "category", "tag:show:"} {
		t.Run(per, func(t *testing.T) {
			w := newWorld(t, emulator.Config{}, strings.Replace(enforcing, "  - {name: everything-else",
				`  - {name: series, match: {object: ["oss://media-in/series/**"]}, after: 90d, keepLatest: {count: 2, per: "`+per+"\"}}\n  - {name: everything-else", 1))
			for i, days := range []int{10, 100, 110, 110, 120, 130} {
				w.add(fmt.Sprint("series/a/", i), days, "show:a")
				w.add(fmt.Sprint("series/b/deep/", i), days+20, "show:b")
			}
			w.add("series/a/held", 95, "legal-hold", "show:a")
			w.add("clips/old", 300)
			w.add("drafts/young", 3)
			library := w.e.Media()
			says := map[string]retention.Verdict{}
			for _, m := range library {
				says[m.ID] = w.explain(&trigger.Request{MediaIDs: []string{m.ID}}).Verdict
			}
			w.mustInvoke(everything, report.Done)
			gone := w.deleted()
			for _, m := range library {
				if want := says[m.ID] == retention.Expired; slices.Contains(gone, m.ID) != want {
					t.Errorf("%s: explained as %v, deleted is %v", m.Key, says[m.ID], !want)
				}
			}
			if len(gone) < 4 {
				t.Errorf("only %d media deleted", len(gone))
			}
		})
	}
}

func TestExplain(t *testing.T) {
	w := newWorld(t, emulator.Config{}, enforcing)
	m := w.add("clips/a, b.mp4", 300)
	elsewhere := w.e.Add(emulator.Medium{Bucket: "media-out", Key: "x/y.mp4", CreationTime: "2020-01-01T00:00:00Z"})
	if e := w.explain(&trigger.Request{Objects: []media.Object{{Bucket: "media-in", Key: "clips/a, b.mp4"}}}); e.MediaID != m.ID || e.Verdict != retention.Expired {
		t.Errorf("by its object: %+v", e)
	}
	if e := w.explain(&trigger.Request{MediaIDs: []string{"nobody"}}); e.Verdict != retention.Absent {
		t.Errorf("an unknown ID: %+v", e)
	}
	if e := w.explain(&trigger.Request{MediaIDs: []string{elsewhere.ID}}); len(e.Notes) != 1 || !strings.Contains(e.Notes[0], "inventory") {
		t.Errorf("outside the inventory: %+v", e)
	}
	w.noViolations()
	for _, call := range w.e.Calls() {
		if call.Operation == "DeleteMedia" {
			t.Error("an explanation deletes")
		}
	}
}

// A forecast's overdue media are those that a sweep takes, and a policy that would
// delete them is not like one that would not.
func TestForecastAndDiffAgreeWithTheSweep(t *testing.T) {
	w := newWorld(t, emulator.Config{Media: 400, Seed: 5}, enforcing)
	forecast, r := w.f.Forecast(context.Background(), handler.Call{}, trigger.CLI, 400)
	if r.Status != report.Done || forecast.Total.Media+forecast.Later+forecast.Never+r.Counts.Absent+r.Counts.Unknown < 380 || forecast.Total.Bytes == 0 {
		t.Errorf("%s, forecast %+v", r.Status, forecast)
	}
	milder, err := policy.Parse("p", []byte(strings.Replace(enforcing, "after: 180d", "after: 50y", 1)))
	if err != nil {
		t.Fatal(err)
	}
	listed := 0
	diff, r := w.f.Diff(context.Background(), handler.Call{}, milder, func(retention.Difference) { listed++ })
	if r.Status != report.Done {
		t.Fatal(r.Error)
	}
	kept := 0
	for _, group := range diff.Changes {
		if group.Kind == retention.NewlyKept && group.OldRule == "everything-else" {
			kept = group.Media
		}
	}
	swept := w.mustInvoke(everything, report.Done)
	if forecast.Overdue.Media != swept.Counts.Deleted || swept.Counts.Deleted == 0 {
		t.Errorf("%d overdue, %d deleted", forecast.Overdue.Media, swept.Counts.Deleted)
	}
	if rule := swept.Rules[len(swept.Rules)-1]; rule.Deleted != kept || listed+diff.Unchanged != diff.Media {
		t.Errorf("%d newly kept, the sweep deletes %d by %s; %d listed, %d unchanged of %d", kept, rule.Deleted, rule.Name, listed, diff.Unchanged, diff.Media)
	}
}

// What cannot be looked at is said, and nothing is foretold without a ground.
func TestSurveysThatFail(t *testing.T) {
	w := newWorld(t, emulator.Config{Media: 50}, enforcing)
	w.e.Inject(emulator.Fault{Operation: "*", Kind: emulator.Forbidden})
	if _, r := w.f.Forecast(context.Background(), handler.Call{}, trigger.CLI, 30); r.Status != report.Failed || r.Error == "" {
		t.Errorf("%s: %q", r.Status, r.Error)
	}
	if _, r := w.f.Explain(context.Background(), handler.Call{}, &trigger.Request{MediaIDs: []string{"a"}}); r.Status != report.Failed {
		t.Errorf("%s: %q", r.Status, r.Error)
	}
	if _, r := w.f.Forecast(context.Background(), handler.Call{}, trigger.CLI, 0); !r.Refused {
		t.Errorf("0 days: %s", r.Status)
	}
	w.setPolicy("version: 1\nexpire: [{name: all, after: 1d}]\n")
	if _, r := w.f.Forecast(context.Background(), handler.Call{}, trigger.CLI, 30); !r.Refused || !strings.Contains(r.Error, "inventory") {
		t.Errorf("without an inventory: %s, %q", r.Status, r.Error)
	}
	w.setPolicy("version: 2\n")
	if _, r := w.f.Diff(context.Background(), handler.Call{}, &policy.Policy{}, nil); !r.Refused {
		t.Errorf("with a broken policy: %s, %q", r.Status, r.Error)
	}
}
