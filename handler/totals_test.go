package handler_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mediasweep/mediasweep/handler"
	"github.com/mediasweep/mediasweep/internal/emulator"
	"github.com/mediasweep/mediasweep/internal/policy"
	"github.com/mediasweep/mediasweep/internal/report"
	"github.com/mediasweep/mediasweep/internal/trigger"
)

// checkTotals runs the next timers, and holds the totals against thirty media: each is deleted or lost, and counts once.
func (s *simulation) checkTotals(what ...any) {
	s.t.Helper()
	for range 3 {
		time.Sleep(30 * time.Minute)
		s.timer(time.Hour)
	}
	stats, err := s.programs[0].f.Stats(s.t.Context(), handler.Call{}, report.ByRule, "")
	if total := stats.Total; err != nil || total.Deleted+total.Lost != 30 {
		s.t.Errorf("%v: %+v, %v", what, stats.Total, err)
	}
}

// count counts the calls of an operation; "*" is any.
func (s *simulation) count(operation string) (n int) {
	for name, calls := range s.e.Count() {
		if operation == "*" || operation == name {
			n += calls
		}
	}
	return n
}

// What a run deletes is in the totals once, wherever its time ends.
func TestRunsAreCountedWhereverTheirTimeEnds(t *testing.T) {
	for operation, step := range map[string]int{"GetObject": 1, "PutObject": 1, "*": 3} {
		for after, isReached := 0, true; isReached; after += step { // calls: from then on each is slow
			synctest.Test(t, func(t *testing.T) {
				s := newSimulation(t, 1, simulated, emulator.MPSOptions{})
				defer s.end()
				s.addOld("media-in", 30)
				s.programs = []*program{s.start(0)}
				s.e.Inject(emulator.Fault{Operation: operation, Kind: emulator.Latency, Delay: 4 * time.Second, After: after})
				s.timer(10 * time.Second)
				isReached = s.count(operation) > after
				s.e.ClearFaults()
				s.checkTotals(after, operation)
			})
		}
	}
}

// A request that was cut off and sent again deletes each medium once. The run that then finishes the first plan
// loses none of those that the second run deleted. A restore of the first does not bring them back.
func TestARequestThatIsSentAgainIsCountedOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSimulation(t, 1, simulated, emulator.MPSOptions{})
		defer s.end()
		ids := s.addOld("others", 600)
		s.programs = []*program{s.start(0)}
		payload := fmt.Appendf(nil, `{"mode":"enforce","mediaIds":["%s"]}`, strings.Join(ids, `","`))
		send := func(id string, limit time.Duration, want report.Status) report.Report {
			ctx, cancel := context.WithTimeout(t.Context(), limit)
			defer cancel()
			body, _ := s.programs[0].f.Invoke(ctx, handler.Call{RequestID: id}, payload)
			r := s.adds(body)
			if r.Status != want {
				t.Fatalf("%s: %s %s, %+v", id, r.Status, r.Error, r.Counts)
			}
			return r
		}
		first := send("first", 1500*time.Millisecond, report.Incomplete)
		second := send("second", time.Minute, report.Done)
		if r := s.timer(time.Minute); r.Status != report.Done {
			t.Errorf("%s %s", r.Status, r.Error)
		}
		stats, err := s.programs[0].f.Stats(t.Context(), handler.Call{}, report.ByRule, "")
		if total := stats.Total; err != nil || total.Deleted+total.Lost != 600 || second.Counts.Deleted == 0 {
			t.Errorf("%+v and %+v: totals %+v, %v", first.Counts, second.Counts, total, err)
		}
		r := s.programs[0].f.Sweep(t.Context(), handler.Call{}, &trigger.Request{Trigger: trigger.CLI, Restore: "first", DryRun: true})
		if r.Restore.Restored != first.Counts.Deleted+stats.Total.Lost {
			t.Errorf("%d can be restored of %d, and %d lost ones", r.Restore.Restored, first.Counts.Deleted, stats.Total.Lost)
		}
	})
}

// A person applies the plan of a run that was killed. Media that the apply deleted are not lost by the run that finishes the plan.
func TestAnApplyOfAnUnfinishedPlanIsCountedOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSimulation(t, 1, simulated, emulator.MPSOptions{})
		defer s.end()
		s.startKilled("-killed.json")
		gone := s.gone()
		time.Sleep(time.Minute) // until the lease of the killed run ends
		page, err := s.programs[0].f.Plans(t.Context(), handler.Call{}, "")
		if err != nil || len(page.Plans) != 1 {
			t.Fatalf("%+v, %v", page, err)
		}
		r := s.programs[0].f.Sweep(t.Context(), handler.Call{}, &trigger.Request{Trigger: trigger.CLI, Mode: policy.Enforce, Plan: page.Plans[0].ID})
		if r.Status != report.Done || r.Counts.Deleted != 30-gone {
			t.Errorf("%s %s, %+v, %d were gone", r.Status, r.Error, r.Counts, gone)
		}
		s.checkTotals("an apply")
	})
}

// A run that is killed once a record of its end is there is in the totals once, too.
func TestRunsThatAreKilledAtTheirEndAreCounted(t *testing.T) {
	for _, folder := range []string{"/ledger/", "/history/", "/log/timer/", "/runs/"} {
		synctest.Test(t, func(t *testing.T) {
			s := newSimulation(t, 1, simulated, emulator.MPSOptions{})
			defer s.end()
			s.startKilled(folder)
			s.checkTotals(folder)
		})
	}
}
