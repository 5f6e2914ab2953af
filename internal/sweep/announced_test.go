package sweep

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/mediasweep/mediasweep/internal/announce"
	"github.com/mediasweep/mediasweep/internal/media"
	"github.com/mediasweep/mediasweep/internal/policy"
	"github.com/mediasweep/mediasweep/internal/report"
	"github.com/mediasweep/mediasweep/internal/scan"
	"github.com/mediasweep/mediasweep/internal/trigger"
)

// A medium that expired because its source was removed is announced as an orphan.
func TestAnnouncedOrphans(t *testing.T) {
	w := newWorld(t, noticePolicy)
	w.add(10, "orphans/a")
	w.add(400, "b")
	removed := w.media["m-orphans-a"].Object
	w.run("r", &trigger.Request{Trigger: trigger.OSS, Removed: []media.Object{removed}, Objects: []media.Object{removed, w.media["m-b"].Object}}, policy.Enforce)
	for name, want := range map[string]bool{"m-orphans-a": true, "m-b": false} {
		m := w.media[name]
		leads := w.newRun("probe", &trigger.Request{Trigger: trigger.Timer, Inventory: true}, policy.DryRun).announced(t)
		found := false
		for one, err := range leads.Leads(t.Context()) {
			if err != nil {
				t.Fatal(err)
			}
			if one.MediaID == m.ID {
				found = true
				if one.Orphan != want {
					t.Errorf("%s: orphan %v", name, one.Orphan)
				}
			}
		}
		if !found {
			t.Errorf("%s is not announced", name)
		}
	}
}

// unchecked is a bucket whose objects cannot be checked.
type unchecked struct{ *world }

func (unchecked) Exists(context.Context, media.Object) (bool, error) { return false, errStore }

// An orphan whose source object cannot be checked for a time stays announced.
func TestAnnouncedOrphansThatCannotBeChecked(t *testing.T) {
	w := newWorld(t, noticePolicy)
	w.orphan(10)
	w.sweep.Objects = unchecked{w}
	for day := 1; day < 4; day++ {
		w.days(day)
		if r := w.run(fmt.Sprint(day), &scheduled, policy.Enforce); r.Status != report.Partial || len(r.Failures) != 1 {
			t.Errorf("day %d: %s, %+v", day, r.Status, r.Failures)
		}
	}
	w.sweep.Objects = w
	w.days(8)
	if r := w.sweepAll(policy.Enforce); r.Counts.Deleted != 1 {
		t.Errorf("%+v", r.Counts)
	}
}

// A report says if a request expired more media than it announces.
func TestARequestAnnouncesABoundedNumber(t *testing.T) {
	w := newWorld(t, noticePolicy)
	r := w.newRun("r", &trigger.Request{Trigger: trigger.HTTP}, policy.Enforce)
	describe := func(announced int) {
		r.report.Notes = nil
		days := newCalendar(w.sweep.Policy)
		days.media = announced
		r.reportAnnounced(&notice{terms: r.terms(), announced: &announce.Reader{Query: announce.Query{Sweep: r.request.Inventory}}}, days)
	}
	for announced, want := range map[int]string{announce.MostOfRequest: "", announce.MostOfRequest + 3: "3 media are announced only once"} {
		describe(announced)
		if notes := strings.Join(r.report.Notes, "\n"); (notes == "") != (want == "") || !strings.Contains(notes, want) {
			t.Errorf("%d announced: %q", announced, notes)
		}
	}
	r.request = &trigger.Request{Trigger: trigger.Timer, Inventory: true}
	if describe(announce.MostOfRequest + 3); len(r.report.Notes) > 0 {
		t.Errorf("a sweep announces all: %q", r.report.Notes)
	}
}

// The guard's warning names the day on which most media go, and the first of several.
func TestTheGuardOfAnAnnouncedDay(t *testing.T) {
	for name, test := range map[string]struct {
		media []int
		warns int // the index of the day; -1 for none
	}{
		"none": {nil, -1}, "few": {[]int{20}, -1}, "many": {[]int{21}, 0},
		"the first": {[]int{30, 21}, 0}, "the second": {[]int{21, 30, 22}, 1}, "equal days": {[]int{1, 21, 21}, 1},
	} {
		t.Run(name, func(t *testing.T) {
			r := newWorld(t, noticePolicy).newRun("r", &trigger.Request{Trigger: trigger.Timer}, policy.Enforce)
			for i, number := range test.media {
				r.report.Announced = append(r.report.Announced, report.Announced{Day: fmt.Sprint("2026-07-0", i+1), Media: number})
			}
			r.warnGuard(&scan.Found{Live: 1000, MostLive: 1000})
			for i, day := range r.report.Announced {
				if (day.Guard != "") != (i == test.warns) {
					t.Errorf("%s: %q", day.Day, day.Guard)
				}
			}
			if len(r.report.Notes) > 1 || (len(r.report.Notes) == 1) != (test.warns >= 0) {
				t.Errorf("notes %q", r.report.Notes)
			}
		})
	}
}

// Two runs that announce on the same day share a line of the report.
func TestAnnouncementsOfOneDay(t *testing.T) {
	w := newWorld(t, noticePolicy)
	w.add(400, "a", "b")
	w.sweepAll(policy.Enforce)
	w.now = w.now.Add(time.Hour)
	w.add(400, "c")
	r := w.sweepAll(policy.Enforce)
	if diff := cmp.Diff([]report.Announced{{Day: "2026-07-07", Media: 3, MediaIDs: []string{"m-a", "m-b", "m-c"}}}, r.Announced); diff != "" {
		t.Errorf("announced (-want +got):\n%s", diff)
	}
}

// Media whose announcement was not recorded are pending. Nothing is deleted then.
func TestAnnouncementsThatAreNotRecorded(t *testing.T) {
	for _, request := range []*trigger.Request{{Trigger: trigger.Timer, Inventory: true}, {Trigger: trigger.HTTP, MediaIDs: []string{"m-a", "m-b"}}} {
		w := newWorld(t, noticePolicy)
		w.add(400, "a", "b")
		w.fail("create", "announced/")
		r := w.run("r", request, policy.Enforce)
		if c := r.Counts; r.Status != report.Failed || !strings.Contains(r.Error, "nothing was deleted") || c.Announced != 0 || c.Pending != 2 || len(r.Announced) > 0 || len(w.sent) > 0 {
			t.Errorf("%+v: %s %s, %+v, announced %+v", request, r.Status, r.Error, c, r.Announced)
		}
	}
}
