// Package purge is the write half of a run: it deletes the media of a plan, ten a call, and
// finds out what became of each, since the service answers for a batch only.
package purge

import (
	"context"
	"errors"
	"iter"
	"sync"
	"time"

	"github.com/mediasweep/mediasweep/internal/journal"
	"github.com/mediasweep/mediasweep/internal/lookup"
	"github.com/mediasweep/mediasweep/internal/media"
	"github.com/mediasweep/mediasweep/internal/mps"
	"github.com/mediasweep/mediasweep/internal/plan"
	"github.com/mediasweep/mediasweep/internal/retention"
	"github.com/mediasweep/mediasweep/internal/task"
)

// Library deletes media and reads them again.
type Library interface {
	lookup.Library
	// Probe reads media again, without their outputs.
	Probe(ctx context.Context, ids []string) (mps.Found, error)
	// Backoff waits before a call is repeated; see mps.Session.
	Backoff(ctx context.Context, previous time.Duration) (time.Duration, error)
}

// Outcome is what became of a medium of the plan.
type Outcome struct {
	Line plan.Line
	// Became is empty for a medium that stays after all: then Now has the verdict on it.
	Became journal.Became
	Now    retention.Decision
	// Cause is why it failed, or could not be verified.
	Cause error
	// Tombstone says that later runs must know of it: MPS shows it as Initiated, or still
	// shows it after it took the deletion.
	Tombstone bool
}

// Purger is what a purge works with.
type Purger struct {
	Library Library
	Recheck *Recheck
	Now     func() time.Time
}

// Run deletes the media of lines in batches of ten, a shorter one last, and hands over what
// became of them: from the caller's goroutine. Media of which nothing is handed over were not
// sent. No call is started after admit has ended; those under way are finished under ctx.
//
// The error is why no call can succeed any more, or why the lines could not be read.
func (p *Purger) Run(ctx, admit context.Context, lines iter.Seq2[plan.Line, error], settle func([]Outcome)) error {
	admit, stop := context.WithCancel(admit)
	w := workers{events: make(chan event)}
	defer func() { stop(); w.wait() }() // after a panic of the caller nothing more is sent
	var ended error
	handle := func(e event) {
		if len(e.outcomes) > 0 {
			settle(e.outcomes)
		}
		if e.err != nil {
			ended = errors.Join(ended, e.err)
			stop()
		}
	}
	for batch, err := range batches(lines) {
		if err != nil {
			ended = err
			break
		}
		for w.running == mps.InFlight || len(batch) < mps.MaxBatch && w.unsent > 0 {
			handle(w.next())
		}
		if admit.Err() != nil {
			break
		}
		w.start(&worker{p, ctx, admit, w.events, sync.Once{}}, batch)
	}
	for w.running > 0 {
		handle(w.next())
	}
	return ended
}

// batches fills batches of ten.
func batches(lines iter.Seq2[plan.Line, error]) iter.Seq2[[]plan.Line, error] {
	return func(yield func([]plan.Line, error) bool) {
		var batch []plan.Line
		for l, err := range lines {
			if err != nil {
				yield(nil, err)
				return
			}
			if batch = append(batch, l); len(batch) == mps.MaxBatch {
				if !yield(batch, nil) {
					return
				}
				batch = nil
			}
		}
		if len(batch) > 0 {
			yield(batch, nil)
		}
	}
}

// workers are the batches under way. The caller's goroutine owns it.
type workers struct {
	events          chan event
	running, unsent int
}

// event is what a worker reports.
type event struct {
	outcomes []Outcome
	// sent says that the batch has been sent, or never will be.
	sent bool
	// done says that the worker has ended.
	done bool
	err  error
}

func (w *workers) start(one *worker, batch []plan.Line) {
	w.running++
	w.unsent++
	go func() {
		err := task.Do(func() error {
			if one.admit.Err() == nil {
				batch = one.recheck(batch)
			}
			return one.purge(batch)
		})
		one.sent()
		one.events <- event{done: true, err: err}
	}()
}

// next waits for an event.
func (w *workers) next() event {
	e := <-w.events
	if e.sent {
		w.unsent--
	}
	if e.done {
		w.running--
	}
	return e
}

// wait waits for all workers. After a panic of the caller nobody takes their outcomes.
func (w *workers) wait() {
	for w.running > 0 {
		w.next()
	}
}

// worker deletes one batch.
type worker struct {
	*Purger
	ctx, admit context.Context //nolint:containedctx // of one call
	events     chan<- event
	once       sync.Once
}

// sent reports that the batch has been sent.
func (w *worker) sent() { w.once.Do(func() { w.events <- event{sent: true} }) }

func (w *worker) report(outcomes ...Outcome) {
	if len(outcomes) > 0 {
		w.events <- event{outcomes: outcomes}
	}
}

// all reports the same of all media.
func (w *worker) all(batch []plan.Line, became journal.Became, cause error, tombstone bool) {
	outcomes := make([]Outcome, len(batch))
	for i, l := range batch {
		outcomes[i] = Outcome{Line: l, Became: became, Cause: cause, Tombstone: tombstone}
	}
	w.report(outcomes...)
}

// recheck decides again on a batch of which any decision is too old.
func (w *worker) recheck(batch []plan.Line) []plan.Line {
	if !isStale(batch, w.Now()) {
		return batch
	}
	still, outcomes := w.Recheck.run(w.ctx, batch)
	w.report(outcomes...)
	return still
}

// purge deletes one batch and finds out what became of each medium. What the service rejects
// is split until the medium that it objects to stands alone. Its error is that no call can
// succeed any more.
func (w *worker) purge(batch []plan.Line) error {
	var backoff time.Duration
	for try := 1; len(batch) > 0; try++ {
		permit, err := w.Library.Permit(w.admit, mps.DeleteMedia)
		if err != nil {
			return nil //nolint:nilerr // not sent: the media are still pending
		}
		if isStale(batch, w.Now()) { // it has waited too long
			batch, try = w.recheck(batch), try-1
			continue
		}
		err = permit.Delete(w.ctx, ids(batch))
		w.sent()
		var failure *mps.Error
		switch {
		case err == nil:
			return w.verify(batch)
		case !errors.As(err, &failure):
			return nil // not sent: still pending
		case failure.Kind == mps.Unauthorized:
			w.all(batch, journal.Failed, err, false)
			return err
		case failure.Kind == mps.Throttled && try < mps.MaxTries: // it was not taken
			if backoff, err = w.backOff(batch, backoff, err); err != nil {
				return nil //nolint:nilerr // it has been reported
			}
			continue
		case failure.Kind == mps.Throttled:
			w.all(batch, journal.Failed, err, false)
			return nil
		}
		// The call may have taken effect, in whole or in part. Before media are sent again, or
		// given up, they are read for as long as a library may be slow.
		live, readErr := w.readBack(batch, failure.Kind == mps.Ambiguous || len(batch) == 1)
		switch {
		case readErr != nil:
			return w.unread(live, readErr)
		case len(live) == 0:
			return nil
		case failure.Kind == mps.Ambiguous && try < mps.MaxTries:
			if backoff, err = w.backOff(live, backoff, err); err != nil {
				return nil //nolint:nilerr // it has been reported
			}
			batch = live
		case failure.Kind == mps.Rejected && len(live) < len(batch):
			batch, try = live, 0 // perhaps it was those that are gone
		case failure.Kind == mps.Rejected && len(live) > 1:
			if err := w.purge(live[:len(live)/2]); err != nil {
				return err
			}
			batch, try = live[len(live)/2:], 0
		case failure.Unknown() && live[0].State == media.StateInitiated:
			// MPS shows it as a new medium and does not know it: somebody deleted it long ago.
			w.all(live, journal.Gone, nil, true)
			return nil
		default:
			w.all(live, journal.Failed, err, false)
			return nil
		}
	}
	return nil
}

// backOff waits before media are sent again. If that cannot be they stay pending, for want
// of time, or have failed of a cause.
func (w *worker) backOff(batch []plan.Line, previous time.Duration, cause error) (time.Duration, error) {
	next, err := w.Library.Backoff(w.ctx, previous)
	if err != nil && !isContext(err) {
		w.all(batch, journal.Failed, cause, false)
	}
	return next, err
}

var errStillShown = errors.New("MPS took the deletion and still shows the medium")

// verify reads back a batch that the service took.
func (w *worker) verify(batch []plan.Line) error {
	live, err := w.readBack(batch, true)
	if err != nil {
		return w.unread(live, err)
	}
	w.all(live, journal.Unverified, errStillShown, true)
	return nil
}

// unread reports media that were sent and could not be read back. If the run's time was up
// they stay pending: the next run reads them.
func (w *worker) unread(batch []plan.Line, err error) error {
	if !isContext(err) {
		w.all(batch, journal.Unverified, err, false)
	}
	var failure *mps.Error
	if errors.As(err, &failure) && failure.Kind == mps.Unauthorized && len(batch) > 0 {
		return err // no deletion can be verified
	}
	return nil
}

// A library may be slow to show a deletion. It is read again after each of these pauses,
// 3 s in all.
var pauses = [...]time.Duration{250 * time.Millisecond, 500 * time.Millisecond, time.Second, 1250 * time.Millisecond}

// readBack reads a batch again after a call, reports those that are gone as deleted, and
// returns the others. A patient one reads several times.
func (w *worker) readBack(batch []plan.Line, patient bool) (live []plan.Line, err error) {
	live, err = w.readOnce(batch)
	for _, pause := range pauses {
		if err != nil || len(live) == 0 || !patient {
			break
		}
		select {
		case <-w.ctx.Done():
			return live, w.ctx.Err()
		case <-time.After(pause):
			live, err = w.readOnce(live)
		}
	}
	return live, err
}

func (w *worker) readOnce(batch []plan.Line) (live []plan.Line, err error) {
	found, err := w.Library.Probe(w.ctx, ids(batch))
	if err != nil {
		return batch, err
	}
	missing := make(map[string]bool, len(batch))
	for _, id := range found.Missing {
		missing[id] = true
	}
	states := make(map[string]string, len(found.Media))
	for _, m := range found.Media {
		if m.Doubt == "" {
			states[m.ID] = m.State
		}
	}
	var went []Outcome
	for _, l := range batch {
		state := states[l.MediaID]
		hidden := state == media.StateInitiated && l.State != media.StateInitiated // shown as Initiated from now on
		if hidden || missing[l.MediaID] || state == media.StateDeleted {
			went = append(went, Outcome{Line: l, Became: journal.Deleted, Tombstone: hidden})
		} else {
			live = append(live, l)
		}
	}
	w.report(went...)
	return live, nil
}

func ids(batch []plan.Line) []string {
	list := make([]string, len(batch))
	for i, l := range batch {
		list[i] = l.MediaID
	}
	return list
}

func isContext(err error) bool {
	return errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled)
}
