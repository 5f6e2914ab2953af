// Package report holds the report of a run, in the form that all triggers, the command line and the
// logs share. It is pure.
package report

import (
	"cmp"
	"fmt"
	"time"

	"github.com/mediasweep/mediasweep/internal/policy"
	"github.com/mediasweep/mediasweep/internal/text"
	"github.com/mediasweep/mediasweep/internal/trigger"
)

// MaxFailures is the largest number of failures that a report lists.
const MaxFailures = 100

// Report is the result of a run.
type Report struct {
	Run        string       `json:"run"`
	Trigger    trigger.Kind `json:"trigger"`
	Mode       policy.Mode  `json:"mode"`
	Status     Status       `json:"status"`
	Policy     string       `json:"policy"`
	Plan       string       `json:"plan"`
	AsOf       time.Time    `json:"asOf"`
	StartedAt  time.Time    `json:"startedAt"`
	FinishedAt time.Time    `json:"finishedAt"`
	// Sources are the sources of candidates; none for a scope of names.
	Sources []Source `json:"sources"`
	Tally
	// Announced says from which day on announced media are deleted.
	Announced []Announced `json:"announced,omitempty"`
	// Due says how many media fall due on which of the next 90 days. It is nil if the run does not know.
	Due   []Due `json:"due,omitzero"`
	Guard Guard `json:"guard"`
	// Restore is nil unless the run is a restore. Counts are then 0.
	Restore *Restore `json:"restore,omitempty"`
	Calls   Calls    `json:"calls"`
	// Notes are further information for people.
	Notes    []string  `json:"notes"`
	Failures []Failure `json:"failures"`
	Error    string    `json:"error"`
	// Next says what to do after the run; empty for nothing.
	Next   string `json:"next"`
	Hidden `json:"-"`
	// most is the mode of the policy.
	most policy.Mode
}

// Hidden is what only the program needs of a report.
type Hidden struct {
	// Refused is true for a failed run if the request, the policy or the configuration is wrong.
	Refused bool
	// Ledger is the run in whose folder the outcomes are, if this run finished that run's plan.
	Ledger string
	// Asked is the digest of the request that the report answers.
	Asked string
	// Stopped is the full name of the record that stopped the run, if it was stopped.
	Stopped string
	// Unrecorded is true for a run whose outcomes could not all be recorded: its plan is not finished.
	Unrecorded bool
	// Begun is true once the run may delete media of its plan. The same request then finishes the plan.
	Begun bool
	// Resumes is true for an incomplete run whose scan the same request resumes.
	Resumes bool
	// Zone is the timezone of the policy, by which days begin. It is nil, which stands for UTC, in a report that was read.
	Zone *time.Location
}

// Source says how many candidates a source names: a prefix objects, a manifest rows and
// a workflow executions. What several name counts for each of them.
type Source struct {
	Source string `json:"source"`
	Named  int    `json:"named"`
}

// Guard says whether the run was stopped before it deleted too much.
type Guard struct {
	Tripped bool   `json:"tripped"`
	Reason  string `json:"reason"`
	// Overridden names the blocked plan and who applied it; empty if the run overrode no guard.
	Overridden string `json:"overridden"`
}

// Calls are the calls to MPS, repeated ones included.
type Calls struct {
	DeleteMedia         int `json:"DeleteMedia"`
	QueryMediaList      int `json:"QueryMediaList"`
	QueryMediaListByURL int `json:"QueryMediaListByURL"`
	// ListExecutions is left out where no workflow is asked for.
	ListExecutions int `json:"ListMediaWorkflowExecutions,omitempty"`
	// AddMedia is left out where nothing is restored.
	AddMedia  int `json:"AddMedia,omitempty"`
	Throttled int `json:"throttled"`
	Retried   int `json:"retried"`
}

// Failure is one medium with which something went wrong, or one object or prefix whose media could not be looked up.
type Failure struct {
	MediaID string `json:"mediaId"`
	Object  string `json:"object,omitempty"`
	Code    string `json:"code"`
	Message string `json:"message"`
}

// Origin says which deployment records are of, for people. Empty fields are unknown.
type Origin struct {
	Account  string // FC_ACCOUNT_ID
	Function string // FC_FUNCTION_NAME
	Region   string
	State    string // the place of the records
}

// New starts a report for a run of a policy, with a line for each of its rules.
func New(run string, kind trigger.Kind, p *policy.Policy, now time.Time) *Report {
	r := &Report{Run: run, Trigger: kind, Mode: policy.DryRun, AsOf: now.UTC().Truncate(time.Second), StartedAt: now.UTC(), Sources: []Source{}, Tally: NewTally(p), Notes: []string{}, Failures: []Failure{}}
	if p != nil {
		r.Policy, r.most, r.Zone = p.Digest(), p.Mode, p.Timezone
	}
	return r
}

// Fail lists a failure while there is room for it.
func (r *Report) Fail(f Failure) {
	if len(r.Failures) < MaxFailures {
		f.Message = text.Bound(f.Message)
		r.Failures = append(r.Failures, f)
	}
}

// Note adds a note.
func (r *Report) Note(format string, args ...any) {
	r.Notes = append(r.Notes, fmt.Sprintf(format, args...))
}

// Finish closes the report, and bounds what it says. Counts that do not add up are a mistake of this program: they fail the run.
func (r *Report) Finish(status Status, now time.Time) {
	r.Status, r.FinishedAt = status, now.UTC()
	c := r.Counts
	if sum := c.Absent + c.Unknown + c.Protected + c.Kept + c.Expired; sum != c.Looked {
		r.Status, r.Error = Failed, fmt.Sprintf("internal error: %d media looked at, %d decided; %s", c.Looked, sum, r.Error)
	}
	if sum := c.Deleted + c.Gone + c.Failed + c.Unverified + c.Pending + c.Announced; sum != c.Expired {
		r.Status, r.Error = Failed, fmt.Sprintf("internal error: %d media expired, %d accounted for; %s", c.Expired, sum, r.Error)
	}
	r.Error, r.Next = text.Bound(r.Error), text.Bound(cmp.Or(r.Next, r.next()))
	r.Guard.Reason, r.Guard.Overridden = text.Bound(r.Guard.Reason), text.Bound(r.Guard.Overridden)
	for i, note := range r.Notes {
		r.Notes[i] = text.Bound(note)
	}
}

// Problem says in words why the report's status is not done.
func (r *Report) Problem() string {
	if r.Error == "" && len(r.Failures) > 0 {
		return r.Failures[0].Message
	}
	return r.Error
}
