package sweep

import (
	"testing"
	"time"

	"github.com/mediasweep/mediasweep/internal/media"
	"github.com/mediasweep/mediasweep/internal/policy"
	"github.com/mediasweep/mediasweep/internal/report"
	"github.com/mediasweep/mediasweep/internal/retention"
	"github.com/mediasweep/mediasweep/internal/trigger"
)

// unnoticed runs with a policy that has no notice and a guard that blocks all, and restores the policy.
func (w *world) unnoticed(run func()) {
	with := w.sweep.Policy
	without := *with
	without.Notice, without.Guard.MaxDelete = policy.Period{}, 0
	w.sweep.Policy = &without
	run()
	w.sweep.Policy = with
}

var scheduled = trigger.Request{Trigger: trigger.Timer, Inventory: true}

// The notice leaves the policy after a medium was announced, and returns. A sweep in between that found the medium not
// expired ends the announcement, like one with a notice.
func TestANoticeThatReturns(t *testing.T) {
	event := trigger.Request{Trigger: trigger.OSS, MediaIDs: []string{"m-a"}}
	asked := trigger.Request{Trigger: trigger.HTTP, Inventory: true}
	protect := func(w *world) { w.tag(402, "a", "legal-hold") }
	replace := func(w *world) { w.tag(300, "a") }
	hold := func(w *world) {
		ended := retention.Hold{Target: "m-a", Until: w.now.Add(-12 * time.Hour), Reason: "r", By: "b", At: noticeNow}
		if _, err := w.sweep.Marks.Place(w.t.Context(), w.store, ended); err != nil {
			w.t.Fatal(err)
		}
	}
	for name, test := range map[string]struct {
		change func(w *world) // two days later
		sweeps []trigger.Request
		mode   policy.Mode
		again  bool // whether it is announced again when the notice has returned
		fails  string
	}{
		"no sweep":                       {},
		"a sweep":                        {protect, []trigger.Request{scheduled}, policy.Enforce, true, ""},
		"many sweeps":                    {protect, []trigger.Request{scheduled, scheduled, scheduled}, policy.Enforce, true, ""},
		"a scheduled dry run":            {protect, []trigger.Request{scheduled}, policy.DryRun, true, ""},
		"a sweep that a person asks for": {protect, []trigger.Request{asked}, policy.Enforce, true, ""},
		"a dry run of a person":          {protect, []trigger.Request{asked}, policy.DryRun, false, ""},
		"an event":                       {protect, []trigger.Request{event}, policy.Enforce, false, ""},
		"a sweep that failed":            {protect, []trigger.Request{scheduled}, policy.Enforce, false, "announced/"},
		"another record":                 {replace, []trigger.Request{scheduled}, policy.Enforce, true, ""},
		"a hold that ended":              {hold, []trigger.Request{scheduled, scheduled, scheduled}, policy.Enforce, true, ""},
		"nothing":                        {nil, []trigger.Request{scheduled, scheduled, scheduled}, policy.Enforce, false, ""},
		"nothing, in dry runs":           {nil, []trigger.Request{scheduled, scheduled, scheduled}, policy.DryRun, false, ""},
	} {
		for by, request := range map[string]trigger.Request{"a sweep": scheduled, "an event": event} {
			t.Run(name+"/announced by "+by, func(t *testing.T) {
				w := newWorld(t, noticePolicy)
				w.add(400, "a")
				w.run("announces", &request, policy.Enforce)
				w.unnoticed(func() {
					for i, between := range test.sweeps {
						if w.days(2 + i); i == 0 && test.change != nil {
							test.change(w)
						}
						if test.fails != "" {
							w.fail("create", test.fails)
						}
						w.run(w.now.Format("0102"), &between, test.mode)
					}
				})
				w.fail("", "")
				w.days(8)
				w.media["m-a"] = firstRecordOf(t, w, "a")
				if r := w.sweepAll(policy.Enforce); (r.Counts.Announced == 1) != test.again || (r.Counts.Deleted == 0) != test.again {
					t.Errorf("%+v, want it announced again: %v", r.Counts, test.again)
				}
			})
		}
	}
}

// A sweep under a policy without a notice looks at the orphans that events announced. It deletes them, or leaves them to
// the next one.
func TestASweepWithoutANoticeTakesUpOrphans(t *testing.T) {
	for _, changes := range []bool{false, true} {
		w := newWorld(t, noticePolicy)
		w.orphan(10)
		w.unnoticed(func() {
			for day := range 40 {
				if w.days(day); changes && day == 9 {
					w.tag(11, "orphans/a")
				}
				if r := w.run(w.now.Format("0102"), &scheduled, policy.Enforce); r.Status != report.Blocked || r.Counts.Expired != 1 {
					t.Fatalf("day %d: %s, %+v", day, r.Status, r.Counts)
				}
			}
			w.sweep.Policy.Guard.MaxDelete = 1
			for day, want := range []report.Counts{{Looked: 1, Expired: 1, Deleted: 1}, {Looked: 1, Absent: 1}, {}} {
				w.days(40 + day)
				if r := w.sweepAll(policy.Enforce); r.Counts != want {
					t.Errorf("%+v, want %+v", r.Counts, want)
				}
			}
		})
	}
}

// orphan announces by an event an orphan that the inventory does not name.
func (w *world) orphan(days int) {
	w.add(days, "orphans/a")
	removed := w.media["m-orphans-a"].Object
	w.run("event", &trigger.Request{Trigger: trigger.OSS, Removed: []media.Object{removed}, Objects: []media.Object{removed}}, policy.Enforce)
	w.sweep.Policy.Inventory.Prefixes = []media.Object{{Bucket: "media-in", Key: "listed/"}}
}

// An orphan whose record changes stays a lead of sweeps that do not announce it.
func TestALeadWhoseRecordChanges(t *testing.T) {
	w := newWorld(t, noticePolicy)
	w.orphan(10)
	w.tag(11, "orphans/a", "new")
	for day := range 3 {
		w.days(3 * day)
		if r := w.sweepAll(policy.DryRun); r.Counts.Expired != 1 || r.Counts.Announced != 1 {
			t.Errorf("day %d: %+v", day, r.Counts)
		}
	}
	if r := w.sweepAll(policy.Enforce); r.Counts.Announced != 1 || len(w.sent) > 0 {
		t.Errorf("a dry run announced it: %+v, deleted %v", r.Counts, w.sent)
	}
}

// A sweep that found a medium not expired makes an event's announcement of it a lead. A dry run that finds the medium
// expired again does not announce it.
func TestADryRunAnnouncesNoLead(t *testing.T) {
	w := newWorld(t, noticePolicy)
	w.add(400, "a", "b")
	w.run("event", &trigger.Request{Trigger: trigger.OSS, MediaIDs: []string{"m-a"}}, policy.Enforce)
	w.tag(400, "a", "legal-hold")
	w.sweepAll(policy.Enforce)
	w.now = w.now.Add(time.Hour)
	w.media["m-a"] = firstRecordOf(t, w, "a")
	delete(w.media, "m-b") // so that the dry run writes a generation
	w.sweepAll(policy.DryRun)
	w.days(8)
	if r := w.sweepAll(policy.Enforce); r.Counts.Announced != 1 || len(w.sent) > 0 {
		t.Errorf("a dry run announced it: %+v, deleted %v", r.Counts, w.sent)
	}
}

// A sweep that finds no announcement writes none.
func TestASweepThatNeverHadANotice(t *testing.T) {
	w := newWorld(t, "")
	w.add(1, "young")
	w.sweepAll(policy.Enforce)
	if written := w.store.Names("announced/"); len(written) != 0 {
		t.Errorf("%v", written)
	}
}
