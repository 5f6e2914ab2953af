package runlog

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/mediasweep/mediasweep/internal/journal"
	"github.com/mediasweep/mediasweep/internal/plan"
	"github.com/mediasweep/mediasweep/internal/report"
	"github.com/mediasweep/mediasweep/internal/state/statetest"
	"github.com/mediasweep/mediasweep/internal/trigger"
)

func TestKilledRuns(t *testing.T) {
	intent := journal.Intent{Run: "killed", Policy: "sha256:p", AsOf: asOf, Trigger: trigger.HTTP, Asked: "sha256:asked", Applied: "sha256:applied"}
	add := func(s *statetest.Memory, count int, became journal.Became, runs ...string) {
		_, last, err := journal.Outcomes(t.Context(), s, "killed", "killed")
		no(t, err)
		var list []journal.Outcome
		for i := range count {
			list = append(list, journal.Outcome{MediaID: fmt.Sprintf("m%06d", i), Became: became, Plan: intent.Plan, Runs: runs})
		}
		_, err = journal.AddOutcomes(t.Context(), s, "killed", last, list)
		no(t, err)
	}
	saved := func(s *statetest.Memory, run string, days int) {
		r := report.New(run, trigger.Timer, nil, asOf.AddDate(0, 0, days))
		r.Finish(report.Done, r.AsOf.Add(time.Minute))
		no(t, Save(t.Context(), s, r))
	}
	tests := []struct {
		name  string
		alter func(s *statetest.Memory)
		want  []string // run, trigger, counts
		fails string
	}{
		{"no outcome", func(*statetest.Memory) {}, []string{"killed http deleted 0 gone 0 unverified 0 failed 0"}, ""},
		{"some outcomes", func(s *statetest.Memory) { add(s, 5, journal.Deleted) }, []string{"killed http deleted 5 gone 0 unverified 0 failed 0"}, ""},
		{"all kinds", func(s *statetest.Memory) {
			add(s, 9, journal.Failed)
			add(s, 7, journal.Gone)
			add(s, 5, journal.Unverified)
			add(s, 3, journal.Deleted)
		}, []string{"killed http deleted 3 gone 2 unverified 2 failed 2"}, ""},
		{"its report was saved", func(s *statetest.Memory) { add(s, 5, journal.Deleted); saved(s, "killed", 0) }, nil, ""},
		{"its report is damaged", func(s *statetest.Memory) { add(s, 5, journal.Deleted); s.Put(reportName("killed", 1), []byte("{")) }, nil, ""},
		{"a report of its request's repetition", func(s *statetest.Memory) { add(s, 5, journal.Deleted); saved(s, "killed", 1) }, []string{"killed http deleted 5 gone 0 unverified 0 failed 0"}, ""},
		{"a run that resumed it was killed too", func(s *statetest.Memory) {
			add(s, 5, journal.Deleted)
			add(s, 2, journal.Lost, "killed", "other")
			saved(s, "killed", 0)
		}, []string{"other timer deleted 0 gone 2 unverified 0 failed 0"}, ""},
		{"both were killed", func(s *statetest.Memory) { add(s, 5, journal.Deleted); add(s, 2, journal.Deleted, "killed", "other") },
			[]string{"killed http deleted 3 gone 0 unverified 0 failed 0", "other timer deleted 2 gone 0 unverified 0 failed 0"}, ""},
		{"outcomes of another plan", func(s *statetest.Memory) {
			_, err := journal.AddOutcomes(t.Context(), s, "killed", 0, []journal.Outcome{{MediaID: "m000000", Became: journal.Deleted, Plan: "sha256:other"}})
			no(t, err)
		}, []string{"killed http deleted 0 gone 0 unverified 0 failed 0"}, ""},
		{"no plan", func(s *statetest.Memory) { delete(s.Records, plan.Name(intent.Plan)) }, nil, "read plan"},
		{"a damaged plan", func(s *statetest.Memory) { s.Put(plan.SegmentName(intent.Plan, 1), []byte("{")) }, nil, "record plans/"},
		{"damaged outcomes", func(s *statetest.Memory) { s.Put("ledger/killed/000001.jsonl.gz", []byte("{")) }, nil, "outcomes of run killed"},
		{"a store that is down", func(s *statetest.Memory) { s.Down, s.Of = "read", "runs/" }, nil, statetest.ErrDown.Error()},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			store := statetest.New()
			contents, err := journal.SavePlan(t.Context(), store, plan.Contents{Head: head()}, entries(t, 10))
			no(t, err)
			intent.Plan = contents.ID
			test.alter(store)
			found, err := Killed(t.Context(), store, intent)
			if (err == nil) != (test.fails == "") || err != nil && !strings.Contains(err.Error(), test.fails) {
				t.Fatalf("%v, want %q", err, test.fails)
			}
			var got []string
			for _, r := range found {
				c := r.Counts
				got = append(got, fmt.Sprintf("%s %s deleted %d gone %d unverified %d failed %d", r.Run, r.Trigger, c.Deleted, c.Gone, c.Unverified, c.Failed))
				if r.Status != report.Incomplete || r.Plan != intent.Applied || !r.FinishedAt.Equal(asOf) || c.Deleted > 0 && r.Rules[0].Deleted != c.Deleted || (r.Run == "killed") != (r.Asked == intent.Asked) {
					t.Errorf("%+v", r)
				}
				no(t, Save(t.Context(), store, r))
				no(t, Log(t.Context(), store, r))
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Error(diff)
			}
			if logged, err := isLogged(t.Context(), store, "killed", intent); strings.HasPrefix(test.name, "its report was saved") && (!logged || err != nil) {
				t.Errorf("its saved report is not in the log: %v", err)
			}
			// Saved again after a kill, they are saved once.
			records := len(store.Records)
			for _, r := range found {
				no(t, Save(t.Context(), store, r))
				no(t, Log(t.Context(), store, r))
			}
			if again, err := Killed(t.Context(), store, intent); test.fails == "" && (err != nil || len(again) > 0) || len(store.Records) != records {
				t.Errorf("counted again: %v, %v, %d records more", again, err, len(store.Records)-records)
			}
		})
	}
}

// The reports on a plan are those of the run that began it, and of scheduled runs that resumed it.
func TestReportsOnAPlan(t *testing.T) {
	store, intent := statetest.New(), journal.Intent{Run: "first", Plan: "sha256:p", AsOf: asOf}
	add := func(run string, kind trigger.Kind, after time.Duration, alter func(r *report.Report)) *report.Report {
		r := report.New(run, kind, nil, asOf)
		alter(r)
		r.Finish(report.Done, r.AsOf.Add(after))
		no(t, Log(t.Context(), store, r))
		return r
	}
	resumed := func(ledger, plan string) func(r *report.Report) {
		return func(r *report.Report) { r.Ledger, r.Plan = ledger, plan }
	}
	own := func(*report.Report) {}
	add("event", trigger.OSS, time.Minute, own)
	add("first", trigger.OSS, time.Hour, func(r *report.Report) { r.AsOf = r.AsOf.Add(time.Second) }) // its request was repeated
	add("second", trigger.Timer, 2*time.Hour, resumed("first", "sha256:p"))
	add("third", trigger.Timer, 3*time.Hour, resumed("first", "sha256:other"))
	add("fourth", trigger.Timer, 4*time.Hour, resumed("other", "sha256:p"))
	damaged := add("fifth", trigger.Timer, 5*time.Hour, resumed("first", "sha256:p"))
	store.Put(logName(damaged, 1), []byte("{"))
	saved := report.New("first", trigger.OSS, nil, asOf)
	saved.Finish(report.Partial, asOf.Add(time.Minute))
	no(t, Save(t.Context(), store, saved))
	found, err := OnPlan(t.Context(), store, intent)
	no(t, err)
	var runs []string
	for _, r := range found {
		runs = append(runs, fmt.Sprint(r.Run, " ", r.Status))
	}
	if diff := cmp.Diff([]string{"second done", "first partial"}, runs); diff != "" || store.Reads[logName(damaged, 1)] != 1 {
		t.Error(diff)
	}
	for _, down := range []string{"list", "read"} {
		store.Down, store.Of = down, "log/"
		if _, err := OnPlan(t.Context(), store, intent); !errors.Is(err, statetest.ErrDown) {
			t.Errorf("%s fails: %v", down, err)
		}
	}
}
