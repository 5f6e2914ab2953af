package sweep

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/mediasweep/mediasweep/internal/history"
	"github.com/mediasweep/mediasweep/internal/journal"
	"github.com/mediasweep/mediasweep/internal/mps"
	"github.com/mediasweep/mediasweep/internal/plan"
	"github.com/mediasweep/mediasweep/internal/policy"
	"github.com/mediasweep/mediasweep/internal/purge"
	"github.com/mediasweep/mediasweep/internal/report"
	"github.com/mediasweep/mediasweep/internal/retention"
	"github.com/mediasweep/mediasweep/internal/segments"
	"github.com/mediasweep/mediasweep/internal/state"
	"github.com/mediasweep/mediasweep/internal/trigger"
)

// Each outcome is counted once, and taken from pending. It is recorded, unless the medium stays.
func TestSettle(t *testing.T) {
	denied := &mps.Error{Op: mps.DeleteMedia, Kind: mps.Unauthorized, Code: "Forbidden"}
	for name, test := range map[string]struct {
		outcome                             purge.Outcome
		want                                report.Counts
		recorded                            journal.Became
		spared, partial, failure, takenBack bool
		tombstones                          [2]int // of deleted and of unverified media
	}{
		"deleted":           {outcome: purge.Outcome{Became: journal.Deleted}, want: report.Counts{Expired: 2, Deleted: 1}, recorded: journal.Deleted},
		"shown as new":      {outcome: purge.Outcome{Became: journal.Deleted, Tombstone: true}, want: report.Counts{Expired: 2, Deleted: 1}, recorded: journal.Deleted, tombstones: [2]int{1, 0}},
		"still shown":       {outcome: purge.Outcome{Became: journal.Unverified, Tombstone: true, Cause: denied}, want: report.Counts{Expired: 2, Unverified: 1}, recorded: journal.Unverified, failure: true, tombstones: [2]int{0, 1}},
		"not read back":     {outcome: purge.Outcome{Became: journal.Unverified, Cause: denied}, want: report.Counts{Expired: 2, Unverified: 1}, recorded: journal.Unverified, failure: true},
		"gone":              {outcome: purge.Outcome{Became: journal.Gone}, want: report.Counts{Expired: 2, Gone: 1}, recorded: journal.Gone, spared: true},
		"failed":            {outcome: purge.Outcome{Became: journal.Failed, Cause: denied}, want: report.Counts{Expired: 2, Failed: 1}, recorded: journal.Failed, spared: true, failure: true},
		"protected":         {outcome: purge.Outcome{Now: retention.Decision{Verdict: retention.Protected}}, want: report.Counts{Expired: 1, Protected: 1}, spared: true, takenBack: true},
		"unknown":           {outcome: purge.Outcome{Now: retention.Decision{Verdict: retention.Unknown}}, want: report.Counts{Expired: 1, Unknown: 1}, spared: true, takenBack: true},
		"too young":         {outcome: purge.Outcome{Now: retention.Decision{Cause: retention.TooYoung}}, want: report.Counts{Expired: 1, Kept: 1}, spared: true, takenBack: true},
		"among the latest":  {outcome: purge.Outcome{Now: retention.Decision{Cause: retention.AmongLatest}}, want: report.Counts{Expired: 1, Kept: 1}, spared: true},
		"stays for a cause": {outcome: purge.Outcome{Cause: denied}, want: report.Counts{Expired: 1, Kept: 1}, spared: true, partial: true, failure: true},
	} {
		for _, kind := range []trigger.Kind{trigger.OSS, trigger.Timer} {
			for _, more := range []string{"", "notice: 7d\n"} {
				t.Run(fmt.Sprint(name, " ", kind, " ", more), func(t *testing.T) {
					w := newWorld(t, more)
					r := w.newRun("r", &trigger.Request{Trigger: kind}, policy.Enforce)
					r.report.Count(retention.Expired, "rest", 2)
					r.report.Counts.Pending = 2
					test.outcome.Line = plan.Line{MediaID: "m", Rule: "rest"}
					l := r.newLedger("p", "")
					r.settle([]purge.Outcome{test.outcome}, l)
					test.want.Pending = 1
					if diff := cmp.Diff(test.want, r.report.Counts); diff != "" {
						t.Errorf("counts (-want +got):\n%s", diff)
					}
					rule := r.report.Rule("rest")
					if rule.Applied != test.want.Expired || rule.Expired != test.want.Expired || rule.Deleted != test.want.Deleted {
						t.Errorf("rule %+v", rule)
					}
					var recorded journal.Became
					if len(l.outcomes) > 0 {
						recorded = l.outcomes[0].Became
					}
					if recorded != test.recorded || len(l.decisions) != len(l.outcomes) {
						t.Errorf("recorded as %q, want %q; %d decisions", recorded, test.recorded, len(l.decisions))
					}
					if got := [2]int{len(l.deleted), len(l.unverified)}; got != test.tombstones {
						t.Errorf("tombstones %v, want %v", got, test.tombstones)
					}
					if spared := l.spared["m"]; spared != (test.spared && kind == trigger.OSS) {
						t.Errorf("spared: %v", spared)
					}
					if takenBack := len(l.stayed) == 1; takenBack != (test.takenBack && more != "") {
						t.Errorf("its announcement is taken back: %v", takenBack)
					}
					if r.partial != test.partial || (len(r.report.Failures) == 1) != test.failure {
						t.Errorf("partial: %v, failures %+v", r.partial, r.report.Failures)
					}
					if warned := strings.Contains(w.log.String(), "kept as unknown"); warned != (name == "unknown") {
						t.Errorf("log: %s", w.log.String())
					}
				})
			}
		}
	}
}

// What a run that was cut off may have deleted is lost, and counts for both runs.
func TestOutcomesOfAnInterruptedRun(t *testing.T) {
	w := newWorld(t, "")
	r := w.newRun("second", &trigger.Request{Resume: "first"}, policy.Enforce)
	l := r.newLedger("p", "")
	for became, want := range map[journal.Became]journal.Became{journal.Gone: journal.Lost, journal.Deleted: journal.Deleted, journal.Failed: journal.Failed} {
		l.outcomes = nil
		r.settle([]purge.Outcome{{Line: plan.Line{MediaID: "m", Rule: "rest"}, Became: became}}, l)
		if got := l.outcomes[0]; got.Became != want || !slices.Equal(got.Runs, []string{"first", "second"}) {
			t.Errorf("%s: %+v", became, got)
		}
	}
}

// Outcomes that could not be written are written with the next ones.
func TestOutcomesAreWrittenAgain(t *testing.T) {
	w := newWorld(t, "")
	w.fail("create", "ledger/")
	r := w.newRun("r", &trigger.Request{}, policy.Enforce)
	l := r.newLedger("p", "")
	r.settle([]purge.Outcome{{Line: plan.Line{MediaID: "a", Rule: "rest"}, Became: journal.Deleted}}, l)
	if err, _ := l.flush(t.Context()); !errors.Is(err, errStore) {
		t.Fatal(err)
	}
	w.fail("", "")
	r.settle([]purge.Outcome{{Line: plan.Line{MediaID: "b", Rule: "rest"}, Became: journal.Gone}}, l)
	if err, _ := l.flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	all, _, err := journal.Outcomes(t.Context(), w.store, "r", "r")
	if err != nil || len(all) != 2 || all["a"].Became != journal.Deleted || all["b"].Became != journal.Gone {
		t.Errorf("%+v: %v", all, err)
	}
}

// The history has the rule, the object and the reason of a deletion, and whether it can be undone. What could not be
// written is written with the next decisions.
func TestDecisionsOfTheHistory(t *testing.T) {
	w := newWorld(t, "")
	ids := append(w.add(400, "a/b.mp4"), w.add(1, "orphans/c.mp4")...)
	r := w.newRun("r", &trigger.Request{Trigger: trigger.Timer}, policy.Enforce)
	l := r.newLedger("sha256:own", "sha256:approved")
	for i, rule := range []string{"rest", "orphans"} {
		m := w.media[ids[i]]
		line, err := plan.LineOf(plan.Entry{MediaID: m.ID, Rule: rule, Reason: "why", State: m.State, Record: m.Record}, m.Created, w.now)
		if err != nil {
			t.Fatal(err)
		}
		r.settle([]purge.Outcome{{Line: line, Became: journal.Deleted}}, l)
	}
	r.settle([]purge.Outcome{{Line: plan.Line{MediaID: "odd", Rule: "rest"}, Became: journal.Failed}}, l)
	w.fail("create", "history/")
	if err := r.close(t.Context(), l); err != nil {
		t.Fatal(err)
	}
	if len(l.decisions) != 3 || len(r.report.Notes) != 1 || !strings.Contains(r.report.Notes[0], "history lacks 3 media") {
		t.Errorf("%d unwritten, notes %q", len(l.decisions), r.report.Notes)
	}
	w.fail("", "")
	if err := r.close(t.Context(), l); err != nil {
		t.Fatal(err)
	}
	if len(l.decisions) != 0 || len(r.report.Notes) != 1 {
		t.Errorf("%d unwritten, notes %q", len(l.decisions), r.report.Notes)
	}
	for i, id := range append(ids, "odd") {
		found, err := history.Of(t.Context(), w.store, w.now, id)
		if err != nil || len(found.Decisions) != 1 {
			t.Fatal(id, found, err)
		}
		one := found.Decisions[0]
		if one.Orphan != (i == 1) || one.Plan != "sha256:approved" || (one.Object == "") != (i == 2) || (one.Reason == "") != (i == 2) {
			t.Errorf("%+v", one)
		}
	}
}

// hanging is a store whose writes wait for the end of their context.
type hanging struct{ state.Store }

func (hanging) Create(ctx context.Context, _ string, _ []byte) error { <-ctx.Done(); return ctx.Err() }

// Outcomes are written by the thousand. After a failure they are written with the next thousand.
func TestOutcomesAreWrittenByTheThousand(t *testing.T) {
	w := newWorld(t, "")
	l := w.newRun("r", &trigger.Request{Trigger: trigger.Timer}, policy.Enforce).newLedger("p", "")
	add := func(n int) {
		for i := range n {
			l.outcomes = append(l.outcomes, journal.Outcome{MediaID: fmt.Sprint("m", i), Became: journal.Deleted})
		}
		l.maybeFlush(t.Context())
	}
	for _, step := range []struct {
		add          int
		fails        bool
		want, tried  int
		unwrittenNow int
	}{
		{999, false, 0, 0, 999}, {1, false, 1, 0, 0}, {1000, true, 1, 1000, 1000}, {999, false, 1, 1000, 1999}, {1, false, 3, 0, 0},
	} {
		if w.fail("", ""); step.fails {
			w.fail("create", "ledger/")
		}
		add(step.add)
		records := len(w.store.Names("ledger/"))
		if records != step.want || l.tried != step.tried || len(l.outcomes) != step.unwrittenNow {
			t.Errorf("%+v: %d records, tried %d, %d unwritten", step, records, l.tried, len(l.outcomes))
		}
	}
}

// A store that hangs holds the purge up for five seconds.
func TestAStoreThatHangsWhileMediaAreDeleted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, "")
		w.sweep.Store = hanging{w.store}
		l := (&run{Sweep: w.sweep, request: &trigger.Request{}, report: &report.Report{}}).newLedger("p", "")
		for i := range segments.MaxLines {
			l.outcomes = append(l.outcomes, journal.Outcome{MediaID: fmt.Sprint("m", i), Became: journal.Deleted})
		}
		start := time.Now()
		if l.maybeFlush(t.Context()); time.Since(start) != 5*time.Second {
			t.Errorf("it took %v", time.Since(start))
		}
	})
}
