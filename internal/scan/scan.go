// Package scan is the read half of a run: it looks candidates up, decides on each medium,
// and hands over the draft of a plan. It saves where it is, so that the next scheduled run
// resumes a scan that was cut off.
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

// Objects are the objects that media are made of, and those that lists are.
type Objects interface {
	inventory.Lister
	inventory.Opener
	// Exists reports whether OSS has an object.
	Exists(ctx context.Context, object media.Object) (bool, error)
}

// Scanner is what a scan works with.
type Scanner struct {
	Policy  *policy.Policy
	Region  string
	Library Library
	Objects Objects
	Store   state.Store
	Mark    func(*media.Medium) retention.Mark
	Now     func() time.Time
	Log     *slog.Logger
}

// Found is what a scan found. Close it.
type Found struct {
	Scope plan.Scope
	Draft Draft
	// Missing says that some candidates or sources could not be read.
	Missing bool
	// Stopped says why the scan was cut off, and Failed why nothing may be done with it.
	Stopped, Failed error
	// Passed counts the candidates that were passed over, and Known the live media they have:
	// earlier scans looked at them, and nothing is due.
	Passed, Known int

	// known is what earlier scans found out, and finds what this one does; nil for a scan that
	// is not scheduled.
	known      *index.Generation
	finds      *index.Finds
	resumed    resumed
	checkpoint *checkpointer // nil for a scan that is not scheduled
	head       checkpoint    // where the scan ended
	// begun says that any candidate was taken, and progressed that any was accounted for since
	// the scan was resumed.
	begun, progressed bool
	unlisted          extsort.Spool // failures for which the report has no room
	gathered          inventory.Gathered
}

// Close lets everything go.
func (f *Found) Close() {
	f.Draft.Close()
	f.unlisted.Close()
	f.gathered.Close()
	if f.finds != nil {
		f.finds.Close()
	}
}

// End returns the error that ended the scan early, if one did.
func (f *Found) End() error {
	if f.Failed != nil {
		return f.Failed
	}
	return f.Stopped
}

// Progress is how many candidates have been answered.
type Progress func(done int)

// Run looks at what a request asks for, and decides on each medium. The report gets the
// counts, the sources, the failures and the notes. No call is started after admit has ended.
func (s *Scanner) Run(ctx, admit context.Context, budget deadline.Budget, request *trigger.Request, r *report.Report, progress Progress) *Found {
	return s.inOrder(r, func(sorted bool) *Found {
		c := s.begin(ctx, admit, request, r, sorted, progress)
		c.take = func(of lookup.Found, gone bool) { c.add(c.decide(of, gone)) }
		if isScheduled(request) {
			c.resume(ctx)
			c.openIndex(admit)
		}
		c.lookAtAll()
		if c.head, c.begun, c.progressed = c.place(), c.cursor.hasBegun(), c.cursor.accounted > 0; c.Stopped != nil && c.Failed == nil {
			c.Stopped = c.Suspend(ctx, budget, c.Stopped)
		}
		c.settle()
		return c.Found
	})
}

// Survey looks at what a request names and hands each medium over. It decides nothing and
// changes nothing.
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
			case c.isUnordered():
				handed[f.mediaID] = true
			}
		}
		return c.Found
	})
}

// inOrder scans, and once more with sorted listings if a bucket turns out to be in no order.
func (s *Scanner) inOrder(r *report.Report, attempt func(sorted bool) *Found) *Found {
	before := *r
	before.Rules, before.Notes = slices.Clone(r.Rules), slices.Clone(r.Notes)
	found := attempt(false)
	var unordered *inventory.Unordered
	if !errors.As(found.Failed, &unordered) {
		return found
	}
	s.Log.Warn("listings are sorted first", "reason", unordered.Error())
	found.Close()
	*r = before
	return attempt(true)
}

// isScheduled reports whether a run is one of those that finish what earlier ones left.
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
	again      []inventory.Candidate // to be asked for with escaped slashes
	// sorted says that listings are sorted before they are used.
	sorted   bool
	literals literals
	sources  sources
	// orphanIDs are media of an applied plan whose sources are gone.
	orphanIDs map[string]bool
	unknown   int // media that were kept as unknown
	// rediscovered counts media that were found by their IDs, and whose objects may have been
	// passed over.
	rediscovered int
}

func (s *Scanner) begin(ctx, admit context.Context, request *trigger.Request, r *report.Report, sorted bool, progress Progress) *scan {
	c := &scan{Scanner: s, Found: &Found{}, ctx: ctx, admit: admit, request: request, report: r, sorted: sorted, progress: progress}
	c.orphanIDs = map[string]bool{}
	return c
}

func (c *scan) isUnordered() bool {
	var unordered *inventory.Unordered
	return errors.As(c.Failed, &unordered)
}

// lookAtAll looks at everything that the request asks for.
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

// lookAt looks at the candidates of each stage before those of the next.
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

// isOver reports whether nothing more is started.
func (c *scan) isOver() bool {
	if c.admit.Err() != nil && c.End() == nil {
		c.stop(cmp.Or(context.Cause(c.admit), context.Canceled))
	}
	return c.End() != nil
}

// stop cuts the scan off.
func (c *scan) stop(why error) {
	if c.Stopped == nil {
		c.Stopped = fmt.Errorf("stopped before everything had been looked at: %w", why)
	}
}

// fail ends the scan: nothing may be done with what it found.
func (c *scan) fail(err error) {
	if c.Failed == nil {
		c.Failed = err
		c.pool.cancel() // no other call is worth its place
	}
}

// start looks a batch up, and takes what other look-ups have found meanwhile.
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

// finish waits for all look-ups, those in the other form included.
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

// askAgain asks for objects in the other form of their URLs, in multiples of a number.
func (c *scan) askAgain(multiple int) {
	for len(c.again) >= multiple && len(c.again) > 0 && !c.isOver() {
		few := c.again[:min(len(c.again), mps.MaxBatch)]
		c.again = c.again[len(few):]
		for batch, err := range lookup.Batches(func(yield func(inventory.Candidate, error) bool) {
			for _, candidate := range few {
				if !yield(candidate, nil) {
					return
				}
			}
		}, c.Region, media.SlashEscaped) {
			if err == nil { // the candidates have none
				c.start(batch)
			}
		}
	}
}

// receive takes what became of a batch.
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
			c.rediscovered++
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

// missed accounts for candidates that could not be looked up: the others go on, unless
// nothing else can succeed either.
func (c *scan) missed(candidates []inventory.Candidate, err error) {
	if isContext(err) {
		c.stop(cmp.Or(context.Cause(c.admit), err))
		return // they stay pending
	}
	var failed *mps.Error
	if errors.As(err, &failed) && (failed.Kind == mps.Unauthorized || failed.Kind == mps.Ambiguous && !c.Library.Answered()) || isPanic(err) {
		c.fail(err)
	}
	c.Missing = true
	failure := failureOf(err)
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

// add takes a finding into the draft, and into the next checkpoint.
func (c *scan) add(f *finding) {
	key, encoded := f.key(), f.encode()
	if err := c.Draft.add(key, encoded); err != nil {
		c.fail(err)
		return
	}
	c.checkpoint.add(key, encoded)
}

// findingOf returns what an answer says of a medium, undecided. A doubt of the answer counts
// in the digest: the record in doubt and the same record without doubt contradict each other.
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

// decide decides on a medium. One that no plan could hold is unknown.
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
	f.verdict, f.rule, f.rank = d.Verdict, d.RuleName(), retention.RankOf(c.Policy, m, facts)
	f.due = c.dueOf(m, facts, d.Verdict)
	if d.Verdict == retention.Unknown {
		c.warnUnknown(m.ID, d.Reason())
	}
	return f
}

// addStray takes a medium that was returned for none of the objects.
func (c *scan) addStray(m *media.Medium) {
	c.add(strayOf(m))
	c.warnUnknown(m.ID, "its File.URL is none of the objects that MPS returned it for")
}

// addUnasked takes a medium that was returned for other IDs. It counts nowhere, and
// contradicts an answer that has another record of it.
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

// maxUnknownLines is how many media a scan names in its log because they are kept as
// unknown. Its counts are of all.
const maxUnknownLines = 100

func (c *scan) warnUnknown(id, reason string) {
	if c.unknown++; c.unknown <= maxUnknownLines {
		c.Log.Warn("kept as unknown", "mediaId", text.Bound(id), "reason", reason)
	}
}

// settle ranks what was found, counts it and takes it into the index.
func (c *scan) settle() {
	for f, err := range c.Draft.settle(c.Policy) {
		if err != nil {
			c.fail(err)
			return
		}
		f.count(c.report)
		c.resumed.rank(f, c.Policy.KeepLatest(f.rank.Rule))
		if f.contradicted && !f.uncounted {
			c.Log.Warn("kept as unknown", "mediaId", f.mediaID, "reason", "MPS returned it twice with different records")
		}
		c.index(f)
	}
	c.report.Counts.Pending = c.report.Counts.Expired
	c.Known = max(0, c.Known-c.rediscovered)
}

// describe notes in the report what was not looked at.
func (c *scan) describe() {
	r := c.report
	if n := c.sources.unmatched; n > 0 {
		r.Notes = append(r.Notes, fmt.Sprintf("%d rows of inventory reports are of objects that no rule can take: they were not looked at", n))
	}
	c.literals.describe(r)
	for _, prefix := range c.request.Prefixes {
		if c.line(prefix.String()).Named == 0 && !c.Missing {
			r.Notes = append(r.Notes, fmt.Sprintf("no object is below %s", text.Quote(prefix.String())))
		}
	}
}

// listFailure lists a failure in the report, or keeps it for the state store.
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
		c.Log.Error("a failure is in no list", "mediaId", failure.MediaID, "object", failure.Object, "message", failure.Message, "error", err.Error())
	}
}

// Unlisted yields the failures for which the report has no room.
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

// isContext reports whether it was the run's time that was up.
func isContext(err error) bool {
	return errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled)
}

// failureOf returns what a report lists of an error.
func failureOf(err error) report.Failure {
	failure := report.Failure{Message: err.Error()}
	var failed *mps.Error
	if errors.As(err, &failed) {
		failure.Code = failed.Code
	}
	return failure
}
