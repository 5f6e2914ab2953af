package sweep

import (
	"context"
	"iter"
	"time"

	"github.com/mediasweep/mediasweep/internal/announce"
	"github.com/mediasweep/mediasweep/internal/media"
	"github.com/mediasweep/mediasweep/internal/plan"
	"github.com/mediasweep/mediasweep/internal/policy"
	"github.com/mediasweep/mediasweep/internal/scan"
	"github.com/mediasweep/mediasweep/internal/trigger"
)

// terms are what the policy's notice means for a run.
type terms struct {
	enforces bool
	// needed is true if only media that were announced before are deleted. A person who applies a plan is the notice.
	needed bool
	// takesBack is true if the run ends announcements of media that are not expired. A dry run that a person asks for
	// changes nothing.
	takesBack bool
}

func (r *run) terms() terms {
	return terms{
		enforces: r.enforces(), needed: !r.Policy.Notice.IsZero() && r.request.Plan == "",
		takesBack: r.enforces() || r.request.Trigger == trigger.Timer || r.request.Trigger == trigger.OSS,
	}
}

func (t terms) announces() bool { return t.needed && t.enforces }

// openAnnouncements reads what earlier runs announced.
func (r *run) openAnnouncements(ctx context.Context) (*announce.Reader, error) {
	return announce.Open(ctx, r.Store, announce.Query{Policy: r.Policy, Region: r.Region, Placed: r.Marks.Latest().All(), AsOf: r.report.AsOf, Now: r.Now(), Sweep: r.request.Inventory})
}

// notice splits the expired media of a run into due ones, which were announced before the notice began, and media that
// the run announces. What is not expired loses its announcement.
type notice struct {
	policy *policy.Policy
	terms
	found     *scan.Found
	announced *announce.Reader
	update    *announce.Update
	at        int64  // when the run announces
	due       []bool // of the lines of the draft: a million take a megabyte
	recorded  bool
}

// split finds the due media of a scan, and counts the announced ones. It begins the update of the announcements.
func (r *run) split(ctx context.Context, found *scan.Found, announced *announce.Reader) (*notice, error) {
	n := &notice{policy: r.Policy, terms: r.terms(), found: found, announced: announced, update: announced.Update()}
	if n.isIdle() {
		return n, nil
	}
	n.at = max(media.WholeSecond(r.Now()).Unix(), r.report.AsOf.Unix())
	days := newCalendar(r.Policy)
	for l, err := range found.Draft.Media(r.request.Trigger != trigger.OSS) {
		if err == nil {
			err = n.decide(ctx, l, days)
		}
		if err != nil {
			return n, err
		}
	}
	if n.announced.Sweep {
		for earlier, err := range announced.Rest(ctx) {
			if err == nil {
				err = n.unseen(ctx, earlier)
			}
			if err != nil {
				return n, err
			}
		}
	}
	r.reportAnnounced(n, days)
	r.warnGuard(found)
	return n, nil
}

// dueLines yields the lines of the due media. It may be called several times.
func (n *notice) dueLines() iter.Seq2[plan.Line, error] {
	lines := n.found.Draft.Lines()
	if !n.needed {
		return lines
	}
	return func(yield func(plan.Line, error) bool) {
		i := 0
		for l, err := range lines {
			if (err != nil || n.due[i]) && !yield(l, err) {
				return
			}
			i++
		}
	}
}

// decide decides on one medium. It adds one that is expired and not due to its day.
func (n *notice) decide(ctx context.Context, l plan.Line, days *calendar) error {
	before, err := n.before(ctx, l.MediaID)
	switch {
	case err != nil:
		return err
	case l.Text == nil:
		n.drop(l.MediaID, before)
		return nil
	}
	one := announce.Entry{MediaID: l.MediaID, Digest: plan.LineDigest(l.Text), At: n.at, Lead: !n.announced.Sweep, Orphan: n.policy.TakesOrphans(l.Rule)}
	held := int64(0)
	if n.announced.Held.Last() > 0 {
		if err := l.Parse(); err != nil {
			return err
		}
		held = n.announced.Held.LastOf(l.Medium)
	}
	isSame := false
	for _, earlier := range before {
		one.Lead = one.Lead || earlier.Lead
		if earlier.Digest == one.Digest && earlier.At > held {
			isSame = true
			one.At = min(one.At, earlier.At)
		}
	}
	isDue := !n.needed || n.announced.HasPassed(time.Unix(one.At, 0))
	n.due = append(n.due, isDue)
	if !isDue {
		days.add(one)
	}
	if n.announces() || isSame {
		return n.keep(ctx, one, n.announces() && one.At == n.at)
	}
	if !n.announced.Sweep {
		return nil
	}
	n.drop(l.MediaID, before)
	if !one.Lead {
		return nil
	}
	return n.keep(ctx, one.LeadOnly(), false) // nothing else may lead to the medium again
}

// before returns the announcements of a medium. Those of media before it are of media that the run did not see.
func (n *notice) before(ctx context.Context, id string) (list []announce.Entry, err error) {
	if !n.announced.Sweep {
		n.announced.SkipTo(id)
	}
	for earlier, err := range n.announced.Until(ctx, id) {
		switch {
		case err != nil:
			return nil, err
		case earlier.MediaID == id:
			list = append(list, earlier)
		case n.announced.Sweep:
			if err := n.unseen(ctx, earlier); err != nil {
				return nil, err
			}
		}
	}
	return list, nil
}

// unseen keeps the announcement of a medium that a sweep did not see, if it might have: some candidates could not be
// read, or the medium is a lead.
func (n *notice) unseen(ctx context.Context, earlier announce.Entry) error {
	if !n.found.Missing && !earlier.Lead || n.announced.Began.Unix()-earlier.At > int64(announce.LeadTime.Seconds()) {
		n.update.End(earlier.MediaID)
		return nil
	}
	earlier.At = min(max(earlier.At, n.announced.Held.Last()), n.at) // a hold may have kept it
	return n.keep(ctx, earlier, false)
}

func (n *notice) keep(ctx context.Context, one announce.Entry, isNew bool) error {
	if !n.takesBack {
		return nil
	}
	return n.update.Keep(ctx, one, isNew)
}

// drop ends the announcements of a medium, if it has any.
func (n *notice) drop(id string, before []announce.Entry) {
	if len(before) > 0 {
		n.update.End(id)
	}
}

// isIdle reports whether the run has nothing to announce or to take back: the policy has no notice, and no medium is
// announced.
func (n *notice) isIdle() bool { return n.policy.Notice.IsZero() && n.announced.IsEmpty() }

// record makes the announcements durable, and the end of earlier ones.
func (n *notice) record(ctx context.Context, now time.Time) (err error) {
	if n.isIdle() || !n.takesBack || !n.enforces && !n.update.HasEnded() {
		return nil
	}
	err = n.update.Commit(ctx, now)
	n.recorded = err == nil
	return err
}
