package journal

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"slices"

	"github.com/mediasweep/mediasweep/internal/media"
	"github.com/mediasweep/mediasweep/internal/report"
	"github.com/mediasweep/mediasweep/internal/segments"
	"github.com/mediasweep/mediasweep/internal/state"
	"github.com/mediasweep/mediasweep/internal/text"
)

// outcomeFolder holds the outcomes of each run, in records of a thousand lines.
const outcomeFolder = "ledger/"

// Became is the kind of an outcome.
type Became string

// The kinds of outcomes.
const (
	Deleted    Became = "deleted"
	Gone       Became = "gone" // somebody else deleted it
	Failed     Became = "failed"
	Unverified Became = "unverified" // MPS accepted the deletion and still shows the medium
	// Lost: it is gone. An earlier run with incomplete outcomes may have deleted it.
	Lost Became = "lost"
)

// mayDelete reports whether a run deleted the medium, or may have.
func (b Became) mayDelete() bool { return b == Deleted || b == Unverified || b == Lost }

// Count counts a medium with the outcome, also in the line of its rule.
func (b Became) Count(c *report.Counts, line *report.Rule) {
	switch b {
	case Deleted:
		c.Deleted++
		line.Deleted++
	case Gone:
		c.Gone++
	case Lost:
		c.Gone++
		line.Lost++
	case Failed:
		c.Failed++
	case Unverified:
		c.Unverified++
	}
}

// Outcome is the result for one medium of a plan.
type Outcome struct {
	MediaID string `json:"mediaId"`
	Became  Became `json:"outcome"`
	Code    string `json:"code,omitempty"`
	Plan    string `json:"plan"` // the ID of the plan that has its record
	// Runs are the runs that count the medium. Empty means the run of the folder.
	Runs []string `json:"runs,omitempty"`
}

// IsOf reports whether a run deleted the medium, or may have. Another run may have finished its plan.
func (o Outcome) IsOf(run string) bool {
	switch o.Became {
	case Gone, Failed:
		return false
	case Deleted, Unverified:
		return o.By(run) == run
	case Lost:
	}
	return true
}

// By returns the run that settled the medium. folder is the run that began the plan.
func (o Outcome) By(folder string) string {
	if len(o.Runs) == 0 {
		return folder
	}
	return o.Runs[len(o.Runs)-1]
}

// AddOutcomes appends outcomes to those of a run. last is the highest record number that may be in
// use. It returns the new last number.
func AddOutcomes(ctx context.Context, store state.Store, run string, last int, outcomes []Outcome) (int, error) {
	last, err := segments.Append(ctx, store, outcomesOf(run), last, outcomes)
	if err != nil {
		err = fmt.Errorf("write outcomes: %w", err)
	}
	return last, err
}

// outcomesOf returns the folder of the outcomes of a run.
func outcomesOf(run string) string { return outcomeFolder + state.SafeName(run) + "/" }

// OutcomeRecords lists the records with the outcomes of all runs, by their names after one of them.
func OutcomeRecords(ctx context.Context, store state.Store, after string) iter.Seq2[state.Record, error] {
	return store.List(ctx, outcomeFolder, after)
}

// ReadOutcomes returns the outcomes of a record.
func ReadOutcomes(ctx context.Context, store state.Store, name string) (list []Outcome, err error) {
	data, err := store.Read(ctx, name)
	if err != nil {
		return nil, err
	}
	for o, err := range segments.Decode(name, data, decodeOutcome) {
		if err != nil {
			return nil, err
		}
		list = append(list, o)
	}
	return list, nil
}

func decodeOutcome(record []byte) (Outcome, error) {
	var o Outcome
	if err := json.Unmarshal(record, &o); err != nil {
		return Outcome{}, err
	}
	switch o.Became {
	case Deleted, Gone, Failed, Unverified, Lost:
		return o, media.CheckID(o.MediaID)
	}
	return Outcome{}, fmt.Errorf("outcome %s is not a known one", text.Quote(string(o.Became)))
}

// Outcomes returns the latest outcomes of a run by media ID, and the number of records read. folder is the run itself, or the run
// that it resumed. A request may be carried out twice at once: that one call found a medium gone hides no deletion by the other.
func Outcomes(ctx context.Context, store state.Store, folder, run string) (outcomes map[string]Outcome, records int, err error) {
	outcomes = map[string]Outcome{}
	for listed, err := range store.List(ctx, outcomesOf(folder), "") {
		var list []Outcome
		if err == nil {
			list, err = ReadOutcomes(ctx, store, listed.Name)
		}
		if errors.Is(err, state.ErrDamaged) {
			err = fmt.Errorf("%w (restore by the ID of its plan needs no outcomes)", err)
		}
		if err != nil {
			return nil, 0, fmt.Errorf("read the outcomes of run %s: %w", folder, err)
		}
		records++
		for _, o := range list {
			isOfRun := len(o.Runs) == 0 && folder == run || slices.Contains(o.Runs, run)
			if isOfRun && (o.Became.mayDelete() || !outcomes[o.MediaID].Became.mayDelete()) {
				outcomes[o.MediaID] = o
			}
		}
	}
	return outcomes, records, nil
}
