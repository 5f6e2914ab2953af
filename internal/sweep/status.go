package sweep

import (
	"cmp"
	"errors"
	"fmt"

	"github.com/mediasweep/mediasweep/internal/deadline"
	"github.com/mediasweep/mediasweep/internal/report"
)

// ending holds the reasons for the status of a run, beside its counts.
type ending struct {
	// ended is the error that ended the run early. how is failed or incomplete.
	ended error
	how   report.Status
	// timeUp is the reason why deletions were no longer started.
	timeUp error
	// partial is true if some candidates could not be read, or some outcomes not be recorded.
	partial bool
	// nothingSeen is true if there were candidates or sources, and none could be read. A list of bad rows was read.
	nothingSeen bool
	skipped     int // candidates that the scan skipped
}

// end sets the reason why the run ends. The first reason counts; failed replaces incomplete.
func (e *ending) end(status report.Status, why error) {
	if e.ended == nil || e.how == report.Incomplete && status == report.Failed {
		e.how, e.ended = status, why
	}
}

// finish finishes the report of a run whose work returned err, or nil. The end of a context leaves the run incomplete.
func (r *run) finish(err error) {
	switch {
	case deadline.Passed(err):
		r.end(report.Incomplete, err)
	case err != nil:
		r.end(report.Failed, err)
	}
	r.progress.Stop()
	status, problem := r.status()
	if errors.Is(r.ended, ErrStopped) || errors.Is(r.timeUp, ErrStopped) {
		r.report.Stopped = r.Stop
	}
	r.report.Error = problem
	r.report.Finish(status, r.Now())
}

// status returns the status of the run, and the problem of a run that is not whole.
func (r *run) status() (status report.Status, problem string) {
	c := &r.report.Counts
	status, problem = r.early()
	hasDeleted := c.Deleted+c.Unverified > 0
	switch {
	case status == report.Failed && hasDeleted && c.Pending > 0:
		return report.Incomplete, fmt.Sprintf("%v, with %d media still to delete", problem, c.Pending)
	case status == report.Failed && hasDeleted:
		return report.Partial, problem
	case status != report.Done:
		return status, problem
	case r.report.Guard.Tripped:
		return report.Blocked, ""
	case r.enforces() && c.Pending > 0:
		return report.Incomplete, fmt.Sprintf("%v, with %d media still to delete", cmp.Or(r.timeUp, deadline.ErrTimeUp), c.Pending)
	case r.partial || c.Failed > 0 || c.Unverified > 0:
		return report.Partial, ""
	}
	return report.Done, ""
}

// early returns failed or incomplete, and why, for a run that did not come to its end, else done.
func (r *run) early() (status report.Status, problem string) {
	answered := r.Library.Answered()
	switch {
	case r.ended != nil && r.how == report.Failed:
		return report.Failed, r.ended.Error()
	case r.nothingSeen && !answered:
		if len(r.report.Failures) > 0 {
			problem = "no candidate could be read: " + r.report.Failures[0].Message
		}
		return report.Failed, problem
	// The store has answered a resumed run: it has the intent of its plan.
	case r.ended != nil && !answered && r.skipped == 0 && !r.isResumed() && !errors.Is(r.ended, ErrStopped):
		return report.Failed, r.ended.Error()
	case r.ended != nil:
		return report.Incomplete, r.ended.Error()
	}
	return report.Done, ""
}
