package sweep

import (
	"cmp"
	"context"
	"errors"
	"iter"
	"time"

	"github.com/mediasweep/mediasweep/internal/deadline"
	"github.com/mediasweep/mediasweep/internal/journal"
	"github.com/mediasweep/mediasweep/internal/plan"
	"github.com/mediasweep/mediasweep/internal/purge"
	"github.com/mediasweep/mediasweep/internal/report"
	"github.com/mediasweep/mediasweep/internal/state"
	"github.com/mediasweep/mediasweep/internal/task"
	"github.com/mediasweep/mediasweep/internal/trigger"
)

// findTime bounds the time for which media of a dropped plan are read: the sweep that follows needs the rest.
const findTime = time.Minute

// findFor is the time for which a dropped plan stays open while its records cannot be read, or MPS does not show its media. The
// totals of its day wait for a month.
const findFor = 21 * 24 * time.Hour

// Dropped counts the media of a dropped plan.
type Dropped struct {
	Entries int // media of the plan
	Left    int // of these, media without an outcome
	Gone    int // of these, media that are gone: the run that was cut off may have deleted them
}

// FindLost reads the media of a dropped plan that have no outcome. It records those that are gone, counts them in the
// report, and finishes it. It deletes nothing. An error means that not all could be read or recorded.
func (s *Sweep) FindLost(ctx context.Context, budget deadline.Budget, dropped journal.Intent, r *report.Report) (Dropped, error) {
	ctx, cancel := budget.Work(ctx)
	defer cancel()
	request := &trigger.Request{Trigger: r.Trigger, Plan: dropped.Plan, Resume: dropped.Run}
	run := s.newRun(budget, request, r)
	defer run.progress.Stop()
	var found Dropped
	err := task.Do(func() (err error) {
		found, err = run.findLost(ctx, dropped.AsOf)
		return err
	})
	r.Finish(report.Done, s.Now())
	return found, err
}

func (r *run) findLost(ctx context.Context, asOf time.Time) (found Dropped, err error) {
	dropped, err := r.reopenPlan(ctx)
	if err != nil {
		r.report.Unrecorded = mayPass(err) && r.Now().Sub(asOf) <= findFor
		return found, err
	}
	found.Entries = dropped.contents.Entries
	admit, cancel := r.budget.Admit(ctx)
	defer cancel()
	lines := func(yield func(plan.Line, error) bool) {
		for l, err := range dropped.left(ctx) {
			r.keepOpen(err != nil && mayPass(err))
			if found.Left++; !yield(l, err) {
				return
			}
		}
	}
	err = r.findGone(admit, dropped.ledger, lines, func(o purge.Outcome) {
		r.report.AddRule(o.Line.Rule)
		r.countLine(o.Line)
		found.Gone++
	})
	if r.Now().Sub(dropped.contents.Head.AsOf) > findFor {
		r.report.Unrecorded = false
	}
	notClosed := r.recordFound(ctx, dropped.ledger)
	return found, cmp.Or(err, notClosed)
}

// keepOpen leaves the plan of the run open if that is needed: a later run may find out more, or record it.
func (r *run) keepOpen(needed bool) { r.report.Unrecorded = r.report.Unrecorded || needed }

// mayPass reports whether the records of a plan may be read later.
func mayPass(err error) bool { return !state.IsLost(err) && !errors.Is(err, plan.ErrOtherRegion) }

// findGone reads media of a plan for at most findTime, and settles those that are gone. It calls each before it settles one.
// An error means that not all could be read. The plan stays open if a later run may read them.
func (r *run) findGone(admit context.Context, l *ledger, lines iter.Seq2[plan.Line, error], each func(purge.Outcome)) error {
	admit, cancel := context.WithTimeout(admit, findTime)
	defer cancel()
	p := purge.Purger{Library: r.Deleter, Claims: r.Claims, Now: r.Now, Interrupted: true, FindOnly: true}
	var unread error
	err := p.Run(admit, admit, lines, func(found []purge.Outcome) {
		var gone []purge.Outcome
		for _, o := range found {
			if o.Became != journal.Gone {
				unread = o.Cause
				r.keepOpen(o.Unread)
				continue
			}
			each(o)
			gone = append(gone, o)
		}
		r.settle(admit, gone, l)
	})
	r.keepOpen(admit.Err() != nil && !r.Library.Answered())
	return cmp.Or(err, context.Cause(admit), unread)
}

// recordFound closes the ledger of a run that deletes nothing. Without the outcomes the plan stays open.
func (r *run) recordFound(ctx context.Context, l *ledger) error {
	err := r.closeLedger(ctx, l)
	r.keepOpen(err != nil)
	return err
}
