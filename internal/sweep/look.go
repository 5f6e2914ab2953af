package sweep

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/mediasweep/mediasweep/internal/inventory"
	"github.com/mediasweep/mediasweep/internal/media"
	"github.com/mediasweep/mediasweep/internal/mps"
	"github.com/mediasweep/mediasweep/internal/plan"
	"github.com/mediasweep/mediasweep/internal/report"
	"github.com/mediasweep/mediasweep/internal/trigger"
)

// look is the first pipeline: it looks candidates up and hands each medium over.
// The mutex guards all below it.
type look struct {
	*Sweep
	// found takes a medium; it is called by one goroutine at a time.
	found func(media.Medium)

	mu      sync.Mutex
	report  *report.Report
	again   []media.Object  // not found by plain slashes
	unclear map[string]bool // IDs that were counted as unknown for want of an answer
	partial bool            // something could not be looked at
	stopped error           // the time was up, or foreseen to be, before all was looked at
	fatal   error           // no call of this run can succeed any more
}

// Survey looks at what a request names, hands each medium over, one at a time,
// and finishes the report, which counts what has no medium to hand over. It
// decides nothing and changes nothing.
func (s *Sweep) Survey(ctx context.Context, request *trigger.Request, r *report.Report, found func(media.Medium)) {
	l := look{Sweep: s, report: r, found: found, unclear: map[string]bool{}}
	candidates, _ := l.candidates(ctx, request)
	l.lookAt(ctx, candidates)
	status := l.outcome()
	if status == report.Done && l.partial {
		status = report.Partial
	}
	r.Finish(status, s.Now())
}

// outcome returns how the look ended: done, or failed or incomplete for a reason
// that is then in the report.
func (l *look) outcome() report.Status {
	switch {
	case l.fatal != nil, l.partial && !l.Library.Answered():
		return l.nothingDone(l.fatal)
	case l.stopped != nil:
		err := fmt.Errorf("stopped before everything had been looked at: %w", l.stopped)
		if !l.Library.Answered() {
			return l.nothingDone(err)
		}
		l.report.Error = err.Error()
		return report.Incomplete
	}
	return report.Done
}

func (l *look) nothingDone(err error) report.Status {
	if err != nil {
		l.report.Error = err.Error()
	} else if len(l.report.Failures) > 0 {
		l.report.Error = "nothing could be looked at: " + l.report.Failures[0].Message
	}
	return report.Failed
}

// candidates returns what the request asks for, or nil for nothing.
func (l *look) candidates(ctx context.Context, request *trigger.Request) (iter.Seq2[inventory.Batch, error], plan.Scope) {
	switch {
	case len(request.MediaIDs) > 0:
		return inventory.OfIDs(request.MediaIDs), plan.Scope{MediaIDs: request.MediaIDs}
	case len(request.Objects) > 0:
		return inventory.OfObjects(request.Objects, l.Region, media.SlashPlain), plan.Scope{Objects: addresses(request.Objects)}
	case request.Inventory:
		return inventory.OfPrefixes(ctx, l.Objects, l.Policy.Inventory, l.Region), plan.Scope{Inventory: addresses(l.Policy.Inventory)}
	}
	return nil, plan.Scope{}
}

func addresses(objects []media.Object) []string {
	list := make([]string, len(objects))
	for i, object := range objects {
		list[i] = object.String()
	}
	return list
}

// lookAt looks all candidates up. It ends early when the
// context does or when no call can succeed.
func (l *look) lookAt(ctx context.Context, candidates iter.Seq2[inventory.Batch, error]) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var group errgroup.Group
	group.SetLimit(inFlight)
	lookUp := func(batches iter.Seq2[inventory.Batch, error]) {
		for batch, err := range batches {
			if err == nil {
				err = ctx.Err()
			}
			if err != nil {
				l.missed(batch, err, cancel)
				if ctx.Err() != nil {
					break
				}
				continue
			}
			group.Go(func() error {
				looked, err := inventory.LookUp(ctx, l.Library, batch, l.Region)
				if err != nil {
					l.missed(batch, err, cancel)
					return nil
				}
				l.take(looked)
				return nil
			})
		}
	}
	again := func(multiple int) { lookUp(inventory.OfObjects(l.takeAgain(multiple), l.Region, media.SlashEscaped)) }
	lookUp(func(yield func(inventory.Batch, error) bool) {
		for batch, err := range candidates {
			if !yield(batch, err) {
				return
			}
			again(mps.MaxBatch)
		}
	})
	_ = group.Wait() // its functions return no error
	again(1)
	_ = group.Wait() // as above
}

// takeAgain takes the objects that are to be asked for in another form, in
// multiples of a number.
func (l *look) takeAgain(multiple int) []media.Object {
	l.mu.Lock()
	defer l.mu.Unlock()
	take := len(l.again) - len(l.again)%multiple
	objects := l.again[:take:take]
	l.again = slices.Clone(l.again[take:])
	return objects
}

// missed accounts for candidates that could not be looked up: the others go on,
// unless nothing else can succeed either.
func (l *look) missed(batch inventory.Batch, err error, cancel context.CancelFunc) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if isContext(err) {
		l.stopped = err
		cancel()
		return
	}
	l.partial = true
	failure := failureOf(err)
	var failed *mps.Error
	if errors.As(err, &failed) && (failed.Kind == mps.Denied || failed.Kind == mps.Lost && !l.Library.Answered()) {
		if l.fatal == nil {
			l.fatal = err
		}
		cancel()
	}
	for _, id := range batch.IDs {
		failure.MediaID = id
		l.report.Fail(failure)
	}
	for _, object := range batch.Objects {
		failure.Object = object.String()
		l.report.Fail(failure)
	}
	if len(batch.IDs)+len(batch.Objects) == 0 {
		l.report.Fail(failure)
	}
}

// isContext reports whether it was the run's time that was up.
func isContext(err error) bool {
	return errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled)
}

// take counts what a look-up found, and hands its media over.
func (l *look) take(looked inventory.Looked) {
	l.mu.Lock()
	defer l.mu.Unlock()
	counts := &l.report.Counts
	counts.Looked += looked.Absent
	counts.Absent += looked.Absent
	counts.ObjectsWithoutMedia += looked.WithoutMedia
	l.again = append(l.again, looked.Again...)
	for _, unclear := range looked.Unclear {
		if l.unclear[unclear.MediaID] {
			continue // found by both forms of its URL
		}
		l.unclear[unclear.MediaID] = true
		counts.Looked++
		counts.Unknown++
		l.Log.Warn("kept as unknown", "mediaId", unclear.MediaID, "reason", unclear.Reason)
	}
	for _, medium := range looked.Media {
		l.found(medium)
	}
}

// failureOf tells what a report can of an error.
func failureOf(err error) report.Failure {
	failure := report.Failure{Message: err.Error()}
	var failed *mps.Error
	if errors.As(err, &failed) {
		failure.Code = failed.Code
	}
	return failure
}
