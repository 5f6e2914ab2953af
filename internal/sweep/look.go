package sweep

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/mediasweep/mediasweep/internal/inventory"
	"github.com/mediasweep/mediasweep/internal/media"
	"github.com/mediasweep/mediasweep/internal/mps"
	"github.com/mediasweep/mediasweep/internal/plan"
	"github.com/mediasweep/mediasweep/internal/report"
	"github.com/mediasweep/mediasweep/internal/spool"
	"github.com/mediasweep/mediasweep/internal/task"
	"github.com/mediasweep/mediasweep/internal/text"
	"github.com/mediasweep/mediasweep/internal/trigger"
)

// look is the first pipeline: it looks candidates up and hands each medium over.
// The mutex guards all below it.
type look struct {
	*Sweep
	// found takes a medium; took, if set, is told when a batch has been accounted for.
	// Both are called by one goroutine at a time.
	found func(media.Medium)
	took  func()
	// note, if set, is told what was found out about a candidate, a medium or none, with
	// the mutex held. passOver says of which candidates nothing needs to be found out, and
	// how many live media these have.
	note     func(c inventory.Candidate, m *media.Medium)
	passOver func(inventory.Candidate) (live int, known bool)
	// splits are names at which a listing may be parted.
	splits []string
	// whole says that nothing may be done if the candidates cannot all be named.
	whole bool
	// literals are names that may have been meant as prefixes or patterns.
	literals literals
	// named has the names in lists and workflows of the inventory. It is set for a run that
	// resumes: candidates of the checkpoint that the inventory does not name are dropped.
	named *seen
	// planned are the media that a plan which is looked at again has as orphans.
	planned map[string]bool
	// gathered is what the sources name that have no order, and unlisted are failures for
	// which reports have no room.
	gathered inventory.Gathered
	unlisted spool.Spool
	// reports are those of the parts, and byObject says in which of them an object
	// counts; it is nil where there is one part.
	reports  []*report.Report
	byObject map[media.Object][]*report.Report

	mu       sync.Mutex
	progress Progress
	listing  listing
	again    []media.Object  // to be asked for in the other form
	unclear  map[string]bool // IDs that were counted as unknown for want of an answer
	warned   int             // media that were kept as unknown
	missing  map[*report.Report]bool
	ending   ending
}

// ending is why a run came to its end before its work: it failed, or it is
// incomplete. Its zero value says that it did not.
type ending struct {
	status report.Status
	why    error
}

// end notes why the run ends. The first reason counts, and what makes the run a
// failed one more than want of time.
func (l *look) end(status report.Status, why error) {
	if l.ending.why == nil || l.ending.status == report.Incomplete && status == report.Failed {
		l.ending = ending{status, why}
	}
}

// fault ends the run by a mistake of this program, which it did not foresee.
func (l *look) fault(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.end(report.Failed, err)
}

// look starts the pipeline for parts of a run.
func (s *Sweep) look(parts []Part) *look {
	l := &look{Sweep: s, planned: map[string]bool{}, unclear: map[string]bool{}, missing: map[*report.Report]bool{}}
	for _, part := range parts {
		l.reports = append(l.reports, part.Report)
	}
	if len(parts) > 1 {
		l.byObject = map[media.Object][]*report.Report{}
		for _, part := range parts {
			for _, object := range part.Request.Objects {
				l.byObject[object] = append(l.byObject[object], part.Report)
			}
		}
	}
	return l
}

// of returns the reports in which an object counts.
func (l *look) of(object media.Object) []*report.Report {
	if l.byObject == nil {
		return l.reports
	}
	return l.byObject[object]
}

// ofAny returns the reports in which any of some objects counts.
func (l *look) ofAny(objects []media.Object) []*report.Report {
	if l.byObject == nil {
		return l.reports
	}
	var reports []*report.Report
	for _, object := range objects {
		for _, one := range l.of(object) {
			if !slices.Contains(reports, one) {
				reports = append(reports, one)
			}
		}
	}
	return reports
}

// Survey looks at what a request names, hands each medium over, one at a time,
// and finishes the report, which counts what has no medium to hand over. It
// decides nothing and changes nothing.
func (s *Sweep) Survey(ctx context.Context, budget Budget, request *trigger.Request, r *report.Report, found func(media.Medium)) {
	parts := []Part{{request, r}}
	l := s.look(parts)
	l.found = found
	stop := l.tell()
	ctx, cancel := budget.Work(ctx)
	defer cancel()
	defer l.gathered.Close()
	defer l.unlisted.Close()
	err := task.Run(func() {
		candidates, _ := l.candidates(ctx, parts)
		l.lookAt(ctx, ctx, candidates...)
	})
	if err != nil {
		l.fault(err)
	}
	stop()
	status := l.outcome(r)
	if status == report.Done && l.missing[r] {
		status = report.Partial
	}
	r.Finish(status, s.Now())
}

// outcome returns how the look ended for one of the reports: done, or failed or
// incomplete for a reason that is then in the report.
func (l *look) outcome(r *report.Report) report.Status {
	answered := l.Library.Answered()
	switch {
	case l.ending.status == report.Failed:
		r.Error = l.ending.why.Error()
		return report.Failed
	case l.sawNothing(r) && (!answered || l.byObject != nil):
		if len(r.Failures) > 0 {
			r.Error = "nothing could be looked at: " + r.Failures[0].Message
		}
		return report.Failed
	case l.ending.why != nil:
		r.Error = l.ending.why.Error()
		if !answered && l.listing.passed == 0 && !errors.Is(l.ending.why, ErrStopped) {
			return report.Failed
		}
		return report.Incomplete
	}
	return report.Done
}

// sawNothing reports whether there was something to look at for a report, and none of it
// could be.
func (l *look) sawNothing(r *report.Report) bool {
	return l.missing[r] && r.Counts.Looked+r.Counts.ObjectsWithoutMedia == 0
}

// batches are candidates as they are asked for.
type batches = iter.Seq2[inventory.Batch, error]

// candidates returns what the parts ask for, in lists that are looked at one after another.
func (l *look) candidates(ctx context.Context, parts []Part) ([]batches, plan.Scope) {
	request := parts[0].Request
	objects := request.Objects
	if l.byObject != nil {
		objects = objects[:0:0]
		for object := range l.byObject {
			objects = append(objects, object)
		}
		slices.SortFunc(objects, media.Object.Compare)
	}
	if request.Trigger != trigger.OSS {
		for _, object := range objects {
			l.literals.add(object)
		}
	}
	switch {
	case request.Plan != "":
		return []batches{l.ofPlan(ctx, request.Plan)}, plan.Scope{Plan: request.Plan}
	case len(request.MediaIDs) > 0:
		return []batches{inventory.OfIDs(request.MediaIDs)}, plan.Scope{MediaIDs: request.MediaIDs}
	case len(request.Manifests)+len(request.Prefixes)+len(request.Files) > 0:
		return l.ofSources(ctx, l.sourcesOf(request)), plan.Scope{Objects: addresses(objects),
			Manifests: append(addresses(request.Manifests), request.Files...), Inventory: addresses(request.Prefixes)}
	case len(objects) > 0:
		return []batches{inventory.OfObjects(objects, l.Region, media.SlashPlain)}, plan.Scope{Objects: addresses(objects)}
	}
	sources := l.inventorySources()
	return l.ofSources(ctx, sources), plan.Scope{Inventory: sources.names()}
}

func addresses(objects []media.Object) []string {
	list := make([]string, len(objects))
	for i, object := range objects {
		list[i] = object.String()
	}
	return list
}

// lookAt looks all candidates up, and finishes each list before the next: what one source
// names may be what is found behind an object of another. It starts no batch after soft
// has ended, finishes those under way, and ends early when ctx does or when no call can
// succeed.
func (l *look) lookAt(ctx, soft context.Context, lists ...batches) {
	var group errgroup.Group
	defer func() { _ = group.Wait() }() // also after a panic: its functions use what the run closes
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	group.SetLimit(mps.InFlight)
	lookUp := func(list batches) (ended bool) {
		for batch, err := range list {
			if soft.Err() != nil || ctx.Err() != nil {
				l.stop(soft)
				return false
			}
			if err != nil {
				l.missed(batch, err, cancel)
				continue
			}
			group.Go(func() error {
				err := task.Run(func() { l.lookUp(ctx, soft, batch, cancel) })
				if err != nil {
					l.fault(err)
					cancel()
				}
				return nil
			})
		}
		return true
	}
	again := func(multiple int) {
		_ = lookUp(inventory.OfObjects(l.takeAgain(multiple), l.Region, media.SlashEscaped)) // if it is stopped, so is its list
	}
	for _, list := range lists {
		if l.hasEnded(soft) {
			break
		}
		ended := lookUp(func(yield func(inventory.Batch, error) bool) {
			for batch, err := range list {
				if !yield(batch, err) {
					return
				}
				if err == nil { // before the first batch, what a checkpoint left may not be named any more
					again(mps.MaxBatch)
				}
			}
		})
		_ = group.Wait() // its functions return no error
		again(1)
		_ = group.Wait() // as above
		if !ended {
			break // whoever carries on has to begin here
		}
	}
	if more := l.warned - maxUnknownLines; more > 0 {
		l.Log.Warn("more media kept as unknown", "media", more)
	}
}

// hasEnded reports whether the look is over, whatever is left, and notes that not all was
// looked at if its time is up.
func (l *look) hasEnded(soft context.Context) bool {
	if soft.Err() != nil {
		l.stop(soft)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.ending.why != nil
}

// stop notes that not all was looked at.
func (l *look) stop(soft context.Context) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.unfinished(cmp.Or(context.Cause(soft), context.Canceled))
}

func (l *look) unfinished(why error) {
	l.end(report.Incomplete, fmt.Errorf("stopped before everything had been looked at: %w", why))
}

// lookUp looks a batch up. One that the service refuses for good is split, so that
// what it objects to stands alone.
func (l *look) lookUp(ctx, soft context.Context, batch inventory.Batch, cancel context.CancelFunc) {
	op := mps.QueryMediaListByURL
	if len(batch.IDs) > 0 {
		op = mps.QueryMediaList
	}
	permit, err := l.Library.Permit(soft, op)
	if err != nil {
		l.stop(soft)
		return
	}
	looked, err := inventory.LookUp(ctx, permit, batch, l.Region)
	var failed *mps.Error
	switch {
	case err == nil:
		l.take(batch, looked)
		switch rest := looked.Unanswered; {
		case rest.Len() == 0:
		case batch.Repeated:
			l.missed(rest, inventory.ErrUnanswered, cancel)
		default:
			l.lookUp(ctx, soft, rest, cancel)
		}
	case errors.As(err, &failed) && failed.Kind == mps.Rejected && batch.Len() > 1:
		first, second := batch.Halves()
		l.lookUp(ctx, soft, first, cancel)
		l.lookUp(ctx, soft, second, cancel)
	default:
		l.missed(batch, err, cancel)
	}
}

// takeAgain takes the objects that are to be asked for in another form, in
// multiples of a number.
func (l *look) takeAgain(multiple int) []media.Object {
	l.mu.Lock()
	defer l.mu.Unlock()
	take := len(l.again) - len(l.again)%multiple
	objects := l.again[:take:take]
	l.again = slices.Clone(l.again[take:])
	return objects
}

// missed accounts for candidates that could not be looked up: the others go on,
// unless nothing else can succeed either.
func (l *look) missed(batch inventory.Batch, err error, cancel context.CancelFunc) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if isContext(err) {
		l.unfinished(err)
		cancel()
		return
	}
	failure := failureOf(err)
	var failed *mps.Error
	switch {
	case isSpool(err):
		l.end(report.Failed, err)
		cancel()
	case errors.As(err, &failed) && (failed.Kind == mps.Unauthorized && batch.Len() > 0 || failed.Kind == mps.Ambiguous && !l.Library.Answered()),
		l.whole && batch.Len() == 0:
		l.end(report.Failed, err)
		cancel()
	default:
		l.listing.account(batch, nil)
	}
	fail := func(reports []*report.Report) {
		for _, one := range reports {
			l.missing[one] = true
			l.fail(one, failure)
		}
	}
	for _, id := range batch.IDs {
		failure.MediaID = id
		fail(l.reports)
	}
	for _, object := range batch.Objects {
		failure.Object = object.String()
		fail(l.of(object))
	}
	if batch.Len() == 0 {
		fail(l.reports)
	}
}

// isContext reports whether it was the run's time that was up.
func isContext(err error) bool {
	return errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled)
}

// take counts what the look-up of a batch found, and hands its media over.
func (l *look) take(batch inventory.Batch, looked inventory.Looked) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.noteAll(batch, looked)
	l.listing.account(batch.Without(looked.Unanswered), looked.Again)
	for _, one := range l.reports {
		one.Counts.Looked += len(looked.Absent)
		one.Counts.Absent += len(looked.Absent)
	}
	for _, object := range looked.WithoutMedia {
		for _, one := range l.of(object) {
			one.Counts.ObjectsWithoutMedia++
		}
	}
	l.literals.miss(looked.WithoutMedia)
	l.again = append(l.again, looked.Again...)
	for _, unclear := range looked.Unclear {
		if l.unclear[unclear.MediaID] {
			continue // found by both forms of its URL
		}
		l.unclear[unclear.MediaID] = media.CheckID(unclear.MediaID) == nil
		for _, one := range l.ofAny(unclear.Objects) {
			one.Counts.Looked++
			one.Counts.Unknown++
		}
		l.warnUnknown(unclear.MediaID, unclear.Reason)
	}
	l.progress.Done += len(looked.Absent) + len(looked.Unclear) + len(looked.Media)
	for _, medium := range looked.Media {
		if l.listing.isNew(&medium) {
			l.found(medium)
		}
	}
	if l.took != nil {
		l.took()
	}
}

// noteAll notes what a look-up has found out: nothing of objects for which it may have
// found a medium that it does not tell enough of.
func (l *look) noteAll(batch inventory.Batch, looked inventory.Looked) {
	if l.note == nil {
		return
	}
	note := func(c inventory.Candidate, m *media.Medium) {
		if asked, ok := l.listing.open[c.Name()]; ok {
			l.note(asked.Candidate, m)
		}
	}
	for i := range looked.Media {
		m := &looked.Media[i]
		if len(batch.IDs) > 0 {
			note(inventory.Candidate{MediaID: m.ID}, m)
		} else {
			note(inventory.Candidate{Object: m.Object}, m)
		}
	}
	for _, id := range looked.Absent {
		note(inventory.Candidate{MediaID: id}, nil)
	}
	for _, object := range looked.WithoutMedia {
		if !slices.ContainsFunc(looked.Unclear, func(u inventory.Unclear) bool { return slices.Contains(u.Objects, object) }) {
			note(inventory.Candidate{Object: object}, nil)
		}
	}
}

// maxUnknownLines is how many media a run names in its log because they are kept
// as unknown; its counts are of all.
const maxUnknownLines = 100

func (l *look) warnUnknown(id, reason string) {
	if l.warned++; l.warned <= maxUnknownLines {
		l.Log.Warn("kept as unknown", "mediaId", text.Bound(id), "reason", reason)
	}
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
