package sweep

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

// ledgerFolder holds what became of every medium that runs set out to delete: of
// each run lines by the thousand.
const ledgerFolder = "ledger/"

// ledgerLine is what became of one medium.
type ledgerLine struct {
	MediaID string `json:"mediaId"`
	Outcome string `json:"outcome"` // deleted, gone, failed, unverified or lost
	Code    string `json:"code,omitempty"`
	Plan    string `json:"plan"`
	// Runs are those in which the medium counts; empty where that is the ledger's only.
	Runs []string `json:"runs,omitempty"`
}

// lostOutcome is of a medium that has gone and that an earlier run, of which the
// outcomes are not known, may have deleted.
const lostOutcome = "lost"

// ledger collects the outcomes of a run. The run's mutex guards what is collected,
// and writing what is written.
type ledger struct {
	run   string // whose media they are
	lines []ledgerLine
	marks markRecord
	// shared says that several runs are told of, and finishes that an earlier run may
	// have deleted what is gone.
	shared, finishes bool

	writing lock
	records int // written, or found to be there
}

// note takes the outcomes of some media.
func (l *ledger) note(planID string, batch []expired, became end, code string) {
	outcome := became.String()
	if became == gone && l.finishes {
		outcome = lostOutcome
	}
	for _, e := range batch {
		line := ledgerLine{MediaID: e.id, Outcome: outcome, Code: code, Plan: planID}
		if l.shared {
			for _, one := range e.reports {
				line.Runs = append(line.Runs, one.Run)
			}
		}
		if l.finishes {
			line.Runs = []string{l.run, e.reports[0].Run}
		}
		l.lines = append(l.lines, line)
	}
}

// flush writes what has been collected, if it is so many lines. What cannot be
// written stays collected.
func (r *run) flush(ctx context.Context, least int) error {
	if err := r.ledger.writing.take(ctx); err != nil {
		return err
	}
	defer r.ledger.writing.giveBack()
	r.mu.Lock()
	lines := slices.Clip(r.ledger.lines)
	r.mu.Unlock()
	if len(lines) < max(least, 1) {
		return nil
	}
	written := newSegments(0, func(_ int, record []byte) error {
		// The first name that is free: a run whose request came again has more parts.
		err := state.ErrExists
		for errors.Is(err, state.ErrExists) {
			r.ledger.records++
			err = r.Store.Create(ctx, ledgerName(r.ledger.run, r.ledger.records), record)
		}
		return err
	})
	for _, l := range lines {
		text, err := json.Marshal(l)
		if err == nil {
			err = written.add(append(text, '\n'))
		}
		if err != nil {
			return err
		}
	}
	err := written.close()
	if err == nil {
		r.mu.Lock()
		r.ledger.lines = r.ledger.lines[len(lines):]
		r.mu.Unlock()
	}
	return err
}

func ledgerName(run string, number int) string {
	return fmt.Sprintf("%s%s/%06d.jsonl.gz", ledgerFolder, state.SafeName(run), number)
}

// closeLedger writes what is left to write: outcomes and marks. What cannot be
// written has happened all the same, and makes the run a partial one.
func (r *run) closeLedger(ctx context.Context) {
	ctx, cancel := r.budget.Afterwards(ctx)
	defer cancel()
	r.ledger.marks.At = r.Now().UTC()
	if err := errors.Join(r.flush(ctx, 1), r.ledger.marks.write(ctx, r.Store)); err != nil {
		for _, one := range r.reports {
			r.missing[one] = true
			failure := failureOf(fmt.Errorf("the ledger could not be written: %w", err))
			one.Fail(failure)
		}
	}
}

func decodeOutcome(record []byte) (ledgerLine, error) {
	var l ledgerLine
	if err := json.Unmarshal(record, &l); err != nil {
		return ledgerLine{}, err
	}
	switch l.Outcome {
	case deleted.String(), gone.String(), failed.String(), unverified.String(), lostOutcome:
		return l, media.CheckID(l.MediaID)
	}
	return ledgerLine{}, fmt.Errorf("%s is none of the outcomes", text.Quote(l.Outcome))
}

// Outcome is what became of a medium, and the ID of the plan that has its record.
type Outcome struct{ Became, Plan string }

// IsNone reports whether the run did not delete the medium.
func (o Outcome) IsNone() bool { return o.Became == gone.String() || o.Became == failed.String() }

// Outcomes reads what became of the media of a run, by their IDs: from its own ledger, or
// from that of the run that it was a part of.
func Outcomes(ctx context.Context, store state.Store, ledger, run string) (map[string]Outcome, error) {
	outcomes, _, err := readLedger(ctx, store, ledger, run)
	return outcomes, err
}

// readLedger returns also how many records the ledger has.
func readLedger(ctx context.Context, store state.Store, ledger, run string) (outcomes map[string]Outcome, records int, err error) {
	outcomes = map[string]Outcome{}
	for listed, err := range store.List(ctx, ledgerFolder+state.SafeName(ledger)+"/", "") {
		var data []byte
		if err == nil {
			data, err = store.Read(ctx, listed.Name)
		}
		if err != nil {
			return nil, 0, fmt.Errorf("read the ledger of run %s: %w", ledger, err)
		}
		records++
		for record, err := range lines(data) {
			var l ledgerLine
			if err == nil {
				l, err = decodeOutcome(record)
			}
			if err != nil {
				return nil, 0, fmt.Errorf("read the ledger of run %s: record %s (the ID of its plan does without): %w", ledger, listed.Name, err)
			}
			if len(l.Runs) == 0 && ledger == run || slices.Contains(l.Runs, run) {
				outcomes[l.MediaID] = Outcome{l.Outcome, l.Plan}
			}
		}
	}
	return outcomes, records, nil
}
