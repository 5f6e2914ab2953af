package service

import (
	"cmp"
	"context"
	"errors"
	"fmt"

	"github.com/mediasweep/mediasweep/internal/deadline"
	"github.com/mediasweep/mediasweep/internal/journal"
	"github.com/mediasweep/mediasweep/internal/media"
	"github.com/mediasweep/mediasweep/internal/policy"
	"github.com/mediasweep/mediasweep/internal/report"
	"github.com/mediasweep/mediasweep/internal/restore"
	"github.com/mediasweep/mediasweep/internal/runlog"
	"github.com/mediasweep/mediasweep/internal/state"
	"github.com/mediasweep/mediasweep/internal/sweep"
	"github.com/mediasweep/mediasweep/internal/task"
	"github.com/mediasweep/mediasweep/internal/text"
	"github.com/mediasweep/mediasweep/internal/trigger"
)

// restore adds the media that a run deleted again, or only some of them, from the records of its
// plan. For the ID of a plan, and for a run that was killed, it adds all media of the plan that are
// gone. It deletes nothing: the policy's mode does not stop it.
func (j *job) restore(ctx context.Context) error {
	work, cancel := j.budget.Work(ctx)
	defer cancel()
	if err := j.checkRestore(work); err != nil {
		return err
	}
	leave, err := j.requests.enter(work, j.call.RequestID)
	if err != nil {
		return err
	}
	defer leave()
	if answered, err := j.openStore(work); err != nil || answered {
		return err
	}
	return j.underLease(ctx, work, !j.request.DryRun, j.restoreMedia)
}

// PreviewRestore reports what a restore of a run would bring back, without a run: it writes nothing.
func (s *Service) PreviewRestore(ctx context.Context, call Call, request *trigger.Request) *report.Report {
	preview := *request
	preview.DryRun = true
	j := s.newJob(ctx, call, &preview)
	work, cancel := j.budget.Work(ctx)
	defer cancel()
	err := j.checkRestore(work)
	if err == nil {
		err = j.restoreMedia(ctx)
	}
	if err != nil {
		j.stop(err)
	}
	j.report.Run = ""
	return j.report
}

// checkRestore sets the report of a restore, and refuses a call that cannot be served or has no credentials. A policy
// that cannot be read does not stop a restore.
func (j *job) checkRestore(ctx context.Context) error {
	admit, cancel := j.budget.Admit(ctx)
	defer cancel()
	p, err := j.Policy(admit, j.call)
	if err != nil && j.broken == nil { // only the pace is at stake
		j.log.Warn("policy not read: media are restored at the pace of the latest run", "error", text.Bound(err.Error()))
	}
	request, r := j.request, j.newReport(j.call, j.request.Trigger, p)
	r.Asked, r.Restore = request.Digest(), &report.Restore{Of: request.Restore, DryRun: request.DryRun, Partly: len(request.Only) > 0, Media: []report.RestoredMedium{}}
	if !request.DryRun {
		r.Mode = policy.Enforce
	}
	j.report = r
	if j.broken != nil {
		return refusedError{j.broken}
	}
	for _, id := range request.Only {
		if err := media.CheckID(id); err != nil {
			return refusedError{fmt.Errorf("only %s: %w: separate several by commas", text.Quote(id), err)}
		}
	}
	if _, err := j.credentials().Current(ctx); err != nil {
		return refusedError{err}
	}
	return nil
}

// restoreMedia adds the media of a deletion again, and finishes the report. An error ended it before it looked at any. It
// reads the deletion under the lease: until then another run may delete media of the plan, or mark restored ones.
func (j *job) restoreMedia(ctx context.Context) error {
	request, r := j.request, j.report
	work, cancel := j.budget.Work(ctx)
	defer cancel()
	if err := j.marks.Tombstones.Refresh(work, j.store()); err != nil {
		return err
	}
	of, err := j.deletionOf(work, request.Restore)
	if err != nil {
		return err
	}
	admit, end, err := sweep.Admit(work, j.budget, j.store(), !request.DryRun)
	defer end()
	switch {
	case err != nil && !request.DryRun:
		j.end(report.Failed, fmt.Errorf("%w; nothing was restored", err))
		return nil
	case err != nil:
		r.Notes = append(r.Notes, err.Error())
	}
	library := j.library.Session(j.credentials())
	restorer := restore.Restorer{
		Library: library, Sources: j.objects.Session(j.credentials()), Store: j.store(), Marks: j.marks.Tombstones,
		Region: j.account.Region, Now: j.now, DryRun: request.DryRun, Only: request.Only,
	}
	meter := sweep.NewMeter(j.progress, r.Run)
	meter.Set(sweep.Progress{Restoring: true, Total: of.Ended})
	results := &results{store: j.store(), log: j.log.With("run", r.Run), report: r}
	err = task.Do(func() error {
		return restorer.Run(work, admit, of, func(m report.RestoredMedium) {
			r.AddRestored(m)
			meter.Add(1)
			results.add(work, m)
		})
	})
	meter.Stop()
	r.Calls = callsOf(library)
	record, cancelRecord := j.budget.Record(ctx)
	defer cancelRecord()
	results.flush(record)
	j.endRestore(err, deadline.Reason(admit), library.Answered())
	return nil
}

// endRestore finishes the report of a restore that ended by err, or nil. why is the reason why no further call was started.
func (j *job) endRestore(err, why error, answered bool) {
	r, c := j.report, j.report.Restore
	isStopped := errors.Is(why, sweep.ErrStopped)
	switch {
	case err == nil && c.Failed == 0:
		r.Finish(report.Done, j.now())
	case err == nil:
		r.Finish(report.Partial, j.now())
	case deadline.Passed(err) && (answered || isStopped):
		if isStopped {
			r.Stopped = j.state.NameOf(sweep.StopName)
		}
		j.end(report.Incomplete, fmt.Errorf("%w, after %d media of the plan", why, c.Restored+c.Skipped+c.Failed))
	case c.Restored > 0:
		j.end(report.Partial, err)
	default:
		r.Refused = IsRefusal(err)
		j.end(report.Failed, err)
	}
}

// deletionOf returns the deletion of a run, or of a plan. A start of an ID counts only if there is no such run: a killed
// one has no report.
func (j *job) deletionOf(ctx context.Context, run string) (restore.Deletion, error) {
	j.report.Restore.Of = run
	of := restore.Deletion{Run: run, Plan: run, Outcomes: run, Interrupted: true}
	if trigger.IsPlanID(run) {
		return of, nil
	}
	r, err := runlog.Read(ctx, j.store(), run)
	missing := errors.Is(err, state.ErrNotFound)
	switch {
	case err != nil && !missing:
		return of, err
	case !missing && (r.Counts.Deleted > 0 || r.Restore != nil):
		return reportedDeletion(run, r)
	}
	intent, err := journal.LatestIntent(ctx, j.store(), run)
	switch {
	case err == nil && (missing || !intent.AsOf.Equal(r.AsOf)): // the run was killed, and its request was repeated
		of.Plan = intent.Plan
		return of, nil
	case !missing:
		return reportedDeletion(run, r)
	case !errors.Is(err, state.ErrNotFound):
		return of, err
	}
	id, err := runlog.FindRunOrPlan(ctx, j.store(), run)
	switch {
	case err == nil && id != run:
		return j.deletionOf(ctx, id)
	case err == nil, errors.Is(err, state.ErrNotFound):
		err = refusedError{errors.New(trigger.NoSuch("run or plan", run, "mediasweep runs and mediasweep plans list the latest", ""))}
	}
	return of, err
}

func reportedDeletion(run string, r *report.Report) (of restore.Deletion, err error) {
	switch {
	case r.Restore != nil:
		return of, refusedError{fmt.Errorf("run %s is a restore of %s: it has deleted nothing", text.Quote(run), text.Quote(r.Restore.Of))}
	case !r.MayHaveDeleted():
		return of, refusedError{fmt.Errorf("run %s has deleted nothing: mode %s, status %s", text.Quote(run), r.Mode, r.Status)}
	}
	c := r.Counts
	return restore.Deletion{
		Run: run, Plan: r.Plan, Outcomes: cmp.Or(r.Ledger, run), Interrupted: r.Status == report.Incomplete, Ended: c.Deleted + c.Gone + c.Failed + c.Unverified,
	}, nil
}
