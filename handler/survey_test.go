package handler_test

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

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

// A group may have media that only a list of the inventory names.
func TestExplainAgreesAboutGroupsOfLists(t *testing.T) {
	for name, write := range map[string]func(w *world, ids, keys []string) (manifest string){
		"IDs": func(w *world, ids, _ []string) string {
			w.e.PutObject("ops", "list.csv", []byte("mediaId\n"+strings.Join(ids, "\n")+"\n"), time.Now())
			return "list.csv"
		},
		"a report": func(w *world, _, keys []string) string { return w.inventoryReport("inv", keys, 2) },
	} {
		for _, per := range []string{"folder", "tag:show:"} {
			t.Run(name+" per "+per, func(t *testing.T) {
				w := newWorld(t, emulator.Config{}, enforcing)
				var ids, keys []string
				for i := range 6 {
					m := w.add(fmt.Sprintf("series/%d/%d", i%2, i), 100+i, fmt.Sprint("show:", i%2))
					ids, keys = append(ids, m.ID), append(keys, m.Key)
				}
				w.setPolicy(strings.Replace(withInventory("{manifest: oss://ops/"+write(w, ids, keys)+"}"), "  - {name: everything-else",
					`  - {name: series, match: {object: ["oss://media-in/series/**"]}, after: 90d, keepLatest: {count: 2, per: "`+per+"\"}}\n  - {name: everything-else", 1))
				var says []string
				for _, id := range ids {
					if w.explain(&trigger.Request{MediaIDs: []string{id}}).Verdict == retention.Expired {
						says = append(says, id)
					}
				}
				w.mustInvoke(everything, report.Done)
				slices.Sort(says)
				if gone := w.deleted(); !slices.Equal(gone, says) || len(gone) != 2 {
					t.Errorf("explained as expired: %q, deleted: %q", says, gone)
				}
			})
		}
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
	if e := w.explain(&trigger.Request{Objects: []media.Object{{Bucket: "media-in", Key: "nothing"}}}); e.Verdict != retention.Absent || e.MediaID != "" || e.Object != "oss://media-in/nothing" {
		t.Errorf("an object without a medium: %+v", e)
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

// A sweep deletes the media that a forecast shows as overdue. A diff shows them between a
// policy that deletes them and one that does not.
func TestForecastAndDiffAgreeWithTheSweep(t *testing.T) {
	turnClock(t, testForecastAndDiffAgreeWithTheSweep)
}

func testForecastAndDiffAgreeWithTheSweep(t *testing.T) {
	w := newPipedWorld(t, emulator.Config{Media: 400, Seed: 5}, enforcing)
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

// A forecast and a diff count each medium once, and leave out one that a row contradicts, as the sweep does.
func TestForecastAndDiffAgreeAboutLists(t *testing.T) {
	rules := strings.Replace(enforcing, "{bucket: oss://media-in/}", "{bucket: oss://media-in/}, {manifest: oss://ops/list.csv}", 1)
	w := newWorld(t, emulator.Config{}, rules)
	var listed []emulator.Medium
	for i := range 4 {
		m := w.add(fmt.Sprint("clips/", i), 300)
		w.e.PutObject("media-in", m.Key, nil, time.Now())
		listed = append(listed, m)
	}
	rows := fmt.Sprintf("mediaId,object\n%s,\n%s,oss://media-in/%s\n%s,oss://media-in/%s\n", listed[0].ID, listed[1].ID, listed[1].Key, listed[2].ID, listed[3].Key)
	w.e.PutObject("ops", "list.csv", []byte(rows), time.Now())
	never, err := policy.Parse("p", []byte(strings.Replace(rules, "after: 180d", "after: 50y", 1)))
	if err != nil {
		t.Fatal(err)
	}
	forecast, _ := w.f.Forecast(t.Context(), handler.Call{}, trigger.CLI, 30)
	diff, _ := w.f.Diff(t.Context(), handler.Call{}, never, func(retention.Difference) {})
	swept := w.mustInvoke(timer(`{"mode":"dry-run"}`), report.Partial)
	newlyKept := 0
	for _, group := range diff.Changes {
		newlyKept += group.Media
	}
	if want := swept.Counts.Expired; want != 3 || swept.Counts.Unknown != 1 || forecast.Overdue.Media != want || newlyKept != want || diff.Media != want {
		t.Errorf("the sweep counts %+v, the forecast %d, the diff %d of %d", swept.Counts, forecast.Overdue.Media, newlyKept, diff.Media)
	}
}

// A diff looks at the rows of a report that a rule of either policy takes.
func TestADiffOfReports(t *testing.T) {
	w := newWorld(t, emulator.Config{}, enforcing)
	w.add("clips/old", 300)
	wide := withInventory("{manifest: oss://ops/" + w.inventoryReport("inv", []string{"clips/old"}, 1) + "}")
	next, err := policy.Parse("p", []byte(wide))
	if err != nil {
		t.Fatal(err)
	}
	w.setPolicy(strings.Replace(wide, "  - {name: everything-else, after: 180d}\n", "", 1))
	diff, r := w.f.Diff(t.Context(), handler.Call{}, next, func(retention.Difference) {})
	w.setPolicy(wide)
	swept := w.mustInvoke(everything, report.Done)
	if r.Status != report.Done || diff.Media != 1 || len(diff.Changes) != 1 || diff.Changes[0].Kind != retention.NewlyDeleted || diff.Changes[0].Media != swept.Counts.Deleted || swept.Counts.Deleted != 1 {
		t.Errorf("%s %s, %+v, the sweep counts %+v", r.Status, r.Error, diff, swept.Counts)
	}
}

// A diff knows which media only one of two inventories with lists names.
func TestADiffOfInventoriesWithLists(t *testing.T) {
	w := newWorld(t, emulator.Config{}, enforcing)
	below, listed, both := w.add("clips/below", 300), w.add("others/listed", 300), w.add("clips/both", 300)
	w.e.PutObject("ops", "list.csv", []byte("mediaId\n"+listed.ID+"\n"+both.ID+"\n"), time.Now())
	ofList := withInventory("{manifest: oss://ops/list.csv}")
	next, err := policy.Parse("p", []byte(ofList))
	if err != nil {
		t.Fatal(err)
	}
	w.setPolicy(withInventory("{bucket: oss://media-in/clips/}"))
	kinds := map[string]retention.Kind{}
	if _, r := w.f.Diff(t.Context(), handler.Call{}, next, func(d retention.Difference) { kinds[d.MediaID] = d.Kind }); r.Status != report.Done {
		t.Fatal(r.Status, r.Error)
	}
	want := map[string]retention.Kind{below.ID: retention.NewlyKept, listed.ID: retention.NewlyDeleted}
	if diff := cmp.Diff(want, kinds); diff != "" {
		t.Errorf("differences (-want +got):\n%s", diff)
	}
	w.setPolicy(ofList)
	if w.mustInvoke(everything, report.Done); !slices.Equal(w.deleted(), slices.Sorted(slices.Values([]string{listed.ID, both.ID}))) {
		t.Errorf("a sweep of the list deletes %q", w.deleted())
	}
}

// An apply looks once at a medium of a group that a prefix and a list name: two answers may have its record in another order, and
// it would outrank no other.
func TestAnApplyOfAGroupThatIsNamedTwice(t *testing.T) {
	rules := strings.NewReplacer("{bucket: oss://media-in/}", "{bucket: oss://media-in/}, {manifest: oss://ops/list.csv}",
		"{name: everything-else, after: 180d}", "{name: series, after: 90d, keepLatest: {count: 2, per: folder}}").Replace(enforcing)
	w := newWorld(t, emulator.Config{MPS: emulator.MPSOptions{Shuffled: true}}, rules)
	rows := "mediaId\n"
	for i := range 6 {
		rows += w.add(fmt.Sprint("series/", i), 10+100*i).ID + "\n"
	}
	w.e.PutObject("ops", "list.csv", []byte(rows), time.Now())
	planned := w.mustInvoke(timer(`{"mode":"dry-run"}`), report.Done)
	applied := w.mustInvoke(`{"mode":"enforce","plan":"`+planned.Plan+`"}`, report.Done)
	if planned.Counts.Expired != 4 || applied.Counts.Deleted != 4 {
		t.Errorf("planned %+v, applied %+v", planned.Counts, applied.Counts)
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
	if _, r := w.f.Diff(context.Background(), handler.Call{}, &policy.Policy{}, func(retention.Difference) {}); !r.Refused {
		t.Errorf("with a broken policy: %s, %q", r.Status, r.Error)
	}
}

// foretold is a policy with all that a forecast must follow: groups, dates in tags,
// and a zone whose clocks skip a midnight in October 2000.
const foretold = `
version: 1
mode: enforce
timezone: America/Santiago
inventory: [{bucket: oss://media-in/}]
protect:
  - {name: hold, match: {tags: [legal-hold]}}
  - {name: promised, until: {tag: "keep-until:"}}
expire:
  - {name: dated, at: {tag: "expire:"}}
  - {name: series, match: {object: ["oss://media-in/series/**"]}, after: 5d, keepLatest: {count: 2, per: folder}}
  - {name: rest, after: 10d}
guard: {maxPercent: 100, maxDelete: 100000}
pace: {share: 1}
`

// What a forecast says of each day a sweep at its end does, and so does what explain says
// of each medium: also of media that are dated ahead, that were restored, and that have
// tags which name no day.
func TestForecastsAgreeWithTheSweepsOfLaterDays(t *testing.T) {
	const days = 45
	seeds := uint64(2)
	if testing.Short() {
		seeds = 1
	}
	for seed := range seeds {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := newSimulation(t, 1, foretold, emulator.MPSOptions{})
				defer s.end()
				rng := rand.New(rand.NewPCG(seed, 1))
				time.Sleep(time.Until(time.Date(2026, 9, 20, 12, 0, 0, 0, time.UTC)))
				for i := range 60 {
					m := emulator.Medium{Bucket: "media-in", Key: fmt.Sprintf("%s/%d", pick(rng, "clips", "series/a", "series/b"), i), PublishState: pick(rng, "Published", "Initiated"),
						CreationTime: time.Now().Add(time.Duration(rng.IntN(60*24)-30*24) * time.Hour).UTC().Format("2006-01-02T15:04:05Z")}
					date := time.Now().AddDate(0, 0, rng.IntN(50)-10).Format(time.DateOnly)
					switch rng.IntN(10) {
					case 0:
						m.Tags = []string{"keep-until:" + pick(rng, date, date, "soon", "2026-02-31")}
					case 1:
						m.Tags = []string{"expire:" + pick(rng, date, date, "soon", "")}
					case 2:
						m.Tags = []string{"legal-hold"}
					}
					s.e.Add(m)
					s.e.PutObject("media-in", m.Key, nil, time.Now())
				}
				s.programs = []*program{s.start(0)}
				f := s.programs[0].f
				before, _ := f.Forecast(t.Context(), handler.Call{}, trigger.CLI, days)
				swept := s.timer(time.Minute)
				sameDue(t, "the first sweep", swept, before.Days)
				undone := f.Sweep(t.Context(), handler.Call{}, &trigger.Request{Trigger: trigger.CLI, Restore: swept.Run})
				if swept.Counts.Deleted == 0 || undone.Status != report.Done {
					t.Fatalf("%s %s, %+v, restore: %s %s", swept.Status, swept.Error, swept.Counts, undone.Status, undone.Error)
				}
				forecast, looked := f.Forecast(t.Context(), handler.Call{}, trigger.CLI, days)
				if looked.Status != report.Done {
					t.Fatal(looked.Status, looked.Error)
				}
				due := map[string]time.Time{}
				for _, m := range s.e.Media() {
					if !m.Deleted {
						list, _ := f.Explain(t.Context(), handler.Call{}, &trigger.Request{Trigger: trigger.CLI, MediaIDs: []string{m.ID}})
						due[m.ID] = list[0].DueAt
					}
				}
				sum, gone := forecast.Overdue.Media, s.gone()
				for i, day := range forecast.Days {
					sum += day.Media
					end, err := time.ParseInLocation(time.DateTime, day.Date+" 23:59:59", s.policy.Timezone)
					if err != nil {
						t.Fatal(err)
					}
					time.Sleep(time.Until(end))
					r := s.timer(time.Minute)
					sameDue(t, "the sweep of "+day.Date, r, forecast.Days[i+1:])
					if r.Status != report.Done || s.gone()-gone != sum {
						t.Errorf("%s: %d media due by then, %d deleted (%s %s)", day.Date, sum, s.gone()-gone, r.Status, r.Error)
					}
					for _, m := range s.e.Media() {
						at, known := due[m.ID]
						if want := known && !at.IsZero() && !at.After(end); known && m.Deleted != want {
							t.Errorf("%s: %s %v %s, due at %v, deleted is %v", day.Date, m.Key, m.Tags, m.CreationTime, at, m.Deleted)
						}
					}
				}
				if sum < 15 {
					t.Errorf("only %d media fall due", sum)
				}
			})
		})
	}
}

// sameDue holds what a sweep says of the coming days against the days of a forecast.
func sameDue(t *testing.T, sweep string, r report.Report, days []retention.Day) {
	t.Helper()
	media := map[string]int{}
	for _, on := range r.Due {
		media[on.Day] += on.Media
	}
	for _, on := range r.Announced {
		media[on.Day] += on.Media
	}
	for _, day := range days {
		if media[day.Date] != day.Media || r.Due == nil {
			t.Errorf("%s: %d media are due on %s, by the forecast %d", sweep, media[day.Date], day.Date, day.Media)
		}
	}
}

// Ten forecasts at once, one after another, hardly slow a sweep down, and are answered.
func TestForecastsGiveWayToASweep(t *testing.T) {
	const media = 1000
	synctest.Test(t, func(t *testing.T) {
		took := func(forecasts int) time.Duration {
			s := newSimulation(t, 1, strings.Replace(simulated, "share: 1", "share: 0.2", 1), emulator.MPSOptions{})
			defer s.end()
			s.addOld("media-in", media)
			s.programs = []*program{s.start(0)}
			answers := make(chan report.Status, forecasts)
			for range forecasts {
				s.calls.Go(func() {
					_, r := s.programs[0].f.Forecast(t.Context(), handler.Call{}, trigger.HTTP, 30)
					answers <- r.Status
				})
			}
			began := time.Now()
			body, _ := s.programs[0].f.Invoke(t.Context(), handler.Call{}, []byte(timer(`{"mode":"dry-run"}`)))
			took := time.Since(began)
			if r := s.adds(body); r.Status != report.Done {
				t.Fatalf("%s %s", r.Status, r.Error)
			}
			for range forecasts {
				if status := <-answers; status != report.Done {
					t.Errorf("a forecast is %s", status)
				}
			}
			return took
		}
		if alone, beside := took(0), took(10); beside > alone*110/100 {
			t.Errorf("a sweep takes %v alone, and %v beside ten forecasts", alone, beside)
		}
	})
}

// What is not the whole of a forecast has another status than a whole one has.
func TestHTTPStatusesOfSurveys(t *testing.T) { turnClock(t, testHTTPStatusesOfSurveys) }

func testHTTPStatusesOfSurveys(t *testing.T) {
	w := newPipedWorld(t, emulator.Config{}, strings.Replace(enforcing, "[{bucket: oss://media-in/}]", "[{bucket: oss://media-in/}, {manifest: oss://ops/list.csv}]", 1), "MEDIASWEEP_HTTP_AUTH", "function")
	for i := range 40 {
		w.add(fmt.Sprint("clips/", i), 300)
	}
	ask := func(limit time.Duration, target string) (int, report.Forecast) {
		ctx, cancel := context.WithTimeout(t.Context(), limit)
		defer cancel()
		recorder := httptest.NewRecorder()
		w.f.ServeHTTP(recorder, httptest.NewRequest(http.MethodGet, target, nil).WithContext(ctx))
		var body report.Forecast
		if err := json.Unmarshal(recorder.Body.Bytes(), &body); err != nil {
			t.Fatalf("%s: %v", recorder.Body, err)
		}
		return recorder.Code, body
	}
	w.e.PutObject("ops", "list.csv", []byte("mediaId\nsome\n"), time.Now())
	if status, body := ask(time.Minute, "/v1/forecast"); status != http.StatusOK || body.Status != report.Done || body.Overdue.Media != 40 {
		t.Errorf("whole: %d, %+v", status, body)
	}
	w.e.PutObject("ops", "list.csv", []byte("mediaId\n\"a,b\"\n"), time.Now())
	if status, body := ask(time.Minute, "/v1/forecast"); status != http.StatusPartialContent || body.Status != report.Partial || len(body.Failures) == 0 || body.Overdue.Media != 40 {
		t.Errorf("partial: %d, %+v", status, body)
	}
	w.e.Inject(emulator.Fault{Operation: "QueryMediaListByURL", Kind: emulator.Hang, After: 1})
	if status, body := ask(time.Second, "/v1/forecast"); status != http.StatusServiceUnavailable || body.Status != report.Incomplete || len(body.Days) > 0 {
		t.Errorf("cut off: %d, %+v", status, body)
	}
	slow, end := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		w.f.Forecast(slow, handler.Call{}, trigger.HTTP, 30)
	}()
	for before := w.e.Count()["QueryMediaListByURL"]; w.e.Count()["QueryMediaListByURL"] == before; {
		time.Sleep(time.Millisecond)
	}
	if status, body := ask(300*time.Millisecond, "/v1/forecast"); status != http.StatusServiceUnavailable || !strings.Contains(body.Error, "try again") {
		t.Errorf("beside another: %d, %+v", status, body)
	}
	end()
	<-ended
	w.e.ClearFaults()
	w.e.Inject(emulator.Fault{Operation: "*", Kind: emulator.Forbidden})
	if status, body := ask(time.Minute, "/v1/forecast"); status != http.StatusBadGateway || body.Status != report.Failed {
		t.Errorf("denied: %d, %+v", status, body)
	}
	for _, days := range []string{"030", "+5", "0x10", "1e1", "99999999999999999999", "-1"} {
		if status, _ := ask(time.Minute, "/v1/forecast?days="+days); status != http.StatusBadRequest {
			t.Errorf("days=%s: %d", days, status)
		}
	}
}

// An explanation of one of a group that could not be looked at to its end is a part.
func TestExplanationsOfAPart(t *testing.T) { turnClock(t, testExplanationsOfAPart) }

func testExplanationsOfAPart(t *testing.T) {
	w := newPipedWorld(t, emulator.Config{}, strings.Replace(enforcing, "  - {name: everything-else",
		"  - {name: series, match: {object: [\"oss://media-in/series/**\"]}, after: 90d, keepLatest: {count: 2, per: folder}}\n  - {name: everything-else", 1), "MEDIASWEEP_HTTP_AUTH", "function")
	var id string
	for i := range 30 {
		id = w.add(fmt.Sprint("series/a/", i), 100+i).ID
	}
	w.e.Inject(emulator.Fault{Operation: "QueryMediaListByURL", Kind: emulator.Hang, After: 1})
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	recorder := httptest.NewRecorder()
	w.f.ServeHTTP(recorder, httptest.NewRequest(http.MethodGet, "/v1/media/"+id+"/explain", nil).WithContext(ctx))
	if recorder.Code != http.StatusServiceUnavailable || !strings.Contains(recorder.Body.String(), "not all of its group") {
		t.Errorf("%d, %s", recorder.Code, recorder.Body)
	}
}

// A call that judges as of another time is recorded at its own.
func TestAsOfIsNotWhenARunStarted(t *testing.T) {
	w := newWorld(t, emulator.Config{Media: 50}, dryRun)
	ahead := time.Now().AddDate(1, 0, 0).UTC().Truncate(time.Second)
	env := w.env
	f := handler.New(handler.Options{Getenv: func(name string) string { return env[name] }, Log: &w.log, AsOf: ahead})
	for name, fault := range map[string]emulator.Fault{"that goes well": {Operation: "none", Kind: emulator.Forbidden}, "that is denied": {Operation: "QueryMediaListByURL", Kind: emulator.Forbidden}} {
		w.e.Inject(fault)
		began := time.Now().Add(-time.Second)
		f.Sweep(t.Context(), handler.Call{RequestID: name}, &trigger.Request{Trigger: trigger.CLI, Inventory: true})
		r, err := f.Run(t.Context(), handler.Call{}, name)
		if err != nil {
			t.Fatal(err)
		}
		if !r.AsOf.Equal(ahead) || r.StartedAt.Before(began) || r.FinishedAt.After(time.Now().Add(time.Second)) {
			t.Errorf("a run %s: as of %v, started %v, finished %v", name, r.AsOf, r.StartedAt, r.FinishedAt)
		}
		w.e.ClearFaults()
	}
}

// After a sweep and a restore what is restored is due when its hold ends.
func TestExplainOfWhatWasRestored(t *testing.T) {
	w := newWorld(t, emulator.Config{}, strings.Replace(enforcing, "after: 180d", "after: 7d", 1))
	w.add("clips/a", 300)
	w.e.PutObject("media-in", "clips/a", nil, time.Now())
	done := w.restore(w.mustInvoke(everything, report.Done).Run)
	e := w.explain(&trigger.Request{MediaIDs: []string{done.Restore.Media[0].NewID}})
	if days := time.Until(e.DueAt).Hours() / 24; days < 29.9 || days > 30.1 || !strings.Contains(e.Reason, "it was restored, and is kept until "+e.DueAt.Format(time.RFC3339)) {
		t.Errorf("due in %.1f days: %s", days, e.Reason)
	}
	forecast, _ := w.f.Forecast(t.Context(), handler.Call{}, trigger.CLI, 32)
	var due []string
	for _, day := range forecast.Days {
		if day.Media > 0 {
			due = append(due, day.Date)
		}
	}
	if diff := cmp.Diff([]string{e.DueAt.UTC().Format(time.DateOnly)}, due); diff != "" {
		t.Errorf("days (-want +got):\n%s", diff)
	}
}

// Times of answers are whole seconds, but for those of a run itself: they order the list of runs.
func TestTimesAreWholeSeconds(t *testing.T) {
	w := newWorld(t, emulator.Config{}, strings.Replace(enforcing, "after: 180d", "after: 7d", 1)+"notice: 1d\n", "MEDIASWEEP_HTTP_AUTH", "function")
	offset := 123456789 * time.Nanosecond
	w.now = func() time.Time { return time.Now().Truncate(time.Second).Add(offset) }
	w.deploy()
	for i := range 3 {
		m := w.add(fmt.Sprint("clips/", i), 300)
		w.e.PutObject("media-in", m.Key, nil, time.Now())
	}
	w.mustInvoke(everything, report.Done)
	offset += 48 * time.Hour
	run := w.mustInvoke(everything, report.Done).Run
	restored := w.restore(run).Restore.Media[0]
	w.add("clips/new", 5)
	w.mustInvoke(everything, report.Done)
	answers := map[string]string{}
	for _, target := range []string{"POST /v1/holds", "GET /v1/holds", "GET /v1/runs", "GET /v1/runs/" + run, "GET /v1/plans", "GET /v1/plans/latest", "GET /v1/forecast?days=60",
		"GET /v1/media/" + restored.NewID + "/explain", "GET /v1/media/" + restored.MediaID + "/explain", "GET /v1/media/" + restored.MediaID + "/history", "POST /v1/plans", "DELETE /v1/holds/1"} {
		method, path, _ := strings.Cut(target, " ")
		body := map[string]string{"POST /v1/holds": `{"target":"oss://media-in/clips/0","reason":"a test","until":"2999-01-31"}`, "POST /v1/plans": `{"inventory":true}`}[target]
		status, answer := w.ask(method, path, body)
		if status >= 300 {
			t.Errorf("%s: %d %s", target, status, answer)
		}
		answers[target] = answer
	}
	ofRuns := regexp.MustCompile(`"(startedAt|finishedAt)":"[^"]*"`)
	for target, answer := range answers {
		if found := regexp.MustCompile(`.{0,40}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]+`).FindString(ofRuns.ReplaceAllString(answer, "")); found != "" {
			t.Errorf("%s: %s", target, found)
		}
	}
}
