package runlog

import (
	"context"
	"errors"
	"path"

	"github.com/mediasweep/mediasweep/internal/report"
	"github.com/mediasweep/mediasweep/internal/state"
)

// minReference is the least number of characters by which a run is found, as for a plan.
const minReference = 8

// Find returns the latest report of the run that a reference names: the ID of the run, or its start if no other run's ID
// starts so. It returns state.ErrNotFound if there is none.
func Find(ctx context.Context, store state.Store, reference string) (*report.Report, error) {
	r, err := Read(ctx, store, reference)
	if !errors.Is(err, state.ErrNotFound) || len(reference) < minReference || state.SafeName(reference) != reference {
		return r, err
	}
	found, listErr := addIDs(ctx, store, nil, reportFolder, reference, func(name string) (string, bool) { return path.Base(path.Dir(name)), true })
	if listErr != nil {
		return nil, listErr
	}
	switch len(found) {
	case 0:
		return nil, err
	case 1:
		return Read(ctx, store, found[0])
	}
	return nil, &AmbiguousError{"runs", reference, found}
}
