package sweep

import (
	"cmp"
	"context"

	"github.com/mediasweep/mediasweep/internal/history"
	"github.com/mediasweep/mediasweep/internal/journal"
	"github.com/mediasweep/mediasweep/internal/plan"
	"github.com/mediasweep/mediasweep/internal/task"
	"github.com/mediasweep/mediasweep/internal/text"
)

// decisions collects what the history does not have yet.
type decisions struct {
	unwritten []history.Decision
	err       error  // of the last write
	approved  string // the plan that a person approved; the run's own has what was still expired of it
}

func (d *decisions) add(r *run, line plan.Line, o journal.Outcome) {
	one := history.Decision{
		At: r.Now(), MediaID: line.MediaID, Outcome: o.Became, Code: o.Code, Run: r.report.Run, Plan: cmp.Or(d.approved, o.Plan), Policy: r.report.Policy, Rule: line.Rule,
		Orphan: r.Policy.TakesOrphans(line.Rule),
	}
	if line.Parse() == nil {
		one.Describe(line.Rule, line.Reason, line.Medium)
	}
	d.unwritten = append(d.unwritten, one)
}

// record writes the decisions beside the outcomes. wait waits for the write. After a failure the next
// call tries again.
func (d *decisions) record(ctx context.Context, r *run) (wait func()) {
	some, now := d.unwritten, r.Now()
	written := task.Go(func() error { return history.Record(ctx, r.Store, now, some) })
	return func() {
		if d.err = written(); d.err == nil {
			d.unwritten = nil
		}
	}
}

// close notes a gap in the history. It changes nothing else of the run.
func (d *decisions) close(r *run) {
	if d.err != nil {
		r.Log.Warn("history not recorded", "media", len(d.unwritten), "error", text.Bound(d.err.Error()))
		r.note("history lacks %d media of this run: they could not be recorded", len(d.unwritten))
	}
}
