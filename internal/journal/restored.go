package journal

import (
	"context"
	"fmt"

	"github.com/mediasweep/mediasweep/internal/report"
	"github.com/mediasweep/mediasweep/internal/state"
)

// RestoredFolder returns the folder of the results of a restore.
func RestoredFolder(run string) string { return "restored/" + state.SafeName(run) + "/" }

// AddRestored appends results of a restore, as lines of JSON. last is the highest record number that
// may be in use. It returns the new last number.
func AddRestored(ctx context.Context, store state.Store, run string, last int, results []report.RestoredMedium) (int, error) {
	last, err := appendLines(ctx, store, RestoredFolder(run), last, results)
	if err != nil {
		err = fmt.Errorf("write the results of the restore: %w", err)
	}
	return last, err
}
