package sweep

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/mediasweep/mediasweep/internal/journal"
	"github.com/mediasweep/mediasweep/internal/media"
	"github.com/mediasweep/mediasweep/internal/plan"
	"github.com/mediasweep/mediasweep/internal/policy"
	"github.com/mediasweep/mediasweep/internal/report"
	"github.com/mediasweep/mediasweep/internal/retention"
	"github.com/mediasweep/mediasweep/internal/trigger"
)

const noticePolicy = "notice: 7d\ntimezone: Asia/Shanghai\nfullEvery: 1h\n"

func (w *world) sweepAll(mode policy.Mode) *report.Report {
	w.t.Helper()
	r := w.run(w.now.Format("0102T150405"), &trigger.Request{Trigger: trigger.Timer, Inventory: true}, mode)
	if r.Status != report.Done {
		w.t.Errorf("%s: %s %s, %+v", r.Run, r.Status, r.Error, r.Counts)
	}
	return r
}

// days sets the clock to some days after the first run.
func (w *world) days(n int) { w.now = noticeNow.AddDate(0, 0, n) }

// A sweep deletes exactly the media that were announced a week ago, wherever they are among the others.
func TestASweepDeletesWhatWasAnnounced(t *testing.T) {
	w := newWorld(t, noticePolicy)
	w.sweep.Policy.Guard.MaxDelete = 1000
	var first, second []string
	for i := range 150 {
		if i%3 == 0 || i == 63 || i == 64 || i == 128 {
			first = append(first, w.add(400, fmt.Sprintf("%03d", i))...)
		}
	}
	if r := w.sweepAll(policy.Enforce); r.Counts.Announced != len(first) || r.Counts.Pending != 0 {
		t.Errorf("first: %+v", r.Counts)
	}
	w.days(3)
	for i := range 150 {
		if _, ok := w.media[fmt.Sprintf("m-%03d", i)]; !ok {
			second = append(second, w.add(400, fmt.Sprintf("%03d", i))...)
		}
	}
	r := w.sweepAll(policy.Enforce)
	if a := r.Announced; len(a) != 2 || a[0].Day != "2026-07-07" || a[0].Media != len(first) || a[1].Day != "2026-07-10" || a[1].Media != len(second) {
		t.Fatalf("announced %+v", a)
	}
	if ids := len(r.Announced[0].MediaIDs) + len(r.Announced[1].MediaIDs); ids != 100 {
		t.Errorf("the report lists %d media", ids)
	}
	w.days(7)
	r = w.sweepAll(policy.Enforce)
	if slices.Sort(w.sent); r.Counts.Deleted != len(first) || r.Counts.Announced != len(second) || !slices.Equal(w.sent, first) {
		t.Errorf("a week later: %+v, deleted %v", r.Counts, w.sent)
	}
	if saved := w.store.Names("plans/"); r.Plan == "" || !slices.ContainsFunc(saved, func(name string) bool { return strings.Contains(name, r.Plan[7:20]) }) {
		t.Errorf("plan %s is not among %v", r.Plan, saved)
	}
	w.days(9)
	if r = w.sweepAll(policy.Enforce); r.Counts.Deleted != 0 {
		t.Errorf("nine days later: %+v", r.Counts)
	}
	w.days(10)
	if r = w.sweepAll(policy.Enforce); r.Counts.Deleted != len(second) || r.Counts.Announced != 0 || len(w.media) != 0 {
		t.Errorf("ten days later: %+v", r.Counts)
	}
}

// What is not expired meanwhile, or was held, is announced again..
func TestAnnouncementsThatEnd(t *testing.T) {
	hold := func(ends time.Duration) func(w *world) {
		return func(w *world) {
			one := retention.Hold{Target: "m-a", Until: w.now.Add(ends), Reason: "r", By: "b", At: w.now.AddDate(0, 0, -5)}
			if _, err := w.sweep.Marks.Place(w.t.Context(), w.store, one); err != nil {
				w.t.Fatal(err)
			}
		}
	}
	for name, test := range map[string]struct {
		change func(w *world) // after three days, before a sweep
		undo   func(w *world) // after four days
		left   int            // of two media, after a week
	}{
		"nothing":                  {},
		"a tag":                    {change: func(w *world) { w.tag(403, "a", "legal-hold") }, undo: func(w *world) { w.tag(404, "a") }, left: 1},
		"a hold that ended":        {change: hold(24 * time.Hour), left: 1},
		"a hold between sweeps":    {undo: hold(-12 * time.Hour), left: 1},
		"a hold that ended before": {change: hold(-3*24*time.Hour - time.Second)},
		"a hold that ended then":   {change: hold(-3 * 24 * time.Hour), left: 1},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, noticePolicy)
			w.add(400, "a", "b")
			w.add(1, "young")
			w.sweepAll(policy.Enforce)
			w.days(3)
			if test.change != nil {
				test.change(w)
			}
			w.sweepAll(policy.Enforce)
			w.days(4)
			if test.undo != nil {
				test.undo(w)
			}
			w.sweepAll(policy.Enforce)
			w.days(7)
			if r := w.sweepAll(policy.Enforce); len(w.media) != test.left+1 || r.Counts.Announced != test.left {
				t.Errorf("%d media are left, %+v", len(w.media), r.Counts)
			}
		})
	}
}

// A hold that ended long ago, between two events, ended the announcement. Holds that were placed since do not hide it.
func TestAHoldThatEndedLongAgo(t *testing.T) {
	w := newWorld(t, strings.Replace(noticePolicy, "7d", "60d", 1))
	event := &trigger.Request{Trigger: trigger.OSS, MediaIDs: w.add(400, "a")}
	w.run("announces", event, policy.Enforce)
	for _, one := range []struct {
		target string
		day    int
	}{{"m-a", 1}, {"another", 50}} {
		w.days(one.day)
		hold := retention.Hold{Target: one.target, Until: w.now.AddDate(0, 0, 1), Reason: "r", By: "b", At: w.now}
		if _, err := w.sweep.Marks.Place(t.Context(), w.store, hold); err != nil {
			t.Fatal(err)
		}
	}
	w.days(61)
	if r := w.run("again", event, policy.Enforce); r.Counts.Announced != 1 || len(w.sent) > 0 {
		t.Errorf("%s %s, %+v", r.Status, r.Error, r.Counts)
	}
}

// An event sees few media of a group. It ends no announcement of one that a sweep found to have expired. A request may name the
// whole group.
func TestAnEventOfAGroup(t *testing.T) {
	for kind, want := range map[trigger.Kind]int{trigger.OSS: 1, trigger.HTTP: 0} {
		w := newWorld(t, noticePolicy)
		w.add(400, "series/x/old")
		w.add(300, "series/x/new")
		w.sweepAll(policy.Enforce)
		w.days(3)
		if r := w.run("one", &trigger.Request{Trigger: kind, MediaIDs: []string{"m-series-x-old"}}, policy.Enforce); r.Counts.Kept != 1 {
			t.Errorf("%s: %s %s, %+v", kind, r.Status, r.Error, r.Counts)
		}
		w.days(8)
		if r := w.sweepAll(policy.Enforce); r.Counts.Deleted != want || r.Counts.Announced != 1-want {
			t.Errorf("%s: %+v", kind, r.Counts)
		}
	}
}

// Scheduled dry runs and events end announcements. A dry run that a person asks for changes nothing, and none announces.
func TestDryRunsAndAnnouncements(t *testing.T) {
	for name, test := range map[string]struct {
		request   trigger.Request
		mode      policy.Mode
		announced bool // after a run that finds it
		ended     bool // after a run that finds it protected
	}{
		"a sweep":              {trigger.Request{Trigger: trigger.Timer, Inventory: true}, policy.Enforce, true, true},
		"a dry sweep":          {trigger.Request{Trigger: trigger.Timer, Inventory: true}, policy.DryRun, false, true},
		"an event":             {trigger.Request{Trigger: trigger.OSS, MediaIDs: []string{"m-a"}}, policy.Enforce, true, true},
		"a dry event":          {trigger.Request{Trigger: trigger.OSS, MediaIDs: []string{"m-a"}}, policy.DryRun, false, true},
		"a request":            {trigger.Request{Trigger: trigger.HTTP, MediaIDs: []string{"m-a"}}, policy.Enforce, true, true},
		"a dry request":        {trigger.Request{Trigger: trigger.HTTP, MediaIDs: []string{"m-a"}}, policy.DryRun, false, false},
		"a dry sweep by hand":  {trigger.Request{Trigger: trigger.HTTP, Inventory: true}, policy.DryRun, false, false},
		"a dry run of a shell": {trigger.Request{Trigger: trigger.CLI, Inventory: true}, policy.DryRun, false, false},
	} {
		t.Run(name, func(t *testing.T) {
			isAnnounced := func(w *world) bool {
				r := w.newRun("probe", &trigger.Request{Trigger: trigger.HTTP}, policy.DryRun)
				m := w.media["m-a"]
				of, err := r.announced(t).Of(t.Context(), m.ID)
				if err != nil {
					t.Fatal(err)
				}
				return !of.Since(&m).IsZero()
			}
			w := newWorld(t, noticePolicy)
			w.add(400, "a")
			notes := strings.Join(w.run("r", &test.request, test.mode).Notes, "\n")
			if got := isAnnounced(w); got != test.announced || strings.Contains(notes, "announced: 1 media") != got || strings.Contains(notes, "a dry run announces nothing") == got {
				t.Errorf("announced: %v, and the notes say %q", got, notes)
			}
			w = newWorld(t, noticePolicy)
			w.add(400, "a")
			w.sweepAll(policy.Enforce)
			before := w.store.Names("announced/")
			w.days(1)
			w.tag(401, "a", "legal-hold")
			w.run("r", &test.request, test.mode)
			if changed := !slices.Equal(before, w.store.Names("announced/")); changed != test.ended {
				t.Errorf("changed: %v", changed)
			}
			w.days(2)
			w.tag(402, "a")
			w.media["m-a"] = firstRecordOf(t, w, "a")
			if got := isAnnounced(w); got == test.ended {
				t.Errorf("announced after it was protected: %v", got)
			}
		})
	}
}

// A dry event takes one medium's announcement back. It does not announce another one whose announcement has a later time.
func TestADryEventOnlyTakesBack(t *testing.T) {
	w := newWorld(t, noticePolicy)
	w.add(400, "a", "b")
	event := trigger.Request{Trigger: trigger.OSS, MediaIDs: []string{"m-a", "m-b"}}
	w.now = noticeNow.Add(10 * time.Minute) // of a machine whose clock is ahead
	w.run("ahead", &event, policy.Enforce)
	w.now = noticeNow
	w.media["m-a"] = firstRecordOf(t, w, "a")
	w.tag(400, "b", "legal-hold")
	before := len(w.store.Names("announced/"))
	w.run("dry", &event, policy.DryRun)
	if names := w.store.Names("announced/"); len(names) != before+1 {
		t.Errorf("%d records before, and then %q", before, names)
	}
}

// An event that finds a medium expired again announces it again, if a sweep has found it kept since the event before. A dry
// one only takes back.
func TestAnEventAfterASweepThatKeptItsMedium(t *testing.T) {
	event := &trigger.Request{Trigger: trigger.OSS, MediaIDs: []string{"m-a", "m-b"}}
	for mode, want := range map[policy.Mode]int{policy.Enforce: 2, policy.DryRun: 1} {
		w := newWorld(t, noticePolicy)
		w.add(400, "a", "b")
		w.run("first", event, policy.Enforce)
		w.tag(400, "a", "legal-hold")
		w.sweepAll(policy.Enforce)
		before := len(w.store.Names("announced/"))
		w.now = w.now.Add(time.Hour + time.Millisecond)
		w.media["m-a"] = firstRecordOf(t, w, "a")
		w.tag(400, "b", "legal-hold")
		if w.run("second", event, mode); len(w.store.Names("announced/"))-before != want {
			t.Errorf("%s: %d records, before %d", mode, len(w.store.Names("announced/")), before)
		}
	}
}

// firstRecordOf returns the medium as the first run saw it.
func firstRecordOf(t *testing.T, w *world, key string) (m media.Medium) {
	t.Helper()
	now := w.now
	defer func() { w.now = now }()
	w.days(0)
	return w.media[w.tag(400, key)]
}

// A scheduled dry sweep ends the announcement of a medium that is gone.
func TestADrySweepDropsWhatIsGone(t *testing.T) {
	w := newWorld(t, noticePolicy)
	w.add(400, "a")
	w.sweepAll(policy.Enforce)
	delete(w.media, "m-a")
	before := w.store.Names("announced/generations/")
	w.days(1)
	w.sweepAll(policy.DryRun)
	if after := w.store.Names("announced/generations/"); len(after) != len(before)+2 {
		t.Errorf("%v, before %v", after, before)
	}
}

// A dry sweep under which no announcement ends writes no generation.
func TestASweepThatAnnouncesNothing(t *testing.T) {
	w := newWorld(t, noticePolicy)
	w.add(400, "a")
	w.sweepAll(policy.Enforce)
	before := w.store.Names("announced/")
	w.days(1)
	w.sweepAll(policy.DryRun)
	if after := w.store.Names("announced/"); !slices.Equal(before, after) {
		t.Errorf("%v, before %v", after, before)
	}
}

// What a killed run deleted is recorded, although a dry run ended the announcements before the plan was resumed. The kill
// switch delays that.
func TestResumeAfterADryRunThatEndedTheNotice(t *testing.T) {
	for missing, want := range map[int]report.Counts{
		2: {Looked: 3, Expired: 3, Deleted: 1, Gone: 2},
		3: {Looked: 3, Expired: 3, Gone: 3},
	} {
		w := newWorld(t, noticePolicy)
		ids := w.fill(3)
		w.sweepAll(policy.Enforce)
		w.days(8)
		contents := w.cutOff(plan.Contents{}, "rest", nil, ids...)
		gone(missing)(w)
		w.sweepAll(policy.DryRun)
		stopped(w)
		if r := w.resume(contents); !r.Unrecorded || r.Counts.Gone+r.Counts.Deleted != 0 {
			t.Errorf("with the kill switch on: unrecorded %v, %+v", r.Unrecorded, r.Counts)
		}
		delete(w.store.Records, StopName)
		r := w.resume(contents)
		if r.Status != report.Done || r.Counts != want || r.Unrecorded {
			t.Errorf("%s %s, %+v, notes %q", r.Status, r.Error, r.Counts, r.Notes)
		}
		if all, _, err := journal.Outcomes(t.Context(), w.store, "first", "first"); err != nil || len(all) != 3 {
			t.Errorf("%d outcomes: %v", len(all), err)
		}
	}
}
