package service

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/mediasweep/mediasweep/internal/account"
	"github.com/mediasweep/mediasweep/internal/deadline"
	"github.com/mediasweep/mediasweep/internal/media"
	"github.com/mediasweep/mediasweep/internal/policy"
	"github.com/mediasweep/mediasweep/internal/report"
	"github.com/mediasweep/mediasweep/internal/runlog"
	"github.com/mediasweep/mediasweep/internal/state"
	"github.com/mediasweep/mediasweep/internal/sweep"
	"github.com/mediasweep/mediasweep/internal/task"
	"github.com/mediasweep/mediasweep/internal/trigger"
)

// job is one request of a call, from its arrival to its report. The goroutine of the call owns it.
type job struct {
	*Service
	call    Call
	budget  deadline.Budget
	request *trigger.Request
	policy  *policy.Policy // nil before readPolicy, and if it cannot be read
	report  *report.Report
	begun   sweep.Begun // the plan of the run
}

// newJob starts the time of a call.
func (s *Service) newJob(ctx context.Context, call Call, request *trigger.Request) *job {
	return &job{Service: s, call: call, budget: deadline.New(ctx), request: request, report: s.newReport(call, request.Trigger, nil)}
}

// with returns a job of the same call for another request and policy.
func (j *job) with(request *trigger.Request, p *policy.Policy) *job {
	return &job{Service: j.Service, call: j.call, budget: j.budget, request: request, policy: p, report: j.newReport(j.call, request.Trigger, p)}
}

func (j *job) store() state.Store { return j.storeOf(j.call) }

func (j *job) credentials() *account.Provider { return j.credentialsOf(j.call) }

// readPolicy reads the policy, and starts a report under it.
func (j *job) readPolicy(ctx context.Context) error {
	ctx, cancel := j.budget.Admit(ctx) // nothing is in flight
	defer cancel()
	started := j.now().UTC()
	p, err := j.Policy(ctx, j.call)
	j.policy, j.report = p, j.newReport(j.call, j.request.Trigger, p)
	j.report.StartedAt = started
	return err
}

func (j *job) end(status report.Status, err error) *report.Report {
	j.report.Error, j.report.Refused = err.Error(), IsRefusal(err)
	j.report.Finish(status, j.now())
	return j.report
}

// early returns the status of a job that an error ends before it looks at anything, and the error of its report.
func early(err error) (report.Status, error) {
	switch {
	case deadline.Passed(err):
		why := deadline.ErrTimeUp
		if errors.Is(err, context.Canceled) {
			why = deadline.ErrInterrupted
		}
		return report.Incomplete, fmt.Errorf("%w before anything was decided: %s", why, err.Error()) // no refusal
	case errors.Is(err, state.ErrBusy), errors.Is(err, errUnderWay), errors.Is(err, errSurveyed):
		return report.Busy, err
	}
	return report.Failed, err
}

// stop ends a survey or a preview early.
func (j *job) stop(err error) *report.Report { return j.end(early(err)) }

// stopRun ends a run early, and logs it. It saves the report, unless that refuses a request of a person, or is about
// records of this program: those must not lead to others. A run without time has failed: the platform repeats failed events
// only, and no sweep does what one for a removed object does.
func (j *job) stopRun(ctx context.Context, err error) {
	status, err := early(err)
	if status == report.Incomplete {
		status = report.Failed
	}
	r := j.end(status, err)
	r.Asked = cmp.Or(r.Asked, j.request.Digest())
	isSaved := j.broken == nil && !errors.Is(err, state.ErrVersioned) && !j.isOwn(j.request)
	if isSaved && (byPlatform(r) || !r.Refused) {
		j.record(ctx, runlog.SaveFirst)
	}
	j.logFinished(r)
}

// record saves the report and adds it to the log of runs, side by side: a call may have no time for two
// writes in turn. An unsaved report is still the answer. Its plan stays open, so that the next scheduled run counts it.
func (j *job) record(parent context.Context, save func(context.Context, state.Store, *report.Report) error) {
	ctx, cancel := j.budget.Finish(parent)
	defer cancel()
	r, store := j.report, j.store()
	err := task.Do(func() error {
		j.ensureLog(ctx, store)
		saved := task.Go(func() error { return save(ctx, store, r) })
		logged := task.Go(func() error { return runlog.Log(ctx, store, r) })
		return errors.Join(saved(), logged())
	})
	if err != nil {
		j.log.Error("report not saved", "run", r.Run, "error", err.Error())
		return
	}
	j.begun.Close(parent)
}

// byPlatform reports whether the platform sent the request: nobody reads the answer, but its record.
func byPlatform(r *report.Report) bool { return r.Trigger == trigger.Timer || r.Trigger == trigger.OSS }

// isOwn reports whether all objects of a request are records of the state store.
func (s *Service) isOwn(request *trigger.Request) bool {
	isForeign := func(object media.Object) bool { return !s.state.Covers(object) }
	return len(request.Objects) > 0 && !slices.ContainsFunc(request.Objects, isForeign)
}
