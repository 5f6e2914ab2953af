package runlog

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/mediasweep/mediasweep/internal/journal"
	"github.com/mediasweep/mediasweep/internal/plan"
	"github.com/mediasweep/mediasweep/internal/report"
	"github.com/mediasweep/mediasweep/internal/state"
	"github.com/mediasweep/mediasweep/internal/state/statetest"
	"github.com/mediasweep/mediasweep/internal/trigger"
)

func TestFindPlan(t *testing.T) {
	id := func(digits string) string { return "sha256:" + digits + strings.Repeat("0", 64-len(digits)) }
	first, second, third, empty := id("aaaaaaaa1"), id("aaaaaaaa2"), id("bbbbbbbb"), id("cccccccc")
	saved := statetest.New()
	for i, name := range []string{plan.Name(third), plan.Name(first), plan.Name(second), plan.EmptyName(empty)} {
		saved.Put(name, []byte("{}"))
		saved.Written[name] = asOf.Add(time.Duration(i) * time.Second)
	}
	for _, other := range []string{plan.SegmentName(id("dddddddd"), 1), plan.AppliedName(third), "plans/sha256-eeeeeeee/plan.json", "plans/readme.txt"} {
		saved.Put(other, nil) // no record that completes a plan
		saved.Written[other] = asOf.Add(time.Hour)
	}
	delete(saved.Records, "plans/sha256-eeeeeeee/plan.json")
	tests := []struct {
		name, reference string
		store           *statetest.Memory
		want            string
		fails           string
	}{
		{"whole", third, saved, third, ""},
		{"whole, never saved", id("f"), saved, id("f"), ""}, // the caller reads it
		{"whole without its prefix", third[7:], saved, third, ""},
		{"eight digits", "sha256:bbbbbbbb", saved, third, ""},
		{"eight digits without the prefix", "bbbbbbbb", saved, third, ""},
		{"more digits", "aaaaaaaa2", saved, second, ""},
		{"a plan without media", "cccccccc", saved, empty, ""},
		{"ambiguous", "aaaaaaaa", saved, "", "several plans: give the whole ID of one: " + first + ", " + second},
		{"no such plan", "12345678", saved, "", "not found"},
		{"an incomplete plan", "dddddddd", saved, "", "not found"},
		{"latest of none", "latest", statetest.New(), "", "not found"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got, err := FindPlan(t.Context(), test.store, test.reference)
			if got != test.want || (err == nil) != (test.fails == "") {
				t.Fatalf("%q, %v; want %q", got, err, test.want)
			}
			if err != nil && test.fails != "not found" && !strings.Contains(err.Error(), test.fails) || errors.Is(err, state.ErrNotFound) != (test.fails == "not found") {
				t.Errorf("error %v, want %s", err, test.fails)
			}
		})
	}
	down := statetest.New()
	down.Down, down.Of = "list", "plans/"
	if got, err := FindPlan(t.Context(), down, "aaaaaaaa"); !errors.Is(err, statetest.ErrDown) {
		t.Errorf("%q, %v, want the store's error", got, err)
	}
}

// latestStore is a store with runs, one a minute.
type latestStore struct {
	*statetest.Memory
	t    *testing.T
	last time.Time
	skew time.Duration // of the time that runs decide as of
}

// run logs a run, which makes a plan of so many media, or deletes an earlier one. It returns the plan.
func (s *latestStore) run(kind trigger.Kind, status report.Status, media int, earlier string) string {
	s.t.Helper()
	s.last = s.last.Add(time.Minute)
	r := &report.Report{Run: s.last.Format("150405"), Trigger: kind, Status: status, AsOf: s.last.Add(s.skew), StartedAt: s.last, FinishedAt: s.last, Plan: earlier}
	if r.Counts.Expired = media; earlier == "" {
		contents, err := journal.SavePlan(s.t.Context(), s, plan.Contents{Head: plan.Head{AsOf: r.AsOf, Policy: "sha256:p", Scope: plan.Scope{MediaIDs: []string{"a"}}}}, entries(s.t, media))
		no(s.t, err)
		r.Plan = contents.ID
	}
	no(s.t, Log(s.t.Context(), s, r))
	return r.Plan
}

func TestLatestPlan(t *testing.T) {
	tests := []struct {
		name  string
		after func(s *latestStore, first, latest string)
		fails string
	}{
		{"nothing more", func(*latestStore, string, string) {}, ""},
		{"an event", func(s *latestStore, _, _ string) { s.run(trigger.OSS, report.Done, 3, "") }, ""},
		{"a plan as of another time", func(s *latestStore, _, _ string) {
			s.skew = 2 * time.Hour
			s.run(trigger.CLI, report.Done, 3, "")
			s.skew = -2 * time.Hour
			s.run(trigger.CLI, report.Done, 3, "")
		}, ""},
		{"a plan without media", func(s *latestStore, _, _ string) { s.run(trigger.Timer, report.Done, 0, "") }, ""},
		{"an apply of it", func(s *latestStore, _, latest string) { s.run(trigger.CLI, report.Partial, 2, latest) }, ""},
		{"an apply of an earlier plan", func(s *latestStore, first, _ string) { s.run(trigger.HTTP, report.Done, 3, first) }, ""},
		{"many runs without a plan", func(s *latestStore, first, _ string) {
			for range 40 {
				s.run(trigger.Timer, report.Done, 0, first)
			}
		}, ""},
		{"a plan that has expired", func(s *latestStore, _, _ string) {
			delete(s.Records, plan.Name(s.run(trigger.Timer, report.Done, 3, "")))
		}, ""},
		{"no ID of a plan", func(s *latestStore, _, _ string) { s.run(trigger.Timer, report.Done, 3, "../../plans") }, ""},
		{"a damaged report", func(s *latestStore, _, _ string) {
			s.run(trigger.Timer, report.Done, 3, "")
			s.Put(s.Created[len(s.Created)-1], []byte("{"))
		}, "cannot be read"},
		{"a damaged plan", func(s *latestStore, _, _ string) {
			s.Put(plan.Name(s.run(trigger.Timer, report.Done, 3, "")), []byte("{"))
		}, "read plan"},
		{"a log that cannot be listed", func(s *latestStore, _, _ string) { s.Down, s.Of = "list", "log/" }, statetest.ErrDown.Error()},
		{"reports that cannot be read", func(s *latestStore, _, _ string) { s.Down, s.Of = "read", "log/" }, statetest.ErrDown.Error()},
		{"too many runs without a plan", func(s *latestStore, first, _ string) {
			for range maxPageReads + state.AtOnce {
				s.run(trigger.HTTP, report.Done, 0, first)
			}
		}, "give its ID"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			s := &latestStore{Memory: statetest.New(), t: t, last: asOf}
			no(t, Begin(t.Context(), s))
			first := s.run(trigger.Timer, report.Blocked, 3, "")
			want := s.run(trigger.Invoke, report.Done, 2, "")
			test.after(s, first, want)
			got, err := FindPlan(t.Context(), s, "latest")
			if test.fails != "" {
				if err == nil || !strings.Contains(err.Error(), test.fails) || got != "" {
					t.Errorf("%q, %v, want %s", got, err, test.fails)
				}
				return
			}
			if err != nil || got != want {
				t.Errorf("%q, %v, want %q", got, err, want)
			}
		})
	}
}

// The number of plans and of events costs nothing.
func TestLatestPlanReadsLittle(t *testing.T) {
	s := &latestStore{Memory: statetest.New(), t: t, last: asOf}
	no(t, Begin(t.Context(), s))
	want := ""
	for range 20 {
		want = s.run(trigger.Timer, report.Done, 1, "")
		s.run(trigger.OSS, report.Done, 1, "")
	}
	s.Reads = map[string]int{}
	s.Down, s.Of = "list", "plans/"
	if got, err := FindPlan(t.Context(), s, "latest"); err != nil || got != want || len(s.Reads) != 2 {
		t.Errorf("%q, %v, %d records read; want %q of 2", got, err, len(s.Reads), want)
	}
}

// A store of the version before the log has its reports only.
func TestLatestPlanWithoutALog(t *testing.T) {
	s := &latestStore{Memory: statetest.New(), t: t, last: asOf}
	want := s.run(trigger.Timer, report.Done, 2, "")
	r, err := List(t.Context(), s, Query{Limit: 1})
	no(t, err)
	no(t, Save(t.Context(), s, r.Reports[0]))
	for name := range s.Records {
		if strings.HasPrefix(name, logFolder) {
			delete(s.Records, name)
		}
	}
	if got, err := FindPlan(t.Context(), s, "latest"); err != nil || got != want {
		t.Errorf("%q, %v, want %q", got, err, want)
	}
}
