package sweep

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"

	"github.com/mediasweep/mediasweep/internal/deadline"
	"github.com/mediasweep/mediasweep/internal/journal"
	"github.com/mediasweep/mediasweep/internal/media"
	"github.com/mediasweep/mediasweep/internal/plan"
	"github.com/mediasweep/mediasweep/internal/policy"
	"github.com/mediasweep/mediasweep/internal/report"
	"github.com/mediasweep/mediasweep/internal/scan"
	"github.com/mediasweep/mediasweep/internal/trigger"
)

// A plan names the run that deletes it. One that awaits a person, or whose media are only announced, names none.
func TestPlansOfARun(t *testing.T) {
	type saved struct {
		Entries int
		Run     string
	}
	for name, test := range map[string]struct {
		more      string
		mode      policy.Mode
		media     int
		announced int // of the media, a week ago
		want      []saved
	}{
		"a dry run":             {mode: policy.DryRun, media: 3, want: []saved{{3, ""}}},
		"a run":                 {mode: policy.Enforce, media: 3, want: []saved{{3, "r"}}},
		"a blocked run":         {mode: policy.Enforce, media: 21, want: []saved{{21, ""}}},
		"a blocked dry run":     {mode: policy.DryRun, media: 21, want: []saved{{21, ""}}},
		"all announced":         {more: noticePolicy, mode: policy.Enforce, media: 3, want: []saved{{3, ""}}},
		"some are due":          {more: noticePolicy, mode: policy.Enforce, media: 3, announced: 2, want: []saved{{2, "r"}, {3, ""}}},
		"all are due":           {more: noticePolicy, mode: policy.Enforce, media: 3, announced: 3, want: []saved{{3, "r"}}},
		"a dry run of due ones": {more: noticePolicy, mode: policy.DryRun, media: 3, announced: 2, want: []saved{{3, ""}}},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, test.more)
			ids := w.fill(test.media)
			before := map[string]bool{}
			if test.announced > 0 {
				w.run("before", &trigger.Request{Trigger: trigger.HTTP, MediaIDs: ids[:test.announced]}, policy.Enforce)
				w.days(7)
			}
			for _, name := range w.store.Names("plans/") {
				before[name] = true
			}
			w.run("r", &trigger.Request{Trigger: trigger.HTTP, MediaIDs: ids}, test.mode)
			var got []saved
			plans := 0
			for _, name := range w.store.Names("plans/") {
				id, ok := plan.IDOf(name)
				if ok {
					plans++
				}
				if ok && !before[name] {
					contents, err := journal.ReadPlan(t.Context(), w.store, id)
					if err != nil {
						t.Fatal(err)
					}
					got = append(got, saved{contents.Entries, contents.Run})
				}
			}
			slices.SortFunc(got, func(a, b saved) int { return a.Entries - b.Entries })
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("plans (-want +got):\n%s", diff)
			}
			if logged := len(w.store.Names("plan-log/")); logged != plans {
				t.Errorf("%d plans are logged of %d", logged, plans)
			}
		})
	}
}

// Nothing is deleted of a plan that is not saved. A plan without media need not be.
func TestPlansThatAreNotSaved(t *testing.T) {
	for name, test := range map[string]struct {
		media  int
		status report.Status
	}{"of media": {3, report.Failed}, "of none": {0, report.Done}} {
		w := newWorld(t, "")
		w.fail("create", "plans")
		r := w.run("r", &trigger.Request{Trigger: trigger.HTTP, MediaIDs: append(w.fill(test.media), w.add(1, "young")...)}, policy.Enforce)
		if r.Status != test.status || len(w.sent) > 0 || r.Counts.Looked != test.media+1 || (r.Status == report.Failed) != strings.Contains(r.Error, "nothing was deleted") {
			t.Errorf("%s: %s %s, sent %v, %+v", name, r.Status, r.Error, w.sent, r.Counts)
		}
	}
}

// A run that cannot read the kill switch deletes nothing. A dry run goes on.
func TestAnUnreadableKillSwitch(t *testing.T) {
	for mode, want := range map[policy.Mode]report.Status{policy.Enforce: report.Failed, policy.DryRun: report.Done} {
		w := newWorld(t, "")
		w.fail("read", StopName)
		r := w.run("r", &trigger.Request{Trigger: trigger.HTTP, MediaIDs: w.fill(3)}, mode)
		noted := strings.Contains(strings.Join(r.Notes, "\n"), "check whether the record stop")
		if r.Status != want || len(w.sent) > 0 || noted != (mode == policy.DryRun) || mode == policy.Enforce && r.Counts.Looked > 0 {
			t.Errorf("%s: %s %s, sent %v, %+v, notes %q", mode, r.Status, r.Error, w.sent, r.Counts, r.Notes)
		}
		w.fail("", "")
		if r = w.run("s", &trigger.Request{Trigger: trigger.HTTP, MediaIDs: []string{"m-000"}}, policy.DryRun); len(r.Notes) > 0 {
			t.Errorf("notes %q", r.Notes)
		}
	}
}

// A plan counts as applied although MPS still shows one of its media.
func TestAPlanOfWhichOneIsUnverified(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, "")
		ids := w.fill(2)
		w.sticky = ids[1:]
		contents := w.save(plan.Contents{}, "rest", ids...)
		r := w.run("r", &trigger.Request{Trigger: trigger.HTTP, Plan: contents.ID}, policy.Enforce)
		by, err := journal.AppliedBy(t.Context(), w.store, contents.ID)
		if r.Counts.Deleted != 1 || r.Counts.Unverified != 1 || r.Status != report.Partial || r.Error != "" || by != "r" || err != nil {
			t.Errorf("%s %s, %+v, applied by %q, %v", r.Status, r.Error, r.Counts, by, err)
		}
	})
}

// A scan has seen nothing if some candidates are missing and none was looked at. What it skipped is noted.
func TestTakeAScan(t *testing.T) {
	for name, test := range map[string]struct {
		missing bool
		passed  int
		bad     int
		counts  report.Counts
		nothing bool
		notes   int
	}{
		"nothing":                {},
		"nothing of some":        {missing: true, nothing: true},
		"a medium":               {missing: true, counts: report.Counts{Looked: 1}},
		"an object":              {missing: true, counts: report.Counts{ObjectsWithoutMedia: 1}},
		"a medium and an object": {missing: true, counts: report.Counts{Looked: 1, ObjectsWithoutMedia: 1}},
		"a bad row":              {missing: true, bad: 1},
		"skipped media":          {passed: 1, notes: 1},
	} {
		r := newWorld(t, "").newRun("r", &trigger.Request{Trigger: trigger.Timer}, policy.Enforce)
		found := &scan.Found{}
		found.Counts, found.Missing, found.BadRows, found.Skipped = test.counts, test.missing, test.bad, test.passed
		r.adopt(t.Context(), found)
		if r.nothingSeen != test.nothing || r.partial != test.missing || len(r.report.Notes) != test.notes {
			t.Errorf("%s: nothing seen %v, partial %v, notes %q", name, r.nothingSeen, r.partial, r.report.Notes)
		}
	}
}

// A survey hands over each medium, decides nothing and writes nothing.
func TestSurvey(t *testing.T) {
	for name, test := range map[string]struct {
		prepare func(w *world, ids []string)
		panics  bool
		media   int
		want    report.Status
	}{
		"all":             {media: 12, want: report.Done},
		"one is rejected": {prepare: func(w *world, ids []string) { w.refused = ids[:1] }, media: 11, want: report.Partial},
		"MPS is down":     {prepare: func(w *world, _ []string) { w.down = true }, want: report.Failed},
		"a mistake":       {panics: true, want: report.Failed},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, "")
			ids := w.fill(12)
			if test.prepare != nil {
				test.prepare(w, ids)
			}
			r := report.New("r", trigger.HTTP, w.sweep.Policy, w.now)
			got := map[string]bool{}
			w.sweep.Survey(t.Context(), deadline.Budget{}, &trigger.Request{Trigger: trigger.HTTP, MediaIDs: ids}, r, func(m media.Medium) {
				if test.panics {
					panic(errors.New("boom"))
				}
				got[m.ID] = true
			})
			if r.Status != test.want || len(got) != test.media || len(w.sent) > 0 || len(w.store.Names("")) > 0 {
				t.Errorf("%s %s, %d media, sent %v, records %v", r.Status, r.Error, len(got), w.sent, w.store.Names(""))
			}
		})
	}
}
