// Package purge is the write half of a run: it deletes the media of a plan, ten a call, and reads
// back the outcome of each, since the service answers for a batch only.
package purge

import (
	"context"
	"errors"
	"iter"
	"time"

	"github.com/mediasweep/mediasweep/internal/deadline"
	"github.com/mediasweep/mediasweep/internal/journal"
	"github.com/mediasweep/mediasweep/internal/lookup"
	"github.com/mediasweep/mediasweep/internal/media"
	"github.com/mediasweep/mediasweep/internal/mps"
	"github.com/mediasweep/mediasweep/internal/plan"
	"github.com/mediasweep/mediasweep/internal/policy"
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
	// Claims are shared by all runs of the process.
	Claims *Claims
	Now    func() time.Time
	Judge  Judge
	// Interrupted is true if an earlier run may have deleted media of the plan without recording
	// an outcome.
	Interrupted bool
	// Account is true if the purge only finds media that are gone. It decides on no medium, and deletes none.
	Account bool

	newest newestMedia
}

// Judge has what decisions on media of the plan need.
type Judge struct {
	Policy  *policy.Policy
	AsOf    time.Time
	Mark    func(*media.Medium) retention.Mark
	Sources Sources
	Origin  Origin
}

// Origin is the scan that made the plan.
type Origin interface {
	// Names reports whether the scan's sources name a medium.
	Names(m *media.Medium) bool
	// Newest returns the newest media of a medium's groups, according to a checkpoint.
	Newest(rank retention.Rank) []string
}

// Sources checks whether source objects exist.
type Sources interface {
	Exists(ctx context.Context, object media.Object) (bool, error)
}

// Run deletes the media of lines in batches of ten; the last batch may be shorter. It calls settle
// with outcomes, from the caller's goroutine. A medium without an outcome is still pending.
// No call is started after admit has ended. Calls in flight are finished under ctx.
//
// An error means that no further call can succeed, or that the lines could not be read. After a panic
// of lines or settle nothing more is sent, and settle gets the outcomes of what was sent.
func (p *Purger) Run(ctx, admit context.Context, lines iter.Seq2[plan.Line, error], settle func([]Outcome)) error {
	admit, stop := context.WithCancel(admit)
	s := stage{worker: worker{Purger: p, ctx: ctx, admit: admit, events: make(chan event)}}
	defer func() { stop(); s.wait() }() // settle may panic again
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
	advance := func(isLast bool) {
		for admit.Err() == nil {
			switch {
			case s.running < mps.InFlight && s.start(isLast):
			case s.running == mps.InFlight || isLast && s.running > 0:
				handle(s.next())
			default:
				return
			}
		}
	}
	err := task.Run(func() {
		for l, err := range lines {
			if err != nil {
				ended = err
				return
			}
			s.add(l)
			if advance(false); admit.Err() != nil {
				return
			}
		}
		advance(true)
	})
	handle(event{err: err})
	for s.running > 0 {
		handle(s.next())
	}
	return ended
}

// purge deletes one batch, and reports the outcome of each medium. It splits a rejected batch until
// the rejected medium is alone. It may leave a batch to be sent with other media, but only before its first call.
// An error means that no further call can succeed.
func (w *worker) purge(batch []plan.Line) (left []plan.Line, err error) {
	var backoff time.Duration
	for try := 1; ; try++ {
		batch, left, err = w.send(batch)
		if len(batch) == 0 {
			return left, nil
		}
		failure, _ := errors.AsType[*mps.Error](err)
		if failure != nil && failure.Kind == mps.Unauthorized {
			w.all(batch, journal.Failed, err, false)
			return nil, err // before the last batch may be sent
		}
		w.sent()
		switch {
		case err == nil:
			return nil, w.verify(batch)
		case failure == nil:
			return nil, nil // not sent: still pending
		case failure.Kind == mps.Throttled && try < mps.MaxTries: // the service did not accept it
			if backoff, err = w.backOff(batch, backoff, err); err != nil {
				return nil, nil //nolint:nilerr // reported by backOff
			}
			continue
		case failure.Kind == mps.Throttled:
			w.all(batch, journal.Failed, err, false)
			return nil, nil
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
			return nil, w.unread(live, readErr)
		case len(live) == 0:
			return nil, nil
		case failure.Kind == mps.Ambiguous && try < mps.MaxTries:
			if backoff, err = w.backOff(live, backoff, err); err != nil {
				return nil, nil //nolint:nilerr // reported by backOff
			}
			batch = live
		case failure.Kind == mps.Rejected && len(live) < len(batch):
			batch, try = live, 0 // the rejected media may be those that are gone
		case failure.Kind == mps.Rejected && len(live) > 1:
			if _, err := w.purge(live[:len(live)/2]); err != nil {
				return nil, err
			}
			batch, try = live[len(live)/2:], 0
		case failure.Unknown() && live[0].State == media.StateInitiated:
			// MPS shows it as Initiated and does not know it: it was deleted before.
			w.all(live, journal.Gone, nil, true)
			return nil, nil
		default:
			w.all(live, journal.Failed, err, false)
			return nil, nil
		}
	}
}

// send sends the media of a batch that are still to be deleted, and returns them. Without a permit it sends none, and
// returns the media that permit leaves.
func (w *worker) send(batch []plan.Line) (sent, left []plan.Line, err error) {
	for {
		rest, permit, holds := w.permit(batch)
		if permit == nil {
			return nil, rest, nil
		}
		err := permit.Delete(w.ctx, ids(rest))
		if _, answered := errors.AsType[*mps.Error](err); err == nil || answered || holds.Err() == nil || w.admit.Err() != nil {
			return rest, nil, err
		}
		batch = rest // not sent: the holds have changed
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
