// Package scan is the read half of a run: it looks candidates up, decides on each medium, and
// returns the draft of a plan. Checkpoints let the next scheduled run resume an interrupted scan.
//
// scan.go has the way of a candidate:
//
//   - sources.go and gather.go name candidates; skips.go leaves out those that the index knows.
//   - pool.go looks batches of them up.
//   - answers.go and decide.go make findings of the answers; finding.go encodes them.
//   - draft.go sorts the findings, so that each medium comes once, with the verdict of its group.
//   - count.go counts them, and the live media; found.go has the result.
//
// Beside it, cursor.go and checkpointer.go save the place of a scan in the form of checkpoint.go; resume.go and saved.go load
// it. A checkpoint is a hint: origin.go checks it against the sources. groups.go reads the groups of an applied plan,
// upcoming.go counts what falls due, and notes.go keeps what could not be read.
package scan

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/mediasweep/mediasweep/internal/announce"
	"github.com/mediasweep/mediasweep/internal/deadline"
	"github.com/mediasweep/mediasweep/internal/inventory"
	"github.com/mediasweep/mediasweep/internal/lookup"
	"github.com/mediasweep/mediasweep/internal/media"
	"github.com/mediasweep/mediasweep/internal/mps"
	"github.com/mediasweep/mediasweep/internal/plan"
	"github.com/mediasweep/mediasweep/internal/policy"
	"github.com/mediasweep/mediasweep/internal/report"
	"github.com/mediasweep/mediasweep/internal/retention"
	"github.com/mediasweep/mediasweep/internal/state"
	"github.com/mediasweep/mediasweep/internal/trigger"
)

// Library is the media library.
type Library interface {
	lookup.Library
	inventory.Executions
	// Answered reports whether any call has succeeded.
	Answered() bool
}

// Objects reads OSS: sources of media, and manifests.
type Objects interface {
	inventory.Lister
	inventory.Opener
	// Exists reports whether OSS has an object.
	Exists(ctx context.Context, object media.Object) (bool, error)
}

// Scanner holds the dependencies of a scan.
type Scanner struct {
	Policy  *policy.Policy
	Region  string
	Library Library
	Objects Objects
	Store   state.Store
	// Announced has the media to which earlier events and requests led. The inventory's scans look at them.
	Announced *announce.Reader
	Mark      func(*media.Medium) retention.Mark
	// Budget is that of the call. The last checkpoint is written in its time for records.
	Budget deadline.Budget
	// Progress receives the number of candidates that have been answered.
	Progress func(done int)
	Now      func() time.Time
	Log      *slog.Logger
}

// Run scans the candidates of a request, and decides on each medium. It adds what it found to the report. It starts no call
// after admit has ended.
func (s *Scanner) Run(ctx, admit context.Context, request *trigger.Request, r *report.Report) *Found {
	c := s.inOrder(func(sorted bool) *scan {
		c := s.newScan(ctx, admit, request, r.AsOf, sorted)
		defer c.pool.close()
		c.resume(ctx, r)
		if isScheduled(request) {
			c.openIndex()
		}
		c.decider = c.newDecider()
		if request.Inventory && !c.origin.isHint {
			c.decider.upcoming = retention.NewUpcoming(s.Policy, c.asOf)
		}
		c.handle = func(of lookup.Found, gone bool) { c.add(c.decide(of, gone)) }
		c.lookUpAll()
		return c
	})
	c.checkpoints.last, c.checkpoints.moved = c.head(), c.cursor.moved
	if c.Stopped != nil && c.Failed == nil {
		c.Stopped = c.checkpoints.suspend(ctx, s.Budget, &c.draft, r, c.Stopped)
	}
	live, most, err := c.rankAndCount(ctx, r)
	if deadline.Passed(err) {
		c.Stopped = c.checkpoints.suspend(ctx, s.Budget, &c.draft, r, err)
	} else if err != nil {
		c.fail(err)
	}
	found := c.result(r)
	found.Live, found.MostLive = live, most
	return found
}

// Survey scans the candidates of a request, and calls each with every medium once. It decides nothing and writes nothing. A
// medium of which answers contradict each other is in doubt. The report counts one that a list contradicts, as a run does.
func (s *Scanner) Survey(ctx context.Context, request *trigger.Request, r *report.Report, each func(media.Medium)) *Found {
	c := s.inOrder(func(sorted bool) *scan {
		c := s.newScan(ctx, ctx, request, r.AsOf, sorted)
		defer c.pool.close()
		c.handle = func(of lookup.Found, _ bool) {
			f := surveyed(of)
			if err := checkBeside(of); err != nil {
				c.miss(report.Failure{MediaID: of.Medium.ID, Message: err.Error()})
				f.verdict = retention.Unknown
			}
			c.add(f)
		}
		c.lookUpAll()
		return c
	})
	for f := range c.findings() {
		m, ok, err := f.surveyed()
		switch {
		case err != nil:
			c.fail(err)
		case ok:
			each(m)
		default:
			f.count(r)
		}
	}
	return c.result(r)
}

// inOrder runs an attempt. If a listing was not in order, it runs another one with sorted listings.
func (s *Scanner) inOrder(attempt func(sorted bool) *scan) *scan {
	c := attempt(false)
	if !isUnordered(c.Failed) {
		return c
	}
	s.Log.Warn("scanning again with sorted listings", "reason", c.Failed.Error())
	c.close()
	return attempt(true)
}

// isScheduled reports whether a run uses the index.
func isScheduled(request *trigger.Request) bool {
	return request.Trigger == trigger.Timer && request.Inventory
}

// scan is one pass over the candidates. The caller's goroutine owns it.
type scan struct {
	*Scanner                   // its dependencies
	ctx, admit context.Context //nolint:containedctx // of one call
	request    *trigger.Request
	asOf       time.Time  // for decisions
	scope      plan.Scope // of the plan

	// sources name candidates, and skips leaves some of them out. The cursor is the place among them.
	sources     sources
	skips       skips
	cursor      cursor
	checkpoints *checkpointer

	// The pool looks candidates up. handle takes each medium that is found, and the draft has the findings.
	pool    *pool
	handle  func(of lookup.Found, gone bool)
	decider decider
	draft   Draft

	// origin and claim come from the checkpoint of a resumed scan.
	origin Origin
	claim  claim

	ending
	failures
	notes []string // for the report
}

// newScan returns a scan. The caller must close its pool, and the scan or its result.
func (s *Scanner) newScan(ctx, admit context.Context, request *trigger.Request, asOf time.Time, sorted bool) *scan {
	return &scan{Scanner: s, ctx: ctx, admit: admit, request: request, asOf: asOf, sources: sources{sorted: sorted},
		cursor: cursor{open: map[string]pending{}}, checkpoints: &checkpointer{}, pool: newPool(ctx, admit, s), failures: failures{log: s.Log}}
}

// isUnordered reports whether an error is of a listing that is not in order.
func isUnordered(err error) bool {
	_, unordered := errors.AsType[*inventory.Unordered](err)
	return unordered
}

func (c *scan) lookUpAll() {
	scope, stages := c.stages()
	c.scope = scope
	c.lookUp(stages)
	if c.request.Plan != "" {
		c.lookUpGroups()
	}
	c.describe()
	if more := c.unknown - maxUnknownLines; more > 0 {
		c.Log.Warn("more media kept as unknown", "media", more)
	}
}

// lookUp looks up the candidates of the stages, one stage after another.
func (c *scan) lookUp(stages []candidates) {
	for _, stage := range stages {
		for batch, err := range lookup.Batches(stage, c.Region, media.SlashPlain) {
			if err != nil {
				c.sourceFailed(err)
			} else if !c.isOver() {
				c.start(batch)
				c.askAgain(mps.MaxBatch)
			}
			if c.End() != nil {
				break
			}
		}
		c.finish()
		if c.isOver() {
			return
		}
	}
}

// isOver reports whether the scan must start no more calls.
func (c *scan) isOver() bool {
	if c.admit.Err() != nil && c.End() == nil {
		c.stop(context.Cause(c.admit))
	}
	return c.End() != nil
}

// fail ends the scan, and makes its draft unusable.
func (c *scan) fail(err error) {
	if c.Failed == nil {
		c.Failed = err
		c.pool.cancel()
	}
}

// start starts the look-up of a batch, and receives the results that are ready.
func (c *scan) start(batch lookup.Batch) {
	for c.pool.inFlight == mps.InFlight {
		c.receive(c.pool.next())
	}
	c.markOrphans(batch.Candidates)
	c.pool.start(batch)
	for len(c.pool.results) > 0 {
		c.receive(c.pool.next())
	}
}

// finish waits for all look-ups, including those with escaped slashes.
func (c *scan) finish() {
	for {
		for c.pool.inFlight > 0 {
			c.receive(c.pool.next())
		}
		if len(c.pool.again) == 0 || c.isOver() {
			return
		}
		c.askAgain(1)
	}
}

// askAgain looks objects up with escaped slashes, until fewer than least are left.
func (c *scan) askAgain(least int) {
	for len(c.pool.again) >= least && !c.isOver() {
		few := c.pool.again[:min(len(c.pool.again), mps.MaxBatch)]
		c.pool.again = c.pool.again[len(few):]
		for batch, err := range lookup.Batches(func(yield func(inventory.Candidate, error) bool) {
			for _, candidate := range few {
				if !yield(candidate, nil) {
					return
				}
			}
		}, c.Region, media.SlashEscaped) {
			if err == nil { // few yields no errors
				c.start(batch)
			}
		}
	}
}
