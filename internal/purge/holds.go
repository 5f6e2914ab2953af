package purge

import (
	"context"

	"github.com/mediasweep/mediasweep/internal/journal"
	"github.com/mediasweep/mediasweep/internal/plan"
)

// Holds are read again while media are deleted.
type Holds interface {
	// Current waits until the holds are as they were a moment ago. The context that it returns ends
	// once they are not, or with its argument.
	Current(ctx context.Context) (context.Context, error)
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
