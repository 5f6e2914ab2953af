package purge

import (
	"context"

	"github.com/mediasweep/mediasweep/internal/journal"
	"github.com/mediasweep/mediasweep/internal/mps"
	"github.com/mediasweep/mediasweep/internal/plan"
)

// Holds are read again while media are deleted.
type Holds interface {
	// Current waits until the holds are as they were a moment ago. The context that it returns ends
	// once they are not, or with its argument.
	Current(ctx context.Context) (context.Context, error)
}

// permit waits for a permit to delete a batch. Whatever has changed meanwhile is decided again: it
// returns the media that are left, and a context that ends if the holds change. Without a permit
// nothing may be sent. A batch that became smaller before its first call gets none: the media that are left go into
// another batch, where others take the free places.
func (w *worker) permit(batch []plan.Line) (left []plan.Line, permit mps.Permit, holds context.Context) {
	full := len(batch)
	for {
		holds, err := w.Holds.Current(w.admit)
		if err != nil {
			return nil, nil, nil
		}
		if batch = w.free(batch); len(batch) == 0 {
			return nil, nil, nil
		}
		if len(batch) < full && !w.isSent {
			return batch, nil, nil
		}
		permit, err := w.Library.Permit(holds, mps.DeleteMedia)
		switch {
		case w.admit.Err() != nil:
			return nil, nil, nil
		case holds.Err() != nil:
		case err != nil:
			return nil, nil, nil
		case isStale(batch, w.Now()): // it waited long for its permit
			batch = w.recheck(batch)
		default:
			return batch, permit, holds
		}
	}
}

// free returns the media that no hold keeps. It reports the outcomes of the others.
func (w *worker) free(batch []plan.Line) (free []plan.Line) {
	var outcomes []Outcome
	for _, l := range batch {
		if err := l.Parse(); err != nil {
			outcomes = append(outcomes, Outcome{Line: l, Became: journal.Failed, Cause: err})
		} else if now, held := w.Judge.Mark(l.Medium).Held(w.Judge.AsOf); held {
			outcomes = append(outcomes, Outcome{Line: l, Now: now})
		} else {
			free = append(free, l)
		}
	}
	w.report(outcomes...)
	return free
}
