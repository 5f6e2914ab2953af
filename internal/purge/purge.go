// Package purge is the write half of a run: it deletes the media of a plan, ten a call, and reads
// back the outcome of each, since the service answers for a batch only.
package purge

import (
	"context"
	"errors"
	"iter"
	"sync"
	"time"

	"github.com/mediasweep/mediasweep/internal/deadline"
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

// Outcome is the result for one medium of the plan.
type Outcome struct {
	Line plan.Line
	// Became is empty for a medium that must be kept after all. Now is its new verdict.
	Became journal.Became
	Now    retention.Decision
	// Cause is the error of a failed or unverified deletion.
	Cause error
	// Tombstone is true if later runs need a tombstone: MPS shows the medium as Initiated, or
	// still shows it after it accepted the deletion.
	Tombstone bool
}

// Purger holds the dependencies of a purge.
type Purger struct {
	Library Library
	Holds   Holds
	Recheck *Recheck
	// Claims are shared by all runs of the process.
	Claims *Claims
	Now    func() time.Time
}

// Run deletes the media of lines in batches of ten; the last batch may be shorter. It calls settle
// with outcomes, from the caller's goroutine. A medium without an outcome is still pending.
// No call is started after admit has ended. Calls in flight are finished under ctx.
//
// An error means that no further call can succeed, or that the lines could not be read. After a panic
// of lines or settle nothing more is sent, and settle gets the outcomes of what was sent.
func (p *Purger) Run(ctx, admit context.Context, lines iter.Seq2[plan.Line, error], settle func([]Outcome)) error {
	admit, stop := context.WithCancel(admit)
	w := workers{events: make(chan event)}
	defer func() { stop(); w.wait() }() // settle may panic again
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
	err := task.Run(func() {
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
			w.start(&worker{Purger: p, ctx: ctx, admit: admit, events: w.events}, batch)
		}
	})
	handle(event{err: err})
	for w.running > 0 {
		handle(w.next())
	}
	return ended
}

// batches groups lines by ten.
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

// workers holds the batches in flight. The caller's goroutine owns it.
type workers struct {
	events          chan event
	running, unsent int
}

// event is a message of a worker.
type event struct {
	outcomes []Outcome
	// sent is true once the batch was sent, or will not be sent.
	sent bool
	// done is true when the worker has ended.
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
			if one.Recheck.Account {
				return nil
			}
			return one.purgeClaimed(batch)
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

// wait waits for all workers, and drops their events. It matters if settle panics again and again.
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
	own        *claim // of the media that it sends
}

// sent reports that the batch has been sent.
func (w *worker) sent() { w.once.Do(func() { w.events <- event{sent: true} }) }

func (w *worker) report(outcomes ...Outcome) {
	for _, o := range outcomes {
		if w.own != nil && (o.Became == journal.Deleted || o.Became == journal.Unverified && o.Tombstone) {
			w.own.took[o.Line.MediaID] = true
		}
	}
	if len(outcomes) > 0 {
		w.events <- event{outcomes: outcomes}
	}
}

// all reports the same outcome for all media of a batch.
func (w *worker) all(batch []plan.Line, became journal.Became, cause error, tombstone bool) {
	outcomes := make([]Outcome, len(batch))
	for i, l := range batch {
		outcomes[i] = Outcome{Line: l, Became: became, Cause: cause, Tombstone: tombstone}
	}
	w.report(outcomes...)
}

// recheck decides again on a batch with stale decisions. It returns the media that are still expired.
func (w *worker) recheck(batch []plan.Line) []plan.Line {
	if !w.Recheck.Account && !isStale(batch, w.Now()) {
		return batch
	}
	still, outcomes := w.Recheck.run(w.ctx, batch)
	w.report(outcomes...)
	return still
}

// purge deletes one batch, and reports the outcome of each medium. It splits a rejected batch until
// the rejected medium is alone. An error means that no further call can succeed.
func (w *worker) purge(batch []plan.Line) error {
	var backoff time.Duration
	for try := 1; ; try++ {
		left, permit, holds := w.permit(batch)
		if permit == nil {
			return nil // not sent: the media are still pending
		}
		batch = left
		err := permit.Delete(w.ctx, ids(batch))
		var failure *mps.Error
		if err != nil && !errors.As(err, &failure) && holds.Err() != nil && w.admit.Err() == nil { // not sent
			try--
			continue
		}
		w.sent()
		switch {
		case err == nil:
			return w.verify(batch)
		case failure == nil:
			return nil // not sent: still pending
		case failure.Kind == mps.Unauthorized:
			w.all(batch, journal.Failed, err, false)
			return err
		case failure.Kind == mps.Throttled && try < mps.MaxTries: // the service did not accept it
			if backoff, err = w.backOff(batch, backoff, err); err != nil {
				return nil //nolint:nilerr // reported by backOff
			}
			continue
		case failure.Kind == mps.Throttled:
			w.all(batch, journal.Failed, err, false)
			return nil
		}
		// The call may have deleted some media. They are read back before they are sent again or
		// reported as failed.
		var pauses []time.Duration
		if failure.Kind == mps.Ambiguous || len(batch) == 1 {
			pauses = afterLoss()
		}
		live, readErr := w.readBack(batch, pauses, journal.Deleted)
		switch {
		case readErr != nil:
			return w.unread(live, readErr)
		case len(live) == 0:
			return nil
		case failure.Kind == mps.Ambiguous && try < mps.MaxTries:
			if backoff, err = w.backOff(live, backoff, err); err != nil {
				return nil //nolint:nilerr // reported by backOff
			}
			batch = live
		case failure.Kind == mps.Rejected && len(live) < len(batch):
			batch, try = live, 0 // the rejected media may be those that are gone
		case failure.Kind == mps.Rejected && len(live) > 1:
			if err := w.purge(live[:len(live)/2]); err != nil {
				return err
			}
			batch, try = live[len(live)/2:], 0
		case failure.Unknown() && live[0].State == media.StateInitiated:
			// MPS shows it as Initiated and does not know it: it was deleted before.
			w.all(live, journal.Gone, nil, true)
			return nil
		default:
			w.all(live, journal.Failed, err, false)
			return nil
		}
	}
}

// backOff waits before media are sent again. After an error they stay pending if the time is up;
// otherwise backOff reports them as failed with the cause.
func (w *worker) backOff(batch []plan.Line, previous time.Duration, cause error) (time.Duration, error) {
	next, err := w.Library.Backoff(w.ctx, previous)
	if err != nil && !deadline.Passed(err) {
		w.all(batch, journal.Failed, cause, false)
	}
	return next, err
}

func ids(batch []plan.Line) []string {
	list := make([]string, len(batch))
	for i, l := range batch {
		list[i] = l.MediaID
	}
	return list
}
