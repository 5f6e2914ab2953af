package report

// Status is the outcome of a run as a whole.
type Status string

// The outcomes.
const (
	Done       Status = "done"       // all decided; all deleted and verified, or a dry run
	Partial    Status = "partial"    // some media failed for good or stay unverified
	Incomplete Status = "incomplete" // stopped before the deadline
	Blocked    Status = "blocked"    // a guard tripped: nothing was deleted
	Busy       Status = "busy"       // another run holds the lease
	Failed     Status = "failed"     // a bad request or policy, or nothing could be done
)

// Statuses returns all outcomes.
func Statuses() []Status { return []Status{Done, Partial, Incomplete, Blocked, Busy, Failed} }

// ExitCode returns the exit code of a command with this report.
func (r *Report) ExitCode() int {
	switch r.Status {
	case Done:
		return 0
	case Partial:
		return 3
	case Blocked:
		return 4
	case Incomplete:
		return 5
	case Busy:
		return 6
	case Failed:
	}
	if r.Refused {
		return 2
	}
	return 1
}

// HTTPStatus returns the HTTP status of an answer with this report.
func (r *Report) HTTPStatus() int {
	switch r.Status {
	case Done, Partial, Incomplete:
		return 200
	case Blocked, Busy:
		return 409
	case Failed:
	}
	if r.Refused {
		return 400
	}
	return 502
}
