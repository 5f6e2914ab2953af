package service

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"

	"github.com/mediasweep/mediasweep/internal/deadline"
	"github.com/mediasweep/mediasweep/internal/media"
	"github.com/mediasweep/mediasweep/internal/mps"
	"github.com/mediasweep/mediasweep/internal/policy"
	"github.com/mediasweep/mediasweep/internal/report"
	"github.com/mediasweep/mediasweep/internal/runlog"
	"github.com/mediasweep/mediasweep/internal/state"
	"github.com/mediasweep/mediasweep/internal/sweep"
	"github.com/mediasweep/mediasweep/internal/task"
	"github.com/mediasweep/mediasweep/internal/text"
	"github.com/mediasweep/mediasweep/internal/trigger"
)

// Sweep runs one request, which may be for a restore, and reports on it. A panic fails the run, and
// does not end the process.
func (s *Service) Sweep(ctx context.Context, call Call, request *trigger.Request) (r *report.Report) {
	budget := deadline.New(ctx)
	run := s.sweep
	if request.Restore != "" {
		run = s.restore
	}
	if err := task.Run(func() { r = run(ctx, budget, call, request) }); err != nil {
		r = s.end(s.newReport(call, request.Trigger, nil), report.Failed, err)
		r = s.finishEarly(ctx, budget, call, request, r)
	}
	if !s.isOwn(request) { // a record of a digest must not lead to another
		s.tell(ctx, budget, call, scopeOf(request), r) // also a repeated call: the first may have been killed before
	}
	return r
}

func (s *Service) sweep(ctx context.Context, budget deadline.Budget, call Call, request *trigger.Request) *report.Report {
	work, cancel := budget.Work(ctx)
	defer cancel()
	early := func(r *report.Report) *report.Report { return s.finishEarly(ctx, budget, call, request, r) }
	leave, err := s.requests.enter(work, call.RequestID)
	if err != nil {
		return early(s.end(s.newReport(call, request.Trigger, nil), report.Busy, err))
	}
	defer leave()
	p, r := s.begin(ctx, budget, call, request.Trigger)
	if p == nil {
		return early(r)
	}
	r.Asked = request.Digest()
	if err := s.admit(work, call, p, request, r); err != nil {
		return early(s.reject(r, err))
	}
	if request.Trigger == trigger.OSS {
		if request = s.splitEvent(p, request, r); len(request.Objects)+len(request.Manifests) == 0 {
			r.Finish(report.Done, s.now())
			s.logFinished(r)
			return r
		}
		defer s.library.Begin()()
	}
	switch earlier, err := s.prepare(work, call, p, request, r); {
	case errors.Is(err, state.ErrVersioned): // nothing is written there
		return s.refuse(r, err)
	case err != nil:
		return early(s.stop(r, err))
	case earlier != nil:
		return earlier
	}
	var finishing sync.WaitGroup
	defer finishing.Wait()
	leased := r.Mode == policy.Enforce && request.OfLibrary()
	if leased {
		lease, err := state.Acquire(work, s.store(call), r.Run)
		if err != nil {
			return early(s.stop(r, err))
		}
		// A call may have no time for two writes in turn: the report is saved meanwhile.
		defer s.release(ctx, lease, budget)
		ctx = lease.Hold(ctx)
	}
	// A restore may have ended while this run waited for the lease: its marks count.
	if err := s.marks.Refresh(work, s.store(call)); err != nil {
		return early(s.stop(r, err))
	}
	r.Notes = append(r.Notes, text.First(s.marks.Skipped(), "records")...)
	if request.Inventory {
		s.sweepInventory(ctx, budget, call, p, request, r)
	} else {
		s.run(ctx, budget, call, p, request, r)
	}
	finishing.Go(func() { s.finishInTime(ctx, budget, call, r) })
	s.saveDays(ctx, budget, call, p, request, r.Mode)
	if leased {
		s.foldHistory(ctx, budget, call)
	}
	return r
}

// finishInTime saves and logs the report of a run within the rest of the call's time.
func (s *Service) finishInTime(ctx context.Context, budget deadline.Budget, call Call, r *report.Report) {
	ctx, cancel := budget.Finish(ctx)
	defer cancel()
	if err := task.Run(func() { s.finish(ctx, call, r) }); err != nil {
		s.log.Error("report not saved", "run", r.Run, "error", err.Error())
	}
}

func (s *Service) release(ctx context.Context, lease *state.Lease, budget deadline.Budget) {
	ctx, cancel := budget.Finish(ctx)
	defer cancel()
	if err := lease.Release(ctx); err != nil {
		s.log.Warn("lease not released: the next run is busy until it ends", "error", err.Error())
	}
}

// admit refuses a request that cannot be carried out, whatever the services answer, and sets the
// mode of its report.
func (s *Service) admit(ctx context.Context, call Call, p *policy.Policy, request *trigger.Request, r *report.Report) error {
	mode, err := request.EffectiveMode(p.Mode)
	if err != nil {
		return err
	}
	r.Mode = mode
	if request.Trigger == trigger.HTTP {
		if err := mayRead(p, request.Manifests); err != nil {
			return err
		}
	}
	if r.Mode == policy.Enforce && s.account.InFC && !s.state.InOSS() {
		return fmt.Errorf("enforce: %w", errFleeting)
	}
	if request.Inventory && p.Inventory.IsEmpty() {
		return errNoInventory
	}
	_, err = s.credentials(call).Current(ctx)
	return err
}

var errFleeting = errors.New("it needs state that outlives the instance, and a folder goes with it: set MEDIASWEEP_STATE to oss://bucket/prefix/")

var errNoInventory = errors.New("the policy has no inventory to look at")

// mayRead refuses manifests that the policy does not name. Messages about a manifest quote it, and
// an HTTP caller must not read with the function's permissions.
func mayRead(p *policy.Policy, manifests []media.Object) error {
	for _, object := range manifests {
		if !p.IsManifest(object) && !slices.Contains(p.Inventory.Manifests, object) {
			return fmt.Errorf("manifest %s: over HTTP a request may name only what `manifests` or `inventory` of the policy names", text.Quote(object.String()))
		}
	}
	return nil
}

// prepare opens the state store, saves the policy and checks the request's plan before a
// run. It returns the report of an earlier run that answered the same request.
func (s *Service) prepare(ctx context.Context, call Call, p *policy.Policy, request *trigger.Request, r *report.Report) (earlier *report.Report, err error) {
	if earlier, err = s.open(ctx, call, request, r); err != nil || earlier != nil {
		return earlier, err
	}
	store := s.store(call)
	if err := s.savePolicy(ctx, store, p, r); err != nil {
		return nil, err
	}
	if request.Plan == "" {
		return nil, nil
	}
	return nil, s.checkPlan(ctx, store, p, request, r)
}

// open checks the state store before a run. It returns the report of an earlier run that answered the same
// request.
func (s *Service) open(ctx context.Context, call Call, request *trigger.Request, r *report.Report) (earlier *report.Report, err error) {
	store := s.store(call)
	if err := s.checkVersioning(ctx, store); err != nil {
		return nil, err
	}
	s.beginLog(ctx, store)
	if call.RequestID != "" {
		if earlier, err = s.answered(ctx, call, request, r); err != nil || earlier != nil {
			return earlier, err
		}
	}
	return nil, nil
}

// checkVersioning refuses a state bucket with versioning, once: records could be overwritten there.
func (s *Service) checkVersioning(ctx context.Context, store state.Store) error {
	bucket, ok := store.(state.Bucket)
	if !ok || s.versioningChecked.Load() {
		return nil
	}
	switch err := bucket.Check(ctx); {
	case errors.Is(err, state.ErrVersioned):
		return refusedError{err}
	case err != nil:
		// Plans are named by their content, and no safety rests on the lease: a role without
		// this permission may go on.
		s.log.Warn("cannot check the state bucket's versioning", "error", err.Error())
	}
	s.versioningChecked.Store(true)
	return nil
}

// answered returns the report that answered the same request before, or nil. It sets the
// report's run: a request ID that came with another request gets the request's digest added. A
// repeated request for the latest plan goes on with the plan that it took before.
func (s *Service) answered(ctx context.Context, call Call, request *trigger.Request, r *report.Report) (*report.Report, error) {
	_, digest, _ := strings.Cut(r.Asked, ":")
	for _, id := range []string{r.Run, r.Run + "-" + digest[:12]} {
		earlier, err := runlog.Read(ctx, s.store(call), id)
		switch {
		case errors.Is(err, state.ErrDamaged): // the request runs again
			s.log.Error("record damaged", "run", id, "error", err.Error())
		case errors.Is(err, state.ErrNotFound):
		case err != nil:
			return nil, err
		case earlier.Asked != r.Asked:
			s.log.Warn("the request ID came with another request before", "run", id)
			continue
		case earlier.Status == report.Done || earlier.Status == report.Partial || earlier.Status == report.Blocked:
			s.log.Info("answered before", "run", earlier.Run, "status", earlier.Status)
			return earlier, nil
		case request.Plan == trigger.LatestPlan && trigger.IsPlanID(earlier.Plan):
			request.Plan = earlier.Plan
		}
		r.Run = id
		return nil, nil
	}
	r.Run = newRunID()
	return nil, nil
}

// run carries out a request. Concurrent events share calls.
func (s *Service) run(ctx context.Context, budget deadline.Budget, call Call, p *policy.Policy, request *trigger.Request, r *report.Report) {
	library := s.library.Session(s.credentials(call))
	if request.Trigger == trigger.OSS {
		library = s.library.Sharing(s.credentials(call))
	}
	s.newSweep(call, p, r, library).Run(ctx, budget, request, r)
	r.Calls = callsOf(library)
}

func (s *Service) newSweep(call Call, p *policy.Policy, r *report.Report, library *mps.Session) *sweep.Sweep {
	log := s.log.With("run", r.Run)
	return &sweep.Sweep{
		Policy: p, Region: s.account.Region, Library: library, Objects: s.objects.Session(s.credentials(call)), Store: s.store(call),
		Marks: s.marks, Events: s.events, Claims: &s.claims, Now: s.now, Log: log, Stop: s.state.NameOf(sweep.StopName), Caller: cmp.Or(call.Caller, "an unknown caller"),
		Progress: s.showOf(log, r.Run), Every: s.progress.every,
	}
}

// showOf shows the progress of a run.
func (s *Service) showOf(log *slog.Logger, run string) sweep.Show {
	return func(p sweep.Progress) {
		p.Run = run
		s.progress.show(log, p)
	}
}

func callsOf(library *mps.Session) report.Calls {
	return report.Calls{
		DeleteMedia: library.Calls(mps.DeleteMedia), QueryMediaList: library.Calls(mps.QueryMediaList),
		QueryMediaListByURL: library.Calls(mps.QueryMediaListByURL), Throttled: library.Throttled(), Retried: library.Retried(),
		ListExecutions: library.Calls(mps.ListExecutions), AddMedia: library.Calls(mps.AddMedia),
	}
}
