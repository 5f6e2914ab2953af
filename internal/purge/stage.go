package purge

import (
	"context"
	"runtime"

	"github.com/mediasweep/mediasweep/internal/journal"
	"github.com/mediasweep/mediasweep/internal/mps"
	"github.com/mediasweep/mediasweep/internal/plan"
	"github.com/mediasweep/mediasweep/internal/task"
)

// stage holds the media that wait for a worker. The goroutine of Run owns it.
type stage struct {
	*Purger
	worker          worker // each worker begins as a copy of it
	workers         task.Workers
	running, unsent int         // numbers of workers
	stale           []plan.Line // to be decided on again
	fresh           []plan.Line // to be sent
	theirs          []contested // to be read back when other runs have ended their claims
}

func (s *stage) add(l plan.Line) {
	if s.FindOnly || isStale([]plan.Line{l}, s.Now()) {
		s.stale = append(s.stale, l)
	} else {
		s.fresh = append(s.fresh, l)
	}
}

// start gives ten media to a worker, and reports whether ten were waiting. isLast allows fewer, once no worker
// is left that may add to them.
func (s *stage) start(isLast bool) bool {
	full := mps.MaxBatch
	if isLast && s.unsent == 0 {
		full = 1
	}
	switch {
	case len(s.stale) >= full:
		batch := cut(&s.stale)
		s.work(func(w *worker) ([]plan.Line, error) { return w.recheck(batch), nil })
	case len(s.fresh) >= full:
		s.send(cut(&s.fresh))
	case len(s.theirs) >= full:
		batch := cut(&s.theirs)
		s.work(func(w *worker) ([]plan.Line, error) { return w.follow(batch) })
	default:
		return false
	}
	return true
}

// cut takes up to ten media from a queue.
func cut[T any](queue *[]T) (batch []T) {
	n := min(len(*queue), mps.MaxBatch)
	batch, *queue = (*queue)[:n:n], (*queue)[n:]
	return batch
}

// send gives a batch to a worker, unless other runs have claimed some of its media: other media then take their place.
// A claim is made only for a batch that is sent at once, so that no two runs wait for each other.
func (s *stage) send(batch []plan.Line) {
	own, free, theirs := s.Claims.claim(batch, s.Now())
	if own == nil {
		s.fresh, s.theirs = append(free, s.fresh...), append(s.theirs, theirs...)
		return
	}
	s.work(func(w *worker) ([]plan.Line, error) {
		defer func() { w.Claims.release(own, w.Now()) }()
		w.own = own
		return w.purge(batch)
	})
}

// work starts a worker. do returns the media that are still to be sent.
func (s *stage) work(do func(*worker) ([]plan.Line, error)) {
	runtime.Gosched() // workers that can go on do so first: each call in flight takes tens of kilobytes
	s.running++
	s.unsent++
	w := s.worker
	s.workers.Go(func() {
		var left []plan.Line
		err := task.Do(func() (err error) {
			left, err = do(&w)
			return err
		})
		w.events <- event{sent: !w.isSent, done: true, left: left, err: err}
	})
}

func (s *stage) next() event {
	e := <-s.worker.events
	if e.sent {
		s.unsent--
	}
	if e.done {
		s.running--
	}
	for _, l := range e.left {
		s.add(l)
	}
	return e
}

// wait waits for all workers, and drops their events. It matters if settle panics again and again.
func (s *stage) wait() {
	for s.running > 0 {
		s.next()
	}
}

type event struct {
	outcomes []Outcome
	// sent is true once the worker has sent its batch, or will send nothing.
	sent bool
	// done is true when the worker has ended. left are the media still to be sent.
	done bool
	left []plan.Line
	err  error
}

// worker has one batch.
type worker struct {
	*Purger
	ctx, admit context.Context //nolint:containedctx // of one call
	events     chan event
	newest     *newestMedia // shared by all workers
	isSent     bool
	own        *claim // of the media that it sends
}

// sent reports that the batch has been sent.
func (w *worker) sent() {
	if !w.isSent {
		w.isSent = true
		w.events <- event{sent: true}
	}
}

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

// reportAll reports the same outcome for all media of a batch.
func (w *worker) reportAll(batch []plan.Line, outcome Outcome) {
	outcomes := make([]Outcome, len(batch))
	for i, l := range batch {
		outcome.Line = l
		outcomes[i] = outcome
	}
	w.report(outcomes...)
}
