package sweep

import (
	"context"
	"errors"
	"iter"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/mediasweep/mediasweep/internal/inventory"
	"github.com/mediasweep/mediasweep/internal/media"
	"github.com/mediasweep/mediasweep/internal/mps"
	"github.com/mediasweep/mediasweep/internal/plan"
	"github.com/mediasweep/mediasweep/internal/report"
	"github.com/mediasweep/mediasweep/internal/retention"
	"github.com/mediasweep/mediasweep/internal/task"
)

// A library may be slow to show a deletion. It is looked at again after each of
// these pauses, 3 s in all.
var lookAgain = [...]time.Duration{250 * time.Millisecond, 500 * time.Millisecond, time.Second, 1250 * time.Millisecond}

// expired is one medium of the plan.
type expired struct {
	line
	reports []*report.Report // in which it counts, and whose guard lets it go
}

// deletion is the second pipeline of a run.
type deletion struct {
	*run
	ctx  context.Context    // ends with the run's time
	soft context.Context    // ends before: no deletion is sent any more
	stop context.CancelFunc // ends soft for everybody
}

// deleteAll deletes the plan's media in batches of ten, a shorter one last, and notes
// what became of them. Batches are started while soft lasts; those under way are
// finished under ctx.
func (r *run) deleteAll(ctx, soft context.Context) {
	var group errgroup.Group
	defer func() { // also after a panic: what was sent must have an outcome
		_ = group.Wait()
		r.closeLedger(ctx)
	}()
	soft, cancel := context.WithCancel(soft)
	defer cancel()
	d := deletion{r, ctx, soft, cancel}
	r.mu.Lock()
	r.progress = Progress{Deleting: true, Total: r.plan.Len()}
	r.mu.Unlock()
	group.SetLimit(mps.InFlight)
	var unsent sync.WaitGroup
	for batch, err := range d.batches() {
		if err != nil {
			r.mu.Lock()
			r.end(report.Failed, err)
			r.mu.Unlock()
			break
		}
		if len(batch) < mps.MaxBatch {
			unsent.Wait()
		}
		unsent.Add(1)
		group.Go(func() error {
			sent := sync.OnceFunc(unsent.Done)
			defer sent()
			err := task.Run(func() {
				if soft.Err() == nil {
					d.batch(d.fresh(batch), sent)
				}
				_ = d.flush(ctx, plan.SegmentEntries) // what cannot be written now is tried again at the end
			})
			if err != nil {
				d.deny(err)
			}
			return nil
		})
		if soft.Err() != nil {
			break
		}
	}
	_ = group.Wait() // before cancel ends what is under way
}

// batches reads the plan back, ten media at a time, without those that a guard
// holds.
func (d *deletion) batches() iter.Seq2[[]expired, error] {
	return func(yield func([]expired, error) bool) {
		var batch []expired
		for l, err := range d.plan.all() {
			if err != nil {
				yield(nil, err)
				return
			}
			e := expired{line: l}
			for _, one := range d.ownersOf(e.id) {
				if !one.Guard.Tripped {
					e.reports = append(e.reports, one)
				}
			}
			if len(e.reports) == 0 {
				continue
			}
			if batch = append(batch, e); len(batch) == mps.MaxBatch {
				if !yield(batch, nil) {
					return
				}
				batch = nil
			}
		}
		if len(batch) > 0 {
			yield(batch, nil)
		}
	}
}

// The ends of a medium of the plan.
type end int

const (
	deleted end = iota
	gone
	failed
	unverified
)

// String returns the end as the ledger has it.
func (e end) String() string {
	return [...]string{deleted: "deleted", gone: "gone", failed: "failed", unverified: "unverified"}[e]
}

// account moves media from pending to what became of them; a cause makes it a
// failure.
func (d *deletion) account(batch []expired, became end, cause error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.progress.Done += len(batch)
	code := ""
	if cause != nil {
		code = failureOf(cause).Code
	}
	d.ledger.note(d.planID, batch, became, code)
	for _, e := range batch {
		for _, one := range e.reports {
			one.Counts.Pending--
			switch became {
			case deleted:
				one.Counts.Deleted++
				one.Rule(e.rule).Deleted++
			case gone:
				one.Counts.Gone++
			case failed:
				one.Counts.Failed++
			case unverified:
				one.Counts.Unverified++
			}
			if cause != nil {
				failure := failureOf(cause)
				failure.MediaID = e.id
				one.Fail(failure)
			}
		}
	}
}

// isStale reports whether a batch has media that were decided on too long ago.
func (d *deletion) isStale(batch []expired) bool {
	return slices.ContainsFunc(batch, func(e expired) bool { return d.Now().Sub(time.Unix(e.decided, 0)) > maxAge })
}

// fresh reads a batch again of which any was decided on too long ago, and returns the media
// that have still expired. What the service refuses for good is split, as a look is.
func (d *deletion) fresh(batch []expired) []expired {
	if !d.isStale(batch) {
		return batch
	}
	looked, err := inventory.LookUp(d.ctx, d.Library, inventory.Batch{IDs: ids(batch)}, d.Region)
	if rest := looked.Unanswered; err == nil && rest.Len() > 0 {
		var more inventory.Looked
		more, err = inventory.LookUp(d.ctx, d.Library, rest, d.Region)
		looked.Media, looked.Unanswered = append(looked.Media, more.Media...), more.Unanswered
	}
	var refusal *mps.Error
	switch {
	case isContext(err):
		return nil
	case errors.As(err, &refusal) && refusal.Kind == mps.Rejected && len(batch) > 1:
		half := len(batch) / 2
		return slices.Concat(d.fresh(batch[:half]), d.fresh(batch[half:]))
	case err != nil:
		d.account(batch, failed, err)
		return nil
	}
	now := d.Now().Unix()
	found := map[string]*media.Medium{}
	for i := range looked.Media {
		found[looked.Media[i].ID] = &looked.Media[i]
	}
	d.stillOrphans(batch, found)
	outranked := d.outranked(found)
	var still, vanished, hidden, unread []expired
	for _, e := range batch {
		switch m := found[e.id]; {
		case m != nil && d.ledger.finishes && m.Doubt == "" && m.State == media.StateInitiated && e.state != media.StateInitiated:
			hidden = append(hidden, e) // by the run that was cut off
		case m != nil && d.named != nil && !d.isNamed(m.Object, m.ID):
			d.stays(e, retention.Decision{}) // whatever a record says, nobody asked for it
		case m != nil && d.stillExpired(e, m, outranked[e.id]):
			e.decided = now
			still = append(still, e)
		case m != nil:
		case slices.Contains(looked.Unanswered.IDs, e.id):
			unread = append(unread, e)
		default:
			vanished = append(vanished, e)
		}
	}
	d.account(slices.Concat(vanished, hidden), gone, nil)
	d.mark(&d.ledger.marks.Deleted, hidden)
	d.account(unread, failed, inventory.ErrUnanswered)
	return still
}

// stillExpired decides once more on a medium of the plan. One that is to stay
// after all leaves the plan's counts for those of its new verdict: also one of a plan of
// an earlier run whose group was not looked at again, and one whose record is another by
// now and so stands in no plan. The next sweep decides on them.
func (d *deletion) stillExpired(e expired, m *media.Medium, outranked bool) bool {
	facts := d.factsNow(m)
	facts.NotLatest = e.ranked || outranked
	now := retention.Decide(d.Policy, m, facts)
	if now.Verdict == retention.Expired {
		if plan.HasRecord(e.text, m.Record) {
			return true
		}
		now.Verdict = retention.Keep
	}
	d.stays(e, now)
	return false
}

func (d *deletion) factsNow(m *media.Medium) retention.Facts {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.facts(m)
}

// stays takes a medium of the plan from its counts into those of another verdict.
func (d *deletion) stays(e expired, now retention.Decision) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.progress.Done++
	for _, one := range e.reports {
		one.Counts.Pending--
		one.Counts.Expired--
		before := one.Rule(e.rule)
		before.Expired--
		before.Applied--
		count(one, now)
	}
	if now.Verdict == retention.Unknown {
		d.warnUnknown(e.id, now.Reason())
	}
}

// batch deletes one batch and finds out, medium by medium, what became of it:
// the service answers for the batch only. What it refuses for good is split until
// the medium that it objects to stands alone. It says when the batch was sent.
func (d *deletion) batch(batch []expired, sent func()) {
	var pause time.Duration
	for try := 1; len(batch) > 0; try++ {
		permit, err := d.Library.Permit(d.soft, mps.DeleteMedia)
		if err != nil {
			return // not sent: still pending
		}
		if d.isStale(batch) { // it has waited too long
			batch, try = d.fresh(batch), try-1
			continue
		}
		err = permit.Delete(d.ctx, ids(batch))
		sent()
		var refusal *mps.Error
		switch {
		case err == nil:
			d.verify(batch)
			return
		case !errors.As(err, &refusal):
			return // never taken: still pending
		case refusal.Kind == mps.Unauthorized:
			d.account(batch, failed, err)
			d.deny(err)
			return
		case refusal.Kind == mps.Throttled && try < mps.MaxTries: // it was not taken
			if pause, err = d.pause(batch, pause, err); err != nil {
				return
			}
			continue
		case refusal.Kind == mps.Throttled:
			d.account(batch, failed, err)
			return
		}
		// The call may have taken effect, in whole or in part. What is about to be
		// sent again, or given up, is looked at for as long as a library may be slow.
		var live []expired
		var readErr error
		if refusal.Kind == mps.Ambiguous || len(batch) == 1 {
			live, readErr = d.recallPatiently(batch)
		} else {
			live, readErr = d.recall(batch)
		}
		switch {
		case readErr != nil:
			d.unread(live, readErr)
			return
		case len(live) == 0:
			return
		case refusal.Kind == mps.Ambiguous && try < mps.MaxTries:
			if pause, err = d.pause(live, pause, err); err != nil {
				return
			}
			batch = live
		case refusal.Kind == mps.Rejected && len(live) < len(batch):
			batch, try = live, 0 // perhaps it was those that are gone
		case refusal.Kind == mps.Rejected && len(live) > 1:
			d.batch(live[:len(live)/2], sent)
			if d.isDenied() {
				return // still pending
			}
			batch, try = live[len(live)/2:], 0
		case refusal.Unknown() && live[0].state == media.StateInitiated:
			// It is shown as a new medium is, and is not there: deleted long ago, by
			// somebody of whom no ledger tells.
			d.account(live, gone, nil)
			d.mark(&d.ledger.marks.Deleted, live)
			return
		default:
			d.account(live, failed, err)
			return
		}
	}
}

// mark adds media to some of the marks that the run leaves.
func (d *deletion) mark(marks *[]mark, batch []expired) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, e := range batch {
		*marks = append(*marks, mark{e.id, e.created})
	}
}

// pause waits before media are sent again. If that cannot be they stay pending, for
// want of time, or have failed of a cause.
func (d *deletion) pause(batch []expired, previous time.Duration, cause error) (time.Duration, error) {
	next, err := d.Library.Backoff(d.ctx, previous)
	if err != nil && !isContext(err) {
		d.account(batch, failed, cause)
	}
	return next, err
}

func (d *deletion) isDenied() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.ending.status == report.Failed
}

// verify reads back a batch that the service took.
func (d *deletion) verify(batch []expired) {
	live, err := d.recallPatiently(batch)
	if err != nil {
		d.unread(live, err)
		return
	}
	d.account(live, unverified, errors.New("MPS took the deletion and still shows the medium"))
	d.mark(&d.ledger.marks.Unverified, live)
}

// recallPatiently reads a batch back, for a while if need be.
func (d *deletion) recallPatiently(batch []expired) (live []expired, err error) {
	live, err = d.recall(batch)
	for _, pause := range lookAgain {
		if err != nil || len(live) == 0 {
			break
		}
		select {
		case <-d.ctx.Done():
			err = d.ctx.Err()
		case <-time.After(pause):
			live, err = d.recall(live)
		}
	}
	return live, err
}

// unread accounts for media that were sent and that nobody could look at since. If it
// was the run's time that was up they stay pending. The next run looks at them.
func (d *deletion) unread(batch []expired, err error) {
	if !isContext(err) {
		d.account(batch, unverified, err)
	}
	var refusal *mps.Error
	if errors.As(err, &refusal) && refusal.Kind == mps.Unauthorized && len(batch) > 0 {
		d.deny(err) // nothing that is sent can be verified
	}
}

// deny ends the run: no call can succeed any more.
func (d *deletion) deny(err error) {
	d.fault(err)
	d.stop()
}

// recall reads a batch again after a call of ours, counts those as deleted that
// are gone, and returns the others. An error says that it could not be read.
func (d *deletion) recall(batch []expired) (live []expired, err error) {
	found, err := d.Library.Probe(d.ctx, ids(batch))
	if err != nil {
		return batch, err
	}
	missing := make(map[string]bool, len(batch))
	for _, id := range found.Missing {
		missing[id] = true
	}
	states := make(map[string]string, len(found.Media))
	for _, medium := range found.Media {
		if medium.Doubt == "" {
			states[medium.ID] = medium.State
		}
	}
	var went []expired
	var hidden []expired // shown as Initiated from now on
	for _, e := range batch {
		switch state := states[e.id]; {
		case missing[e.id], state == media.StateDeleted:
			went = append(went, e)
		case state == media.StateInitiated && e.state != media.StateInitiated:
			went, hidden = append(went, e), append(hidden, e)
		default:
			live = append(live, e)
		}
	}
	d.account(went, deleted, nil)
	d.mark(&d.ledger.marks.Deleted, hidden)
	return live, nil
}

func ids(batch []expired) []string {
	list := make([]string, len(batch))
	for i, e := range batch {
		list[i] = e.id
	}
	return list
}
