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
	// Unread is true if the medium could not be read before its deletion, and a later run may read it.
	Unread bool
	// Unnamed is true if the sources of the plan do not name the medium, or not at the moment. Nothing was decided on it.
	Unnamed bool
	// Tombstone is true if later runs need a tombstone: MPS shows the medium as Initiated, or
	// still shows it after it accepted the deletion.
	Tombstone bool
}

// Holds are read again while media are deleted.
type Holds interface {
	// Current waits until the holds are as they were a moment ago. The context that it returns ends
	// once they are not, or with its argument.
	Current(ctx context.Context) (context.Context, error)
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
	// FindOnly is true if the purge only finds media that are gone. It decides on no medium, and deletes none.
	FindOnly bool
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
	s := stage{Purger: p, workers: task.NewWorkers(), worker: worker{Purger: p, ctx: ctx, admit: admit, events: make(chan event), newest: &newestMedia{ranks: map[string]retention.Rank{}}}}
	defer func() { stop(); s.wait(); s.workers.Close() }() // settle may panic again
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

// purge deletes one batch, and reports the outcome of each medium. left are media to be sent with others; see send.
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
			w.reportAll(batch, Outcome{Became: journal.Failed, Cause: err})
			return nil, err // before the last batch may be sent
		}
		w.sent()
		switch {
		case err == nil:
			return nil, w.verify(batch)
		case failure == nil:
			return nil, nil // not sent: still pending
		}
		live, err := w.survivors(batch, failure)
		switch {
		case err != nil:
			return nil, w.unread(live, err)
		case len(live) == 0:
			return nil, nil
		case failure.Kind == mps.Rejected:
			return nil, w.rejected(batch, live, failure)
		case try == mps.MaxTries:
			w.reportAll(live, Outcome{Became: journal.Failed, Cause: failure})
			return nil, nil
		}
		next, again := w.backOff(live, backoff, failure)
		if !again {
			return nil, nil
		}
		batch, backoff = live, next
	}
}

// send sends the media of a batch that no hold keeps, and returns them. It waits for a permit, and then decides again
// on whatever has changed meanwhile. A batch that becomes smaller before its first call is left, so that other media take
// the free places.
func (w *worker) send(batch []plan.Line) (sent, left []plan.Line, err error) {
	full := len(batch)
	for {
		holds, err := w.Holds.Current(w.admit)
		if err != nil {
			return nil, nil, err
		}
		if batch = w.unheld(batch); len(batch) == 0 {
			return nil, nil, nil
		}
		if len(batch) < full && !w.isSent {
			return nil, batch, nil
		}
		permit, err := w.Library.Permit(holds, mps.DeleteMedia)
		switch {
		case w.admit.Err() != nil:
			return nil, nil, w.admit.Err()
		case holds.Err() != nil:
			continue
		case err != nil:
			return nil, nil, err
		case isStale(batch, w.Now()): // it waited long for its permit
			batch = w.recheck(batch)
			continue
		}
		err = permit.Delete(w.ctx, ids(batch))
		if _, answered := errors.AsType[*mps.Error](err); err == nil || answered || holds.Err() == nil || w.admit.Err() != nil {
			return batch, nil, err
		} // else it was not sent: the holds have changed
	}
}

// survivors reads back a batch whose call failed. The call may have deleted some media: only the others may be sent again,
// or reported as failed.
func (w *worker) survivors(batch []plan.Line, failure *mps.Error) (live []plan.Line, err error) {
	if failure.Kind == mps.Throttled { // the service did not accept it
		return batch, nil
	}
	var pauses []time.Duration
	if failure.Kind == mps.Ambiguous || len(batch) == 1 {
		pauses = afterLoss()
	}
	return w.readBack(batch, pauses, journal.Deleted)
}

// rejected splits the survivors of a rejected batch until the rejected medium is alone.
func (w *worker) rejected(batch, live []plan.Line, failure *mps.Error) (err error) {
	half := len(live) / 2
	switch {
	case len(live) < len(batch): // the rejected media may be those that are gone
		_, err = w.purge(live)
	case half > 0:
		if _, err = w.purge(live[:half]); err == nil {
			_, err = w.purge(live[half:])
		}
	case failure.Unknown() && live[0].State == media.StateInitiated:
		// MPS shows it as Initiated and does not know it: it was deleted before.
		w.reportAll(live, Outcome{Became: journal.Gone, Tombstone: true})
	default:
		w.reportAll(live, Outcome{Became: journal.Failed, Cause: failure})
	}
	return err
}

// backOff waits before media are sent again. It returns false if they are not: they stay pending if the time is
// up, and have failed otherwise.
func (w *worker) backOff(batch []plan.Line, previous time.Duration, cause error) (next time.Duration, again bool) {
	next, err := w.Library.Backoff(w.ctx, previous)
	if err != nil && !deadline.Passed(err) {
		w.reportAll(batch, Outcome{Became: journal.Failed, Cause: cause})
	}
	return next, err == nil
}

func ids(batch []plan.Line) []string {
	list := make([]string, len(batch))
	for i, l := range batch {
		list[i] = l.MediaID
	}
	return list
}
