package sweep

import (
	"testing"

	"github.com/mediasweep/mediasweep/internal/media"
	"github.com/mediasweep/mediasweep/internal/policy"
	"github.com/mediasweep/mediasweep/internal/report"
	"github.com/mediasweep/mediasweep/internal/trigger"
)

// unnoticed runs with a policy that has no notice, and restores the notice.
func (w *world) unnoticed(run func()) {
	with := w.sweep.Policy
	without := *with
	without.Notice = policy.Period{}
	w.sweep.Policy = &without
	run()
	w.sweep.Policy = with
}

// A sweep under a policy without a notice ends the announcements of what it keeps: the medium may have stopped being expired.
func TestASweepWithoutANoticeEndsAnnouncements(t *testing.T) {
	event := &trigger.Request{Trigger: trigger.OSS, MediaIDs: []string{"m-a"}}
	for name, announced := range map[string]func(w *world){
		"by a sweep":  func(w *world) { w.sweepAll(policy.Enforce) },
		"by an event": func(w *world) { w.run("event", event, policy.Enforce) },
	} {
		for _, mode := range []policy.Mode{policy.Enforce, policy.DryRun} {
			t.Run(name+"/"+string(mode), func(t *testing.T) {
				w := newWorld(t, noticePolicy)
				w.add(400, "a")
				announced(w)
				w.days(3)
				w.tag(403, "a", "legal-hold")
				w.unnoticed(func() { w.sweepAll(mode) })
				w.days(8)
				w.media["m-a"] = firstRecordOf(t, w, "a")
				if r := w.sweepAll(policy.Enforce); r.Counts.Announced != 1 || len(w.sent) != 0 {
					t.Errorf("%+v, deleted %v", r.Counts, w.sent)
				}
			})
		}
	}
}

// A sweep under a policy without a notice deletes the media that events announced, or leaves them to the next one.
func TestASweepWithoutANoticeTakesUpOrphans(t *testing.T) {
	w := newWorld(t, noticePolicy)
	w.add(10, "orphans/a")
	removed := w.media["m-orphans-a"].Object
	w.run("event", &trigger.Request{Trigger: trigger.OSS, Removed: []media.Object{removed}, Objects: []media.Object{removed}}, policy.Enforce)
	w.sweep.Policy.Inventory.Prefixes = []media.Object{{Bucket: "media-in", Key: "listed/"}}
	w.unnoticed(func() {
		w.sweep.Policy.Guard.MaxDelete = 0
		for day := range 40 {
			w.days(day)
			if r := w.run(w.now.Format("0102"), &trigger.Request{Trigger: trigger.Timer, Inventory: true}, policy.Enforce); r.Status != report.Blocked || r.Counts.Expired != 1 {
				t.Fatalf("day %d: %s, %+v", day, r.Status, r.Counts)
			}
		}
		w.sweep.Policy.Guard.MaxDelete = 1
		if r := w.sweepAll(policy.Enforce); r.Counts.Deleted != 1 {
			t.Errorf("%+v", r.Counts)
		}
		w.days(41)
		if r := w.sweepAll(policy.Enforce); r.Counts.Absent != 1 {
			t.Errorf("%+v", r.Counts)
		}
		w.days(42)
		if r := w.sweepAll(policy.Enforce); r.Counts.Looked != 0 {
			t.Errorf("%+v", r.Counts)
		}
	})
}

// A sweep whose state has no announcement writes none.
func TestASweepThatNeverHadANotice(t *testing.T) {
	w := newWorld(t, "")
	w.add(1, "young")
	w.sweepAll(policy.Enforce)
	if written := w.store.Names("announced/"); len(written) != 0 {
		t.Errorf("%v", written)
	}
}
