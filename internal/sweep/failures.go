package sweep

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/mediasweep/mediasweep/internal/report"
	"github.com/mediasweep/mediasweep/internal/state"
	"github.com/mediasweep/mediasweep/internal/text"
)

// A report lists its first failures. Of deletions the ledger tells the others; of what
// could not be looked at they are here, as lines of JSON.
const failuresFolder = "failures/"

// fail lists a failure in a report, or keeps it for the state store. The mutex is held.
func (l *look) fail(one *report.Report, failure report.Failure) {
	if one.Fail(failure) {
		return
	}
	failure.Message = text.Bound(failure.Message)
	line, err := json.Marshal(failure)
	if err == nil {
		err = l.unlisted.Add(fmt.Sprintf("%012d", l.unlisted.Len()), append(line, '\n'))
	}
	if err != nil {
		l.Log.Error("a failure is in no list", "mediaId", failure.MediaID, "object", failure.Object, "message", failure.Message, "error", err.Error())
	}
}

// keepFailures writes those for which the report has no room, and says there where they
// are.
func (r *run) keepFailures(ctx context.Context) {
	if r.unlisted.Len() == 0 {
		return
	}
	ctx, cancel := r.budget.Afterwards(ctx)
	defer cancel()
	folder := failuresFolder + state.RunName(r.Now(), r.reports[0].Run)
	written := newSegments(0, func(number int, record []byte) error {
		return r.Store.Create(ctx, fmt.Sprintf("%s/%06d.jsonl.gz", folder, number), record)
	})
	var err error
	for failure, readErr := range r.unlisted.All() {
		if err = readErr; err == nil {
			err = written.add(failure.Rest)
		}
		if err != nil {
			break
		}
	}
	if err == nil {
		err = written.close()
	}
	if err != nil {
		r.Log.Error("failures are in no list", "failures", r.unlisted.Len(), "error", err.Error())
		return
	}
	r.reports[0].Notes = append(r.reports[0].Notes, fmt.Sprintf("%d more failures are in %s/", r.unlisted.Len(), folder))
}
