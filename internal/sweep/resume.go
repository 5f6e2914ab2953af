package sweep

import (
	"context"
	"errors"
	"iter"

	"github.com/mediasweep/mediasweep/internal/announce"
	"github.com/mediasweep/mediasweep/internal/history"
	"github.com/mediasweep/mediasweep/internal/journal"
	"github.com/mediasweep/mediasweep/internal/plan"
	"github.com/mediasweep/mediasweep/internal/purge"
	"github.com/mediasweep/mediasweep/internal/report"
	"github.com/mediasweep/mediasweep/internal/retention"
	"github.com/mediasweep/mediasweep/internal/scan"
	"github.com/mediasweep/mediasweep/internal/text"
)

// resumePlan deletes the remaining media of an unfinished plan. Each medium is read again. The guard
// of today applies to what is left: it may have been tightened since.
// A plan of the inventory deletes only media that the inventory still names. A plan that no person applied deletes
// only media that are still due by the notice.
func (r *run) resumePlan(ctx, admit context.Context) error {
	p, err := r.reopenPlan(ctx)
	if err != nil {
		return err
	}
	r.report.Plan, r.report.Begun = r.request.Plan, true
	covered, err := r.countLeft(ctx, p)
	if err != nil {
		return err
	}
	r.findWaiting(ctx, admit, p)
	reason := r.guardResume(p.contents)
	if reason != "" { // what the earlier run deleted without recording it is not left
		r.readGone(admit, p, p.left(ctx), func(o purge.Outcome) { p.settled[o.Line.MediaID] = true })
		reason = r.guardResume(p.contents)
	}
	switch {
	case reason == "":
	case errors.Is(context.Cause(admit), ErrStopped): // a later run reads the rest
		r.timeUp = ErrStopped
		return r.recordFound(ctx, p.ledger)
	default:
		r.report.Guard = report.Guard{Tripped: true, Reason: reason}
		return r.recordFound(ctx, p.ledger)
	}
	origin := &scan.Origin{}
	if len(p.contents.Head.Scope.Inventory) > 0 {
		origin = r.scanner(&announce.Reader{}).Inventory(ctx, admit, !covered)
	}
	r.purge(ctx, admit, p.ledger, origin, p.left(ctx))
	c := &r.report.Counts
	r.markApplied(ctx, p.contents.Head.Scope.Plan, c.Deleted+c.Unverified+c.Gone+len(r.earlier.Recorded))
	return nil
}

// findWaiting records which of the waiting media are gone. The earlier run deleted them, and that ended their notice.
func (r *run) findWaiting(ctx, admit context.Context, p *reopened) {
	waiting := len(p.waiting)
	if waiting == 0 {
		return
	}
	lines := p.entries(ctx, func(id string) bool { return p.waiting[id] })
	r.readGone(admit, p, lines, func(o purge.Outcome) {
		r.countLine(o.Line)
		waiting--
	})
	if waiting > 0 {
		r.report.Note("%d media of the plan are left to the next sweep: they are not announced for long enough any more", waiting)
	}
}

// readGone is findGone for a plan that is finished. The plan stays open too if the kill switch keeps media from being read.
func (r *run) readGone(admit context.Context, p *reopened, lines iter.Seq2[plan.Line, error], each func(purge.Outcome)) {
	err := r.findGone(admit, p.ledger, lines, each)
	if err != nil {
		r.Log.Warn("media of a plan not read", "plan", r.report.Plan, "error", text.Bound(err.Error()))
	}
	r.keepOpen(errors.Is(err, ErrStopped))
}

// countLine counts a medium of the plan as pending.
func (r *run) countLine(l plan.Line) {
	r.report.Counts.Looked++
	r.report.Counts.Pending++
	r.report.Count(retention.Expired, l.Rule)
}

// reopened is the plan of an earlier run that did not finish it.
type reopened struct {
	*ledger
	contents plan.Contents
	// settled are the media that have an outcome, or are not due any more. waiting are those of them that the notice keeps.
	settled, waiting map[string]bool
}

// reopenPlan reads the plan of an earlier run and the outcomes that the run recorded. Further outcomes follow these.
func (r *run) reopenPlan(ctx context.Context) (*reopened, error) {
	outcomes, records, err := journal.Outcomes(ctx, r.Store, r.request.Resume, r.request.Resume)
	if err != nil {
		return nil, err
	}
	contents, err := journal.ReadPlan(ctx, r.Store, r.request.Plan)
	if err == nil {
		err = contents.CheckRegion(r.Region)
	}
	if err != nil {
		return nil, err
	}
	p := &reopened{ledger: r.newLedger(r.request.Plan, contents.Head.Scope.Plan), contents: contents, settled: map[string]bool{}, waiting: map[string]bool{}}
	p.last = records // or less than the last number: the next free one is used
	r.earlier = history.NewEarlier(r.Store, r.request.Resume, contents)
	for id, o := range outcomes {
		isOwn := o.Plan == contents.ID // else the request of the run came again
		p.settled[id] = isOwn || o.Became != journal.Failed
		if isOwn {
			r.earlier.Add(o)
		}
	}
	return p, nil
}

func (p *reopened) left(ctx context.Context) iter.Seq2[plan.Line, error] {
	return p.entries(ctx, func(id string) bool { return !p.settled[id] })
}

func (p *reopened) entries(ctx context.Context, wanted func(id string) bool) iter.Seq2[plan.Line, error] {
	return func(yield func(plan.Line, error) bool) {
		for entry, err := range journal.Entries(ctx, p.store, p.contents) {
			var l plan.Line
			if err == nil {
				if !wanted(entry.MediaID) {
					continue
				}
				l, err = plan.Saved(entry)
			}
			if !yield(l, err) || err != nil {
				return
			}
		}
	}
}

// countLeft counts the media that are left of a plan. It settles those that are not due by the policy and the notice. It reports whether
// prefixes of the inventory cover the others.
func (r *run) countLeft(ctx context.Context, p *reopened) (covered bool, err error) {
	announced := &announce.Reader{}
	if p.contents.Head.Scope.Plan == "" {
		if announced, err = r.openAnnouncements(ctx); err != nil {
			return false, err
		}
		defer announced.Close()
	}
	covered = true
	for l, err := range p.left(ctx) {
		if err != nil {
			return false, err
		}
		if r.Policy.ExpireRule(l.Rule) == nil {
			p.settled[l.MediaID] = true
			continue
		}
		due, err := announced.IsDue(ctx, l.Medium)
		if err != nil {
			return false, err
		}
		if !due {
			p.settled[l.MediaID], p.waiting[l.MediaID] = true, true
			continue
		}
		r.countLine(l)
		covered = covered && r.Policy.Inventory.Covers(l.Medium.Object)
	}
	return covered, nil
}
