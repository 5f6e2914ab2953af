package handler_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/mediasweep/mediasweep/handler"
	"github.com/mediasweep/mediasweep/internal/emulator"
	"github.com/mediasweep/mediasweep/internal/report"
)

// checkTotals runs the next timers, and holds the totals against thirty media. Those of which no outcome could be recorded
// count as lost too.
func (s *simulation) checkTotals(what ...any) {
	s.t.Helper()
	for range 3 {
		time.Sleep(30 * time.Minute)
		s.timer(time.Hour)
	}
	stats, err := s.programs[0].f.Stats(s.t.Context(), handler.Call{}, report.ByRule, "")
	if total := stats.Total; err != nil || total.Deleted+total.Lost < 30 || max(total.Deleted, total.Lost) > 30 {
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
