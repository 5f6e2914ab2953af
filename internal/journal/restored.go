package journal

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/mediasweep/mediasweep/internal/report"
	"github.com/mediasweep/mediasweep/internal/state"
)

// RestoredFolder returns the folder of the results of a restore.
func RestoredFolder(run string) string { return "restored/" + state.SafeName(run) + "/" }

// AddRestored appends results of a restore, as lines of JSON. last is the highest record number that
// may be in use. It returns the new last number.
func AddRestored(ctx context.Context, store state.Store, run string, last int, results []report.RestoredMedium) (int, error) {
	written := NewSegments(func(_ int, record []byte) error {
		err := state.ErrExists // of a restore whose request was repeated
		for errors.Is(err, state.ErrExists) {
			last++
			err = store.Create(ctx, fmt.Sprintf("%s%06d.jsonl.gz", RestoredFolder(run), last), record)
		}
		return err
	})
	for _, result := range results {
		line, err := json.Marshal(result)
		if err == nil {
			err = written.Add(append(line, '\n'))
		}
		if err != nil {
			return last, fmt.Errorf("write the results of the restore: %w", err)
		}
	}
	if err := written.Close(); err != nil {
		return last, fmt.Errorf("write the results of the restore: %w", err)
	}
	return last, nil
}
