package report_test

import (
	"cmp"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/mediasweep/mediasweep/internal/policy"
	"github.com/mediasweep/mediasweep/internal/report"
	"github.com/mediasweep/mediasweep/internal/trigger"
)

func TestNext(t *testing.T) {
	plan := "sha256:0123abcd" + strings.Repeat("0", 56)
	approve := []string{"review plan sha256:0123abcd000", " (mediasweep plans 0123abcd); to delete its media:", "mediasweep apply 0123abcd,", "POST /v1/plans/0123abcd/apply", `{"mode":"enforce","plan":"0123abcd"}`}
	tests := []struct {
		name    string
		trigger trigger.Kind
		most    policy.Mode
		mode    policy.Mode
		status  report.Status
		expired int
		want    []string // nothing for an empty next
	}{
		{"blocked", trigger.Timer, policy.Enforce, policy.Enforce, report.Blocked, 7, approve},
		{"dry run", trigger.CLI, policy.Enforce, policy.DryRun, report.Done, 7, approve},
		{"dry run with failures", trigger.CLI, policy.Enforce, policy.DryRun, report.Partial, 7, approve},
		{"dry run under a dry-run policy", trigger.Timer, policy.DryRun, policy.DryRun, report.Done, 7, append(approve, "first set mode: enforce in the policy")},
		{"dry run with nothing to delete", trigger.CLI, policy.Enforce, policy.DryRun, report.Done, 0, nil},
		{"deleted", trigger.Timer, policy.Enforce, policy.Enforce, report.Done, 7, nil},
		{"interrupted timer", trigger.Timer, policy.Enforce, policy.Enforce, report.Incomplete, 7, []string{"the next scheduled run resumes"}},
		{"interrupted event", trigger.OSS, policy.Enforce, policy.Enforce, report.Incomplete, 7, []string{"the next scheduled sweep"}},
		{"interrupted request", trigger.HTTP, policy.Enforce, policy.Enforce, report.Incomplete, 7, []string{"send the request again"}},
		{"busy timer", trigger.Timer, policy.Enforce, policy.Enforce, report.Busy, 0, []string{"the next scheduled run"}},
		{"busy request", trigger.Invoke, policy.Enforce, policy.Enforce, report.Busy, 0, []string{"send the request again when"}},
		{"failed", trigger.CLI, policy.Enforce, policy.Enforce, report.Failed, 0, nil},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			p, err := policy.Parse("p", []byte("version: 1\nmode: "+string(test.most)+"\nexpire: [{name: all, after: 1h}]\n"))
			if err != nil {
				t.Fatal(err)
			}
			r := report.New("r", test.trigger, p, time.Unix(0, 0))
			r.Mode, r.Plan = test.mode, plan
			r.Counts.Looked, r.Counts.Expired, r.Counts.Pending = test.expired, test.expired, test.expired
			r.Finish(test.status, time.Unix(0, 0))
			if len(test.want) == 0 && r.Next != "" {
				t.Errorf("next %q, want nothing", r.Next)
			}
			for _, want := range test.want {
				if !strings.Contains(r.Next, want) {
					t.Errorf("next %q, want %q in it", r.Next, want)
				}
			}
			if strings.Contains(r.Next, "first set mode") != (test.most == policy.DryRun) {
				t.Errorf("next %q under a policy of mode %s", r.Next, test.most)
			}
			body, err := json.Marshal(r)
			if err != nil || !strings.Contains(string(body), `"next":"`) || !strings.Contains(string(body), `"overridden":"`) {
				t.Errorf("next or overridden is missing: %s, %v", body, err)
			}
		})
	}
}

// An incomplete request says whether its scan goes on or starts over, and which record has stopped it.
func TestNextOfAnIncompleteRequest(t *testing.T) {
	const again = "send the request again: what is done is not done twice"
	for name, test := range map[string]struct {
		report report.Report
		want   string
	}{
		"cut while it scanned":           {report.Report{}, "send the request again with more time: its scan starts over"},
		"cut, with a checkpoint":         {report.Report{Hidden: report.Hidden{Resumes: true}}, "send the request again: its scan goes on where it stopped"},
		"cut while it deleted":           {report.Report{Plan: "sha256:1", Hidden: report.Hidden{Begun: true}}, again},
		"an apply, cut while it scanned": {report.Report{Plan: "sha256:1"}, "send the request again with more time: its scan starts over"},
		"cut while it restored":          {report.Report{Restore: &report.Restore{}}, again},
		"an event, cut while it scanned": {report.Report{Trigger: trigger.OSS}, "the next scheduled sweep of the inventory looks at the remaining media"},
		"an event, cut while it deleted": {report.Report{Trigger: trigger.OSS, Hidden: report.Hidden{Begun: true}}, "the next scheduled run finishes the plan"},
		"a timer, cut while it scanned":  {report.Report{Trigger: trigger.Timer}, "the next scheduled run resumes this one"},
		"a timer, cut while it deleted":  {report.Report{Trigger: trigger.Timer, Hidden: report.Hidden{Begun: true}}, "the next scheduled run resumes this one, and deletes the media that are left"},
		"stopped":                        {report.Report{Hidden: report.Hidden{Stopped: "oss://ops/state/stop"}}, "oss://ops/state/stop stops all runs; once it is removed, " + again},
	} {
		t.Run(name, func(t *testing.T) {
			r := test.report
			r.Trigger = cmp.Or(r.Trigger, trigger.HTTP)
			if r.Finish(report.Incomplete, time.Unix(0, 0)); r.Next != test.want {
				t.Errorf("next %q, want %q", r.Next, test.want)
			}
		})
	}
}

// Only the command line decides as of another time. Other triggers resume scans of yesterday.
func TestPlansOfResumedScansAreNoWhatIf(t *testing.T) {
	for kind, want := range map[trigger.Kind]bool{trigger.CLI: true, trigger.Timer: false, trigger.HTTP: false} {
		r := report.Report{Trigger: kind, StartedAt: time.Unix(90_000, 0), AsOf: time.Unix(0, 0)}
		if r.IsWhatIf() != want {
			t.Errorf("%s: what-if %v", kind, r.IsWhatIf())
		}
	}
}
