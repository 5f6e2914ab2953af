package service

import (
	"context"
	"errors"
	"strings"

	"github.com/mediasweep/mediasweep/internal/report"
	"github.com/mediasweep/mediasweep/internal/runlog"
	"github.com/mediasweep/mediasweep/internal/state"
	"github.com/mediasweep/mediasweep/internal/trigger"
)

// records returns the state store to a use case that only reads records. An error rejects the request.
func (d *deployment) records(ctx context.Context, call Call) (state.Store, error) {
	if d.noStore != nil {
		return nil, refusedError{d.noStore}
	}
	if d.state.InOSS() {
		if _, err := d.credentialsOf(call).Current(ctx); err != nil {
			return nil, refusedError{err}
		}
	}
	return d.storeOf(call), nil
}

// storeOf returns the state store with the credentials of a call.
func (d *deployment) storeOf(call Call) state.Store {
	if d.state.InOSS() {
		return state.Bucket{OSS: d.objects.Session(d.credentialsOf(call)), Prefix: d.state.Prefix}
	}
	return state.Folder(d.state.Folder)
}

// openStore checks the state store before a run. If an earlier run answered the same request, its report is the job's.
func (j *job) openStore(ctx context.Context) (answered bool, err error) {
	store := j.store()
	if err := j.checkVersioning(ctx, store); err != nil {
		return false, err
	}
	j.ensureLog(ctx, store)
	if j.call.RequestID == "" {
		return false, nil
	}
	return j.answered(ctx)
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

// answered takes over the report that answered the same request before, if there is one. Else it sets the
// report's run: a request ID that came with another request gets the request's digest added. A
// repeated request for the latest plan goes on with the plan that it took before.
func (j *job) answered(ctx context.Context) (bool, error) {
	r := j.report
	_, digest, _ := strings.Cut(r.Asked, ":")
	for _, id := range []string{r.Run, r.Run + "-" + digest[:12]} {
		earlier, err := runlog.Read(ctx, j.store(), id)
		switch {
		case errors.Is(err, state.ErrDamaged): // the request runs again
			j.log.Error("record damaged", "run", id, "error", err.Error())
		case errors.Is(err, state.ErrNotFound):
		case err != nil:
			return false, err
		case earlier.Asked != r.Asked:
			j.log.Warn("the request ID came with another request before", "run", id)
			continue
		case earlier.Status == report.Done || earlier.Status == report.Partial || earlier.Status == report.Blocked:
			j.log.Info("answered before", "run", earlier.Run, "status", earlier.Status)
			earlier.Zone = r.Zone
			j.report = earlier
			return true, nil
		case j.request.Plan == trigger.LatestPlan && trigger.IsPlanID(earlier.Plan):
			j.request.Plan = earlier.Plan
		}
		r.Run = id
		return false, nil
	}
	r.Run = newRunID()
	return false, nil
}

func (s *Service) ensureLog(ctx context.Context, store state.Store) {
	if s.logBegun.Load() {
		return
	}
	if err := runlog.Begin(ctx, store); err != nil {
		s.log.Warn("lists of runs read every report that is older than the log", "error", err.Error())
		return
	}
	s.logBegun.Store(true)
}
