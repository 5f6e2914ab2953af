package sweep

import (
	"cmp"
	"context"
	"errors"
	"time"

	"github.com/mediasweep/mediasweep/internal/announce"
	"github.com/mediasweep/mediasweep/internal/deadline"
	"github.com/mediasweep/mediasweep/internal/history"
	"github.com/mediasweep/mediasweep/internal/journal"
	"github.com/mediasweep/mediasweep/internal/mps"
	"github.com/mediasweep/mediasweep/internal/policy"
	"github.com/mediasweep/mediasweep/internal/purge"
	"github.com/mediasweep/mediasweep/internal/retention"
	"github.com/mediasweep/mediasweep/internal/segments"
	"github.com/mediasweep/mediasweep/internal/state"
	"github.com/mediasweep/mediasweep/internal/task"
)

// ledger records what becomes of the media of a plan: for later runs, for the history, and for announcements.
type ledger struct {
	policy   *policy.Policy
	store    state.Store
	now      func() time.Time
	plan     string
	decision history.Decision // the run, the plan that a person approved, and the policy
	folder   string           // the run that began the plan
	runs     []string         // the runs that count the media, if it is not that one alone
	last     int              // the number of the last record of outcomes
	tried    int              // the number of unrecorded outcomes after a failed write
	unrecorded
}

// unrecorded waits for the next flush, or for the end of the deletion.
type unrecorded struct {
	outcomes  []journal.Outcome
	decisions []history.Decision
	// deleted and unverified are media that MPS still shows.
	deleted, unverified []journal.Tombstone
	stayed              []string        // media that have not expired any more: what was announced of them counts no more
	spared              map[string]bool // media of an event that were not deleted
}

// newLedger returns the ledger of a plan. It has what was still expired of the approved one, if a person approved one.
func (r *run) newLedger(planID, approved string) *ledger {
	l := &ledger{
		policy: r.Policy, store: r.Store, now: r.Now, plan: planID, decision: history.Decision{Run: r.report.Run, Plan: cmp.Or(approved, planID), Policy: r.report.Policy},
		folder: r.report.Run, unrecorded: unrecorded{spared: map[string]bool{}},
	}
	if r.isResumed() {
		l.folder, l.runs = r.request.Resume, []string{r.request.Resume, r.report.Run}
	}
	return l
}

// keep adds a medium of the plan that stays. Sweeps decide on media that are unnamed, and rank whole groups.
func (l *ledger) keep(o purge.Outcome) {
	if o.Cause == nil && !o.Unnamed && o.Now.Cause != retention.AmongLatest && !l.policy.Notice.IsZero() {
		l.stayed = append(l.stayed, o.Line.MediaID)
	}
}

// add adds a medium that was sent, or is gone.
func (l *ledger) add(o purge.Outcome) {
	outcome := journal.Outcome{MediaID: o.Line.MediaID, Became: o.Became, Code: mps.CodeOf(o.Cause), Plan: l.plan, Runs: l.runs}
	l.outcomes = append(l.outcomes, outcome)
	one := l.decision
	one.At, one.MediaID, one.Outcome, one.Code = l.now(), outcome.MediaID, outcome.Became, outcome.Code
	one.Rule, one.Orphan = o.Line.Rule, l.policy.TakesOrphans(o.Line.Rule)
	if line := o.Line; line.Parse() == nil {
		one.Describe(line.Rule, line.Reason, line.Medium)
	}
	l.decisions = append(l.decisions, one)
	tombstone := journal.Tombstone{MediaID: o.Line.MediaID, Created: o.Line.Created}
	switch {
	case !o.Tombstone:
	case o.Became == journal.Unverified:
		l.unverified = append(l.unverified, tombstone)
	default:
		l.deleted = append(l.deleted, tombstone)
	}
}

// inTurn is the least time in which outcomes wait for the history, for half of it at most.
const inTurn = 2 * time.Second

// maybeFlush writes outcomes if there are a thousand more. After a failure it tries again with the
// next thousand.
func (l *ledger) maybeFlush(ctx context.Context) {
	if len(l.outcomes) < l.tried+segments.MaxLines {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, deadline.MaxRecord)
	defer cancel()
	_, _ = l.flush(ctx) // close returns the errors of the last try
	l.tried = len(l.outcomes)
}

// waitFor returns how long outcomes wait for the history: half of the time that is left, and not at all if that is little.
// The next run would have as little, and the plan would never end.
func waitFor(ctx context.Context) time.Duration {
	end, limited := ctx.Deadline()
	left := time.Until(end)
	switch {
	case !limited:
		left = deadline.MaxRecord
	case left < inTurn:
		left = 0
	}
	return min(left, deadline.MaxRecord) / 2
}

// flush writes the history, tombstones and outcomes. gap is the error of the history. Outcomes come last, because the run
// may be killed between two records: no other run reads a medium with an outcome again, or adds it to the history.
func (l *ledger) flush(ctx context.Context) (err, gap error) {
	now, wait := l.now(), waitFor(ctx)
	written := task.Go(func() error {
		ctx, cancel := context.WithTimeout(ctx, cmp.Or(wait, deadline.MaxRecord))
		defer cancel()
		return history.Record(ctx, l.store, now, l.decisions)
	})
	if err = journal.AddTombstones(ctx, l.store, now, l.deleted, l.unverified); err == nil {
		l.deleted, l.unverified = nil, nil
	}
	settle := func() {
		if gap = written(); gap == nil {
			l.decisions = nil
		}
	}
	if wait > 0 {
		settle()
	} else {
		defer settle()
	}
	if err == nil && len(l.outcomes) > 0 {
		l.last, err = journal.AddOutcomes(ctx, l.store, l.folder, l.last, l.outcomes)
	}
	if err == nil {
		l.outcomes = nil
	}
	return err, gap
}

// close writes what remains, and takes announcements back. gap is the error of the history.
func (l *ledger) close(ctx context.Context) (err, gap error) {
	err, gap = l.flush(ctx)
	return errors.Join(err, announce.TakeBack(ctx, l.store, l.now(), l.stayed)), gap
}
