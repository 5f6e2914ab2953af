package runlog

import (
	"context"
	"iter"
	"time"

	"github.com/mediasweep/mediasweep/internal/report"
	"github.com/mediasweep/mediasweep/internal/segments"
	"github.com/mediasweep/mediasweep/internal/state"
)

// failureFolder holds failures for which a report has no room.
const failureFolder = "failures/"

// SaveFailures writes failures of a run as lines of JSON, and returns their folder.
func SaveFailures(ctx context.Context, store state.Store, now time.Time, run string, failures iter.Seq2[report.Failure, error]) (folder string, err error) {
	folder = failureFolder + state.RunName(now, run) + "/"
	last := 0
	written := segments.NewFolder(ctx, store, folder, &last)
	for failure, err := range failures {
		if err == nil {
			err = written.AddJSON(failure)
		}
		if err != nil {
			return folder, err
		}
	}
	return folder, written.Close()
}
