package sweep

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/mediasweep/mediasweep/internal/history"
	"github.com/mediasweep/mediasweep/internal/journal"
	"github.com/mediasweep/mediasweep/internal/mps"
	"github.com/mediasweep/mediasweep/internal/plan"
	"github.com/mediasweep/mediasweep/internal/policy"
	"github.com/mediasweep/mediasweep/internal/purge"
	"github.com/mediasweep/mediasweep/internal/report"
	"github.com/mediasweep/mediasweep/internal/retention"
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
					for range 2 {
						r.report.Count(retention.Expired, "rest")
					}
					r.report.Counts.Pending = 2
					test.outcome.Line = plan.Line{MediaID: "m", Rule: "rest"}
					l := r.newLedger("p", "")
					r.settle(t.Context(), []purge.Outcome{test.outcome}, l)
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
	r.earlier = history.NewEarlier(w.store, "first", plan.Contents{})
	l := r.newLedger("p", "")
	for became, want := range map[journal.Became]journal.Became{journal.Gone: journal.Lost, journal.Deleted: journal.Deleted, journal.Failed: journal.Failed} {
		l.outcomes = nil
		r.settle(t.Context(), []purge.Outcome{{Line: plan.Line{MediaID: "m", Rule: "rest"}, Became: became}}, l)
		if got := l.outcomes[0]; got.Became != want || !slices.Equal(got.Runs, []string{"first", "second"}) {
			t.Errorf("%s: %+v", became, got)
		}
	}
}
