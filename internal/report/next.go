package report

import (
	"fmt"
	"time"

	"github.com/mediasweep/mediasweep/internal/policy"
	"github.com/mediasweep/mediasweep/internal/trigger"
)

// next returns what to do after the run, or nothing.
func (r *Report) next() string {
	switch r.Status {
	case Blocked:
		return r.approve()
	case Done, Partial:
		if r.Restore != nil && r.Restore.DryRun && r.Restore.Restored > 0 {
			return r.restoreAgain()
		}
		if r.Mode == policy.DryRun && r.Counts.Expired > 0 {
			return r.approve()
		}
	case Incomplete:
		if r.Stopped != "" {
			return fmt.Sprintf("%s stops all runs; once it is removed, %s", r.Stopped, r.goOn())
		}
		return r.goOn()
	case Busy:
		if r.Trigger == trigger.Timer {
			return "the next scheduled run does what this one did not"
		}
		return "send the request again when the other run has ended"
	case Failed:
	}
	return ""
}

func (r *Report) goOn() string {
	switch r.Trigger {
	case trigger.Timer:
		if r.Begun {
			return "the next scheduled run resumes this one, and deletes the media that are left"
		}
		return "the next scheduled run resumes this one"
	case trigger.OSS:
		if r.Begun {
			return "the next scheduled run finishes the plan"
		}
		return "the next scheduled sweep of the inventory looks at the remaining media"
	case trigger.HTTP, trigger.Invoke, trigger.CLI:
	}
	if r.Resumes {
		return "send the request again: its scan goes on where it stopped"
	}
	if !r.Begun && r.Restore == nil && r.Stopped == "" {
		return "send the request again with more time: its scan starts over"
	}
	return "send the request again: what is done is not done twice"
}

// clockSkew is the accepted difference between the clocks of a run and of its machine.
const clockSkew = time.Hour

// IsWhatIf reports whether the run decided as of another time than its own. Its plan is for review only. Only the
// command line has such runs. Other triggers resume scans, whose time is that of their beginning.
func (r *Report) IsWhatIf() bool {
	return r.Trigger == trigger.CLI && !r.StartedAt.IsZero() && r.AsOf.Sub(r.StartedAt).Abs() > clockSkew
}

// approve says how a person applies the plan of the run. The commands name it by eight digits.
func (r *Report) approve() string {
	if r.IsWhatIf() {
		return fmt.Sprintf("review plan %s: it is as of %s, so make another one without --as-of to delete media", r.Plan, r.AsOf.Format(time.RFC3339))
	}
	how := fmt.Sprintf("review plan %[2]s (mediasweep plans %[1]s); to delete its media: mediasweep apply %[1]s, POST /v1/plans/%[1]s/apply, or s invoke with {\"mode\":\"enforce\",\"plan\":\"%[1]s\"}", trigger.ShortPlan(r.Plan), r.Plan)
	if r.most == policy.DryRun {
		how += "; first set mode: enforce in the policy"
	}
	return how
}
