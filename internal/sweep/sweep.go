// Package sweep is one run: look at the candidates, decide, write the plan,
// check the guard, delete exactly the plan, verify, and account for every medium.
//
// Two pipelines have the plan between them, because the guard needs the whole of
// it. A dry run stops there and is otherwise the same code.
package sweep

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/mediasweep/mediasweep/internal/index"
	"github.com/mediasweep/mediasweep/internal/inventory"
	"github.com/mediasweep/mediasweep/internal/media"
	"github.com/mediasweep/mediasweep/internal/mps"
	"github.com/mediasweep/mediasweep/internal/plan"
	"github.com/mediasweep/mediasweep/internal/policy"
	"github.com/mediasweep/mediasweep/internal/report"
	"github.com/mediasweep/mediasweep/internal/retention"
	"github.com/mediasweep/mediasweep/internal/state"
	"github.com/mediasweep/mediasweep/internal/task"
	"github.com/mediasweep/mediasweep/internal/trigger"
)

// maxAge is how long a decision holds: no ID is sent that was not read and
// decided within it, so that a hold added meanwhile is not missed for long.
const maxAge = time.Hour

// Library is the media library, asked for mps.MaxBatch media at a time.
type Library interface {
	inventory.Library
	inventory.Executions
	// Permit waits until a call may leave, and returns what sends it.
	Permit(ctx context.Context, op mps.Operation) (*mps.Permit, error)
	// Probe reads media again.
	Probe(ctx context.Context, ids []string) (mps.Found, error)
	// Backoff waits before a call is repeated; see mps.Session.
	Backoff(ctx context.Context, previous time.Duration) (time.Duration, error)
	// Answered reports whether any call has succeeded.
	Answered() bool
}

// Objects are the objects that media are made of.
type Objects interface {
	inventory.Lister
	inventory.Opener
	Sources
}

// Sweep is what a run works with.
type Sweep struct {
	Policy  *policy.Policy
	Region  string
	Library Library
	Objects Objects
	Store   state.Store
	Marks   *Marks
	Now     func() time.Time
	Log     *slog.Logger
	// Progress, if set, is told every Every how far the run is.
	Progress func(Progress)
	Every    time.Duration
}

// Part is a request with the report that accounts for it. Parts that share a run
// have objects as their scopes, and one mode, clock and policy.
type Part struct {
	Request *trigger.Request
	Report  *report.Report
}

// Run carries out requests in their reports' mode, accounts for each in its report
// and finishes that. It stops early enough to account for what is under way, and to
// leave time for an answer, as the call's budget says.
func (s *Sweep) Run(ctx context.Context, budget Budget, parts ...Part) {
	r := s.newRun(parts)
	r.budget = budget
	ctx, cancel := budget.Work(ctx)
	defer cancel()
	defer r.plan.Close()
	defer r.gathered.Close()
	defer r.unlisted.Close()
	defer r.closeIndex()
	defer r.beside.Wait()
	stop := r.tell()
	if err := task.Run(func() { r.carryOut(ctx, parts) }); err != nil {
		r.fault(err)
	}
	stop()
	r.keepFailures(ctx)
	for _, one := range r.reports {
		r.tellOfOrphans(one)
		r.tellOfKnown(one)
		r.tellOfListing(one)
		r.tellOfPrefixes(one)
		one.Finish(r.status(one), s.Now())
	}
}

// run is the state of one run; look's mutex guards it.
type run struct {
	*look
	request *trigger.Request // that of the first part: the others differ in their objects
	asOf    time.Time
	mode    policy.Mode
	decider *retention.Decider
	plan    planLines
	planID  string // of the plan that has the records as they were read
	// ranked are media of an applied plan that are decided on with their groups.
	ranked map[string]media.Medium
	// orphans are those that a rule deletes because their sources are gone.
	orphans []media.Medium
	// gone are source objects that are not there any more.
	gone map[media.Object]bool
	// owners are the reports in which a medium of the plan counts, where the run
	// has several parts.
	owners     map[string][]*report.Report
	checkpoint *checkpoints   // where a scheduled look is; nil for others
	index      *index.Index   // what earlier sweeps found out; nil for runs that do not go by it
	beside     sync.WaitGroup // what is written beside the plan
	ledger     ledger
	budget     Budget
	soft       context.Context //nolint:containedctx // its cause tells why the run ended
	// claimed is the number of live media in the checkpoint of an earlier look, up to the
	// candidate claimedTo. ranks belongs to a run that resumes.
	claimed   int
	claimedTo string
	ranks     *ranks
	spender   string // the suffix of the run's records of the event budget
}

func (s *Sweep) newRun(parts []Part) *run {
	first := parts[0].Report
	r := &run{look: s.look(parts), request: parts[0].Request, asOf: first.AsOf, mode: first.Mode, owners: map[string][]*report.Report{}, gone: map[media.Object]bool{}, spender: rand.Text()}
	r.ledger = ledger{run: first.Run, shared: len(parts) > 1, writing: newLock()}
	r.decider = retention.NewDecider(s.Policy, r.asOf)
	r.decider.Marks, r.decider.Clock = s.Marks.Of, s.Now
	// The clock is the run's, so that every medium is held against one instant.
	r.found = func(m media.Medium) { r.decider.Add(m, r.gone[m.Object], r.decided) }
	if r.request.Plan != "" {
		began := s.Now() // of media that are decided on after the others have been read
		r.decider.Clock = func() time.Time { return began }
		r.whole, r.ranked = true, map[string]media.Medium{}
		r.found = r.decideOrRank
	}
	return r
}

// carryOut looks, decides, plans, checks the guards and deletes.
func (r *run) carryOut(ctx context.Context, parts []Part) {
	soft, cancel := r.budget.admitting(ctx)
	defer cancel()
	soft, unwatch := r.watchStop(ctx, soft)
	defer unwatch()
	if r.request.Resume != "" {
		r.broke(r.finish(ctx, soft))
		return
	}
	scope := r.lookAtAll(ctx, soft, parts)
	if r.ending.why != nil || r.sawNothing(r.reports[0]) && !r.Library.Answered() {
		return
	}
	err := r.guarded(ctx)
	if err == nil {
		err = r.writePlan(ctx, scope)
	}
	if err == nil && r.mode == policy.Enforce && r.anyToDelete() {
		err = r.deletePlan(ctx, soft)
	}
	r.broke(err)
	switch {
	case isContext(err) && r.planID == "" && r.checkpoint != nil: // there was time for the look, and not for the plan
		r.keepPlace(ctx, soft)
	case errors.Is(err, errDamagedPlan):
		r.closeCheckpoints(ctx) // a look that is carried on would come to the same plan
	}
}

// broke notes an error that ended the run, if it is one.
func (r *run) broke(err error) {
	switch {
	case isContext(err):
		r.end(report.Incomplete, err)
	case err != nil:
		r.end(report.Failed, err)
	}
}

// lookAtAll looks at everything that the parts ask for, and decides on it.
func (r *run) lookAtAll(ctx, soft context.Context, parts []Part) plan.Scope {
	if r.scheduled() {
		r.carryOn(ctx)
		r.openIndex(soft)
	}
	r.askForSources(ctx, removed(parts))
	candidates, scope := r.candidates(soft, parts)
	r.lookAt(ctx, soft, candidates...)
	if r.checkpoint != nil {
		r.keepPlace(ctx, soft)
		whole := r.ending.why == nil || r.listing.unordered
		r.beside.Go(func() {
			if err := task.Run(func() { r.writeIndex(ctx, whole) }); err != nil {
				r.Log.Error("what was looked at could not be kept for the next sweep", "error", err.Error())
			}
		})
	}
	if len(r.orphans) > 0 && r.ending.why == nil {
		r.decideOrphans(ctx)
	}
	if len(r.ranked) > 0 && r.ending.why == nil {
		r.lookAtGroups(soft)
	}
	if r.named != nil {
		r.ranks = r.newRanks()
	}
	r.decider.Finish(r.decided)
	if r.listing.unordered {
		r.uncountDoubles()
	}
	for _, one := range r.reports {
		one.Counts.Pending = one.Counts.Expired
	}
	return scope
}

// scheduled reports whether the run is one of those that finish what earlier ones
// left.
func (r *run) scheduled() bool { return r.request.Trigger == trigger.Timer && r.request.Inventory }

// deletePlan deletes the plan, and sees to it that what is left of it in the end is
// known to the next scheduled run. Where a lease keeps that from running at the same
// time it is known from the beginning, so that a run may be killed.
func (r *run) deletePlan(ctx, soft context.Context) (err error) {
	var begun *Open
	if r.request.Inventory {
		if begun, err = r.begin(ctx); err != nil {
			return fmt.Errorf("%w; nothing was deleted", err)
		}
	}
	r.deleteAll(ctx, soft)
	ctx, cancel := r.budget.Afterwards(ctx)
	defer cancel()
	if r.request.Trigger == trigger.OSS {
		r.giveBack(ctx)
	}
	switch left := r.pending(); {
	case left > 0 && begun == nil:
		_, err = r.begin(ctx)
	case left == 0 && begun != nil:
		err = begun.Close(ctx, r.Store)
	}
	if err != nil {
		r.Log.Warn("the next scheduled run does not know how far this one came", "error", err.Error())
	}
	r.useUp(ctx)
	return nil
}

// pending counts what a guard lets go and what is not deleted yet.
func (r *run) pending() (media int) {
	for _, one := range r.reports {
		if !one.Guard.Tripped {
			media += one.Counts.Pending
		}
	}
	return media
}

// anyToDelete reports whether a guard lets anything go.
func (r *run) anyToDelete() bool {
	return slices.ContainsFunc(r.reports, func(one *report.Report) bool { return !one.Guard.Tripped && one.Counts.Expired > 0 })
}

// status returns how the run ended for one of its parts, and says why in its
// report.
func (r *run) status(one *report.Report) report.Status {
	status := r.outcome(one)
	switch {
	case status == report.Failed && one.Counts.Deleted+one.Counts.Unverified > 0:
		return report.Partial
	case status != report.Done:
		return status
	case one.Guard.Tripped:
		return report.Blocked
	case r.mode == policy.Enforce && one.Counts.Pending > 0:
		one.Error = fmt.Sprintf("%v, with %d media still to delete", r.timeUp(), one.Counts.Pending)
		return report.Incomplete
	case r.missing[one] || one.Counts.Failed > 0 || one.Counts.Unverified > 0:
		return report.Partial
	}
	return report.Done
}

// decided counts a decision, and takes what has expired into the plan. A medium that no
// plan could hold is kept.
func (r *run) decided(m *media.Medium, d retention.Decision, facts retention.Facts) {
	reports := r.of(m.Object)
	var l line
	if d.Verdict == retention.Expired {
		entry := plan.Entry{MediaID: m.ID, Rule: d.RuleName(), Reason: d.Reason(), ExpiresAt: d.ExpiresAt, State: m.State, Record: m.Record}
		var err error
		if l, err = lineOf(entry, m.Created, facts.ReadAt); err != nil {
			for _, one := range reports {
				r.missing[one] = true
				r.fail(one, report.Failure{MediaID: m.ID, Message: err.Error()})
			}
			d = retention.Decision{Verdict: retention.Unknown}
		}
	}
	for _, one := range reports {
		one.Counts.Looked++
		count(one, d)
	}
	if d.Verdict == retention.Unknown {
		r.warnUnknown(m.ID, d.Reason())
	}
	if d.Verdict != retention.Expired {
		return
	}
	if r.byObject != nil {
		r.owners[m.ID] = reports
	}
	if d.Rule.KeepLatest.Count > 0 {
		if l.ranked = r.named == nil; !l.ranked {
			l.decided = unread.Unix() // the ranks are a record's: they are read again too
		}
	}
	r.checkpoint.note(&l)
	if err := r.plan.add(l); err != nil {
		r.end(report.Failed, err)
	}
}

// uncountDoubles takes back what was counted of media that were found twice: a bucket
// whose objects come in no order may name some again.
func (r *run) uncountDoubles() {
	for l, err := range r.plan.doubles() {
		if err != nil {
			r.end(report.Failed, err)
			return
		}
		for _, one := range r.ownersOf(l.id) {
			one.Counts.Looked--
			one.Counts.Expired--
			rule := one.Rule(l.rule)
			rule.Applied--
			rule.Expired--
		}
	}
}

// facts are those of a medium that was read just now.
func (r *run) facts(m *media.Medium) retention.Facts {
	return retention.Facts{AsOf: r.asOf, ReadAt: r.decider.Clock(), SourceRemoved: r.gone[m.Object], Mark: r.decider.Marks(m)}
}

// ownersOf returns the reports in which a medium of the plan counts.
func (r *run) ownersOf(id string) []*report.Report {
	if r.byObject == nil {
		return r.reports
	}
	return r.owners[id]
}

// count counts a decision by its verdict and its rule.
func count(in *report.Report, d retention.Decision) {
	counts, rule := &in.Counts, in.Rule(d.RuleName())
	if rule != nil && d.Verdict != retention.Unknown {
		rule.Applied++
	}
	switch d.Verdict {
	case retention.Absent:
		counts.Absent++
	case retention.Protected:
		counts.Protected++
	case retention.Keep:
		counts.Kept++
	case retention.Unknown:
		counts.Unknown++
	case retention.Expired:
		counts.Expired++
		rule.Expired++
	}
}
