package service

import (
	"cmp"
	"context"
	"errors"
	"fmt"

	"github.com/mediasweep/mediasweep/internal/deadline"
	"github.com/mediasweep/mediasweep/internal/journal"
	"github.com/mediasweep/mediasweep/internal/policy"
	"github.com/mediasweep/mediasweep/internal/report"
	"github.com/mediasweep/mediasweep/internal/restore"
	"github.com/mediasweep/mediasweep/internal/state"
	"github.com/mediasweep/mediasweep/internal/text"
	"github.com/mediasweep/mediasweep/internal/trigger"
)

// Restore adds the media that a run deleted again, or only some of them, from the records of its
// plan. For the ID of a plan, and for a run that was killed, it adds all media of the plan that are
// gone. A report beside an error has what was done before it.
func (s *Service) Restore(ctx context.Context, call Call, run string, only []string) (*restore.Report, error) {
	if s.broken != nil {
		return nil, refusedError{s.broken}
	}
	of, err := s.deletionOf(ctx, call, run)
	if err != nil {
		return nil, err
	}
	store := s.store(call)
	lease, err := state.Acquire(ctx, store, state.RestoreLease, run)
	if err != nil {
		return nil, err
	}
	defer s.release(ctx, lease, deadline.Budget{})
	ctx = lease.Hold(ctx)
	if _, err := s.policyOf(ctx, call); err != nil { // only the pace is at stake
		s.log.Warn("policy not read: media are restored at the pace of the latest run", "error", text.Bound(err.Error()))
	}
	if err := s.tombstones.Refresh(ctx, store); err != nil {
		return nil, err
	}
	restorer := restore.Restorer{
		Library: s.library.Session(s.credentials(call)), Sources: s.objects.Session(s.credentials(call)),
		Store: store, Marks: s.tombstones, Region: s.account.Region, Now: s.now,
	}
	return restorer.Run(ctx, of, only)
}

// missingError is a state.ErrNotFound with the next step.
type missingError string

func (e missingError) Error() string { return string(e) }
func (missingError) Unwrap() error   { return state.ErrNotFound }

// deletionOf returns the deletion of a run, or of the plan that the ID names.
func (s *Service) deletionOf(ctx context.Context, call Call, run string) (restore.Deletion, error) {
	of := restore.Deletion{Run: run, Plan: run, Ledger: run, CutOff: true}
	if trigger.IsPlanID(run) {
		return of, nil
	}
	r, err := journal.ReadReport(ctx, s.store(call), run)
	switch {
	case errors.Is(err, state.ErrNotFound):
		intent, err := journal.LatestIntent(ctx, s.store(call), run)
		if errors.Is(err, state.ErrNotFound) {
			err = missingError(fmt.Sprintf("there is no run %s in the state store: mediasweep runs lists the latest; "+
				"for a run that was killed while it deleted given media, give the ID of its plan", text.Quote(run)))
		}
		of.Plan = intent.Plan
		return of, err
	case err != nil:
		return of, err
	case r.Mode != policy.Enforce || r.Plan == "":
		return of, refusedError{fmt.Errorf("run %s has deleted nothing: mode %s, status %s", text.Quote(run), r.Mode, r.Status)}
	}
	c := r.Counts
	of.Plan, of.Ledger, of.CutOff, of.Ended = r.Plan, cmp.Or(r.Ledger, run), r.Status == report.Incomplete, c.Deleted+c.Gone+c.Failed+c.Unverified
	return of, nil
}
