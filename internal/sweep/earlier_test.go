package sweep

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mediasweep/mediasweep/internal/deadline"
	"github.com/mediasweep/mediasweep/internal/history"
	"github.com/mediasweep/mediasweep/internal/journal"
	"github.com/mediasweep/mediasweep/internal/mps"
	"github.com/mediasweep/mediasweep/internal/plan"
	"github.com/mediasweep/mediasweep/internal/policy"
	"github.com/mediasweep/mediasweep/internal/report"
	"github.com/mediasweep/mediasweep/internal/runlog"
	"github.com/mediasweep/mediasweep/internal/trigger"
)

// reported logs a report of a run that deleted and lost media by the rule "rest".
func (w *world) reported(run string, kind trigger.Kind, deleted, lost int, alter func(r *report.Report)) {
	w.t.Helper()
	r := report.New(run, kind, w.sweep.Policy, w.now)
	r.Counts = report.Counts{Looked: deleted + lost, Expired: deleted + lost, Deleted: deleted, Gone: lost}
	line := r.Rule("rest")
	line.Deleted, line.Lost = deleted, lost
	if alter != nil {
		alter(r)
	}
	r.Finish(report.Partial, w.now.Add(time.Minute))
	if err := runlog.Log(w.t.Context(), w.store, r); err != nil {
		w.t.Fatal(err)
	}
}

// deletedBy records in the history that a run deleted media of a plan.
func (w *world) deletedBy(run, planID string, ids ...string) {
	w.decided(journal.Deleted, run, planID, ids...)
}

func (w *world) decided(became journal.Became, run, planID string, ids ...string) {
	w.t.Helper()
	var decisions []history.Decision
	for _, id := range ids {
		decisions = append(decisions, history.Decision{At: w.now, MediaID: id, Outcome: became, Run: run, Plan: planID})
	}
	if err := history.Record(w.t.Context(), w.store, w.now, decisions); err != nil {
		w.t.Fatal(err)
	}
}

// A medium of a resumed plan that is gone is lost at most once: not if an earlier report counts it, or another run deleted it.
func TestWhatIsLostIsCountedOnce(t *testing.T) {
	const media = 6
	for name, test := range map[string]struct {
		prepare func(w *world, ids []string, planID string)
		lost    int // in the report
		gone    int // outcomes of media that another run deleted
		warned  bool
	}{
		"a killed run":         {lost: 6},
		"a report counts them": {prepare: func(w *world, _ []string, _ string) { w.reported("first", trigger.OSS, 6, 0, nil) }},
		"a report counts some": {prepare: func(w *world, _ []string, _ string) { w.reported("first", trigger.HTTP, 4, 0, nil) }, lost: 2},
		"of another rule": {prepare: func(w *world, _ []string, _ string) {
			w.reported("first", trigger.Timer, 6, 0, func(r *report.Report) { r.Rule("rest").Name = "other" })
		}, lost: 6},
		"of a repeated request": {prepare: func(w *world, _ []string, _ string) {
			w.reported("first", trigger.Timer, 6, 0, func(r *report.Report) { r.AsOf = r.AsOf.Add(time.Second) })
		}, lost: 6},
		"of a run that recorded": {prepare: recordedOne, lost: 5},
		"of a run that resumed":  {prepare: func(w *world, _ []string, planID string) { w.reported("other", trigger.Timer, 1, 4, resumes(planID)) }, lost: 1},
		"of one of another plan": {prepare: func(w *world, _ []string, _ string) {
			w.reported("other", trigger.Timer, 1, 4, resumes("sha256:other"))
		}, lost: 6},
		"another deleted some":      {prepare: func(w *world, ids []string, _ string) { w.deletedBy("another", "p", ids[:2]...) }, lost: 4, gone: 2},
		"another deleted all":       {prepare: func(w *world, ids []string, _ string) { w.deletedBy("another", "p", ids...) }, gone: 6},
		"another plan lost some":    {prepare: func(w *world, ids []string, _ string) { w.decided(journal.Lost, "another", "p", ids[:2]...) }, lost: 4, gone: 2},
		"a killed run that resumed": {prepare: func(w *world, ids []string, planID string) { w.deletedBy("other", planID, ids...) }, lost: 6},
		"an apply of the plan": {prepare: func(w *world, ids []string, planID string) {
			if err := runlog.Save(w.t.Context(), w.store, report.New("other", trigger.CLI, w.sweep.Policy, w.now)); err != nil {
				w.t.Fatal(err)
			}
			w.deletedBy("other", planID, ids[:2]...)
		}, lost: 4, gone: 2},
		"the run's own history": {prepare: func(w *world, ids []string, _ string) { w.deletedBy("first", "p", ids...) }, lost: 6},
		"a resumed run's history": {prepare: func(w *world, ids []string, planID string) {
			w.reported("other", trigger.Timer, 6, 0, resumes(planID))
			w.deletedBy("other", "p", ids...)
		}},
		"no log":     {prepare: func(w *world, _ []string, _ string) { w.fail("list", "log/") }, lost: 6, warned: true},
		"no history": {prepare: func(w *world, _ []string, _ string) { w.fail("list", "history/") }, lost: 6, warned: true},
	} {
		for _, dropped := range []bool{false, true} {
			t.Run(fmt.Sprint(name, ", dropped ", dropped), func(t *testing.T) {
				w := newWorld(t, "")
				ids := w.fill(media)
				contents := w.cutOff(plan.Contents{}, "rest", nil, ids...)
				clear(w.media)
				if test.prepare != nil {
					test.prepare(w, ids, contents.ID)
				}
				r := report.New("second", trigger.Timer, w.sweep.Policy, w.now)
				if dropped {
					if _, err := w.sweep.FindLost(t.Context(), deadline.Budget{}, journal.Intent{Run: "first", Plan: contents.ID}, r); err != nil {
						t.Fatal(err)
					}
				} else {
					r = w.resume(contents)
				}
				if lost := r.Rule("rest").Lost; lost != test.lost || r.Status != report.Done {
					t.Errorf("%s %s: %d lost, want %d", r.Status, r.Error, lost, test.lost)
				}
				all, _, err := journal.Outcomes(t.Context(), w.store, "first", "first")
				gone := 0
				for _, o := range all {
					if o.Became == journal.Gone {
						gone++
					}
				}
				if err != nil || gone != test.gone || len(all) != media || strings.Contains(w.log.String(), "counted twice") != test.warned {
					t.Errorf("%d outcomes, %d gone, want %d: %v; log %s", len(all), gone, test.gone, err, w.log.String())
				}
			})
		}
	}
}

// recordedOne has the first run report six deletions and record one of another medium, and five of the media.
func recordedOne(w *world, ids []string, planID string) {
	w.reported("first", trigger.Timer, 1, 0, nil)
	if _, err := journal.AddOutcomes(w.t.Context(), w.store, "first", 0, []journal.Outcome{{MediaID: ids[0], Became: journal.Deleted, Plan: planID}}); err != nil {
		w.t.Fatal(err)
	}
}

// resumes makes a report one of a run that resumed a plan.
func resumes(planID string) func(r *report.Report) {
	return func(r *report.Report) { r.Ledger, r.Plan = "first", planID }
}

// A medium of a resumed or dropped plan that MPS does not show for the moment has no outcome: an earlier run may have deleted it.
// The plan stays open. What a sweep deletes meanwhile is not lost.
func TestMediaThatCannotBeReadStayOpen(t *testing.T) {
	for _, dropped := range []bool{false, true} {
		t.Run(fmt.Sprint("dropped ", dropped), func(t *testing.T) {
			w := newWorld(t, "")
			ids := w.fill(5)
			contents := w.cutOff(plan.Contents{}, "rest", nil, ids...)
			for _, id := range ids[:2] {
				delete(w.media, id)
			}
			finish := func(run string) *report.Report {
				request := &trigger.Request{Trigger: trigger.Timer, Plan: contents.ID, Resume: "first"}
				if !dropped {
					return w.run(run, request, policy.Enforce)
				}
				r := report.New(run, trigger.Timer, w.sweep.Policy, w.now)
				if _, err := w.sweep.FindLost(t.Context(), deadline.Budget{}, journal.Intent{Run: "first", Plan: contents.ID}, r); (err != nil) != w.down {
					t.Errorf("MPS down %v: %v", w.down, err)
				}
				return r
			}
			w.down = true
			if r := finish("second"); !r.Unrecorded || r.Counts.Gone > 0 || len(w.store.Names("ledger/")) > 0 {
				t.Errorf("%s %s, %+v, unrecorded %v, outcomes %v", r.Status, r.Error, r.Counts, r.Unrecorded, w.store.Names("ledger/"))
			}
			w.down = false
			if r := w.sweepAll(policy.Enforce); r.Counts.Deleted != 3 {
				t.Fatalf("%s %s, %+v", r.Status, r.Error, r.Counts)
			}
			if r := finish("third"); r.Unrecorded || r.Counts.Gone != 5 || r.Rule("rest").Lost != 2 {
				t.Errorf("%s %s, %+v, %+v", r.Status, r.Error, r.Counts, r.Rules)
			}
		})
	}
}

// silent is a library that answers nothing.
type silent struct{ *world }

func (silent) Permit(ctx context.Context, _ mps.Operation) (mps.Permit, error) {
	<-ctx.Done()
	return nil, ctx.Err()
}
func (silent) Answered() bool { return false }

// A library that answers nothing leaves a dropped plan open, and takes a minute of the run's time.
func TestALibraryThatHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, "")
		contents := w.cutOff(plan.Contents{}, "rest", nil, w.fill(5)...)
		w.sweep.Library, w.sweep.Deleter = silent{w}, silent{w}
		r, began := report.New("second", trigger.Timer, w.sweep.Policy, w.now), time.Now()
		if _, err := w.sweep.FindLost(t.Context(), deadline.Budget{}, journal.Intent{Run: "first", Plan: contents.ID}, r); err == nil || !r.Unrecorded || time.Since(began) != findTime {
			t.Errorf("%v, unrecorded %v, after %v", err, r.Unrecorded, time.Since(began))
		}
	})
}

// A medium that MPS refuses to show keeps no plan open. Neither does an outage of weeks.
func TestMediaThatCanNeverBeRead(t *testing.T) {
	for name, test := range map[string]struct {
		prepare func(w *world, ids []string)
		days    int
	}{
		"refused":               {func(w *world, ids []string) { w.refused = ids[1:2] }, 1},
		"three weeks of outage": {func(w *world, _ []string) { w.down = true }, 22},
	} {
		w := newWorld(t, "")
		ids := w.fill(5)
		contents := w.cutOff(plan.Contents{}, "rest", nil, ids...)
		test.prepare(w, ids)
		w.days(test.days)
		r := report.New("second", trigger.Timer, w.sweep.Policy, w.now)
		if found, err := w.sweep.FindLost(t.Context(), deadline.Budget{}, journal.Intent{Run: "first", Plan: contents.ID}, r); err == nil || r.Unrecorded || found.Left != 5 {
			t.Errorf("%s: %+v, %v, unrecorded %v", name, found, err, r.Unrecorded)
		}
	}
}

// A run whose request was repeated has outcomes of several plans. What it deleted of another plan is settled, and what failed
// there is not.
func TestOutcomesOfAnotherPlanOfTheRun(t *testing.T) {
	w := newWorld(t, "")
	ids := w.fill(3)
	contents := w.cutOff(plan.Contents{}, "rest", nil, ids...)
	delete(w.media, ids[1])
	other := "sha256:" + strings.Repeat("0", 64)
	if _, err := journal.AddOutcomes(t.Context(), w.store, "first", 0, []journal.Outcome{{MediaID: ids[0], Became: journal.Failed, Plan: other}, {MediaID: ids[1], Became: journal.Deleted, Plan: other}}); err != nil {
		t.Fatal(err)
	}
	if r := w.resume(contents); r.Counts.Deleted != 2 || r.Counts.Looked != 2 {
		t.Errorf("%s %s, %+v", r.Status, r.Error, r.Counts)
	}
}
