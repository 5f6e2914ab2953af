package restore

import (
	"context"
	"time"

	"github.com/mediasweep/mediasweep/internal/history"
)

// recordTime bounds the time for the record of a thousand restored media.
const recordTime = 5 * time.Second

// record adds restored media to the history. A failure is no error: the history then says how to restore
// them, and a second restore skips them.
func (s *Restorer) record(ctx context.Context, run, planID string, tried []*lost) {
	var decisions []history.Decision
	for _, one := range tried {
		if one.newID != "" {
			decisions = append(decisions, history.Decision{
				At: s.Now(), MediaID: one.id, Outcome: history.Restored, NewID: one.newID, Run: run, Plan: planID, Object: one.object.String(),
			})
		}
	}
	ctx, cancel := context.WithTimeout(ctx, recordTime)
	defer cancel()
	_ = history.Record(ctx, s.Store, s.Now(), decisions)
}
