package runlog

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"path"
	"slices"
	"time"

	"github.com/mediasweep/mediasweep/internal/journal"
	"github.com/mediasweep/mediasweep/internal/report"
	"github.com/mediasweep/mediasweep/internal/state"
	"github.com/mediasweep/mediasweep/internal/text"
	"github.com/mediasweep/mediasweep/internal/trigger"
)

// Find returns the latest report of the run that a reference names: the ID of the run, or its start if no other run's ID
// starts so. It returns state.ErrNotFound if there is none, in an UnreportedError if the run has begun to delete.
func Find(ctx context.Context, store state.Store, reference string) (*report.Report, error) {
	r, err := Read(ctx, store, reference)
	if !errors.Is(err, state.ErrNotFound) {
		return r, err
	}
	found, listErr := runsWithPrefix(ctx, store, reference)
	if listErr != nil {
		return nil, listErr
	}
	if len(found) == 0 {
		return nil, cmp.Or(findBegun(ctx, store, reference), err)
	}
	id, err := only("runs", reference, found)
	if err != nil {
		return nil, err
	}
	return Read(ctx, store, id)
}

// UnreportedError is the error of a run that began to delete, and has no report. It wraps state.ErrNotFound.
type UnreportedError struct{ Begun journal.Intent }

func (e *UnreportedError) Error() string {
	i := e.Begun
	return fmt.Sprintf("run %s has no report: it began to delete plan %s as of %s, and is under way or was killed; the next scheduled run finishes the plan, and a restore of the run brings back what it deleted",
		text.Quote(i.Run), cmp.Or(i.Applied, i.Plan), i.AsOf.UTC().Format(time.RFC3339))
}

// Unwrap returns state.ErrNotFound.
func (e *UnreportedError) Unwrap() error { return state.ErrNotFound }

// findBegun returns the UnreportedError of the run that a reference names; nil if no run has begun to delete.
func findBegun(ctx context.Context, store state.Store, reference string) error {
	runs, err := journal.RunsWithIntents(ctx, store, state.SafeName(reference))
	if err != nil {
		return err
	}
	if !slices.Contains(runs, state.SafeName(reference)) {
		if len(runs) == 0 || !isStart(reference) {
			return nil
		}
		if reference, err = only("runs", reference, runs); err != nil {
			return err
		}
	}
	begun, err := journal.LatestIntent(ctx, store, reference)
	if err != nil {
		return err
	}
	return &UnreportedError{begun}
}

// FindRunOrPlan returns the one ID of a run or of a plan that starts with a reference. A run that was killed counts, if it
// has an intent. It returns state.ErrNotFound if there is none, and an AmbiguousError for several.
func FindRunOrPlan(ctx context.Context, store state.Store, reference string) (id string, err error) {
	runs, err := runsWithPrefix(ctx, store, reference)
	if err != nil {
		return "", err
	}
	if isStart(reference) {
		begun, err := journal.RunsWithIntents(ctx, store, reference)
		if err != nil {
			return "", err
		}
		runs = slices.Compact(slices.Sorted(slices.Values(append(runs, begun...))))
	}
	var plans []string
	if reference != trigger.LatestPlan && trigger.CheckPlan(reference) == nil {
		if plans, err = plansWithPrefix(ctx, store, reference); err != nil {
			return "", err
		}
	}
	kind := "runs and plans"
	switch {
	case len(plans) == 0:
		kind = "runs"
	case len(runs) == 0:
		kind = "plans"
	}
	return only(kind, reference, append(runs, plans...))
}

// runsWithPrefix returns the IDs of the runs with reports that begin so.
func runsWithPrefix(ctx context.Context, store state.Store, reference string) ([]string, error) {
	if !isStart(reference) {
		return nil, nil
	}
	return idsWithPrefix(ctx, store, reference, func(name string) (string, bool) { return path.Base(path.Dir(name)), true }, reportFolder)
}

// isStart reports whether a reference may be the start of a run's ID.
func isStart(reference string) bool {
	return len(reference) >= trigger.MinReference && state.SafeName(reference) == reference
}
