package journal

import (
	"context"
	"encoding/json"
	"fmt"
	"iter"
	"time"

	"github.com/mediasweep/mediasweep/internal/report"
	"github.com/mediasweep/mediasweep/internal/state"
)

// failureFolder holds failures for which a report has no room.
const failureFolder = "failures/"

// SaveFailures writes failures of a run as lines of JSON, and returns their folder.
func SaveFailures(ctx context.Context, store state.Store, now time.Time, run string, failures iter.Seq2[report.Failure, error]) (folder string, err error) {
	folder = failureFolder + state.RunName(now, run) + "/"
	written := NewSegments(func(number int, record []byte) error {
		return store.Create(ctx, fmt.Sprintf("%s%06d.jsonl.gz", folder, number), record)
	})
	for failure, err := range failures {
		var line []byte
		if err == nil {
			line, err = json.Marshal(failure)
		}
		if err == nil {
			err = written.Add(append(line, '\n'))
		}
		if err != nil {
			return folder, err
		}
	}
	return folder, written.Close()
}
