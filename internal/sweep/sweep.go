// Package sweep is one run: look at the candidates, decide, write the plan,
// check the guard, delete exactly the plan, verify, and account for every medium.
//
// Two pipelines have the plan between them, because the guard needs the whole of
// it. A dry run stops there and is otherwise the same code.
package sweep

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"time"

	"github.com/mediasweep/mediasweep/internal/inventory"
	"github.com/mediasweep/mediasweep/internal/media"
	"github.com/mediasweep/mediasweep/internal/mps"
	"github.com/mediasweep/mediasweep/internal/plan"
	"github.com/mediasweep/mediasweep/internal/policy"
	"github.com/mediasweep/mediasweep/internal/report"
	"github.com/mediasweep/mediasweep/internal/retention"
	"github.com/mediasweep/mediasweep/internal/state"
	"github.com/mediasweep/mediasweep/internal/trigger"
)

// inFlight bounds the batches that are under way at once. It is the pace that says
// how many leave, so that those in flight follow the latency by themselves; 256
// fill the quota up to a latency of two and a half seconds.
const inFlight = 256

// maxAge is how long a decision holds: no ID is sent that was not read and
// decided within it, so that a hold added meanwhile is not missed for long.
const maxAge = time.Hour

// Library is the media library, asked for mps.MaxBatch media at a time.
type Library interface {
	inventory.Library
	// Turn waits until a call may leave, and returns what sends it.
	Turn(ctx context.Context, op mps.Operation) (*mps.Turn, error)
	// Recall reads media again.
	Recall(ctx context.Context, ids []string) (mps.Found, error)
	// Pause waits before a call is repeated; see mps.Session.
	Pause(ctx context.Context, previous time.Duration) (time.Duration, error)
	// Answered reports whether any call has succeeded.
	Answered() bool
}

// Sweep is what a run works with.
type Sweep struct {
	Policy  *policy.Policy
	Region  string
	Library Library
	Objects inventory.Lister
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
// and finishes that. It stops early enough to account for what is under way before
// the context's deadline.
func (s *Sweep) Run(ctx context.Context, parts ...Part) {
	r := &run{look: s.look(parts), owners: map[string][]*report.Report{}}
	r.asOf, r.mode = parts[0].Report.AsOf, parts[0].Report.Mode
	r.decider = retention.NewDecider(s.Policy, r.asOf)
	r.decider.Marks = s.Marks.Of(r.asOf)
	// The clock is the run's, so that every medium is held against one instant.
	r.found = func(m media.Medium) { r.decider.Add(m, false, r.decided) }
	if r.applied = parts[0].Request.Plan; r.applied != "" {
		r.whole, r.ranked = true, map[string]media.Medium{}
		r.found = func(m media.Medium) {
			facts := retention.Facts{AsOf: r.asOf, NotLatest: true, Mark: r.decider.Marks(&m)}
			if _, rule := retention.Groups(s.Policy, &m, facts); rule != nil {
				r.ranked[m.ID] = m
				return
			}
			r.decided(&m, retention.Decide(s.Policy, &m, facts), facts)
		}
	}
	defer r.plan.close()
	r.ledger.run = parts[0].Report.Run
	stop := r.tell()
	r.all(ctx, parts)
	stop()
	for _, one := range r.reports {
		one.Finish(r.status(one), s.Now())
	}
}

// run is the state of one run; look's mutex guards it.
type run struct {
	*look
	asOf    time.Time
	mode    policy.Mode
	decider *retention.Decider
	plan    spool
	applied string // the ID of the kept plan that the run applies, if it does
	kept    string // the ID of the plan that has the records as they were read
	// ranked are media of an applied plan that are decided on with their groups.
	ranked map[string]media.Medium
	// owners are the reports in which a medium of the plan counts, where the run
	// has several parts.
	owners  map[string][]*report.Report
	planErr error       // the plan could not be written
	carried *checkpoint // where the look of an earlier run was cut off
	ledger  ledger
	soft    context.Context //nolint:containedctx // its cause tells why the run ended
}

// all looks, decides, plans, checks the guards and deletes.
func (r *run) all(ctx context.Context, parts []Part) {
	// What is in flight when soft ends is finished and verified in what is left.
	soft, cancel := Reserve(ctx, 0.2, 10*time.Second)
	defer cancel()
	soft, unwatch := r.watchStop(ctx, soft)
	defer unwatch()
	if begun := parts[0].Request.Resume; begun != "" {
		r.ledger.run = begun
		r.planErr = r.finish(ctx, soft, begun)
		return
	}
	scheduled := parts[0].Request.Trigger == trigger.Timer && parts[0].Request.Inventory
	if scheduled {
		r.carryOn(ctx)
	}
	candidates, scope := r.candidates(soft, parts)
	r.lookAt(ctx, soft, candidates)
	if scheduled && r.stopped != nil && r.fatal == nil && !r.broken && !r.after.IsZero() {
		if err := r.checkpoint(ctx); err != nil {
			r.Log.Warn("the next run starts over", "error", err.Error())
		} else {
			r.stopped = fmt.Errorf("%w: the next scheduled run goes on after %s", r.stopped, r.after)
		}
	}
	if len(r.ranked) > 0 && r.fatal == nil && r.stopped == nil {
		r.lookAtGroups(soft)
	}
	r.decider.Finish(r.decided)
	for _, one := range r.reports {
		one.Counts.Pending = one.Counts.Expired
	}
	if r.fatal != nil || r.stopped != nil || !r.Library.Answered() && len(r.missing) > 0 {
		return
	}
	for _, one := range r.reports {
		if reason := r.tripped(one); reason != "" {
			one.Guard = report.Guard{Tripped: true, Reason: reason}
		}
	}
	if r.planErr == nil {
		r.planErr = r.writePlan(ctx, scope)
	}
	if r.planErr == nil {
		if err := r.closeCarried(ctx); err != nil {
			r.Log.Warn("the next run looks again at what this one has looked at", "error", err.Error())
		}
	}
	if r.planErr == nil && r.applied != "" {
		r.reports[0].Plan = r.applied
		r.planErr = r.clear(ctx)
	}
	if r.planErr != nil {
		return
	}
	if parts[0].Request.Trigger == trigger.OSS {
		if r.planErr = r.spend(ctx); r.planErr != nil {
			return
		}
	}
	if r.mode != policy.Enforce || !r.anyToDelete() {
		return
	}
	if !scheduled {
		r.deleteAll(ctx, soft)
		return
	}
	open, err := r.begin(ctx)
	if err != nil {
		r.planErr = err
		return
	}
	r.deleteAll(ctx, soft)
	if r.reports[0].Counts.Pending == 0 {
		ctx, cancel := outlive(ctx)
		defer cancel()
		if err := open.Close(ctx, r.Store); err != nil {
			r.Log.Warn("the next run looks at this one's plan again", "error", err.Error())
		}
	}
}

// outlive returns a context for what must be noted although the run's time is up.
func outlive(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
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
	case r.fatal != nil && one.Counts.Deleted > 0:
		one.Error = r.fatal.Error()
		return report.Partial
	case status != report.Done:
		return status
	case isContext(r.planErr):
		one.Error = r.planErr.Error()
		return report.Incomplete
	case r.planErr != nil:
		one.Error = r.planErr.Error()
		return report.Failed
	case one.Guard.Tripped:
		return report.Blocked
	case r.mode == policy.Enforce && one.Counts.Pending > 0:
		one.Error = fmt.Sprintf("%v, with %d media still to delete", r.ended(), one.Counts.Pending)
		return report.Incomplete
	case r.missing[one] || one.Counts.Failed > 0 || one.Counts.Unverified > 0:
		return report.Partial
	}
	return report.Done
}

// Reserve returns a context that ends before ctx's deadline, by the given part of
// the time that is left and at most by most. Without a deadline it ends with ctx.
func Reserve(ctx context.Context, part float64, most time.Duration) (context.Context, context.CancelFunc) {
	deadline, ok := ctx.Deadline()
	if !ok {
		return context.WithCancel(ctx)
	}
	reserved := time.Duration(part * float64(time.Until(deadline)))
	return context.WithDeadline(ctx, deadline.Add(-min(most, reserved)))
}

// decided counts a decision, and takes what has expired into the plan.
func (r *run) decided(m *media.Medium, d retention.Decision, _ retention.Facts) {
	reports := r.of(m.Object)
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
	entry := plan.Entry{MediaID: m.ID, Rule: d.RuleName(), Reason: d.Reason(), ExpiresAt: d.ExpiresAt, State: m.State, Record: m.Record}
	l, err := lineOf(entry, m.Created, r.Now())
	if err == nil {
		err = r.plan.add(l)
	}
	if err != nil && r.planErr == nil {
		r.planErr = err
	}
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

// writePlan makes the plan durable, its contents last. Nothing is deleted before,
// so the whole record of whatever goes can be found in it. A plan to delete nothing
// has an ID and no record: most events lead to one.
func (r *run) writePlan(ctx context.Context, scope plan.Scope) error {
	head := plan.Head{AsOf: r.asOf, Policy: r.reports[0].Policy, Scope: scope}
	sealer, err := plan.NewSealer(head)
	if err != nil {
		return err
	}
	for l, err := range r.plan.all() {
		if err != nil {
			return err
		}
		sealer.Add(l.text)
	}
	id := sealer.ID()
	r.kept = id
	contents := plan.Contents{ID: id, Head: head, Segments: []string{}, Blocked: r.reports[0].Guard.Reason}
	written := newSegments(0, func(number int, record []byte) error {
		name := plan.SegmentName(id, number)
		contents.Segments = append(contents.Segments, name)
		return r.create(ctx, name, record)
	})
	for l, err := range r.plan.all() {
		if err == nil {
			err = written.add(l.text)
		}
		if err != nil {
			return err
		}
		contents.Entries++
	}
	if err := written.close(); err != nil {
		return err
	}
	if contents.Entries > 0 {
		record, err := json.Marshal(contents)
		if err != nil {
			return fmt.Errorf("write the plan: %w", err)
		}
		if err := r.create(ctx, plan.Name(id), record); err != nil {
			return err
		}
	}
	for _, one := range r.reports {
		one.Plan = id
	}
	return nil
}

// clear lets the run of a plan that a guard has blocked pass, once: who applies it
// has seen how much it deletes.
func (r *run) clear(ctx context.Context) error {
	one := r.reports[0]
	contents, err := Kept(ctx, r.Store, r.applied)
	if err != nil || contents.Blocked == "" || r.mode != policy.Enforce || one.Counts.Expired == 0 {
		return err
	}
	record, err := json.Marshal(struct {
		Format int    `json:"format"`
		Run    string `json:"run"`
	}{1, one.Run})
	if err != nil {
		return err
	}
	switch err := r.Store.Create(ctx, plan.AppliedName(r.applied), record); {
	case errors.Is(err, state.ErrExists):
		one.Guard = report.Guard{Tripped: true, Reason: "the plan was blocked, and has been applied before: " + contents.Blocked}
	case err != nil:
		return fmt.Errorf("note that the plan is applied: %w; nothing was deleted", err)
	}
	return nil
}

// lookAtGroups decides on the media of an applied plan that are ranked: with the
// others of their groups in the inventory as they are now, which are counted nowhere.
func (r *run) lookAtGroups(ctx context.Context) {
	planned := func(m *media.Medium, d retention.Decision, facts retention.Facts) {
		if _, ok := r.ranked[m.ID]; ok {
			r.decided(m, d, facts)
		}
	}
	where := map[media.Object]bool{}
	for _, m := range r.ranked {
		for _, prefix := range Where(r.Policy, &m, r.asOf) {
			where[prefix] = true
		}
		r.decider.Add(m, false, planned)
	}
	others := r.Sweep.look([]Part{{&trigger.Request{}, &report.Report{}}})
	others.found = func(m media.Medium) {
		if _, ok := r.ranked[m.ID]; !ok {
			r.decider.Add(m, false, planned)
		}
	}
	prefixes := slices.SortedFunc(maps.Keys(where), media.Object.Compare)
	others.lookAt(ctx, ctx, inventory.OfPrefixes(ctx, r.Objects, prefixes, media.Object{}, r.Region))
	if others.fatal != nil || len(others.missing) > 0 || others.stopped != nil {
		// With part of a group fewer are deleted, and never more.
		one := r.reports[0]
		r.missing[one] = true
		one.Fail(report.Failure{Message: "not all of the groups that a rule keeps the latest of could be looked at"})
	}
	r.decider.Finish(planned)
}

// Where returns where an inventory may have other media of a medium's groups.
func Where(p *policy.Policy, m *media.Medium, asOf time.Time) []media.Object {
	groups, rule := retention.Groups(p, m, retention.Facts{AsOf: asOf, NotLatest: true})
	if rule == nil {
		return nil
	}
	if rule.KeepLatest.Per != policy.PerFolder {
		return p.Inventory
	}
	folder, err := media.ParsePrefix(groups[0])
	if err != nil {
		return p.Inventory
	}
	var where []media.Object
	for _, prefix := range p.Inventory {
		switch {
		case prefix.Covers(folder):
			return []media.Object{folder}
		case folder.Covers(prefix):
			where = append(where, prefix)
		}
	}
	return where
}

// create writes a record of the plan. One that is there is the same: the name
// says what is in it.
func (r *run) create(ctx context.Context, name string, data []byte) error {
	// A segment that another version of the compressor wrote has the same lines.
	if err := r.Store.Create(ctx, name, data); err != nil && !errors.Is(err, state.ErrExists) {
		return fmt.Errorf("write the plan: %w; nothing was deleted", err)
	}
	return nil
}

// tripped returns why a guard stops the run, or nothing. A plan that is applied was
// checked when it was made, against the library that was then looked at.
func (r *run) tripped(one *report.Report) string {
	if r.applied != "" {
		return ""
	}
	return tripped(r.Policy.Guard, &one.Counts)
}

func tripped(guard policy.Guard, counts *report.Counts) string {
	live := counts.Looked - counts.Absent
	switch {
	case counts.Expired > guard.MaxDelete:
		return fmt.Sprintf("%d media have expired and guard.maxDelete is %d", counts.Expired, guard.MaxDelete)
	case guard.MaxPercent >= 100 || counts.Expired == 0:
		return ""
	case live < guard.MinPopulation && guard.MaxPercent > 0:
		return ""
	case float64(counts.Expired)*100 > guard.MaxPercent*float64(live):
		return fmt.Sprintf("%d of %d live media have expired (%.1f %%) and guard.maxPercent is %g",
			counts.Expired, live, float64(counts.Expired)*100/float64(live), guard.MaxPercent)
	}
	return ""
}
