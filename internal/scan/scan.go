// Package scan is the read half of a run: it looks candidates up, decides on each medium, and
// returns the draft of a plan. Checkpoints let the next scheduled run resume an interrupted scan.
//
// scan.go has the way of a candidate:
//
//   - sources.go names the sources, gather.go reads their lists, and stages.go yields the candidates.
//   - skips.go leaves out those that the index knows.
//   - pool.go looks batches of them up.
//   - answers.go and decide.go make findings of the answers; finding.go encodes them.
//   - draft.go sorts the findings, so that each medium comes once, with the verdict of its group.
//   - count.go counts them, and the live media; found.go has the result.
//
// Beside it, cursor.go and checkpointer.go save the place of a scan in the form of checkpoint.go; resume.go loads it. A
// checkpoint is a hint: origin.go checks it against the sources. groups.go reads the groups of an applied plan,
// and upcoming.go counts what falls due. problems.go keeps what went wrong, and notes.go says what a person should know. survey.go
// reads media without decisions.
package scan

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/mediasweep/mediasweep/internal/announce"
	"github.com/mediasweep/mediasweep/internal/checkpoint"
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

// Cloud has the services that a scan reads.
type Cloud struct {
	Region  string
	Library Library
	Objects Objects
}

// Scanner holds the dependencies of a scan.
type Scanner struct {
	Policy *policy.Policy
	Cloud
	Store state.Store
	// Announced has the media to which earlier events and requests led. The inventory's scans look at them.
	Announced *announce.Reader
	Mark      func(*media.Medium) retention.Mark
	// Progress receives the number of candidates that have been answered.
	Progress func(done int)
	Now      func() time.Time
	Log      *slog.Logger
}

// Request is what a run asks of a scan.
type Request struct {
	*trigger.Request
	Run  string // the ID of the run
	Mode policy.Mode
	AsOf time.Time // the clock of the decisions, in whole seconds
}

// isScheduled reports whether the scan uses the index.
func (r *Request) isScheduled() bool { return r.Trigger == trigger.Timer && r.Inventory }

// Run scans the candidates of a request, and decides on each medium. It starts no call after admit has ended. If its time is
// up, it writes a checkpoint in that of the budget for records.
func (s *Scanner) Run(ctx, admit context.Context, budget deadline.Budget, request Request) *Found {
	c := s.inOrder(func(sorted bool) *scan {
		c := s.newScan(ctx, admit, request, sorted)
		defer c.pool.close()
		c.resume(ctx)
		if request.isScheduled() {
			c.openIndex()
		}
		c.decider = c.newDecider()
		if request.Inventory && !c.Origin.isHint {
			c.decider.upcoming = newUpcoming(s.Policy, c.Head.AsOf, s.Mark)
		}
		c.lookUpAll()
		return c
	})
	c.Notes = c.notes()
	c.checkpoints.last = c.head()
	if c.Stopped != nil && c.Failed == nil {
		c.Stopped = c.Suspend(ctx, budget, c.Stopped)
	}
	err := c.rankAndCount(ctx)
	if deadline.Passed(err) {
		c.Stopped = c.Suspend(ctx, budget, err)
	} else if err != nil {
		c.fail(err)
	}
	return c.result()
}

// inOrder runs an attempt. If a listing was not in order, it runs another one with sorted listings.
func (s *Scanner) inOrder(attempt func(sorted bool) *scan) *scan {
	c := attempt(false)
	if !errors.Is(c.Failed, inventory.ErrUnordered) {
		return c
	}
	s.Log.Warn("scanning again with sorted listings", "reason", c.Failed.Error())
	c.close()
	return attempt(true)
}

// scan is one pass over the candidates. The caller's goroutine owns it.
type scan struct {
	*Scanner
	ctx, admit context.Context //nolint:containedctx // of one call
	request    Request
	sources    sources
	pool       *pool
	again      []inventory.Candidate // objects to look up with escaped slashes
	decider    decider
	*Found     // so far
}

// newScan returns a scan. The caller must close its pool, and the scan or its result.
func (s *Scanner) newScan(ctx, admit context.Context, request Request, sorted bool) *scan {
	return &scan{Scanner: s, ctx: ctx, admit: admit, request: request, sources: sources{sorted: sorted}, pool: newPool(ctx, admit, s.Cloud, s.Policy),
		Found: &Found{Head: plan.Head{AsOf: request.AsOf, Policy: s.Policy.Digest()}, Summary: Summary{Tally: report.NewTally(s.Policy)}, problems: problems{log: s.Log}, checkpoints: newCheckpointer(&checkpoint.Series{}, "")}}
}

func (c *scan) lookUpAll() {
	c.lookUp(c.stages())
	if c.request.Plan != "" {
		c.lookUpGroups()
	}
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
		if len(c.again) == 0 || c.isOver() {
			return
		}
		c.askAgain(1)
	}
}

// askAgain looks objects up with escaped slashes, until fewer than least are left.
func (c *scan) askAgain(least int) {
	for len(c.again) >= least && !c.isOver() {
		few := c.again[:min(len(c.again), mps.MaxBatch)]
		c.again = c.again[len(few):]
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
