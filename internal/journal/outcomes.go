package journal

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/mediasweep/mediasweep/internal/media"
	"github.com/mediasweep/mediasweep/internal/state"
	"github.com/mediasweep/mediasweep/internal/text"
)

// outcomeFolder holds what became of every medium that runs set out to delete: of each
// run lines by the thousand.
const outcomeFolder = "ledger/"

// Became is what became of a medium of a plan.
type Became string

// What can become of a medium.
const (
	Deleted    Became = "deleted"
	Gone       Became = "gone" // somebody else deleted it
	Failed     Became = "failed"
	Unverified Became = "unverified" // MPS took the deletion and still shows the medium
	// Lost: it is gone, and an earlier run, whose outcomes are incomplete, may have deleted it.
	Lost Became = "lost"
)

// Outcome is what became of one medium.
type Outcome struct {
	MediaID string `json:"mediaId"`
	Became  Became `json:"outcome"`
	Code    string `json:"code,omitempty"`
	Plan    string `json:"plan"` // the ID of the plan that has its record
	// Runs are those in which the medium counts; empty where that is the folder's only.
	Runs []string `json:"runs,omitempty"`
}

// IsNone reports whether the run did not delete the medium.
func (o Outcome) IsNone() bool { return o.Became == Gone || o.Became == Failed }

// AddOutcomes appends outcomes to those of a run: after records of which last is the highest
// number that may be in use. It returns the new last number.
func AddOutcomes(ctx context.Context, store state.Store, run string, last int, outcomes []Outcome) (int, error) {
	written := NewSegments(func(_ int, record []byte) error {
		// The first name that is free: a run whose request came again has more records.
		err := state.ErrExists
		for errors.Is(err, state.ErrExists) {
			last++
			err = store.Create(ctx, outcomeName(run, last), record)
		}
		return err
	})
	for _, o := range outcomes {
		line, err := json.Marshal(o)
		if err == nil {
			err = written.Add(append(line, '\n'))
		}
		if err != nil {
			return last, fmt.Errorf("write outcomes: %w", err)
		}
	}
	if err := written.Close(); err != nil {
		return last, fmt.Errorf("write outcomes: %w", err)
	}
	return last, nil
}

func outcomeName(run string, number int) string {
	return fmt.Sprintf("%s%s/%06d.jsonl.gz", outcomeFolder, state.SafeName(run), number)
}

func decodeOutcome(record []byte) (Outcome, error) {
	var l Outcome
	if err := json.Unmarshal(record, &l); err != nil {
		return Outcome{}, err
	}
	switch l.Became {
	case Deleted, Gone, Failed, Unverified, Lost:
		return l, media.CheckID(l.MediaID)
	}
	return Outcome{}, fmt.Errorf("%s is none of the outcomes", text.Quote(string(l.Became)))
}

// Outcomes reads what became of the media of a run, by their IDs, and how many records
// say so. They stand in the run's own folder, or in that of the run it was a part of.
func Outcomes(ctx context.Context, store state.Store, folder, run string) (outcomes map[string]Outcome, records int, err error) {
	outcomes = map[string]Outcome{}
	for listed, err := range store.List(ctx, outcomeFolder+state.SafeName(folder)+"/", "") {
		var data []byte
		if err == nil {
			data, err = store.Read(ctx, listed.Name)
		}
		if err != nil {
			return nil, 0, fmt.Errorf("read the outcomes of run %s: %w", folder, err)
		}
		records++
		for record, err := range Lines(data) {
			var o Outcome
			if err == nil {
				o, err = decodeOutcome(record)
			}
			if err != nil {
				return nil, 0, fmt.Errorf("read the outcomes of run %s: record %s (restore by the ID of its plan needs no outcomes): %w", folder, listed.Name, err)
			}
			if len(o.Runs) == 0 && folder == run || slices.Contains(o.Runs, run) {
				outcomes[o.MediaID] = o
			}
		}
	}
	return outcomes, records, nil
}
