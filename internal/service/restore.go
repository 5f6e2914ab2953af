package service

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/mediasweep/mediasweep/internal/deadline"
	"github.com/mediasweep/mediasweep/internal/journal"
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
func (s *Service) restore(ctx context.Context, budget deadline.Budget, call Call, request *trigger.Request) *report.Report {
	work, cancel := budget.Work(ctx)
	defer cancel()
	early := func(r *report.Report) *report.Report { return s.finishEarly(ctx, budget, call, request, r) }
	r := s.beginRestore(work, call, request)
	leave, err := s.requests.enter(work, call.RequestID)
	if err != nil {
		return early(s.end(r, report.Busy, err))
	}
	defer leave()
	of, earlier, err := s.prepareRestore(work, call, request, r)
	switch {
	case errors.Is(err, state.ErrVersioned): // nothing is written there
		return s.refuse(r, err)
	case errors.Is(err, state.ErrNotFound):
		return early(s.reject(r, err))
	case err != nil:
		return early(s.stop(r, err))
	case earlier != nil:
		return earlier
	}
	var finishing sync.WaitGroup
	defer finishing.Wait()
	if !request.DryRun {
		lease, err := state.Acquire(work, s.store(call), r.Run)
		if err != nil {
			return early(s.stop(r, err))
		}
		defer s.release(ctx, lease, budget)
		ctx = lease.Hold(ctx)
	}
	s.restoreMedia(ctx, budget, call, request, of, r)
	finishing.Go(func() { s.finishInTime(ctx, budget, call, r) })
	return r
}

// PreviewRestore reports what a restore of a run would bring back, without a run: it writes nothing.
func (s *Service) PreviewRestore(ctx context.Context, call Call, request *trigger.Request) *report.Report {
	preview := *request
	preview.DryRun = true
	budget := deadline.New(ctx)
	work, cancel := budget.Work(ctx)
	defer cancel()
	r := s.beginRestore(work, call, &preview)
	err := s.checkAccess(work, call)
	if err == nil {
		err = s.marks.Tombstones.Refresh(work, s.store(call))
	}
	var of restore.Deletion
	if err == nil {
		of, err = s.deletionOf(work, call, preview.Restore)
	}
	switch {
	case errors.Is(err, state.ErrNotFound):
		return s.reject(r, err)
	case err != nil:
		return s.stop(r, err)
	}
	s.restoreMedia(ctx, budget, call, &preview, of, r)
	return r
}

// beginRestore starts the report of a restore. A policy that cannot be read does not stop it.
func (s *Service) beginRestore(ctx context.Context, call Call, request *trigger.Request) *report.Report {
	p, err := s.policyOf(ctx, call)
	if err != nil && s.broken == nil { // only the pace is at stake
		s.log.Warn("policy not read: media are restored at the pace of the latest run", "error", text.Bound(err.Error()))
	}
	r := s.newReport(call, request.Trigger, p)
	r.Asked, r.Restore = request.Digest(), &report.Restore{Of: request.Restore, DryRun: request.DryRun, Media: []report.RestoredMedium{}}
	if !request.DryRun {
		r.Mode = policy.Enforce
	}
	return r
}

// prepareRestore opens the state store, and finds what the run deleted. It returns the report of an
// earlier run that answered the same request.
func (s *Service) prepareRestore(ctx context.Context, call Call, request *trigger.Request, r *report.Report) (of restore.Deletion, earlier *report.Report, err error) {
	if err := s.checkAccess(ctx, call); err != nil {
		return of, nil, err
	}
	if earlier, err = s.open(ctx, call, request, r); err != nil || earlier != nil {
		return of, earlier, err
	}
	if err = s.marks.Tombstones.Refresh(ctx, s.store(call)); err == nil {
		of, err = s.deletionOf(ctx, call, request.Restore)
	}
	return of, nil, err
}

// checkAccess refuses a call that cannot be served, or that has no credentials.
func (s *Service) checkAccess(ctx context.Context, call Call) error {
	if s.broken != nil {
		return refusedError{s.broken}
	}
	if _, err := s.credentials(call).Current(ctx); err != nil {
		return refusedError{err}
	}
	return nil
}

// restoreMedia restores the media of a deletion, and finishes the report.
func (s *Service) restoreMedia(ctx context.Context, budget deadline.Budget, call Call, request *trigger.Request, of restore.Deletion, r *report.Report) {
	work, cancel := budget.Work(ctx)
	defer cancel()
	admit, cancelAdmit := budget.Admit(work)
	defer cancelAdmit()
	admit, unwatch, err := sweep.WatchKillSwitch(work, admit, s.store(call), !request.DryRun)
	defer unwatch()
	switch {
	case err != nil && !request.DryRun:
		s.end(r, report.Failed, fmt.Errorf("%w; nothing was restored", err))
		return
	case err != nil:
		r.Notes = append(r.Notes, err.Error())
	}
	library := s.library.Session(s.credentials(call))
	restorer := restore.Restorer{
		Library: library, Sources: s.objects.Session(s.credentials(call)), Store: s.store(call), Marks: s.marks.Tombstones,
		Region: s.account.Region, Now: s.now, DryRun: request.DryRun, Only: request.Only,
	}
	log := s.log.With("run", r.Run)
	meter := sweep.NewMeter(s.showOf(log, r.Run), s.progress.every)
	meter.Restoring(of.Ended)
	results := &results{store: s.store(call), log: log, report: r}
	err = task.Do(func() error {
		return restorer.Run(work, admit, of, func(m report.RestoredMedium) {
			r.AddRestored(m)
			meter.Restored(1)
			results.add(work, m)
		})
	})
	meter.Stop()
	r.Calls = callsOf(library)
	record, cancelRecord := budget.Record(ctx)
	defer cancelRecord()
	results.flush(record)
	c := r.Restore
	cause := context.Cause(admit)
	switch {
	case errors.Is(cause, sweep.ErrStopped) && deadline.Passed(err):
		r.Stopped = s.state.NameOf(sweep.StopName)
		s.end(r, report.Incomplete, fmt.Errorf("%w, after %d media of the plan", cause, c.Restored+c.Skipped+c.Failed))
	case err == nil && c.Failed == 0:
		r.Finish(report.Done, s.now())
	case err == nil:
		r.Finish(report.Partial, s.now())
	case deadline.Passed(err) && library.Answered():
		if err = deadline.ErrTimeUp; ctx.Err() != nil {
			err = context.Cause(ctx)
		}
		s.end(r, report.Incomplete, fmt.Errorf("%w, after %d media of the plan", err, c.Restored+c.Skipped+c.Failed))
	case c.Restored > 0:
		s.end(r, report.Partial, err)
	default:
		s.end(r, report.Failed, err)
	}
}

// missingError is a state.ErrNotFound with the next step.
type missingError string

func (e missingError) Error() string { return string(e) }
func (missingError) Unwrap() error   { return state.ErrNotFound }

// deletionOf returns the deletion of a run, or of the plan that the ID names.
func (s *Service) deletionOf(ctx context.Context, call Call, run string) (restore.Deletion, error) {
	of := restore.Deletion{Run: run, Plan: run, Outcomes: run, Interrupted: true}
	if trigger.IsPlanID(run) {
		return of, nil
	}
	r, err := runlog.Read(ctx, s.store(call), run)
	missing := errors.Is(err, state.ErrNotFound)
	if missing || err == nil && r.Counts.Deleted == 0 && r.Restore == nil {
		intent, intentErr := journal.LatestIntent(ctx, s.store(call), run)
		switch {
		case intentErr == nil && (missing || !intent.AsOf.Equal(r.AsOf)): // the run was killed, and its request was repeated
			of.Plan = intent.Plan
			return of, nil
		case missing && errors.Is(intentErr, state.ErrNotFound):
			return of, missingError(fmt.Sprintf("there is no run %s in the state store: mediasweep runs lists the latest", text.Quote(run)))
		case missing:
			return of, intentErr
		}
	}
	switch {
	case err != nil:
		return of, err
	case r.Restore != nil:
		return of, refusedError{fmt.Errorf("run %s is a restore of run %s: it has deleted nothing", text.Quote(run), text.Quote(r.Restore.Of))}
	case r.Mode != policy.Enforce || r.Plan == "":
		return of, refusedError{fmt.Errorf("run %s has deleted nothing: mode %s, status %s", text.Quote(run), r.Mode, r.Status)}
	}
	c := r.Counts
	of.Plan, of.Outcomes, of.Interrupted, of.Ended = r.Plan, cmp.Or(r.Ledger, run), r.Status == report.Incomplete, c.Deleted+c.Gone+c.Failed+c.Unverified
	return of, nil
}
