package runlog

import (
	"context"
	"encoding/json"
	"fmt"
	"iter"
	"time"

	"github.com/mediasweep/mediasweep/internal/media"
	"github.com/mediasweep/mediasweep/internal/report"
	"github.com/mediasweep/mediasweep/internal/segments"
	"github.com/mediasweep/mediasweep/internal/state"
	"github.com/mediasweep/mediasweep/internal/text"
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

// RestoredFolder returns the folder of the results of a restore: lines of JSON, in their order.
func RestoredFolder(run string) string { return "restored/" + state.SafeName(run) + "/" }

// Restored yields the results of a restore in the order of their writing. It ends with an error if
// there are fewer than least.
func Restored(ctx context.Context, store state.Store, run string, least int) iter.Seq2[report.RestoredMedium, error] {
	return func(yield func(report.RestoredMedium, error) bool) {
		for record, err := range store.List(ctx, RestoredFolder(run), "") {
			var data []byte
			if err == nil {
				data, err = store.Read(ctx, record.Name)
			}
			if err != nil {
				yield(report.RestoredMedium{}, fmt.Errorf("read the results of restore %s: %w", text.Quote(run), err))
				return
			}
			for m, err := range segments.Decode(record.Name, data, decodeRestored) {
				if !yield(m, err) || err != nil {
					return
				}
				least--
			}
		}
		if least > 0 {
			yield(report.RestoredMedium{}, fmt.Errorf("read the results of restore %s: %w: %d are missing", text.Quote(run), state.ErrDamaged, least))
		}
	}
}

func decodeRestored(line []byte) (report.RestoredMedium, error) {
	var m report.RestoredMedium
	if err := json.Unmarshal(line, &m); err != nil {
		return m, err
	}
	switch m.Result {
	case report.Restored, report.Skipped, report.NotRestored:
		return m, media.CheckID(m.MediaID)
	}
	return m, fmt.Errorf("result %s is not a known one", text.Quote(string(m.Result)))
}
