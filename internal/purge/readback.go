package purge

import (
	"errors"
	"slices"
	"time"

	"github.com/mediasweep/mediasweep/internal/deadline"
	"github.com/mediasweep/mediasweep/internal/journal"
	"github.com/mediasweep/mediasweep/internal/media"
	"github.com/mediasweep/mediasweep/internal/mps"
	"github.com/mediasweep/mediasweep/internal/plan"
	"github.com/mediasweep/mediasweep/internal/task"
)

// stillShown is the outcome of a medium whose deletion MPS accepted.
var stillShown = Outcome{Became: journal.Unverified, Cause: errors.New("MPS took the deletion, and does not say that the medium is gone"), Tombstone: true}

// verify reads back a batch that the service accepted.
func (w *worker) verify(batch []plan.Line) error {
	live, err := w.readBack(batch, afterSuccess(), journal.Deleted)
	if err != nil {
		return w.unread(live, err)
	}
	w.reportAll(live, stillShown)
	return nil
}

// unread reports media that were sent and could not be read back. They stay pending if the time
// is up.
func (w *worker) unread(batch []plan.Line, err error) error {
	if !deadline.Passed(err) {
		w.reportAll(batch, Outcome{Became: journal.Unverified, Cause: err})
	}
	if mps.Is(err, mps.Unauthorized) {
		return err // no deletion can be verified
	}
	return nil
}

// MPS may show a deletion up to 3 s late. After an accepted call a medium that is still shown is the
// exception, and is read often. After a lost call it is the rule, and each read costs quota.
func afterSuccess() []time.Duration {
	return []time.Duration{250 * time.Millisecond, 500 * time.Millisecond, time.Second, 1250 * time.Millisecond}
}

func afterLoss() []time.Duration { return []time.Duration{3 * time.Second} }

// readBack reads a batch after a call, and again after each of pauses. It reports what became of media
// that are not in MPS any more, and returns the others.
func (w *worker) readBack(batch []plan.Line, pauses []time.Duration, became journal.Became) (live []plan.Line, err error) {
	live, err = w.readOnce(batch, became)
	for _, pause := range pauses {
		if err != nil || len(live) == 0 {
			break
		}
		if err = task.Sleep(w.ctx, pause); err == nil {
			live, err = w.readOnce(live, became)
		}
	}
	return live, err
}

func (w *worker) readOnce(batch []plan.Line, became journal.Became) (live []plan.Line, err error) {
	found, err := w.Library.Probe(w.ctx, ids(batch))
	if err != nil {
		return batch, err
	}
	shown := make(map[string]*media.Medium, len(found.Media))
	for i := range found.Media {
		shown[found.Media[i].ID] = &found.Media[i]
	}
	went := make([]Outcome, 0, len(batch))
	for _, l := range batch {
		isDeleted, hidden := showsDeletion(l, shown[l.MediaID])
		if isDeleted || slices.Contains(found.Missing, l.MediaID) {
			went = append(went, Outcome{Line: l, Became: became, Tombstone: hidden})
		} else {
			live = append(live, l)
		}
	}
	w.report(went...)
	return live, nil
}

// showsDeletion reports whether MPS shows that a medium which was sent is deleted. hidden is true if it shows the medium as
// Initiated, as it does with some deleted media.
func showsDeletion(l plan.Line, m *media.Medium) (isDeleted, hidden bool) {
	if m == nil || m.Doubt != "" {
		return false, false
	}
	hidden = m.State == media.StateInitiated && l.State != media.StateInitiated
	return hidden || m.State == media.StateDeleted, hidden
}
