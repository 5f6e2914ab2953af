package service

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/mediasweep/mediasweep/internal/media"
	"github.com/mediasweep/mediasweep/internal/mps"
	"github.com/mediasweep/mediasweep/internal/policy"
	"github.com/mediasweep/mediasweep/internal/report"
	"github.com/mediasweep/mediasweep/internal/runlog"
	"github.com/mediasweep/mediasweep/internal/scan"
	"github.com/mediasweep/mediasweep/internal/state"
	"github.com/mediasweep/mediasweep/internal/sweep"
	"github.com/mediasweep/mediasweep/internal/task"
	"github.com/mediasweep/mediasweep/internal/text"
	"github.com/mediasweep/mediasweep/internal/trigger"
)

// Sweep runs one request, which may be for a restore, and reports on it. A panic fails the run, and
// does not end the process.
func (s *Service) Sweep(ctx context.Context, call Call, request *trigger.Request) *report.Report {
	j := s.newJob(ctx, call, request)
	var cancel context.CancelFunc
	j.budget, ctx, cancel = j.budget.Outlive(ctx)
	defer cancel()
	run := j.sweep
	if request.Restore != "" {
		run = j.restore
	}
	var err error
	if panicked := task.Run(func() { err = run(ctx) }); panicked != nil {
		j, err = j.with(request, nil), panicked
	}
	if err != nil {
		j.stopRun(ctx, err)
	}
	if !s.isOwn(request) { // a record of a digest must not lead to another
		j.sendDigest(ctx, request.OfLibrary(), j.report) // also a repeated call: the first may have been killed before
	}
	return j.report
}

// sweep carries out the request of a job, and finishes its report. An error ended it before it looked at anything.
func (j *job) sweep(ctx context.Context) error {
	work, cancel := j.budget.Work(ctx)
	defer cancel()
	leave, err := j.requests.enter(work, j.call.RequestID)
	if err != nil {
		return err
	}
	defer leave()
	if err := j.readPolicy(ctx); err != nil {
		return err
	}
	r := j.report
	r.Asked = j.request.Digest()
	if err := j.checkRequest(work); err != nil {
		return refusedError{err}
	}
	if r.Trigger == trigger.OSS {
		if j.request = j.splitEvent(); len(j.request.Objects)+len(j.request.Manifests) == 0 {
			r.Finish(report.Done, j.now())
			j.logFinished(r)
			return nil
		}
		defer j.library.Begin()()
	}
	if answered, err := j.openStore(work); err != nil || answered {
		return err
	}
	if err := j.savePolicy(work); err != nil {
		return err
	}
	if j.request.Plan != "" {
		if err := j.checkPlan(work); err != nil {
			return err
		}
	}
	return j.underLease(ctx, work, r.Mode == policy.Enforce && j.request.OfLibrary(), func(ctx context.Context) error {
		// A restore may have ended while this run waited for the lease: its marks count.
		if err := j.marks.Refresh(work, j.store()); err != nil {
			return err
		}
		r.Notes = append(r.Notes, text.First(j.marks.Skipped(), "records")...)
		if j.request.Inventory {
			j.sweepInventory(ctx)
		} else {
			j.run(ctx)
		}
		return nil
	})
}

// underLease carries out a run, under the lease if it needs that, and saves its report. The report is saved while the
// lease is released: a call may have no time for two writes in turn. The context of do ends when the lease is lost.
func (j *job) underLease(ctx, work context.Context, needed bool, do func(context.Context) error) error {
	var finishing sync.WaitGroup
	defer finishing.Wait()
	if needed {
		lease, err := state.Acquire(work, j.store(), j.report.Run)
		if err != nil {
			return err
		}
		defer j.release(ctx, lease)
		ctx = lease.Hold(ctx)
	}
	if err := do(ctx); err != nil {
		j.stopRun(ctx, err) // before the lease is released
		return nil
	}
	finishing.Go(func() {
		j.record(ctx, runlog.Save)
		j.logFinished(j.report)
	})
	j.saveDays(ctx)
	if needed && j.request.Restore == "" {
		j.foldHistory(ctx)
	}
	return nil
}

func (j *job) release(ctx context.Context, lease *state.Lease) {
	ctx, cancel := j.budget.Finish(ctx)
	defer cancel()
	if err := lease.Release(ctx); err != nil {
		j.log.Warn("lease not released: the next run is busy until it ends", "error", err.Error())
	}
}

// checkRequest refuses a request that cannot be carried out, whatever the services answer, and sets the
// mode of its report.
func (j *job) checkRequest(ctx context.Context) error {
	request, p := j.request, j.policy
	if request.Plan != "" {
		if err := trigger.CheckPlan(request.Plan); err != nil {
			return err
		}
	}
	mode, err := request.EffectiveMode(p.Mode)
	if err != nil {
		return err
	}
	j.report.Mode = mode
	if request.Trigger == trigger.HTTP {
		if err := mayRead(p, request.Manifests); err != nil {
			return err
		}
	}
	if mode == policy.Enforce && j.account.InFC && !j.state.InOSS() {
		return fmt.Errorf("enforce: %w", errFleeting)
	}
	if request.Inventory && p.Inventory.IsEmpty() {
		return errNoInventory
	}
	_, err = j.credentials().Current(ctx)
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

// run carries out a request. Concurrent events share calls.
func (j *job) run(ctx context.Context) {
	library := j.library.Session(j.credentials())
	if j.request.Trigger == trigger.OSS {
		library = j.library.Sharing(j.credentials())
	}
	j.begun = j.newSweep(library).Run(ctx, j.budget, j.request, j.report)
	j.report.Calls = callsOf(library)
}

func (j *job) newSweep(library *mps.Session) *sweep.Sweep {
	return &sweep.Sweep{
		Policy: j.policy, Store: j.store(), Now: j.now, Log: j.log.With("run", j.report.Run),
		Cloud:   scan.Cloud{Region: j.account.Region, Library: library, Objects: j.objects.Session(j.credentials())},
		Deleter: library, Marks: j.marks, Events: j.events, Claims: &j.claims,
		Display: j.progress, Stop: j.state.NameOf(sweep.StopName), Caller: callerOf(j.call),
	}
}

func callsOf(library *mps.Session) report.Calls {
	return report.Calls{
		DeleteMedia: library.Calls(mps.DeleteMedia), QueryMediaList: library.Calls(mps.QueryMediaList),
		QueryMediaListByURL: library.Calls(mps.QueryMediaListByURL), Throttled: library.Throttled(), Retried: library.Retried(),
		ListExecutions: library.Calls(mps.ListExecutions), AddMedia: library.Calls(mps.AddMedia),
	}
}
