package handler_test

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mediasweep/mediasweep/handler"
	"github.com/mediasweep/mediasweep/internal/emulator"
	"github.com/mediasweep/mediasweep/internal/media"
	"github.com/mediasweep/mediasweep/internal/report"
)

func ossEvent(keys ...string) []byte {
	var records []string
	for _, key := range keys {
		name, _ := json.Marshal(key)
		records = append(records, fmt.Sprintf(`{"eventName":"ObjectCreated:PutObject","oss":{"bucket":{"name":"media-in"},"object":{"key":%s}}}`, name))
	}
	return fmt.Appendf(nil, `{"events":[%s]}`, strings.Join(records, ","))
}

// storm invokes the function with one event for each key, so many at a time.
func (w *world) storm(keys []string, atOnce int) []report.Report {
	w.t.Helper()
	w.requests++
	reports := make([]report.Report, len(keys))
	next := make(chan int, len(keys))
	for i := range keys {
		next <- i
	}
	close(next)
	var workers sync.WaitGroup
	for range atOnce {
		workers.Go(func() {
			for i := range next {
				body, _ := w.f.Invoke(context.Background(), handler.Call{RequestID: fmt.Sprintf("storm-%d-%d", w.requests, i)}, ossEvent(keys[i]))
				if err := json.Unmarshal(body, &reports[i]); err != nil {
					w.t.Errorf("answer %s: %v", body, err)
				}
			}
		})
	}
	workers.Wait()
	return reports
}

// Events that come together share their calls, and each has the report that it
// would have had alone.
func TestEventsAreCoalesced(t *testing.T) { onTurnedClock(t, enforcing, testEventsAreCoalesced) }

func testEventsAreCoalesced(t *testing.T, w *world) {
	var keys []string
	for i := range 60 {
		key := fmt.Sprintf("clips/event %d, 50%%.mp4", i)
		keys = append(keys, key)
		switch i % 6 {
		case 0, 1:
			w.add(key, 300)
		case 2:
			w.add(key, 300, "legal-hold")
		case 3:
			w.add(key, 10)
		case 4:
			w.e.Add(emulator.Medium{Bucket: "media-in", Key: key, CreationTime: "soon"})
		}
	}
	keys = append(keys, keys[:6]...) // delivered twice
	for i, r := range w.storm(keys, len(keys)) {
		c := r.Counts
		want := report.Counts{Looked: 1}
		switch i % 60 % 6 {
		case 0, 1:
			want.Expired, want.Deleted = 1, 1
			if i >= 60 && c.Expired == 0 { // the other delivery came before
				want.Expired, want.Deleted, want.Looked, want.ObjectsWithoutMedia = 0, 0, 0, 1
			} else if c.Gone == 1 {
				want.Deleted, want.Gone = 0, 1
			}
		case 2:
			want.Protected = 1
		case 3:
			want.Kept = 1
		case 4:
			want.Unknown = 1
		case 5:
			want.Looked, want.ObjectsWithoutMedia = 0, 1
		}
		if i < 6 && c != want { // or its second delivery came first
			want = report.Counts{ObjectsWithoutMedia: 1}
		}
		if r.Status != report.Done || c != want || r.Run != fmt.Sprintf("storm-1-%d", i) {
			t.Errorf("event %d: %s, %+v, want %+v; %+v", i, r.Status, c, want, r.Failures)
		}
	}
	calls := w.e.Count()
	if calls["QueryMediaListByURL"] > 14 || calls["DeleteMedia"] > 5 || calls["DeleteMedia"] == 0 {
		t.Errorf("calls %v for %d events", calls, len(keys))
	}
	for _, batch := range w.sent() {
		if len(batch) > 10 {
			t.Errorf("a batch of %d", len(batch))
		}
	}
	if got := len(w.deleted()); got != 20 {
		t.Errorf("%d deleted, want 20", got)
	}
	w.noViolations()
}

// Ten events at once make one call of each kind, although each of their calls to the state store takes 30 ms.
func TestEventsAreCoalescedOverASlowStore(t *testing.T) {
	turnClock(t, func(t *testing.T) {
		w := newPipedWorld(t, emulator.Config{}, enforcing, "MEDIASWEEP_STATE", "oss://ops/state/")
		w.e.Inject(emulator.Fault{Operation: "*", Kind: emulator.Latency, Delay: 30 * time.Millisecond})
		var keys []string
		for i := range 10 {
			keys = append(keys, fmt.Sprintf("clips/%d.mp4", i))
			w.add(keys[i], 300)
		}
		began := time.Now()
		for i, r := range w.storm(keys, len(keys)) {
			if r.Status != report.Done || r.Counts.Deleted != 1 {
				t.Errorf("event %d: %s, %+v", i, r.Status, r.Counts)
			}
		}
		calls := w.e.Count()
		if calls["QueryMediaListByURL"] != 1 || calls["DeleteMedia"] != 1 || calls["QueryMediaList"] != 1 {
			t.Errorf("calls %v, want one of each", calls)
		}
		if took := time.Since(began); took > 1500*time.Millisecond {
			t.Errorf("ten events took %v", took)
		}
	})
}

// An event that is delivered again and again counts, spends and sends its medium once.
func TestDuplicateEventsCountOnce(t *testing.T) {
	onTurnedClock(t, enforcing, func(t *testing.T, w *world) {
		w.setPolicy(strings.Replace(enforcing, "guard: {", "guard: {maxDelete: 5, ", 1))
		var keys []string
		for i := range 5 {
			keys = append(keys, fmt.Sprint("clips/", i))
			w.add(keys[i], 300)
		}
		deleted := 0
		for i, r := range w.storm(slices.Repeat(keys, 8), 40) {
			c := r.Counts
			deleted += c.Deleted
			if r.Status != report.Done || c.Deleted+c.Gone != c.Expired {
				t.Errorf("event %d: %s, %+v, %s", i, r.Status, c, r.Guard.Reason)
			}
		}
		if got := len(w.deleted()); deleted != 5 || got != 5 || len(slices.Concat(w.sent()...)) != 5 {
			t.Errorf("%d deletions counted, %d deleted, sent %q", deleted, got, w.sent())
		}
	})
}

// What fails for one event leaves the others of its group alone.
func TestAFailureHitsItsEventOnly(t *testing.T) {
	w := newWorld(t, emulator.Config{}, enforcing)
	var keys []string
	for i := range 10 {
		keys = append(keys, fmt.Sprint("clips/", i))
		w.add(keys[i], 300)
	}
	bad := media.Object{Bucket: "media-in", Key: keys[4]}
	w.e.SetMPS(emulator.MPSOptions{Refused: []string{bad.URL(emulator.DefaultRegion, media.SlashPlain), bad.URL(emulator.DefaultRegion, media.SlashEscaped)}})
	for i, r := range w.storm(keys, len(keys)) {
		if i == 4 {
			if r.Counts.Deleted > 0 || len(r.Failures) != 1 || r.Status != report.Partial && r.Status != report.Failed {
				t.Errorf("event %d: %s, %+v, %+v", i, r.Status, r.Counts, r.Failures)
			}
			continue
		}
		if r.Status != report.Done || r.Counts.Deleted != 1 {
			t.Errorf("event %d: %s, %+v, %+v", i, r.Status, r.Counts, r.Failures)
		}
	}
}

// A medium that no event asked for counts in the reports of those events whose
// objects it may stand for.
func TestAnUnclearMediumOfAGroup(t *testing.T) {
	w := newWorld(t, emulator.Config{}, enforcing)
	w.add("clips/a", 300)
	w.add("clips/b", 300)
	w.e.SetMPS(emulator.MPSOptions{WrongFile: "clips/b"})
	for i, r := range w.storm([]string{"clips/a", "clips/b"}, 2) {
		want := report.Counts{Looked: 1, Expired: 1, Deleted: 1}
		if i == 1 {
			want = report.Counts{Looked: 1, Unknown: 1, ObjectsWithoutMedia: 1}
		}
		if r.Counts != want {
			t.Errorf("event %d: %+v, want %+v", i, r.Counts, want)
		}
	}
}

// A guard holds for each event of a group by itself.
func TestGuardsOfAGroup(t *testing.T) {
	w := newWorld(t, emulator.Config{}, strings.Replace(enforcing, "guard: {maxPercent: 100}", "guard: {maxDelete: 1}", 1))
	for i := range 4 {
		w.add(fmt.Sprint("clips/", i), 300)
	}
	var bodies [2][]byte
	var workers sync.WaitGroup
	for i, event := range [][]byte{ossEvent("clips/0"), ossEvent("clips/1", "clips/2", "clips/3")} {
		workers.Go(func() { bodies[i], _ = w.f.Invoke(context.Background(), handler.Call{}, event) })
	}
	workers.Wait()
	for i, want := range []report.Status{report.Done, report.Blocked} {
		var r report.Report
		if err := json.Unmarshal(bodies[i], &r); err != nil || r.Status != want || r.Plan == "" {
			t.Errorf("event %d: %s, %v, %s", i, r.Status, err, r.Guard.Reason)
		}
	}
	if sent := slices.Concat(w.sent()...); len(sent) != 1 {
		t.Errorf("%d media sent, want 1", len(sent))
	}
}

// maxDelete holds for all events of a day together: a storm of small ones cannot
// pass below it, and a run of the inventory is not counted.
func TestEventsOfADayAreGuarded(t *testing.T) {
	w := newWorld(t, emulator.Config{}, strings.Replace(enforcing, "guard: {maxPercent: 100}", "guard: {maxPercent: 100, maxDelete: 30}", 1))
	clock := time.Now()
	w.now = func() time.Time { return clock }
	w.setPolicy(strings.Replace(enforcing, "guard: {maxPercent: 100}", "guard: {maxPercent: 100, maxDelete: 30}", 1))
	var keys []string
	for i := range 70 {
		keys = append(keys, fmt.Sprint("clips/", i))
		w.add(keys[i], 300)
	}
	count := func(reports []report.Report) (done, blocked int) {
		for _, r := range reports {
			if r.Status == report.Done {
				done++
			} else if r.Status == report.Blocked {
				blocked++
			}
		}
		return done, blocked
	}
	if done, blocked := count(w.storm(keys[:50], 50)); done != 30 || blocked != 20 {
		t.Errorf("%d done, %d blocked", done, blocked)
	}
	clock = clock.Add(23 * time.Hour)
	if done, blocked := count(w.storm(keys[50:51], 1)); done != 0 || blocked != 1 {
		t.Errorf("an hour before a day has gone: %d done, %d blocked", done, blocked)
	}
	clock = clock.Add(2 * time.Hour)
	if done, blocked := count(w.storm(keys[51:], 20)); done != 19 || blocked != 0 {
		t.Errorf("after a day: %d done, %d blocked", done, blocked)
	}
	if got := len(w.deleted()); got != 49 {
		t.Errorf("%d deleted, want 49", got)
	}
}

// Of requests of one ID at once one is carried out, and its report answers all. One that
// failed is carried out again, also within the second.
func TestTheSameRequestAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSimulation(t, 1, simulated, emulator.MPSOptions{})
		defer s.end()
		ids := s.addOld("media-in", 40)
		list, _ := json.Marshal(ids)
		payload := fmt.Appendf(nil, `{"mode":"enforce","mediaIds":%s}`, list)
		s.programs = []*program{s.start(0)}
		s.e.Inject(emulator.Fault{Operation: "DeleteMedia", Kind: emulator.Forbidden, Count: 1})
		if body, err := s.programs[0].f.Invoke(t.Context(), handler.Call{RequestID: "one"}, payload); err == nil {
			t.Errorf("%s", body)
		}
		s.e.Inject(emulator.Fault{Operation: "*", Kind: emulator.Latency, Delay: 10 * time.Millisecond})
		for range 4 {
			s.calls.Go(func() {
				body, err := s.programs[0].f.Invoke(t.Context(), handler.Call{RequestID: "one"}, payload)
				if r := s.adds(body); err != nil || r.Counts.Deleted != 40 {
					t.Errorf("%v, %s", err, body)
				}
			})
		}
		s.calls.Wait()
		if calls := s.e.Count()["DeleteMedia"]; calls > 8 { // of which four were denied, at most
			t.Errorf("%d deletions of 40 media", calls)
		}
	})
}

// Promise 6: the calls of an operation stay within the policy's share of the quota in every second.
// While there is work they nearly reach it.
func TestTheShareOfTheQuota(t *testing.T) {
	for _, share := range []float64{1, 0.5} {
		synctest.Test(t, func(t *testing.T) {
			s := newSimulation(t, 1, strings.Replace(simulated, "share: 1", fmt.Sprint("share: ", share), 1), emulator.MPSOptions{})
			defer s.end()
			s.addOld("media-in", 2000)
			s.programs = []*program{s.start(0)}
			if r := s.timer(time.Hour); r.Status != report.Done || r.Calls.Throttled > 0 || s.gone() != 2000 {
				t.Fatalf("%s %s, %+v, %d gone", r.Status, r.Error, r.Calls, s.gone())
			}
			times := map[string][]time.Time{}
			for _, call := range s.e.Calls() {
				times[call.Operation] = append(times[call.Operation], call.Time)
			}
			for _, op := range []string{"QueryMediaListByURL", "QueryMediaList", "DeleteMedia"} {
				most, first := 0, 0
				for i, now := range times[op] {
					for now.Sub(times[op][first]) >= time.Second {
						first++
					}
					most = max(most, i-first+1)
				}
				if limit := 100 * share; float64(most) > limit || float64(most) < 0.9*limit {
					t.Errorf("%s: %d calls in a second, the share is %g", op, most, limit)
				}
			}
		})
	}
}
