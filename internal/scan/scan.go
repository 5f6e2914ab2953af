// Package scan is the read half of a run: it looks candidates up, decides on each medium, and
// returns the draft of a plan. Checkpoints let the next scheduled run resume an interrupted scan.
package scan

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"slices"
	"time"

	"github.com/mediasweep/mediasweep/internal/deadline"
	"github.com/mediasweep/mediasweep/internal/extsort"
	"github.com/mediasweep/mediasweep/internal/index"
	"github.com/mediasweep/mediasweep/internal/inventory"
	"github.com/mediasweep/mediasweep/internal/journal"
	"github.com/mediasweep/mediasweep/internal/lookup"
	"github.com/mediasweep/mediasweep/internal/media"
	"github.com/mediasweep/mediasweep/internal/mps"
	"github.com/mediasweep/mediasweep/internal/plan"
	"github.com/mediasweep/mediasweep/internal/policy"
	"github.com/mediasweep/mediasweep/internal/report"
	"github.com/mediasweep/mediasweep/internal/retention"
	"github.com/mediasweep/mediasweep/internal/state"
	"github.com/mediasweep/mediasweep/internal/task"
	"github.com/mediasweep/mediasweep/internal/text"
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
	Announced *journal.Announcements
	Mark      func(*media.Medium) retention.Mark
	Now       func() time.Time
	Log       *slog.Logger
}

// Found is the result of a scan. The caller must close it.
type Found struct {
	Scope plan.Scope
	Draft Draft
	// Missing is true if some candidates or sources could not be read.
	Missing bool
	// Stopped is the error that interrupted the scan. Failed is an error that makes the draft
	// unusable.
	Stopped, Failed error
	// Passed counts the candidates that were skipped by the index. Known counts their live media.
	Passed, Known int

	// known is the index of earlier scans. finds collects the entries of this scan. Both are nil
	// for a scan that is not scheduled.
	known *index.Generation
	finds *index.Finds
	// splits are names at which a listing may be parted.
	splits     []string
	resumed    resumed
	checkpoint *checkpointer // nil for a scan that is not scheduled
	head       checkpoint    // the position at the end of the scan
	// begun is true if any candidate was taken. progressed is true if any was accounted for since
	// the scan was resumed.
	begun, progressed bool
	unlisted          extsort.Sorter // failures for which the report has no room
	gathered          inventory.Gathered
}

// Close frees the memory and the temporary files.
func (f *Found) Close() {
	f.Draft.Close()
	f.unlisted.Close()
	f.gathered.Close()
	if f.finds != nil {
		f.finds.Close()
	}
}

// End returns the error that ended the scan early, or nil.
func (f *Found) End() error {
	if f.Failed != nil {
		return f.Failed
	}
	return f.Stopped
}

// Progress receives the number of candidates that have been answered.
type Progress func(done int)

// Run scans the candidates of a request, and decides on each medium. It adds counts, sources,
// failures and notes to the report. It starts no call after admit has ended.
func (s *Scanner) Run(ctx, admit context.Context, budget deadline.Budget, request *trigger.Request, r *report.Report, progress Progress) *Found {
	return s.inOrder(r, func(sorted bool) *Found {
		c := s.begin(ctx, admit, request, r, sorted, progress)
		c.take = func(of lookup.Found, gone bool) { c.add(c.decide(of, gone)) }
		if isScheduled(request) {
			c.resume(ctx)
			c.openIndex(admit)
		}
		c.beginUpcoming()
		c.lookAtAll()
		if c.head, c.begun, c.progressed = c.place(), c.cursor.hasBegun(), c.cursor.accounted > 0; c.Stopped != nil && c.Failed == nil {
			c.Stopped = c.Suspend(ctx, budget, c.Stopped)
		}
		c.settle()
		return c.Found
	})
}

// Survey scans the candidates of a request, and calls each with every medium. It decides nothing
// and writes nothing.
func (s *Scanner) Survey(ctx context.Context, request *trigger.Request, r *report.Report, each func(media.Medium), progress Progress) *Found {
	handed := map[string]bool{}
	return s.inOrder(r, func(sorted bool) *Found {
		c := s.begin(ctx, ctx, request, r, sorted, progress)
		c.take = func(of lookup.Found, _ bool) {
			c.add(findingOf(of))
			if !handed[of.Medium.ID] {
				each(of.Medium)
			}
		}
		c.lookAtAll()
		for f, err := range c.Draft.merged() {
			switch {
			case err != nil:
				c.fail(err)
			case f.verdict != retention.Keep || f.mediaID == "": // the caller has the others
				f.count(r)
			case isUnordered(c.Failed):
				handed[f.mediaID] = true
			}
		}
		return c.Found
	})
}

// inOrder runs an attempt. If a listing was not in order, it runs another one with sorted listings.
func (s *Scanner) inOrder(r *report.Report, attempt func(sorted bool) *Found) *Found {
	before := *r
	before.Rules, before.Notes = slices.Clone(r.Rules), slices.Clone(r.Notes)
	found := attempt(false)
	if !isUnordered(found.Failed) {
		return found
	}
	s.Log.Warn("scanning again with sorted listings", "reason", found.Failed.Error())
	found.Close()
	*r = before
	return attempt(true)
}

// isScheduled reports whether a run resumes interrupted scans and uses the index.
func isScheduled(request *trigger.Request) bool {
	return request.Trigger == trigger.Timer && request.Inventory
}

// scan is one pass over the candidates. The caller's goroutine owns it.
type scan struct {
	*Scanner
	*Found
	ctx, admit context.Context //nolint:containedctx // of one call
	request    *trigger.Request
	report     *report.Report
	progress   Progress
	take       func(of lookup.Found, gone bool)
	pool       *pool
	cursor     cursor
	again      []inventory.Candidate // to look up with escaped slashes
	// sorted is true if listings are sorted before they are used.
	sorted   bool
	literals literals
	sources  sources
	// orphanIDs are media of an applied plan whose sources are gone.
	orphanIDs    map[string]bool
	unknown      int // media that were kept as unknown
	rediscovered rediscovered
	// upcoming counts what falls due; nil if the scan cannot know.
	upcoming *retention.Upcoming
}

func (s *Scanner) begin(ctx, admit context.Context, request *trigger.Request, r *report.Report, sorted bool, progress Progress) *scan {
	c := &scan{Scanner: s, Found: &Found{}, ctx: ctx, admit: admit, request: request, report: r, sorted: sorted, progress: progress}
	c.orphanIDs = map[string]bool{}
	return c
}

// isUnordered reports whether an error is of a listing that is not in order.
func isUnordered(err error) bool {
	var unordered *inventory.Unordered
	return errors.As(err, &unordered)
}

// lookAtAll looks up all candidates of the request.
func (c *scan) lookAtAll() {
	c.pool = newPool(c.ctx, c.admit, c.Scanner)
	defer c.pool.close()
	c.lookAt(c.stages())
	if c.request.Plan != "" {
		c.lookAtGroups()
	}
	c.describe()
	if more := c.unknown - maxUnknownLines; more > 0 {
		c.Log.Warn("more media kept as unknown", "media", more)
	}
}

// lookAt looks up the candidates of the stages, one stage after another.
func (c *scan) lookAt(stages []candidates) {
	for _, stage := range stages {
		for batch, err := range lookup.Batches(stage, c.Region, media.SlashPlain) {
			switch {
			case c.isOver():
			case err != nil:
				c.sourceFailed(err)
			default:
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
		c.stop(cmp.Or(context.Cause(c.admit), context.Canceled))
	}
	return c.End() != nil
}

// stop interrupts the scan.
func (c *scan) stop(why error) {
	if c.Stopped == nil {
		c.Stopped = fmt.Errorf("stopped before everything had been looked at: %w", why)
	}
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
	for c.pool.isFull() {
		c.receive(c.pool.next())
	}
	c.pool.start(batch, c.mayBeGone(batch.Candidates))
	for {
		results, ok := c.pool.ready()
		if !ok {
			break
		}
		c.receive(results)
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
	for len(c.again) >= least && len(c.again) > 0 && !c.isOver() {
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

// receive handles the results of a batch.
func (c *scan) receive(results []checked) {
	for _, one := range results {
		if one.Err != nil {
			c.missed(one.Candidates, one.Err)
			continue
		}
		c.answered(one)
	}
	c.maybeCheckpoint()
}

func (c *scan) answered(one checked) {
	answer := one.Answer
	for _, found := range answer.Found {
		if err := one.unchecked[found.Medium.Object]; err != nil {
			c.Missing = true
			c.listFailure(report.Failure{Object: found.Medium.Object.String(), Message: err.Error()})
		}
		if found.Candidate.MediaID != "" && c.sources.names(found.Medium.Object) {
			c.rediscover(&found.Medium)
		}
		c.take(found, one.gone[found.Medium.Object])
	}
	for _, absent := range answer.Absent {
		c.add(&finding{mediaID: absent.MediaID, name: absent.Name(), modified: absent.Modified, verdict: retention.Absent, due: index.Never})
	}
	for _, vacant := range answer.Vacant {
		f := &finding{name: vacant.Name(), modified: vacant.Modified, due: c.dueWithoutMedium(vacant)}
		if len(answer.Strays) > 0 {
			f.due = 0
		}
		c.add(f)
		c.literals.miss(vacant.Object)
	}
	for i := range answer.Strays {
		c.addStray(&answer.Strays[i])
	}
	for i := range answer.Unasked {
		c.addUnasked(&answer.Unasked[i])
	}
	c.again = append(c.again, answer.Again...)
	c.cursor.account(one.Candidates, answer.Again)
	c.progress(c.cursor.accounted)
}

// missed accounts for candidates that could not be looked up. It fails the scan if no other
// look-up can succeed.
func (c *scan) missed(candidates []inventory.Candidate, err error) {
	if deadline.Passed(err) {
		c.stop(cmp.Or(context.Cause(c.admit), err))
		return // they stay pending
	}
	var failed *mps.Error
	if errors.As(err, &failed) && (failed.Kind == mps.Unauthorized || failed.Kind == mps.Ambiguous && !c.Library.Answered()) || isPanic(err) {
		c.fail(err)
	}
	c.Missing = true
	failure := report.Failure{Code: mps.CodeOf(err), Message: err.Error()}
	for _, candidate := range candidates {
		failure.MediaID, failure.Object = candidate.MediaID, ""
		if candidate.MediaID == "" {
			failure.Object = candidate.Object.String()
		}
		c.listFailure(failure)
	}
	c.cursor.account(candidates, nil)
}

func isPanic(err error) bool {
	var mistake *task.Panic
	return errors.As(err, &mistake)
}

// add adds a finding to the draft and to the next checkpoint.
func (c *scan) add(f *finding) {
	key, encoded := f.key(), f.encode()
	if err := c.Draft.add(key, encoded); err != nil {
		c.fail(err)
		return
	}
	c.checkpoint.add(key, encoded)
}

// findingOf returns the finding of a medium before a decision. The digest covers the doubt: a
// record in doubt contradicts the same record without doubt.
func findingOf(of lookup.Found) *finding {
	m := &of.Medium
	digest := sha256.Sum256(slices.Concat(m.Record, []byte(m.Doubt)))
	f := &finding{mediaID: m.ID, name: of.Candidate.Name(), modified: of.Candidate.Modified, state: m.State, digest: binary.LittleEndian.Uint64(digest[:])}
	if media.CheckID(m.ID) != nil { // two such records are not of one medium
		f.mediaID = fmt.Sprintf("\x00%x", f.digest)
	}
	if !m.Created.IsZero() {
		f.created = m.Created.Unix()
	}
	return f
}

// decide decides on a medium. A medium that does not fit into a plan is unknown.
func (c *scan) decide(of lookup.Found, gone bool) *finding {
	f, m := findingOf(of), &of.Medium
	facts := retention.Facts{AsOf: c.report.AsOf, ReadAt: c.Now(), SourceRemoved: gone, NotLatest: true, Mark: c.Mark(m)}
	d := retention.Decide(c.Policy, m, facts)
	f.readAt = facts.ReadAt.Unix()
	if d.Verdict == retention.Expired {
		l, err := plan.LineOf(plan.Entry{MediaID: m.ID, Rule: d.RuleName(), Reason: d.Reason(), ExpiresAt: d.ExpiresAt, State: m.State, Record: m.Record}, m.Created, facts.ReadAt)
		if err != nil {
			c.Missing = true
			c.listFailure(report.Failure{MediaID: m.ID, Message: err.Error()})
			d = retention.Decision{Verdict: retention.Unknown}
		}
		f.line = l.Text
	}
	f.verdict, f.rule, f.rank = d.Verdict, d.RuleName(), c.rankOf(m, facts)
	f.due, f.expires = c.dueOf(m, facts, d.Verdict), c.expiryOf(m, facts)
	if of.Candidate.Lead {
		f.expires = 0 // the inventory may not name it
	}
	if d.Verdict == retention.Unknown {
		c.warnUnknown(m.ID, d.Reason())
	}
	return f
}

// addStray adds a medium that MPS returned and whose object was not asked for.
func (c *scan) addStray(m *media.Medium) {
	c.add(strayOf(m))
	c.warnUnknown(m.ID, "its File.URL is none of the objects that MPS returned it for")
}

// addUnasked adds a medium that MPS returned and whose ID was not asked for. It is not counted.
// It contradicts an answer that has another record of the medium.
func (c *scan) addUnasked(m *media.Medium) {
	f := strayOf(m)
	f.uncounted = true
	c.add(f)
}

func strayOf(m *media.Medium) *finding {
	f := findingOf(lookup.Found{Medium: *m})
	f.name, f.verdict = "", retention.Unknown
	return f
}

// maxUnknownLines bounds the log lines about media that are kept as unknown.
const maxUnknownLines = 100

func (c *scan) warnUnknown(id, reason string) {
	if c.unknown++; c.unknown <= maxUnknownLines {
		c.Log.Warn("kept as unknown", "mediaId", text.Bound(id), "reason", reason)
	}
}

// settle ranks the findings, counts them, and adds them to the index.
func (c *scan) settle() {
	isSkipped, done := c.skipped()
	defer done()
	for f, err := range c.Draft.settle(c.Policy, c.report.AsOf) {
		if err != nil {
			c.fail(err)
			return
		}
		f.count(c.report)
		if f.contradicted && !f.uncounted {
			c.Log.Warn("kept as unknown", "mediaId", f.mediaID, "reason", "MPS returned it twice with different records")
		}
		elsewhere := f.mediaID != "" && isSkipped(f.mediaID)
		c.index(f, elsewhere)
		if !elsewhere {
			c.countDue(f)
		}
	}
	c.reportUpcoming()
	c.report.Counts.Pending = c.report.Counts.Expired
	c.Known = max(0, c.Known-c.rediscovered.count)
}

// describe adds notes about skipped candidates to the report.
func (c *scan) describe() {
	r := c.report
	if n := c.sources.unmatched; n > 0 {
		r.Notes = append(r.Notes, fmt.Sprintf("%d rows of inventory reports skipped: no rule can match their objects", n))
	}
	c.literals.describe(r)
	for _, prefix := range c.request.Prefixes {
		if c.line(prefix.String()).Named == 0 && !c.Missing {
			r.Notes = append(r.Notes, fmt.Sprintf("no object is below %s", text.Quote(prefix.String())))
		}
	}
}

// listFailure adds a failure to the report, or to unlisted if the report is full.
func (c *scan) listFailure(failure report.Failure) {
	if c.report.Fail(failure) {
		return
	}
	failure.Message = text.Bound(failure.Message)
	encoded, err := json.Marshal(failure)
	if err == nil {
		err = c.unlisted.Add(fmt.Sprintf("%012d", c.unlisted.Len()), encoded)
	}
	if err != nil {
		c.Log.Error("failure not listed", "mediaId", failure.MediaID, "object", failure.Object, "message", failure.Message, "error", err.Error())
	}
}

// Unlisted returns the failures for which the report has no room.
func (f *Found) Unlisted() (count int, failures iter.Seq2[report.Failure, error]) {
	return f.unlisted.Len(), func(yield func(report.Failure, error) bool) {
		for record, err := range f.unlisted.All() {
			var failure report.Failure
			if err == nil {
				err = json.Unmarshal(record.Rest, &failure)
			}
			if !yield(failure, err) {
				return
			}
		}
	}
}
