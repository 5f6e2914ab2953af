package sweep

import (
	"context"

	"github.com/mediasweep/mediasweep/internal/journal"
	"github.com/mediasweep/mediasweep/internal/purge"
	"github.com/mediasweep/mediasweep/internal/state"
)

// outcomes collects outcomes, and writes them by the thousand.
type outcomes struct {
	store       state.Store
	run, plan   string
	interrupted bool
	last        int // the number of the run's last record
	unwritten   []journal.Outcome
	tried       int // the number of unwritten outcomes after a failed write
	tombstones
}

// tombstones are media that MPS still shows: as deleted, or unverified.
type tombstones struct{ deleted, unverified []journal.Tombstone }

func (o *outcomes) add(of purge.Outcome, code, by string) journal.Outcome {
	outcome := journal.Outcome{MediaID: of.Line.MediaID, Became: of.Became, Code: code, Plan: o.plan}
	if o.interrupted {
		outcome.Runs = []string{o.run, by}
		if of.Became == journal.Gone {
			outcome.Became = journal.Lost
		}
	}
	o.unwritten = append(o.unwritten, outcome)
	tombstone := journal.Tombstone{MediaID: of.Line.MediaID, Created: of.Line.Created}
	switch {
	case !of.Tombstone:
	case of.Became == journal.Unverified:
		o.unverified = append(o.unverified, tombstone)
	default:
		o.deleted = append(o.deleted, tombstone)
	}
	return outcome
}

func (o *outcomes) flush(ctx context.Context) error {
	if len(o.unwritten) == 0 {
		return nil
	}
	last, err := journal.AddOutcomes(ctx, o.store, o.run, o.last, o.unwritten)
	if o.last = last; err == nil {
		o.unwritten = nil
	}
	return err
}
