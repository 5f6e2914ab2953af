package sweep

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/mediasweep/mediasweep/internal/deadline"
	"github.com/mediasweep/mediasweep/internal/history"
	"github.com/mediasweep/mediasweep/internal/journal"
	"github.com/mediasweep/mediasweep/internal/media"
	"github.com/mediasweep/mediasweep/internal/plan"
	"github.com/mediasweep/mediasweep/internal/policy"
	"github.com/mediasweep/mediasweep/internal/report"
	"github.com/mediasweep/mediasweep/internal/trigger"
)

// cutOff saves a plan of media, and the outcomes of a run that was cut off after some.
func (w *world) cutOff(draft plan.Contents, rule string, done []string, left ...string) plan.Contents {
	w.t.Helper()
	contents := w.save(draft, rule, slices.Concat(done, left)...)
	var outcomes []journal.Outcome
	for _, id := range done {
		outcomes = append(outcomes, journal.Outcome{MediaID: id, Became: journal.Deleted, Plan: contents.ID})
	}
	if len(outcomes) > 0 {
		if _, err := journal.AddOutcomes(w.t.Context(), w.store, "first", 0, outcomes); err != nil {
			w.t.Fatal(err)
		}
	}
	return contents
}

// otherInventory gives the policy an inventory without media.
func otherInventory(w *world) { w.edit("oss://media-in/}", "oss://media-in/other/}") }

// tightened sets guard.maxPercent.
func tightened(percent string) func(w *world) {
	return func(w *world) { w.edit("maxPercent: 100", "maxPercent: "+percent) }
}

// gone takes the first media of the library away: an earlier run deleted them.
func gone(n int) func(w *world) {
	return func(w *world) {
		for _, id := range slices.Sorted(maps.Keys(w.media))[:n] {
			delete(w.media, id)
		}
	}
}

func stopped(w *world) {
	if err := w.store.Create(w.t.Context(), StopName, nil); err != nil {
		w.t.Fatal(err)
	}
}

// edit changes the policy.
func (w *world) edit(before, after string) {
	p, err := policy.Parse("p", []byte(strings.Replace(worldPolicy, before, after, 1)))
	if err != nil {
		w.t.Fatal(err)
	}
	w.sweep.Policy = p
}

func (w *world) resume(contents plan.Contents) *report.Report {
	return w.run("second", &trigger.Request{Trigger: trigger.Timer, Plan: contents.ID, Resume: "first"}, policy.Enforce)
}

// A resumed plan deletes what is left of it. It is checked by the guard and by the notice, unless a person applied it.
func TestResume(t *testing.T) {
	type counts = report.Counts
	applied := plan.Head{Scope: plan.Scope{Plan: "sha256:" + strings.Repeat("0", 64)}}
	ofInventory := plan.Head{Scope: plan.Scope{Inventory: []string{"oss://media-in/"}}}
	for name, test := range map[string]struct {
		more       string // of the policy
		draft      plan.Contents
		rule       string
		done, left int
		change     func(w *world)
		status     report.Status
		want       counts
		sent       int
		note, err  string
	}{
		"all of it":                     {left: 12, status: report.Done, want: counts{Looked: 12, Expired: 12, Deleted: 12}, sent: 12},
		"the rest":                      {done: 5, left: 12, status: report.Done, want: counts{Looked: 12, Expired: 12, Deleted: 12}, sent: 12},
		"nothing":                       {done: 5, status: report.Done},
		"some that are gone":            {done: 5, left: 3, change: func(w *world) { delete(w.media, "m-006") }, status: report.Done, want: counts{Looked: 3, Expired: 3, Deleted: 2, Gone: 1}, sent: 2},
		"of a rule that is not there":   {rule: "other", left: 3, status: report.Done},
		"of a protect rule":             {rule: "hold", left: 3, status: report.Done},
		"as many as one run may delete": {left: 20, status: report.Done, want: counts{Looked: 20, Expired: 20, Deleted: 20}, sent: 20},
		"more than one run may delete":  {left: 21, status: report.Blocked, want: counts{Looked: 21, Expired: 21, Pending: 21}},
		"more than one run may delete, and some are gone": {left: 24, change: gone(3), status: report.Blocked, want: counts{Looked: 24, Expired: 24, Pending: 21, Gone: 3}},
		"so many that the others may be deleted":          {left: 24, change: gone(4), status: report.Done, want: counts{Looked: 24, Expired: 24, Deleted: 20, Gone: 4}, sent: 20},
		"all of a blocked plan are gone":                  {draft: plan.Contents{Blocked: "too many"}, left: 24, change: gone(24), status: report.Done, want: counts{Looked: 24, Expired: 24, Gone: 24}},
		"more than one run may delete, and a stop":        {left: 24, change: stopped, status: report.Incomplete, want: counts{Looked: 24, Expired: 24, Pending: 24}, err: "the record stop"},
		"more of an applied plan than one run may delete": {draft: plan.Contents{Head: applied}, left: 21, status: report.Blocked, want: counts{Looked: 21, Expired: 21, Pending: 21}},
		"blocked": {draft: plan.Contents{Blocked: "too many"}, left: 3, status: report.Blocked, want: counts{Looked: 3, Expired: 3, Pending: 3}},
		"more than the share that one run may delete": {draft: plan.Contents{Live: 109, MostLive: 109}, left: 11, change: tightened("10"), status: report.Blocked, want: counts{Looked: 11, Expired: 11, Pending: 11}},
		"as large a share":                            {draft: plan.Contents{Live: 110, MostLive: 110}, left: 11, change: tightened("10"), status: report.Done, want: counts{Looked: 11, Expired: 11, Deleted: 11}, sent: 11},
		"of an earlier version, and a guard":          {left: 11, change: tightened("10"), status: report.Done, want: counts{Looked: 11, Expired: 11, Deleted: 11}, sent: 11},
		"of an earlier version, and nothing may go":   {left: 1, change: tightened("0"), status: report.Blocked, want: counts{Looked: 1, Expired: 1, Pending: 1}},
		"of a guard that allows nothing":              {draft: plan.Contents{Live: 3, MostLive: 3}, left: 1, change: tightened("0"), status: report.Blocked, want: counts{Looked: 1, Expired: 1, Pending: 1}},
		"of a guard that a person overrode":           {draft: plan.Contents{Live: 3, MostLive: 3, Head: applied}, left: 1, change: tightened("0"), status: report.Done, want: counts{Looked: 1, Expired: 1, Deleted: 1}, sent: 1},
		"of another region":                           {draft: plan.Contents{Region: "cn-beijing"}, left: 3, status: report.Failed, err: "region"},
		"not announced":                               {more: noticePolicy, left: 3, status: report.Done, note: "3 media of the plan are left to the next sweep"},
		"not announced, and applied":                  {more: noticePolicy, draft: plan.Contents{Head: applied}, left: 3, status: report.Done, want: counts{Looked: 3, Expired: 3, Deleted: 3}, sent: 3},
		"announced a week ago": {more: noticePolicy, left: 3, change: func(w *world) {
			w.sweepAll(policy.Enforce)
			w.days(7)
		}, status: report.Done, want: counts{Looked: 3, Expired: 3, Deleted: 3}, sent: 3},
		"announced less than a week ago": {more: noticePolicy, left: 3, change: func(w *world) {
			w.sweepAll(policy.Enforce)
			w.days(6)
		}, status: report.Done, note: "3 media of the plan are left to the next sweep"},
		"of the inventory":                        {draft: plan.Contents{Head: ofInventory}, left: 3, status: report.Done, want: counts{Looked: 3, Expired: 3, Deleted: 3}, sent: 3},
		"of an inventory that names them no more": {draft: plan.Contents{Head: ofInventory}, left: 3, change: otherInventory, status: report.Done, want: counts{Looked: 3, Kept: 3}},
		"of names beside the inventory":           {left: 3, change: otherInventory, status: report.Done, want: counts{Looked: 3, Expired: 3, Deleted: 3}, sent: 3},
		"the outcomes cannot be read": {left: 3, change: func(w *world) {
			if err := w.store.Create(w.t.Context(), "ledger/first/0000000001.jsonl.gz", []byte("{")); err != nil {
				w.t.Fatal(err)
			}
		}, status: report.Failed, err: "ledger"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, test.more)
			if test.rule == "" {
				test.rule = "rest"
			}
			ids := w.fill(test.done + test.left)
			contents := w.cutOff(test.draft, test.rule, ids[:test.done], ids[test.done:]...)
			for _, id := range ids[:test.done] {
				delete(w.media, id)
			}
			if test.change != nil {
				test.change(w)
			}
			r := w.resume(contents)
			if diff := cmp.Diff(test.want, r.Counts); r.Status != test.status || diff != "" || len(w.sent) != test.sent {
				t.Errorf("%s %s, sent %v, counts (-want +got):\n%s", r.Status, r.Error, w.sent, diff)
			}
			if notes := strings.Join(r.Notes, "\n"); !strings.Contains(notes, test.note) || test.note == "" && strings.Contains(notes, "left to the next") || !strings.Contains(r.Error, test.err) {
				t.Errorf("notes %q, error %q", r.Notes, r.Error)
			}
			if test.status == report.Failed {
				return
			}
			all, _, err := journal.Outcomes(t.Context(), w.store, "first", "first")
			if settled := test.done + r.Counts.Deleted + r.Counts.Gone; err != nil || len(all) != settled {
				t.Errorf("%d outcomes, want %d: %v", len(all), settled, err)
			}
		})
	}
	w := newWorld(t, "")
	if r := w.resume(plan.Contents{ID: "sha256:" + strings.Repeat("0", 64)}); r.Status != report.Failed {
		t.Errorf("a plan that does not exist: %s", r.Status)
	}
}

// Media of a dropped plan that are gone count as lost. Others are left alone.
func TestFindLost(t *testing.T) {
	for name, test := range map[string]struct {
		done, left, gone int
		region           string
		down             bool
		want             Dropped
		fails            bool
	}{
		"some are gone":     {done: 4, left: 15, gone: 3, want: Dropped{19, 15, 3}},
		"none is":           {left: 5, want: Dropped{5, 5, 0}},
		"all are settled":   {done: 4, want: Dropped{4, 0, 0}},
		"of another region": {left: 5, gone: 2, region: "cn-beijing", fails: true},
		"MPS is down":       {left: 5, gone: 2, down: true, want: Dropped{5, 5, 0}, fails: true},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, "")
			ids := w.fill(test.done + test.left)
			contents := w.cutOff(plan.Contents{Region: test.region}, "dropped", ids[:test.done], ids[test.done:]...)
			for _, id := range ids[test.done : test.done+test.gone] {
				delete(w.media, id)
			}
			w.down = test.down
			r := report.New("second", trigger.Timer, w.sweep.Policy, w.now)
			got, err := w.sweep.FindLost(t.Context(), deadline.Budget{}, journal.Intent{Run: "first", Plan: contents.ID}, r)
			if got != test.want || (err != nil) != test.fails || len(w.sent) > 0 {
				t.Errorf("%+v, %v, want %+v; sent %v", got, err, test.want, w.sent)
			}
			if c := r.Counts; r.Status != report.Done || c.Looked != test.want.Gone || c.Gone != test.want.Gone || c.Expired != test.want.Gone || c.Pending != 0 || r.Unrecorded != test.down {
				t.Errorf("%s %s, %+v", r.Status, r.Error, c)
			}
			all, _, err := journal.Outcomes(t.Context(), w.store, "first", "second")
			lost := 0
			for _, o := range all {
				if o.Became == journal.Lost {
					lost++
				}
			}
			if err != nil || lost != test.want.Gone {
				t.Errorf("%d lost: %v", lost, err)
			}
		})
	}
	w := newWorld(t, "")
	ids := w.fill(3)
	contents := w.cutOff(plan.Contents{}, "rest", nil, ids...)
	clear(w.media)
	w.fail("create", "")
	r := report.New("second", trigger.Timer, w.sweep.Policy, w.now)
	if got, err := w.sweep.FindLost(t.Context(), deadline.Budget{}, journal.Intent{Run: "first", Plan: contents.ID}, r); got.Gone != 3 || !errors.Is(err, errStore) || !r.Unrecorded {
		t.Errorf("not recorded: %+v, %v, unrecorded %v", got, err, r.Unrecorded)
	}
}

// A dropped plan whose records cannot be read for now stays open, for some weeks. One of another region, or that is lost, does not.
func TestFindLostOfAPlanThatCannotBeRead(t *testing.T) {
	const day = 24 * time.Hour
	for name, test := range map[string]struct {
		down, region string
		lose         bool
		age          time.Duration
		stays        bool
	}{
		"its head":             {down: "plan.json", stays: true},
		"its media":            {down: ".jsonl", stays: true},
		"its outcomes":         {down: "ledger/", stays: true},
		"its head, for weeks":  {down: "plan.json", age: 22 * day},
		"its media, for weeks": {down: ".jsonl", age: 22 * day},
		"of another region":    {region: "cn-beijing"},
		"lost":                 {lose: true},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, "")
			ids := w.fill(3)
			asOf := w.now.Add(-test.age)
			settled := 1
			if test.down == ".jsonl" { // outcomes have it in their names too
				settled = 0
			}
			contents := w.cutOff(plan.Contents{Region: test.region, Head: plan.Head{AsOf: asOf}}, "rest", ids[:settled], ids[settled:]...)
			clear(w.media)
			if test.down != "" {
				w.fail("read", test.down)
			}
			intent := journal.Intent{Run: "first", Plan: contents.ID, AsOf: asOf}
			if test.lose {
				intent.Plan = "sha256:" + strings.Repeat("0", 64)
			}
			r := report.New("second", trigger.Timer, w.sweep.Policy, w.now)
			if _, err := w.sweep.FindLost(t.Context(), deadline.Budget{}, intent, r); err == nil || r.Unrecorded != test.stays {
				t.Errorf("%v, stays open: %t, want %t", err, r.Unrecorded, test.stays)
			}
		})
	}
}

// The history names the plan that a person approved, also for media of a dropped plan that are gone.
func TestFindLostOfAnApprovedPlan(t *testing.T) {
	w := newWorld(t, "")
	ids := w.fill(1)
	contents := w.cutOff(plan.Contents{Head: plan.Head{Scope: plan.Scope{Plan: "sha256:approved"}}}, "rest", nil, ids...)
	clear(w.media)
	r := report.New("second", trigger.Timer, w.sweep.Policy, w.now)
	if _, err := w.sweep.FindLost(t.Context(), deadline.Budget{}, journal.Intent{Run: "first", Plan: contents.ID}, r); err != nil {
		t.Fatal(err)
	}
	found, err := history.Of(t.Context(), w.store, w.now, ids[0])
	if err != nil || len(found.Decisions) != 1 || found.Decisions[0].Plan != "sha256:approved" || found.Decisions[0].Outcome != journal.Lost {
		t.Errorf("%+v, %v", found, err)
	}
}

// A run of orphans says that these cannot be restored.
func TestNotesOfARun(t *testing.T) {
	for name, test := range map[string]struct {
		keys    []string
		orphans int
	}{"no orphan": {[]string{"orphans/a", "b"}, 0}, "orphans": {[]string{"orphans/a", "orphans/b"}, 2}} {
		w := newWorld(t, "")
		ids := w.add(400, test.keys...)
		request := &trigger.Request{Trigger: trigger.OSS}
		for _, id := range ids {
			request.Objects = append(request.Objects, w.media[id].Object)
			if test.orphans > 0 {
				request.Removed = append(request.Removed, w.media[id].Object)
			}
		}
		r := w.run("r", request, policy.Enforce)
		want := fmt.Sprintf("the sources of %d media are gone", test.orphans)
		if noted := strings.Contains(strings.Join(r.Notes, "\n"), want); noted != (test.orphans > 0) || r.Counts.Deleted != 2 {
			t.Errorf("%s: %q, %+v", name, r.Notes, r.Counts)
		}
	}
}

// A run that could look at nothing has failed, and one whose failures have no room lists them.
func TestRunsThatSeeLittle(t *testing.T) {
	w := newWorld(t, "")
	w.down = true
	r := w.run("r", &trigger.Request{Trigger: trigger.HTTP, MediaIDs: []string{"m-a", "m-b"}}, policy.Enforce)
	if r.Status != report.Failed || !strings.Contains(r.Error, "no candidate could be read") || r.Plan != "" {
		t.Errorf("%s %s, plan %q", r.Status, r.Error, r.Plan)
	}
	w = newWorld(t, "")
	ids := w.fill(130)
	w.refused = ids[:110]
	r = w.run("r", &trigger.Request{Trigger: trigger.HTTP, MediaIDs: ids}, policy.DryRun)
	if notes := strings.Join(r.Notes, "\n"); r.Status != report.Partial || len(r.Failures) != 100 || !strings.Contains(notes, "10 more failures are in ") || len(w.store.Names("failures/")) == 0 {
		t.Errorf("%s %s, %d failures, notes %q", r.Status, r.Error, len(r.Failures), notes)
	}
	w.refused = ids[:100]
	if r = w.run("s", &trigger.Request{Trigger: trigger.HTTP, MediaIDs: ids}, policy.DryRun); strings.Contains(strings.Join(r.Notes, "\n"), "more failures") {
		t.Errorf("notes %q", r.Notes)
	}
}

// A resumed plan does not read whole groups, and leaves media of a rule with keepLatest to the sweep. These stay announced.
func TestAResumedPlanOfAGroupTakesNoAnnouncementBack(t *testing.T) {
	w := newWorld(t, noticePolicy)
	w.add(400, "series/x/old")
	w.add(300, "series/x/new")
	w.sweepAll(policy.Enforce)
	w.days(8)
	contents := w.cutOff(plan.Contents{Head: plan.Head{Scope: plan.Scope{Inventory: []string{"oss://media-in/"}}}}, "series", nil, "m-series-x-old")
	if r := w.resume(contents); r.Status != report.Done || r.Counts.Kept != 1 {
		t.Fatalf("%s, %+v", r.Status, r.Counts)
	}
	if r := w.sweepAll(policy.Enforce); r.Counts.Deleted != 1 || r.Counts.Announced != 0 {
		t.Errorf("%+v", r.Counts)
	}
}

// A resumed plan leaves media to the sweep that the inventory does not name, or not at the moment. These stay announced: an event
// may have led to them, or a list cannot be read.
func TestAResumedPlanLeavesUnnamedMediaAnnounced(t *testing.T) {
	other := policy.Inventory{Prefixes: []media.Object{{Bucket: "media-in", Key: "listed/"}}}
	unread := policy.Inventory{Manifests: []media.Object{{Bucket: "ops", Key: "list.csv"}}}
	for name, test := range map[string]struct {
		announces    trigger.Request
		then, resume policy.Inventory
	}{
		"an event led to it":          {trigger.Request{Trigger: trigger.OSS, MediaIDs: []string{"m-a"}}, other, other},
		"its list cannot be read now": {scheduled, policy.Inventory{Prefixes: []media.Object{{Bucket: "media-in"}}}, unread},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, noticePolicy)
			w.add(400, "a")
			w.run("announces", &test.announces, policy.Enforce)
			w.days(8)
			contents := w.cutOff(plan.Contents{Head: plan.Head{Scope: plan.Scope{Inventory: []string{"oss://media-in/"}}}}, "rest", nil, "m-a")
			w.sweep.Policy.Inventory = test.resume
			if r := w.resume(contents); r.Status != report.Done || r.Counts.Kept != 1 {
				t.Errorf("resumed: %s %s, %+v", r.Status, r.Error, r.Counts)
			}
			w.sweep.Policy.Inventory = test.then
			if r := w.sweepAll(policy.Enforce); r.Counts.Deleted != 1 {
				t.Errorf("%+v", r.Counts)
			}
		})
	}
}
