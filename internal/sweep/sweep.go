// Package sweep is one run: look at the candidates, decide, write the plan,
// check the guard, delete exactly the plan, verify, and account for every medium.
//
// Two pipelines have the plan between them, because the guard needs the whole of
// it. A dry run stops there and is otherwise the same code.
package sweep

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

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

// inFlight is how many batches are under way at once. At the full quota of 100
// calls a second it fills the quota up to a latency of a third of a second.
const inFlight = 32

// maxAge is how long a decision holds: no ID is sent that was not read and
// decided within it, so that a hold added meanwhile is not missed for long.
const maxAge = time.Hour

// Library is the media library, asked for mps.MaxBatch media at a time.
type Library interface {
	inventory.Library
	// Delete deletes media; the service answers for the batch only.
	Delete(ctx context.Context, ids []string) error
	// Recall reads media again.
	Recall(ctx context.Context, ids []string) (mps.Found, error)
	// PauseBefore waits before a call is repeated, unless the context ends first.
	PauseBefore(ctx context.Context, try int) bool
	// Answered reports whether any call has succeeded.
	Answered() bool
}

// Store keeps records that are written once; state.ErrExists says that a name is
// taken. What it has accepted is durable.
type Store interface {
	Create(ctx context.Context, name string, data []byte) error
}

// Sweep is what a run works with.
type Sweep struct {
	Policy  *policy.Policy
	Region  string
	Library Library
	Objects inventory.Lister
	Store   Store
	Now     func() time.Time
	Log     *slog.Logger
}

// Run carries out a request in the report's mode and accounts for it there, and
// finishes the report. The run stops early enough to account for what is under way
// before the context's deadline.
func (s *Sweep) Run(ctx context.Context, request *trigger.Request, r *report.Report) {
	run := &run{Sweep: s, report: r, decider: retention.NewDecider(s.Policy, r.AsOf), unclear: map[string]bool{}}
	status := run.all(ctx, request)
	r.Finish(status, s.Now())
}

// run is the state of one run. The mutex guards all below it.
type run struct {
	*Sweep

	mu      sync.Mutex
	report  *report.Report
	decider *retention.Decider
	expired []expired
	again   []media.Object  // not found by plain slashes
	unclear map[string]bool // IDs that were counted as unknown for want of an answer
	partial bool            // something could not be looked at
	stopped error           // the time was up, or foreseen to be, before all was looked at
	fatal   error           // no call of this run can succeed any more
}

// expired is one medium of the plan, and when it was decided on.
type expired struct {
	plan.Entry
	decided time.Time
}

func (r *run) all(ctx context.Context, request *trigger.Request) report.Status {
	for _, reason := range request.Ignored {
		r.Log.Info("event record ignored", "reason", reason)
	}
	// What is in flight when soft ends is finished and verified in what is left.
	soft, cancel := Reserve(ctx, 0.2, 10*time.Second)
	defer cancel()
	candidates, scope := r.candidates(soft, request)
	if candidates == nil {
		return report.Done
	}
	r.lookAt(soft, candidates)
	r.decider.Finish(r.decided)
	r.report.Counts.Pending = r.report.Counts.Expired
	counts := &r.report.Counts
	switch {
	case r.fatal != nil, r.partial && !r.Library.Answered():
		return r.nothingDone(r.fatal)
	case r.stopped != nil:
		err := fmt.Errorf("stopped before everything had been looked at: %w; nothing was deleted", r.stopped)
		if !r.Library.Answered() {
			return r.nothingDone(err)
		}
		r.report.Error = err.Error()
		return report.Incomplete
	}
	switch err := r.writePlan(ctx, scope); {
	case isContext(err):
		r.report.Error = err.Error()
		return report.Incomplete
	case err != nil:
		return r.nothingDone(err)
	}
	if reason := tripped(r.Policy.Guard, counts); reason != "" {
		r.report.Guard = report.Guard{Tripped: true, Reason: reason}
		return report.Blocked
	}
	if r.report.Mode == policy.Enforce {
		r.deleteAll(ctx, soft)
	}
	switch {
	case r.fatal != nil && counts.Deleted == 0:
		return r.nothingDone(r.fatal)
	case r.fatal != nil:
		r.report.Error = r.fatal.Error()
		return report.Partial
	case r.report.Mode == policy.Enforce && counts.Pending > 0:
		r.report.Error = fmt.Sprintf("the time was up with %d media still to delete", counts.Pending)
		return report.Incomplete
	case r.partial || counts.Failed > 0 || counts.Unverified > 0:
		return report.Partial
	}
	return report.Done
}

func (r *run) nothingDone(err error) report.Status {
	if err != nil {
		r.report.Error = err.Error()
	} else if len(r.report.Failures) > 0 {
		r.report.Error = "nothing could be looked at: " + r.report.Failures[0].Message
	}
	return report.Failed
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

// candidates returns what the request asks for, or nil for nothing.
func (r *run) candidates(ctx context.Context, request *trigger.Request) (iter.Seq2[inventory.Batch, error], plan.Scope) {
	switch {
	case len(request.MediaIDs) > 0:
		return inventory.OfIDs(request.MediaIDs), plan.Scope{MediaIDs: request.MediaIDs}
	case len(request.Objects) > 0:
		return inventory.OfObjects(request.Objects, r.Region, media.SlashPlain), plan.Scope{Objects: addresses(request.Objects)}
	case request.Inventory:
		return inventory.OfPrefixes(ctx, r.Objects, r.Policy.Inventory, r.Region), plan.Scope{Inventory: addresses(r.Policy.Inventory)}
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

// lookAt looks all candidates up and decides on each. It ends early when the
// context does or when no call can succeed.
func (r *run) lookAt(ctx context.Context, candidates iter.Seq2[inventory.Batch, error]) {
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
				r.missed(batch, err, cancel)
				if ctx.Err() != nil {
					break
				}
				continue
			}
			group.Go(func() error {
				looked, err := inventory.LookUp(ctx, r.Library, batch, r.Region)
				if err != nil {
					r.missed(batch, err, cancel)
					return nil
				}
				r.decide(looked)
				return nil
			})
		}
	}
	again := func(multiple int) { lookUp(inventory.OfObjects(r.takeAgain(multiple), r.Region, media.SlashEscaped)) }
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
func (r *run) takeAgain(multiple int) []media.Object {
	r.mu.Lock()
	defer r.mu.Unlock()
	take := len(r.again) - len(r.again)%multiple
	objects := r.again[:take:take]
	r.again = slices.Clone(r.again[take:])
	return objects
}

// missed accounts for candidates that could not be looked up: the others go on,
// unless nothing else can succeed either.
func (r *run) missed(batch inventory.Batch, err error, cancel context.CancelFunc) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if isContext(err) {
		r.stopped = err
		cancel()
		return
	}
	r.partial = true
	failure := failureOf(err)
	var failed *mps.Error
	if errors.As(err, &failed) && (failed.Kind == mps.Denied || failed.Kind == mps.Lost && !r.Library.Answered()) {
		if r.fatal == nil {
			r.fatal = err
		}
		cancel()
	}
	for _, id := range batch.IDs {
		failure.MediaID = id
		r.report.Fail(failure)
	}
	for _, object := range batch.Objects {
		failure.Object = object.String()
		r.report.Fail(failure)
	}
	if len(batch.IDs)+len(batch.Objects) == 0 {
		r.report.Fail(failure)
	}
}

// isContext reports whether it was the run's time that was up.
func isContext(err error) bool {
	return errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled)
}

// decide decides on what a look-up found. The clock is the run's, so that every
// medium is held against the same instant.
func (r *run) decide(looked inventory.Looked) {
	r.mu.Lock()
	defer r.mu.Unlock()
	counts := &r.report.Counts
	counts.Looked += looked.Absent
	counts.Absent += looked.Absent
	counts.ObjectsWithoutMedia += looked.WithoutMedia
	r.again = append(r.again, looked.Again...)
	for _, unclear := range looked.Unclear {
		if r.unclear[unclear.MediaID] {
			continue // found by both forms of its URL
		}
		r.unclear[unclear.MediaID] = true
		counts.Looked++
		counts.Unknown++
		r.Log.Warn("kept as unknown", "mediaId", unclear.MediaID, "reason", unclear.Reason)
	}
	for _, medium := range looked.Media {
		r.decider.Add(medium, false, r.decided)
	}
}

// decided counts a decision, and takes what has expired into the plan.
func (r *run) decided(m *media.Medium, d retention.Decision) {
	r.report.Counts.Looked++
	r.count(m, d)
	if d.Verdict == retention.Expired {
		r.expired = append(r.expired, expired{plan.Entry{MediaID: m.ID, Rule: d.RuleName(), Reason: d.Reason(),
			ExpiresAt: d.ExpiresAt, State: m.State, Record: m.Record}, r.Now()})
	}
}

// count counts a decision by its verdict and its rule.
func (r *run) count(m *media.Medium, d retention.Decision) {
	counts, rule := &r.report.Counts, r.report.Rule(d.RuleName())
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
	case retention.Expired:
		counts.Expired++
		rule.Expired++
	case retention.Unknown:
		counts.Unknown++
		r.Log.Warn("kept as unknown", "mediaId", m.ID, "reason", d.Reason())
	}
}

// writePlan makes the plan durable. Nothing is deleted before, so the whole
// record of whatever goes can be found in it. A plan to delete nothing has an ID
// and no record: most events lead to one.
func (r *run) writePlan(ctx context.Context, scope plan.Scope) error {
	// Deleted in the plan's order, so that equal runs make equal calls.
	slices.SortFunc(r.expired, func(a, b expired) int { return strings.Compare(a.MediaID, b.MediaID) })
	p := plan.Plan{AsOf: r.report.AsOf, Policy: r.report.Policy, Scope: scope}
	for i := range r.expired {
		p.Entries = append(p.Entries, r.expired[i].Entry)
	}
	id, content, err := p.Seal()
	if err != nil {
		return err
	}
	if len(p.Entries) > 0 {
		if err := r.Store.Create(ctx, plan.Name(id), content); err != nil && !errors.Is(err, state.ErrExists) {
			return fmt.Errorf("write the plan: %w; nothing was deleted", err)
		}
	}
	r.report.Plan = id
	return nil
}

// tripped returns why a guard stops the run, or nothing.
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

// failureOf tells what a report can of an error.
func failureOf(err error) report.Failure {
	failure := report.Failure{Message: err.Error()}
	var failed *mps.Error
	if errors.As(err, &failed) {
		failure.Code = failed.Code
	}
	return failure
}
