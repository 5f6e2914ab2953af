package sweep

import (
	"strings"
	"testing"

	"github.com/mediasweep/mediasweep/internal/journal"
	"github.com/mediasweep/mediasweep/internal/media"
	"github.com/mediasweep/mediasweep/internal/plan"
	"github.com/mediasweep/mediasweep/internal/policy"
	"github.com/mediasweep/mediasweep/internal/report"
	"github.com/mediasweep/mediasweep/internal/trigger"
)

func TestTripped(t *testing.T) {
	tests := []struct {
		name, guard             string
		looked, absent, expired int
		known                   int
		claimed                 int // by a checkpoint; 0 for the live media
		want                    string
	}{
		{"exactly the percentage", "maxDelete: 1000000, maxPercent: 32.3", 1000, 0, 323, 0, 0, ""},
		{"one more", "maxDelete: 1000000, maxPercent: 32.3", 1000, 0, 324, 0, 0, "324 of 1000 live media have expired (32.4 %) and guard.maxPercent is 32.3"},
		{"a third in decimals", "maxDelete: 1000000, maxPercent: 33.333333", 3_000_000, 0, 999_999, 0, 0, ""},
		{"a little more than that", "maxDelete: 1000000, maxPercent: 33.333333", 3_000_000, 0, 1_000_000, 0, 0, "1000000 of 3000000 live media have expired (33.3333333 %) and guard.maxPercent is 33.333333"},
		{"a percentage that rounds to the limit", "maxPercent: 10", 10_000, 0, 1001, 0, 0, "1001 of 10000 live media have expired (10.01 %) and guard.maxPercent is 10"},
		{"one of many", "maxPercent: 0", 1_000_000, 0, 1, 0, 0, "1 of 1000000 live media have expired (0.0001 %) and guard.maxPercent is 0"},
		{"of the live ones", "maxPercent: 10", 1000, 500, 51, 0, 0, "51 of 500 live media have expired (10.2 %) and guard.maxPercent is 10"},
		{"passed over", "maxPercent: 10", 500, 0, 100, 500, 0, ""},
		{"few media", "maxPercent: 10", 99, 0, 99, 0, 0, ""},
		{"no percent of few", "maxPercent: 0", 99, 0, 1, 0, 0, "1 of 99 live media have expired (1.0 %) and guard.maxPercent is 0"},
		{"all", "maxPercent: 100.0", 1000, 0, 1000, 0, 0, ""},
		{"all of fewer", "maxPercent: 100, minPopulation: 1", 10, 5, 6, 0, 0, ""},
		{"a claim of more", "maxPercent: 10", 100, 0, 11, 0, 1000, "11 of 100 live media have expired (11.0 %) and guard.maxPercent is 10"},
		{"a claim for few", "maxPercent: 10", 50, 0, 6, 0, 1000, "6 of 50 live media have expired (12.0 %) and guard.maxPercent is 10"},
		{"the count", "maxPercent: 100, maxDelete: 10", 1000, 0, 11, 0, 0, "11 media have expired and guard.maxDelete is 10"},
		{"exactly the count", "maxPercent: 100, maxDelete: 10", 1000, 0, 10, 0, 0, ""},
		{"as many media as the percentage needs", "maxPercent: 10", 100, 0, 11, 0, 0, "11 of 100 live media have expired (11.0 %) and guard.maxPercent is 10"},
		{"no percent, and none", "maxPercent: 0", 1000, 0, 0, 0, 0, ""},
		{"almost all", "maxPercent: 99", 1000, 0, 1000, 0, 0, "1000 of 1000 live media have expired (100.0 %) and guard.maxPercent is 99"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			p, err := policy.Parse("p", []byte("version: 1\nguard: {"+test.guard+"}\n"))
			if err != nil {
				t.Fatal(err)
			}
			live := test.looked - test.absent + test.known
			if got := tripped(p.Guard, test.expired, live, max(live, test.claimed)); got != test.want {
				t.Errorf("%q, want %q", got, test.want)
			}
		})
	}
}

// What is left of a plan is checked against the live media that its run knew. Without these the plan's own reason stays.
func TestGuardOfTheRestOfAPlan(t *testing.T) {
	for name, test := range map[string]struct {
		left    int
		of      plan.Contents
		blocked string // part of the reason
	}{
		"few of many":                  {10, plan.Contents{Live: 100, MostLive: 100, Blocked: "too many"}, ""},
		"many of many":                 {11, plan.Contents{Live: 100, MostLive: 100}, "11 of 100 live media"},
		"more than were live":          {12, plan.Contents{Live: 11, MostLive: 100}, "12 of 12 live media"},
		"one of one":                   {1, plan.Contents{Live: 1, MostLive: 1, Blocked: "too many"}, ""},
		"of nobody knows how many":     {10, plan.Contents{Blocked: "too many"}, "too many"},
		"one of nobody knows how many": {1, plan.Contents{Blocked: "too many"}, "too many"},
		"as many as one run may":       {20, plan.Contents{Blocked: "too many"}, "too many"},
		"more than one run may":        {21, plan.Contents{Blocked: "too many"}, "21 media have expired and guard.maxDelete is 20"},
		"nothing":                      {0, plan.Contents{Blocked: "too many"}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, "")
			w.sweep.Policy.Guard.MaxPercent = 10 * policy.OnePercent
			r := w.newRun("r", &trigger.Request{Trigger: trigger.HTTP}, policy.DryRun)
			r.report.Counts.Pending = test.left
			if got := r.guardRest(test.of); (got == "") != (test.blocked == "") || !strings.Contains(got, test.blocked) {
				t.Errorf("%q, want %q", got, test.blocked)
			}
		})
	}
}

// A person who applies a blocked plan overrides its guard, once. A plan that the guard blocks by now is as good as blocked.
func TestGuardOfAnAppliedPlan(t *testing.T) {
	const notice = "notice: 7d\n"
	for name, test := range map[string]struct {
		more, blocked, of string // more of the policy, and the plan's reason and policy
		expired           int
		dry, applied      bool
		tripped           bool
		overridden, draft string // parts of the report, and the reason of the new plan
	}{
		"of a guard that let it pass":         {expired: 25, overridden: "was not blocked when it was made, and would be now: 25 media"},
		"few":                                 {expired: 20},
		"blocked":                             {blocked: "too many", expired: 1, overridden: "was blocked: too many; applied by a person"},
		"blocked, and nothing is left":        {blocked: "too many"},
		"blocked, and applied before":         {blocked: "too many", expired: 1, applied: true, tripped: true, draft: "the plan was blocked, and was applied before: too many"},
		"of another policy":                   {of: "sha256:0", expired: 25, overridden: "and would be now: 25 media"},
		"of another policy, and few":          {of: "sha256:0", expired: 20},
		"of announced media":                  {more: notice, expired: 25, overridden: "and would be now: 25 media"},
		"of announced media, and few":         {more: notice, expired: 20},
		"of announced media, applied before":  {more: notice, expired: 25, applied: true, tripped: true, draft: "applied before: 25 media"},
		"a dry run":                           {dry: true, expired: 25, draft: "25 media have expired"},
		"a dry run of few":                    {dry: true, expired: 20},
		"a dry run of few that were too many": {dry: true, blocked: "too many", expired: 20, draft: "too many"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, test.more)
			contents := w.save(plan.Contents{Head: plan.Head{Policy: test.of}, Blocked: test.blocked}, "rest", w.fill(1)...)
			if test.applied {
				if err := journal.MarkApplied(t.Context(), w.store, contents.ID, "before"); err != nil {
					t.Fatal(err)
				}
			}
			mode := policy.Enforce
			if test.dry {
				mode = policy.DryRun
			}
			r := w.newRun("r", &trigger.Request{Trigger: trigger.HTTP, Plan: contents.ID}, mode)
			r.report.Counts.Expired, r.report.Counts.Pending = test.expired, test.expired
			g, err := r.guardApply(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			guard, draft := g.guard, g.draft
			if guard.Tripped != test.tripped || (guard.Overridden == "") != (test.overridden == "") || !strings.Contains(guard.Overridden, test.overridden) {
				t.Errorf("%+v, want tripped %v and overridden %q", guard, test.tripped, test.overridden)
			}
			if (draft.Blocked == "") != (test.draft == "") || !strings.Contains(draft.Blocked, test.draft) {
				t.Errorf("the new plan is blocked by %q, want %q", draft.Blocked, test.draft)
			}
			if (g.next != "") != test.tripped {
				t.Errorf("next: %q", g.next)
			}
		})
	}
	r := newWorld(t, "").newRun("r", &trigger.Request{Trigger: trigger.HTTP, Plan: "sha256:none"}, policy.Enforce)
	if _, err := r.guardApply(t.Context()); err == nil {
		t.Error("a plan that does not exist passes the guard")
	}
}

// Media that were restored while a run without a lease looked at others end the run, if a rule keeps the latest.
func TestRestoresBesideARun(t *testing.T) {
	for name, test := range map[string]struct {
		request trigger.Request
		mode    policy.Mode
		expired int
		refused bool
	}{
		"an event":                 {trigger.Request{Trigger: trigger.OSS}, policy.Enforce, 1, true},
		"an event that finds none": {trigger.Request{Trigger: trigger.OSS}, policy.Enforce, 0, false},
		"a dry run":                {trigger.Request{Trigger: trigger.HTTP}, policy.DryRun, 1, false},
		"a sweep":                  {trigger.Request{Trigger: trigger.Timer, Inventory: true}, policy.Enforce, 1, false},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, "")
			r := w.newRun("r", &test.request, test.mode)
			r.report.Counts.Expired = test.expired
			before := r.Marks.Restores()
			if err := r.checkRestores(t.Context(), before); err != nil {
				t.Errorf("without a restore: %v", err)
			}
			if err := journal.HoldRestored(t.Context(), w.store, w.now, []media.Object{{Bucket: "media-in", Key: "a"}}); err != nil {
				t.Fatal(err)
			}
			if err := r.checkRestores(t.Context(), before); (err != nil) != test.refused {
				t.Errorf("%v, want refused: %v", err, test.refused)
			}
		})
	}
}

// Events spend from one budget. What trips the guard, or is not due, spends nothing.
func TestGuardOfEvents(t *testing.T) {
	w := newWorld(t, "")
	event := func(run string, ids []string) *report.Report {
		return w.run(run, &trigger.Request{Trigger: trigger.OSS, MediaIDs: ids}, policy.Enforce)
	}
	ids := w.fill(45)
	if r := event("one", ids[:21]); r.Status != report.Blocked || !strings.Contains(r.Guard.Reason, "21 media have expired and") || len(w.store.Names("spent/")) > 0 {
		t.Errorf("too many at once: %s, %q, spent %v", r.Status, r.Guard.Reason, w.store.Names("spent/"))
	}
	if r := w.run("dry", &trigger.Request{Trigger: trigger.OSS, MediaIDs: ids[:20]}, policy.DryRun); r.Status != report.Done || r.Guard.Tripped || len(w.store.Names("spent/")) > 0 {
		t.Errorf("a dry run: %s, %+v, spent %v", r.Status, r.Guard, w.store.Names("spent/"))
	}
	if r := w.run("named", &trigger.Request{Trigger: trigger.HTTP, MediaIDs: ids[40:]}, policy.Enforce); r.Counts.Deleted != 5 || len(w.store.Names("spent/")) > 0 {
		t.Errorf("no event: %+v, spent %v", r.Counts, w.store.Names("spent/"))
	}
	if r := event("two", ids[:15]); r.Status != report.Done || r.Counts.Deleted != 15 || len(w.store.Names("spent/")) != 1 {
		t.Errorf("within the budget: %s, %+v, spent %v", r.Status, r.Counts, w.store.Names("spent/"))
	}
	if r := event("three", ids[15:21]); r.Status != report.Blocked || !strings.Contains(r.Guard.Reason, "6 media have expired, earlier events within 24 hours have used 15, and guard.maxDelete is 20") || r.Counts.Pending != 6 {
		t.Errorf("beyond the budget: %s, %q", r.Status, r.Guard.Reason)
	}
}
