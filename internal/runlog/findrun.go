package runlog

import (
	"context"
	"errors"
	"path"
	"slices"

	"github.com/mediasweep/mediasweep/internal/journal"
	"github.com/mediasweep/mediasweep/internal/report"
	"github.com/mediasweep/mediasweep/internal/state"
	"github.com/mediasweep/mediasweep/internal/trigger"
)

// Find returns the latest report of the run that a reference names: the ID of the run, or its start if no other run's ID
// starts so. It returns state.ErrNotFound if there is none.
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
		return nil, err
	}
	id, err := only("runs", reference, found)
	if err != nil {
		return nil, err
	}
	return Read(ctx, store, id)
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
