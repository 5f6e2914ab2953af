package sweep

import (
	"context"

	"github.com/mediasweep/mediasweep/internal/history"
	"github.com/mediasweep/mediasweep/internal/journal"
	"github.com/mediasweep/mediasweep/internal/plan"
	"github.com/mediasweep/mediasweep/internal/runlog"
	"github.com/mediasweep/mediasweep/internal/text"
)

// earlier is what other runs did with the media of a resumed plan. The log and the history are read once a medium is found
// gone. Mostly none is.
type earlier struct {
	begun    journal.Intent
	recorded map[string]int // deleted and lost media of the plan by the run that recorded them
	isRead   bool
	others   history.Recent // deletions of other plans
	// counted is the number of media that reports on the plan count as deleted or lost without a recorded outcome. rules
	// bounds them by rule.
	counted int
	rules   map[string]int
}

func newEarlier(run string, of plan.Contents) earlier {
	return earlier{begun: journal.Intent{Run: run, Plan: of.ID, AsOf: of.Head.AsOf}, recorded: map[string]int{}, rules: map[string]int{}}
}

// add adds an outcome that an earlier run recorded.
func (e *earlier) add(o journal.Outcome) {
	if o.Became == journal.Deleted || o.Became == journal.Lost {
		e.recorded[o.By(e.begun.Run)]++
	}
}

// isElsewhere reports whether a run deleted a medium of the resumed plan as one of another plan. So no run on this plan did.
func (r *run) isElsewhere(ctx context.Context, mediaID string) bool {
	ctx, cancel := r.budget.Record(ctx)
	defer cancel()
	r.readEarlier(ctx)
	deleted, err := r.earlier.others.Has(ctx, mediaID)
	if err != nil { // one wait for a store that hangs is enough
		r.earlier.others = history.Recent{}
		r.warnEarlier(err)
	}
	return deleted
}

// readEarlier reads what earlier runs left, once.
func (r *run) readEarlier(ctx context.Context) {
	e := &r.earlier
	if e.isRead {
		return
	}
	e.isRead = true
	reports, err := runlog.OnPlan(ctx, r.Store, e.begun)
	onPlan := map[string]bool{e.begun.Run: true, e.begun.Plan: true} // a run that was killed has no report
	for _, one := range reports {
		onPlan[one.Run] = true
		e.counted += one.Counts.Deleted - e.recorded[one.Run]
		for _, rule := range one.Rules {
			e.counted += rule.Lost
			e.rules[rule.Name] += rule.Deleted + rule.Lost
		}
	}
	if err == nil {
		e.others, err = history.RecentOf(ctx, r.Store, e.begun.AsOf, onPlan)
	}
	if err != nil {
		r.warnEarlier(err)
	}
}

func (r *run) warnEarlier(err error) {
	r.Log.Warn("media of a resumed plan may be counted twice", "plan", r.earlier.begun.Plan, "error", text.Bound(err.Error()))
}

// takeCounted reports whether an earlier report counts a lost medium of a rule. Each of these media is taken once.
func (e *earlier) takeCounted(rule string) bool {
	if e.counted <= 0 || e.rules[rule] == 0 {
		return false
	}
	e.counted--
	e.rules[rule]--
	return true
}
