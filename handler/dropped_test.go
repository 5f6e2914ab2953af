package handler_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/mediasweep/mediasweep/internal/emulator"
	"github.com/mediasweep/mediasweep/internal/report"
)

// interrupted returns a world whose permission to delete was lost after ten of 25 media.
func interrupted(t *testing.T, w *world) report.Report {
	t.Helper()
	w.fill(25)
	w.e.Inject(emulator.Fault{Operation: "DeleteMedia", Kind: emulator.Forbidden, After: 1})
	r := w.mustInvoke(everything, report.Incomplete)
	if c := r.Counts; c.Deleted != 10 || c.Pending == 0 || !strings.Contains(r.Error, "media still to delete") || r.Next == "" {
		t.Fatalf("%s, next %q, %+v", r.Error, r.Next, c)
	}
	w.e.ClearFaults()
	return r
}

// A run whose permission to delete is lost is incomplete while media are pending. The next run goes on with
// those that have no outcome.
func TestALostPermissionLeavesTheRunIncomplete(t *testing.T) {
	onTurnedClock(t, enforcing, func(t *testing.T, w *world) {
		cut := interrupted(t, w)
		if w.mustInvoke(everything, report.Done); len(w.deleted()) != 25 {
			t.Errorf("%d deleted, want 25", len(w.deleted()))
		}
		runs, err := w.runs()
		finished := slices.ContainsFunc(runs, func(r *report.Report) bool {
			return r.Run != cut.Run && r.Plan == cut.Plan && r.Counts.Looked == cut.Counts.Pending
		})
		if err != nil || !finished {
			t.Errorf("no run looked at %d media of the plan: %+v, %v", cut.Counts.Pending, runs, err)
		}
	})
}

// A plan that is dropped after a change of the policy is in the notes. Only its sweep says whether the run failed.
func TestADroppedPlanIsNoted(t *testing.T) {
	for name, test := range map[string]struct {
		faults []emulator.Fault
		want   report.Status
	}{
		"then swept":           {nil, report.Done},
		"and the sweep failed": {[]emulator.Fault{{Operation: "GetBucket", Kind: emulator.Forbidden}, {Operation: "QueryMediaListByURL", Kind: emulator.Forbidden}}, report.Failed},
	} {
		t.Run(name, func(t *testing.T) {
			onTurnedClock(t, enforcing, func(t *testing.T, w *world) {
				interrupted(t, w)
				w.setPolicy(strings.Replace(enforcing, "after: 180d", "after: 30y", 1))
				for _, fault := range test.faults {
					w.e.Inject(fault)
				}
				r := w.mustInvoke(everything, test.want)
				notes := strings.Join(r.Notes, "\n")
				if !strings.Contains(notes, "dropped, because the policy has changed: 5 of its 25 media have no outcome, and 0 of these are gone") || len(w.deleted()) != 10 {
					t.Errorf("notes %q, %d deleted", notes, len(w.deleted()))
				}
			})
		})
	}
}
