package handler_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/mediasweep/mediasweep/handler"
	"github.com/mediasweep/mediasweep/internal/emulator"
	"github.com/mediasweep/mediasweep/internal/journal"
	"github.com/mediasweep/mediasweep/internal/plan"
	"github.com/mediasweep/mediasweep/internal/report"
	"github.com/mediasweep/mediasweep/internal/trigger"
)

// runsOf returns the reports of the runs that deleted a plan, the latest first.
func (w *world) runsOf(plan string) (of []*report.Report) {
	w.t.Helper()
	runs, err := w.runs()
	if err != nil {
		w.t.Fatal(err)
	}
	for _, r := range runs {
		if r.Plan == plan {
			of = append(of, r)
		}
	}
	return of
}

// A plan stays open until a run has finished it, whatever ends the runs that try.
func TestAPlanStaysOpenUntilItIsFinished(t *testing.T) {
	t.Run("the run that finishes it is cut off, too", func(t *testing.T) {
		onTurnedClock(t, enforcing, func(t *testing.T, w *world) {
			cut := interrupted(t, w)
			stop := filepath.Join(string(w.store()), "stop")
			if err := os.WriteFile(stop, nil, 0o600); err != nil {
				t.Fatal(err)
			}
			w.mustInvoke(everything, report.Incomplete)
			if err := os.Remove(stop); err != nil {
				t.Fatal(err)
			}
			w.mustInvoke(everything, report.Done)
			of := w.runsOf(cut.Plan)
			if len(w.deleted()) != 25 || len(of) != 3 || of[0].Counts.Deleted != cut.Counts.Pending {
				t.Errorf("%d deleted, %d runs of the plan, the last with %+v", len(w.deleted()), len(of), of[0].Counts)
			}
		})
	})
	t.Run("the run that finishes it cannot read it", func(t *testing.T) {
		onTurnedClock(t, enforcing, func(t *testing.T, w *world) {
			cut := interrupted(t, w)
			segment := filepath.Join(string(w.store()), plan.SegmentName(cut.Plan, 1))
			if err := os.Rename(segment, segment+".away"); err != nil {
				t.Fatal(err)
			}
			if w.mustInvoke(everything, report.Done); len(w.deleted()) != 25 {
				t.Errorf("%d deleted, want the sweep to find the others", len(w.deleted()))
			}
			if err := os.Rename(segment+".away", segment); err != nil {
				t.Fatal(err)
			}
			w.mustInvoke(everything, report.Done)
			of := w.runsOf(cut.Plan)
			if len(of) != 3 || of[0].Status != report.Done || of[0].Counts.Gone != cut.Counts.Pending {
				t.Errorf("%d runs of the plan, the last %s with %+v", len(of), of[0].Status, of[0].Counts)
			}
		})
	})
}

// A sweep does not delete again what it has just finished, where the library shows it as Initiated.
func TestAFinishedPlanLeavesTombstones(t *testing.T) {
	turnClock(t, func(t *testing.T) {
		w := newPipedWorld(t, emulator.Config{MPS: emulator.MPSOptions{DeletedView: emulator.ViewInitiated}}, enforcing)
		cut := interrupted(t, w)
		gone := cut.Counts.Deleted + cut.Counts.Pending // when the plan is finished; the sweep that follows tries the others
		if r := w.mustInvoke(everything, report.Done); r.Counts.Absent != gone || r.Counts.Deleted != 25-gone {
			t.Errorf("the sweep that follows: %+v, want %d absent", r.Counts, gone)
		}
	})
}

// A plan may name a rule of any kind, and still have the digest that its ID says. Only media of expire rules are
// taken up: a report would count the others as deleted by a rule that protects.
func TestAnOpenPlanOfAProtectRule(t *testing.T) {
	onTurnedClock(t, enforcing, func(t *testing.T, w *world) {
		w.fill(5)
		dry := w.mustInvoke(timer(`{"mode":"dry-run"}`), report.Done)
		contents, err := journal.ReadPlan(t.Context(), w.store(), dry.Plan)
		if err != nil {
			t.Fatal(err)
		}
		forged, err := journal.SavePlan(t.Context(), w.store(), plan.Contents{Head: contents.Head, Region: contents.Region}, func(yield func(plan.Line, error) bool) {
			for entry, err := range journal.Entries(t.Context(), w.store(), contents) {
				entry.Rule = "legal-hold"
				line, savedErr := plan.Saved(entry)
				if !yield(line, errors.Join(err, savedErr)) {
					return
				}
			}
		})
		if err != nil || forged.ID == dry.Plan {
			t.Fatal(forged.ID, err)
		}
		open := journal.Intent{Run: "killed", Plan: forged.ID, Policy: dry.Policy, AsOf: dry.AsOf, Trigger: trigger.Timer}
		if _, err := journal.SaveIntent(t.Context(), w.store(), dry.AsOf, open); err != nil {
			t.Fatal(err)
		}
		r := w.mustInvoke(everything, report.Done)
		of := w.runsOf(forged.ID)
		for _, r := range of {
			if r.Counts.Looked != 0 || r.Counts.Deleted != 0 {
				t.Errorf("run %s of the plan: %+v, %+v", r.Run, r.Counts, r.Rules)
			}
		}
		if len(of) == 0 || r.Counts.Deleted != 5 {
			t.Errorf("%d runs of the plan; the sweep that follows: %+v", len(of), r.Counts)
		}
	})
}

// Media that the inventory no longer names are left, when the plan is finished and by the sweep that follows.
func TestAnOpenPlanOfALongerList(t *testing.T) {
	rules := strings.Replace(enforcing, "inventory: [{bucket: oss://media-in/}]", "inventory: [{manifest: oss://ops/list.csv}]", 1)
	onTurnedClock(t, rules, func(t *testing.T, w *world) {
		list := func(media []emulator.Medium) {
			rows := "mediaId\n"
			for _, m := range media {
				rows += m.ID + "\n"
			}
			w.e.PutObject("ops", "list.csv", []byte(rows), time.Now())
		}
		w.fill(25)
		list(w.e.Media())
		w.e.Inject(emulator.Fault{Operation: "DeleteMedia", Kind: emulator.Forbidden, After: 1})
		cut := w.mustInvoke(everything, report.Incomplete)
		w.e.ClearFaults()
		var named []emulator.Medium
		for _, m := range w.e.Media() {
			if m.Deleted {
				named = append(named, m)
			}
		}
		list(named)
		w.mustInvoke(everything, report.Done)
		if of := w.runsOf(cut.Plan); len(w.deleted()) != cut.Counts.Deleted || len(of) != 2 || of[0].Counts.Looked == 0 {
			t.Errorf("%d deleted, want %d; runs of the plan: %d, the last with %+v", len(w.deleted()), cut.Counts.Deleted, len(of), of[0].Counts)
		}
	})
}

// An apply whose time is up while it looks up the media of its plan has deleted nothing. The next one starts over.
func TestAnApplyThatIsCutWhileItScans(t *testing.T) {
	onTurnedClock(t, enforcing, func(t *testing.T, w *world) {
		w.fill(1500) // a second has time for a thousand
		planned := w.mustInvoke(`{"inventory":true}`, report.Done)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		body, err := w.f.Invoke(ctx, handler.Call{RequestID: "apply"}, fmt.Appendf(nil, `{"mode":"enforce","plan":%q}`, planned.Plan))
		var r report.Report
		if err := errors.Join(err, json.Unmarshal(body, &r)); err != nil {
			t.Fatal(err)
		}
		if r.Status != report.Incomplete || r.Plan != planned.Plan || len(w.deleted()) > 0 || r.Next != "send the request again with more time: its scan starts over" {
			t.Errorf("%s, plan %s, next %q", r.Status, r.Plan, r.Next)
		}
	})
}

// A blocked plan that was applied in part can be applied again: the approval is for all of it.
func TestABlockedPlanThatWasAppliedInPart(t *testing.T) {
	w := newWorld(t, emulator.Config{}, strings.Replace(enforcing, "maxPercent: 100", "maxPercent: 100, maxDelete: 1", 1), "MEDIASWEEP_HTTP_AUTH", "function")
	w.fill(25)
	blocked := w.mustInvoke(everything, report.Blocked)
	w.e.Inject(emulator.Fault{Operation: "DeleteMedia", Kind: emulator.Forbidden, After: 1})
	apply := "/v1/plans/" + blocked.Plan + "/apply"
	if _, r := w.askReport("POST", apply, ""); r.Status != report.Incomplete || r.Counts.Deleted != 10 || r.Next != "send the request again: what is done is not done twice" {
		t.Fatalf("%s %s, %+v, next %q", r.Status, r.Error, r.Counts, r.Next)
	}
	w.e.ClearFaults()
	if _, r := w.askReport("POST", apply, ""); r.Status != report.Done || r.Counts.Deleted != 15 {
		t.Errorf("the rest: %s %s, %+v", r.Status, r.Guard.Reason, r.Counts)
	}
	if _, r := w.askReport("POST", apply, ""); r.Counts.Deleted != 0 || len(w.deleted()) != 25 {
		t.Errorf("once more: %s, %+v", r.Status, r.Counts)
	}
}

// A restore of the run that finished a plan brings back what that run deleted, and not what the run before it did.
func TestRestoreOfTheRunThatFinishedAPlan(t *testing.T) {
	onTurnedClock(t, enforcing, func(t *testing.T, w *world) {
		cut := interrupted(t, w)
		w.mustInvoke(everything, report.Done)
		finished := w.runsOf(cut.Plan)[0]
		if finished.Run == cut.Run || finished.Counts.Deleted != cut.Counts.Pending {
			t.Fatalf("%+v", finished)
		}
		if done := w.restore(finished.Run); done.Restore.Restored != cut.Counts.Pending || done.Restore.Skipped != 25-cut.Counts.Pending {
			t.Errorf("%+v", done.Restore)
		}
	})
}
