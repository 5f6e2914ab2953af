package handler_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mediasweep/mediasweep/handler"
	"github.com/mediasweep/mediasweep/internal/emulator"
	"github.com/mediasweep/mediasweep/internal/journal"
	"github.com/mediasweep/mediasweep/internal/report"
	"github.com/mediasweep/mediasweep/internal/trigger"
)

// A store that takes no more records from any write on stops a run before it deletes
// what has no record, and loses nothing: the next run does what is left.
func TestAStoreThatTakesNoMoreRecords(t *testing.T) {
	for _, kind := range []emulator.FaultKind{emulator.Forbidden, emulator.Unavailable, emulator.Conflict, emulator.Hang, emulator.HangAfter, emulator.Empty, emulator.DropAfter} {
		t.Run(string(kind), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				failed := 0
				for write := range 10 {
					s := newSimulation(t, uint64(write), simulated, emulator.MPSOptions{})
					due := s.library(30)
					s.programs = []*program{s.start(0)}
					s.e.Inject(emulator.Fault{Operation: "PutObject", Kind: kind, After: write})
					r := s.timer(time.Minute)
					if r.Status != report.Done {
						failed++
					}
					if r.Status == report.Failed && s.e.Count()["DeleteMedia"] > 0 {
						t.Errorf("from write %d on: failed (%s), and %d deleted", write, r.Error, s.gone())
					}
					s.hold(due)
					s.e.ClearFaults()
					s.settle(due)
					s.hold(due)
					s.end()
				}
				if kind != emulator.DropAfter && failed < 4 { // what is only lost is found to be there
					t.Errorf("%d runs met the fault", failed)
				}
			})
		})
	}
}

// What a request over given media leaves when its time is up, the next scheduled run
// finishes, whatever its inventory names.
func TestWhatARequestLeavesIsFinished(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSimulation(t, 1, simulated, emulator.MPSOptions{})
		defer s.end()
		ids := s.addOld("others", 600)
		s.programs = []*program{s.start(0)}
		list, _ := json.Marshal(ids)
		ctx, cancel := context.WithTimeout(t.Context(), 1500*time.Millisecond)
		defer cancel()
		body, _ := s.programs[0].f.Invoke(ctx, handler.Call{RequestID: "ids"}, fmt.Appendf(nil, `{"mode":"enforce","mediaIds":%s}`, list))
		if r := s.adds(body); r.Status != report.Incomplete || s.gone() == 0 || s.gone() == len(ids) {
			t.Fatalf("%s %s, %d gone", r.Status, r.Error, s.gone())
		}
		if r := s.timer(time.Minute); r.Status != report.Done || s.gone() != len(ids) {
			t.Errorf("%s %s, %d gone", r.Status, r.Error, s.gone())
		}
	})
}

// A call that finishes a plan has done something: it has not failed, however little time
// that leaves for its sweep, and its answer comes in time.
func TestACallThatFinishesAPlanHasNotFailed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSimulation(t, 1, simulated, emulator.MPSOptions{})
		defer s.end()
		s.addOld("media-in", 10)
		s.programs = []*program{s.start(0)}
		s.e.Inject(emulator.Fault{Operation: "DeleteMedia", Kind: emulator.HangAfter})
		if r := s.timer(2 * time.Second); r.Status != report.Incomplete || s.gone() != 10 {
			t.Fatalf("%s %s, %d gone", r.Status, r.Error, s.gone())
		}
		s.e.ClearFaults()
		for _, operation := range []string{"DeleteMedia", "QueryMediaList", "QueryMediaListByURL"} {
			s.e.Inject(emulator.Fault{Operation: operation, Kind: emulator.Latency, Delay: time.Second})
		}
		time.Sleep(time.Minute)
		began := time.Now()
		if r := s.timer(2 * time.Second); r.Status != report.Incomplete || !strings.Contains(r.Error, "finished") {
			t.Errorf("%s %s", r.Status, r.Error)
		}
		if took := time.Since(began); took > 1950*time.Millisecond {
			t.Errorf("an answer after %v", took)
		}
	})
}

// Media that nobody could look at after their deletion was sent, and that did not go, are
// sent again by the next run: only a library that shows them after it took the deletion
// has them left alone.
func TestWhatCouldNotBeReadBackIsTriedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSimulation(t, 1, simulated, emulator.MPSOptions{})
		defer s.end()
		s.addOld("media-in", 30)
		s.programs = []*program{s.start(0)}
		s.e.Inject(emulator.Fault{Operation: "DeleteMedia", Kind: emulator.DropBefore, Count: 1}, emulator.Fault{Operation: "QueryMediaList", Kind: emulator.Unavailable})
		if r := s.timer(10 * time.Minute); r.Status != report.Partial || r.Counts.Unverified != 30 || s.gone() != 20 {
			t.Fatalf("%s %s, %+v, %d gone", r.Status, r.Error, r.Counts, s.gone())
		}
		s.e.ClearFaults()
		if r := s.timer(time.Minute); r.Status != report.Done || r.Counts.Deleted != 10 || s.gone() != 30 {
			t.Errorf("%s %s, %+v, %d gone", r.Status, r.Error, r.Counts, s.gone())
		}
	})
}

// A function whose time is short and whose store is slow comes to its end all the same,
// call by call.
func TestLittleTimeAndASlowStore(t *testing.T) {
	for delay, limit := range map[time.Duration]time.Duration{50 * time.Millisecond: 2 * time.Second, 150 * time.Millisecond: 3 * time.Second, 300 * time.Millisecond: 6 * time.Second} {
		t.Run(delay.String(), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := newSimulation(t, 1, simulated, emulator.MPSOptions{})
				defer s.end()
				s.addOld("media-in", 400)
				s.e.Inject(emulator.Fault{Operation: "*", Kind: emulator.Latency, Delay: delay})
				s.programs = []*program{s.start(0)}
				for calls := 1; ; calls++ {
					began := time.Now()
					r := s.timer(limit)
					if took := time.Since(began); took > limit*98/100 {
						t.Errorf("call %d: an answer after %s", calls, took)
					}
					if r.Status == report.Done {
						break
					}
					if calls == 30 {
						t.Fatalf("after %d calls %s %s, %d gone", calls, r.Status, r.Error, s.gone())
					}
					time.Sleep(time.Minute)
				}
				if s.gone() != 400 {
					t.Errorf("%d are gone", s.gone())
				}
			})
		})
	}
}

// A run reports a damaged record of a plan, and fails. The next run makes another plan.
func TestADamagedPlanIsNotMadeAgain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newSimulation(t, 1, simulated, emulator.MPSOptions{})
		defer s.end()
		s.addOld("media-in", 2500)
		s.programs = []*program{s.start(0)}
		go func() {
			for !s.hasRecord("/plan.json") {
				time.Sleep(time.Millisecond)
			}
			s.programs[0].kill()
		}()
		s.e.Inject(emulator.Fault{Operation: "PutObject", Kind: emulator.Latency, Delay: 10 * time.Millisecond})
		s.timer(time.Hour)
		for _, object := range s.e.Objects("ops") {
			if strings.HasSuffix(object.Key, "/plan.json") {
				s.e.PutObject("ops", object.Key, object.Body[:20], time.Now())
			}
			if strings.HasSuffix(object.Key, "/closed.json") || strings.HasPrefix(object.Key, "state/index/") {
				s.e.RemoveObject("ops", object.Key)
			}
		}
		s.programs[0] = s.start(0)
		time.Sleep(time.Minute)
		if r := s.timer(time.Hour); r.Status != report.Failed || !strings.Contains(r.Error, "plan.json") {
			t.Errorf("%s %s", r.Status, r.Error)
		}
		if r := s.timer(time.Hour); r.Status != report.Done || s.gone() != 2500 {
			t.Errorf("%s %s, %d gone", r.Status, r.Error, s.gone())
		}
	})
}

// hasRecord reports whether the state has a record whose name has this part.
func (s *simulation) hasRecord(part string) bool {
	return slices.ContainsFunc(s.e.Objects("ops"), func(o emulator.Object) bool { return strings.Contains(o.Key, part) })
}

// startKilled starts a program whose run over 30 expired media, "killed", ended when it had a record whose name has this part.
func (s *simulation) startKilled(part string) {
	s.addOld("media-in", 30)
	s.programs = []*program{s.start(0)}
	s.e.Inject(emulator.Fault{Operation: "PutObject", Kind: emulator.Latency, Delay: time.Second})
	s.call(s.programs[0], "killed", time.Minute, everything)
	for !s.hasRecord(part) {
		time.Sleep(10 * time.Millisecond)
	}
	s.programs[0].kill()
	s.calls.Wait()
	s.e.ClearFaults()
	s.programs[0] = s.start(0)
}

// What a manifest's event leaves when its time is up, the next scheduled run finishes.
func TestWhatAnEventLeavesIsFinished(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSimulation(t, 1, simulated+"manifests: [\"oss://ops/lists/**\"]\n", emulator.MPSOptions{})
		defer s.end()
		rows := "mediaId\n" + strings.Join(s.addOld("others", 600), "\n") + "\n"
		s.e.PutObject("ops", "lists/a.csv", []byte(rows), time.Now())
		s.programs = []*program{s.start(0)}
		ctx, cancel := context.WithTimeout(t.Context(), 1500*time.Millisecond)
		defer cancel()
		body, _ := s.programs[0].f.Invoke(ctx, handler.Call{RequestID: "event"}, []byte(strings.ReplaceAll(string(ossEvent("lists/a.csv")), "media-in", "ops")))
		if r := s.adds(body); r.Status != report.Incomplete || s.gone() == 0 || s.gone() == 600 {
			t.Fatalf("%s %s, %d gone", r.Status, r.Error, s.gone())
		}
		if r := s.timer(time.Minute); r.Status != report.Done || s.gone() != 600 {
			t.Errorf("%s %s, %d gone", r.Status, r.Error, s.gone())
		}
	})
}

// killed starts a call, kills the program when the library has deleted, and starts the program again.
func (s *simulation) killed(payload string) {
	s.e.Inject(emulator.Fault{Operation: "DeleteMedia", Kind: emulator.HangAfter})
	s.call(s.programs[0], "killed", 10*time.Second, payload)
	for s.gone() == 0 {
		time.Sleep(10 * time.Millisecond)
	}
	s.programs[0].kill()
	s.calls.Wait()
	s.e.ClearFaults()
	s.programs[0] = s.start(0)
}

// lost holds the history of media against the one decision that a killed run made.
func (s *simulation) lost(ids []string) {
	for _, id := range ids {
		found, err := s.programs[0].f.History(s.t.Context(), handler.Call{}, id)
		if err != nil || len(found.Decisions) != 1 || found.Decisions[0].Outcome != journal.Lost {
			s.t.Errorf("history of %s: %+v, %v", id, found, err)
		}
	}
}

// What a request or an event deleted before it was killed is not lost, although its repetition finds the media gone:
// a restore of the run has it at once, and the history once a scheduled run has come.
func TestWhatAKilledRequestDeletedIsRecorded(t *testing.T) {
	request := func(ids []string) string {
		return fmt.Sprintf(`{"mode":"enforce","mediaIds":["%s"]}`, strings.Join(ids, `","`))
	}
	event := func([]string) string { return string(ossEvent("clips/0", "clips/1", "clips/2")) }
	for name, test := range map[string]struct {
		payload func(ids []string) string
		wait    time.Duration // until the next scheduled run
	}{
		"request":                     {request, 2 * time.Minute},
		"event":                       {event, 2 * time.Minute},
		"request, timer switched off": {request, 9 * 24 * time.Hour},
	} {
		payload := test.payload
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newSimulation(t, 1, simulated, emulator.MPSOptions{})
				defer s.end()
				ids := s.addOld("media-in", 3)
				s.programs = []*program{s.start(0)}
				s.killed(payload(ids))
				if _, err := s.programs[0].f.Run(t.Context(), handler.Call{}, "killed"); err == nil || !strings.Contains(err.Error(), `run "killed" has no report: it began to delete plan sha256:`) {
					t.Errorf("the run: %v", err)
				}
				again, _ := s.programs[0].f.Invoke(t.Context(), handler.Call{RequestID: "killed"}, []byte(payload(ids)))
				if r := s.adds(again); r.Status != report.Done || r.Counts.Expired != 0 || s.gone() != 3 {
					t.Fatalf("the repetition: %s %s, %+v, %d gone", r.Status, r.Error, r.Counts, s.gone())
				}
				restorable := func() int {
					return s.programs[0].f.Sweep(t.Context(), handler.Call{}, &trigger.Request{Trigger: trigger.CLI, Restore: "killed", DryRun: true}).Restore.Restored
				}
				if before := restorable(); before != 3 {
					t.Errorf("%d of 3 media can be restored before a scheduled run", before)
				}
				time.Sleep(test.wait)
				if r := s.timer(time.Minute); r.Status != report.Done {
					t.Errorf("%s %s", r.Status, r.Error)
				}
				s.lost(ids)
				if stats, err := s.programs[0].f.Stats(t.Context(), handler.Call{}, report.ByRule, ""); err != nil || stats.Total.Lost != 3 || stats.Total.Deleted != 0 || len(stats.Rows) != 1 || stats.Rows[0].Lost != 3 {
					t.Errorf("stats %+v, %v", stats, err)
				}
				if after := restorable(); after != 3 {
					t.Errorf("%d of 3 media can be restored after a scheduled run", after)
				}
			})
		})
	}
}

// What a killed run deleted of a plan is recorded, also if the plan is dropped because the policy has changed.
func TestWhatAKilledRunDeletedOfADroppedPlanIsRecorded(t *testing.T) {
	for _, view := range []emulator.DeletedView{emulator.ViewNonExist, emulator.ViewInitiated, emulator.ViewDeleted} {
		t.Run(string(view), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newSimulation(t, 1, simulated, emulator.MPSOptions{DeletedView: view})
				defer s.end()
				ids := s.addOld("media-in", 13)
				s.programs = []*program{s.start(0)}
				s.killed(everything)
				sent := map[string]bool{}
				for _, call := range s.e.Calls() {
					for _, id := range call.MediaIDs {
						sent[id] = sent[id] || call.Operation == "DeleteMedia"
					}
				}
				s.deployStricter(strings.Replace(simulated, "180d", "181d", 1))
				time.Sleep(time.Minute) // until the lease of the killed run ends
				gone := s.gone()
				r := s.timer(time.Minute)
				note := fmt.Sprintf("13 of its 13 media have no outcome, and %d of these are gone; the sweep decides on the others again", gone)
				if r.Status != report.Done || r.Counts.Deleted != 13-gone || !strings.Contains(strings.Join(r.Notes, " "), note) {
					t.Errorf("%s %s, %+v, %q; want %q", r.Status, r.Error, r.Counts, r.Notes, note)
				}
				s.lost(slices.DeleteFunc(ids, func(id string) bool { return !sent[id] }))
			})
		})
	}
}

// A library that shows deleted media as Initiated has no medium deleted again of a run that was killed after its first outcomes.
func TestAKilledRunLeavesTombstones(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSimulation(t, 1, simulated, emulator.MPSOptions{DeletedView: emulator.ViewInitiated})
		defer s.end()
		s.addOld("media-in", 2500)
		s.programs = []*program{s.start(0)}
		s.call(s.programs[0], "killed", time.Hour, everything)
		for !s.hasRecord("ledger/killed/000001.jsonl.gz") {
			time.Sleep(10 * time.Millisecond)
		}
		s.programs[0].kill()
		s.calls.Wait()
		s.programs[0] = s.start(0)
		for range 3 {
			time.Sleep(30 * time.Minute)
			s.timer(time.Hour)
		}
		calls := map[string]int{}
		for _, call := range s.e.Calls() {
			for _, id := range call.MediaIDs {
				if call.Operation == "DeleteMedia" {
					calls[id]++
				}
			}
		}
		again := 0
		for _, n := range calls {
			again += n - 1
		}
		if s.gone() != 2500 || again > 0 {
			t.Errorf("%d gone, %d sent again", s.gone(), again)
		}
	})
}

// A dropped plan stays open while MPS does not show its media. Each of these is in the totals once, also if the sweep that
// follows deletes it.
func TestADroppedPlanThatMPSDoesNotShowStaysOpen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSimulation(t, 1, simulated, emulator.MPSOptions{})
		defer s.end()
		s.addOld("media-in", 13)
		s.programs = []*program{s.start(0)}
		s.killed(everything)
		s.deployStricter(strings.Replace(simulated, "180d", "181d", 1))
		s.e.Inject(emulator.Fault{Operation: "QueryMediaList", Kind: emulator.Unavailable})
		for _, isClosed := range []bool{false, true} {
			time.Sleep(30 * time.Minute)
			s.timer(10 * time.Minute)
			if s.hasRecord("-killed.done") != isClosed {
				t.Errorf("the plan is closed: %v", !isClosed)
			}
			s.e.ClearFaults()
		}
		stats, err := s.programs[0].f.Stats(t.Context(), handler.Call{}, report.ByRule, "")
		if err != nil || stats.Total.Deleted+stats.Total.Lost != 13 || s.gone() != 13 {
			t.Errorf("%+v, %v, %d gone", stats.Total, err, s.gone())
		}
	})
}

// What a killed event deleted is recorded, also if MPS does not show its media for longer than a look at intents goes back.
func TestAPlanOfAnEventThatCannotBeReadForDays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSimulation(t, 1, simulated, emulator.MPSOptions{})
		defer s.end()
		ids := s.addOld("media-in", 3)
		s.programs = []*program{s.start(0)}
		s.killed(string(ossEvent("clips/0", "clips/1", "clips/2")))
		s.e.Inject(emulator.Fault{Operation: "QueryMediaList", Kind: emulator.Unavailable})
		for range 5 {
			time.Sleep(24 * time.Hour)
			s.timer(10 * time.Minute)
		}
		s.e.ClearFaults()
		time.Sleep(24 * time.Hour)
		s.timer(10 * time.Minute)
		s.lost(ids)
	})
}

// What a run deleted and could not record, the next scheduled run records, whichever write fails.
func TestOutcomesThatWereNotRecorded(t *testing.T) {
	for name, payload := range map[string]string{"timer": everything, "event": string(ossEvent("clips/0", "clips/1", "clips/2"))} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				partial := 0
				for i := range 3 * 14 {
					s := newSimulation(t, 1, simulated, emulator.MPSOptions{})
					s.addOld("media-in", 3)
					s.programs = []*program{s.start(0)}
					s.e.Inject(emulator.Fault{Operation: "PutObject", Kind: emulator.Forbidden, After: i / 3, Count: 2 + i%3}) // others are written beside the outcomes
					ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
					body, _ := s.programs[0].f.Invoke(ctx, handler.Call{RequestID: "first"}, []byte(payload))
					cancel()
					if r := s.adds(body); r.Status == report.Partial && r.Counts.Deleted == 3 {
						partial++
					}
					s.e.ClearFaults()
					s.recorded()
					s.end()
				}
				if partial == 0 {
					t.Error("no run had outcomes that it could not record")
				}
			})
		})
	}
}

// A plan whose outcomes the finishing run could not record stays open for the next one.
func TestAFinishedPlanWithoutOutcomesStaysOpen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		unrecorded := 0
		for write := range 6 {
			s := newSimulation(t, 1, simulated, emulator.MPSOptions{})
			s.addOld("media-in", 3)
			s.programs = []*program{s.start(0)}
			s.killed(everything)
			time.Sleep(time.Minute) // until the lease of the killed run ends
			s.e.Inject(emulator.Fault{Operation: "PutObject", Kind: emulator.Forbidden, After: write, Count: 2})
			body, _ := s.programs[0].f.Invoke(t.Context(), handler.Call{RequestID: "finishes"}, []byte(everything))
			s.adds(body)
			if !s.hasRecord("-killed.done") {
				unrecorded++
			}
			s.e.ClearFaults()
			s.recorded()
			s.end()
		}
		if unrecorded == 0 {
			t.Error("no run left the plan open")
		}
	})
}

// Each medium that a killed run may have deleted is in the totals once. The run that finishes the plan
// may fail to read or write any record.
func TestKilledRunsAreCounted(t *testing.T) {
	for _, fault := range []emulator.Fault{{Operation: "PutObject", Count: 1}, {Operation: "PutObject", Count: 2}, {Operation: "GetObject", Count: 1}} {
		t.Run(fmt.Sprint(fault.Operation, " ", fault.Count), func(t *testing.T) {
			for after, isReached := 0, true; isReached; after++ {
				synctest.Test(t, func(t *testing.T) {
					s := newSimulation(t, 1, simulated, emulator.MPSOptions{})
					defer s.end()
					s.addOld("media-in", 30)
					s.programs = []*program{s.start(0)}
					s.killed(everything)
					time.Sleep(time.Minute) // until the lease of the killed run ends
					before := s.count(fault.Operation)
					fault.Kind, fault.After = emulator.Forbidden, after
					s.e.Inject(fault)
					_, _ = s.programs[0].f.Invoke(t.Context(), handler.Call{RequestID: "finishes"}, []byte(everything))
					isReached = s.count(fault.Operation)-before > after
					s.e.ClearFaults()
					for range 2 {
						time.Sleep(30 * time.Minute)
						s.timer(time.Hour)
					}
					stats, err := s.programs[0].f.Stats(t.Context(), handler.Call{}, report.ByRule, "")
					if err != nil || stats.Total.Deleted+stats.Total.Lost != 30 {
						t.Errorf("%+v: %+v, %v", fault, stats.Total, err)
					}
				})
			}
		})
	}
}

// What a killed run deleted is in the totals once, also if the time of the next run ends while it counts that.
func TestKilledRunsAreCountedByTheNextRunWithTime(t *testing.T) {
	for operation, step := range map[string]int{"GetObject": 1, "PutObject": 1, "ListObjectsV2": 5, "*": 5} {
		for after, isReached := 0, true; isReached; after += step { // calls of the run that finishes the plan: from then on each is slow
			synctest.Test(t, func(t *testing.T) {
				s := newSimulation(t, 1, simulated, emulator.MPSOptions{})
				defer s.end()
				s.startKilled("ledger/killed/000001.jsonl.gz")
				time.Sleep(time.Minute) // until the lease of the killed run ends
				before := s.count(operation)
				s.e.Inject(emulator.Fault{Operation: operation, Kind: emulator.Latency, Delay: 4 * time.Second, After: after})
				s.timer(10 * time.Second)
				isReached = s.count(operation)-before > after
				s.e.ClearFaults()
				for range 2 {
					time.Sleep(30 * time.Minute)
					s.timer(time.Hour)
				}
				stats, err := s.programs[0].f.Stats(t.Context(), handler.Call{}, report.ByRule, "")
				if err != nil || stats.Total.Deleted != 30 || stats.Total.Lost != 0 {
					t.Errorf("%d calls of %s: %+v, %v", after, operation, stats.Total, err)
				}
			})
		}
	}
}

// The media of a dropped plan of another region are not looked for in this one's library.
func TestADroppedPlanOfAnotherRegionIsNotRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSimulation(t, 1, simulated, emulator.MPSOptions{})
		defer s.end()
		ids := s.addOld("media-in", 3)
		s.programs = []*program{s.start(0)}
		s.killed(everything)
		for _, object := range s.e.Objects("ops") {
			if strings.HasSuffix(object.Key, "/plan.json") {
				s.e.PutObject("ops", object.Key, bytes.Replace(object.Body, []byte(emulator.DefaultRegion), []byte("cn-beijing"), 1), time.Now())
			}
		}
		s.deployStricter(strings.Replace(simulated, "180d", "181d", 1))
		time.Sleep(time.Minute) // until the lease of the killed run ends
		if r := s.timer(time.Minute); !strings.Contains(strings.Join(r.Notes, " "), "not all of its media could be read") {
			t.Errorf("%s %s, %q", r.Status, r.Error, r.Notes)
		}
		for _, id := range ids {
			if found, err := s.programs[0].f.History(t.Context(), handler.Call{}, id); err != nil || len(found.Decisions) != 0 {
				t.Errorf("history of %s: %+v, %v", id, found, err)
			}
		}
	})
}

// A run whose caller goes away, as by Ctrl-C, starts no more calls. It finishes those in flight, and records what became
// of their media.
func TestARunWhoseCallerHasGone(t *testing.T) {
	for name, test := range map[string]struct {
		slow    string
		request func(deletion string) *trigger.Request
	}{
		"a sweep that deletes":       {"DeleteMedia", func(string) *trigger.Request { return &trigger.Request{Trigger: trigger.Timer, Inventory: true} }},
		"a sweep that reads back":    {"QueryMediaList", func(string) *trigger.Request { return &trigger.Request{Trigger: trigger.Timer, Inventory: true} }},
		"a sweep that looks them up": {"QueryMediaListByURL", func(string) *trigger.Request { return &trigger.Request{Trigger: trigger.Timer, Inventory: true} }},
		"a restore": {"AddMedia", func(deletion string) *trigger.Request {
			return &trigger.Request{Trigger: trigger.CLI, Restore: deletion}
		}},
	} {
		t.Run(name, func(t *testing.T) {
			onTurnedClock(t, enforcing, func(t *testing.T, w *world) {
				const media = 2000
				w.fill(media)
				deletion := ""
				if test.slow == "AddMedia" {
					deletion = w.mustInvoke(everything, report.Done).Run
				}
				before := w.e.Count()
				w.e.Inject(emulator.Fault{Operation: test.slow, Kind: emulator.Latency, Delay: 3 * time.Second})
				ctx, cancel := context.WithCancel(t.Context())
				gone := time.AfterFunc(3500*time.Millisecond, cancel)
				defer gone.Stop()
				r := w.f.Sweep(ctx, handler.Call{}, test.request(deletion))
				if ctx.Err() == nil || r.Status != report.Incomplete || !strings.Contains(r.Error, "interrupted") || r.ExitCode() != 5 {
					t.Fatalf("%s %s, %+v", r.Status, r.Error, r.Counts)
				}
				if got := len(w.deleted()); deletion == "" && (r.Counts.Deleted != got || got == media) {
					t.Errorf("%d of %d deleted: %+v", got, media, r.Counts)
				}
				if got := w.e.Count()["AddMedia"] - before["AddMedia"]; deletion != "" && (r.Restore.Restored != got || got == 0 || got == media) {
					t.Errorf("%d restored: %+v", got, r.Restore)
				}
				w.noViolations()
			})
		})
	}
}
