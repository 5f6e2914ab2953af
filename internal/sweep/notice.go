package sweep

import (
	"context"
	"iter"

	"github.com/mediasweep/mediasweep/internal/announce"
	"github.com/mediasweep/mediasweep/internal/media"
	"github.com/mediasweep/mediasweep/internal/plan"
	"github.com/mediasweep/mediasweep/internal/report"
	"github.com/mediasweep/mediasweep/internal/scan"
	"github.com/mediasweep/mediasweep/internal/trigger"
)

// needsNotice reports whether the run deletes only what was announced before. A person who applies a plan is the
// notice.
func (r *run) needsNotice() bool { return !r.Policy.Notice.IsZero() && r.request.Plan == "" }

// openAnnouncements reads what earlier runs announced.
func (r *run) openAnnouncements(ctx context.Context) (*announce.Reader, error) {
	return announce.Open(ctx, r.Store, announce.Query{Policy: r.Policy, Region: r.Region, Placed: r.Marks.Latest().All(), AsOf: r.report.AsOf, Now: r.Now(), Sweep: r.request.Inventory})
}

// notice splits the expired media of a run into due ones, which were announced before the notice began, and media that
// the run announces. What is not expired loses its announcement.
type notice struct {
	*run
	found     *scan.Found
	announced *announce.Reader
	update    *announce.Update
	at        int64  // when the run announces
	due       []bool // of the lines of the draft: a million take a megabyte
	days      calendar
	recorded  bool
}

// split finds the due media of a scan, and counts the announced ones. It begins the update of the announcements.
func (r *run) split(ctx context.Context, found *scan.Found, announced *announce.Reader) (*notice, error) {
	n := &notice{run: r, found: found, announced: announced, update: announced.Update(r.request.Inventory), days: calendar{policy: r.Policy, days: map[string]*report.Announced{}}}
	if n.isIdle() {
		return n, nil
	}
	n.at = max(media.WholeSecond(r.Now()).Unix(), r.report.AsOf.Unix())
	for l, err := range found.Draft.Media() {
		if err == nil {
			err = n.decide(ctx, l)
		}
		if err != nil {
			return n, err
		}
	}
	if r.request.Inventory {
		for earlier, err := range announced.Rest(ctx) {
			if err == nil {
				err = n.unseen(ctx, earlier)
			}
			if err != nil {
				return n, err
			}
		}
	}
	n.describe()
	n.warnGuard()
	return n, nil
}

// dueLines yields the lines of the due media. It may be called several times.
func (n *notice) dueLines() iter.Seq2[plan.Line, error] {
	lines := n.found.Draft.Lines()
	if !n.needsNotice() {
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

// decide decides on one medium.
func (n *notice) decide(ctx context.Context, l plan.Line) error {
	before, err := n.before(ctx, l.MediaID)
	switch {
	case err != nil:
		return err
	case l.Text == nil:
		n.drop(l.MediaID, before)
		return nil
	}
	one := announce.Entry{MediaID: l.MediaID, Digest: plan.LineDigest(l.Text), At: n.at, Lead: !n.request.Inventory, Orphan: n.Policy.TakesOrphans(l.Rule)}
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
	isDue := one.At <= n.announced.Began.Unix() || !n.needsNotice()
	n.due = append(n.due, isDue)
	if !isDue {
		n.days.add(one)
	}
	if n.announces() || isSame {
		return n.keep(ctx, one, n.announces() && one.At == n.at)
	}
	if !n.request.Inventory {
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
	if !n.request.Inventory {
		n.announced.SkipTo(id)
	}
	for earlier, err := range n.announced.Until(ctx, id) {
		switch {
		case err != nil:
			return nil, err
		case earlier.MediaID == id:
			list = append(list, earlier)
		case n.request.Inventory:
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

// keep announces a medium.
func (n *notice) keep(ctx context.Context, one announce.Entry, isNew bool) error {
	if !n.takesBack() {
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

// announces reports whether the run announces media.
func (n *notice) announces() bool { return n.needsNotice() && n.enforces() }

// takesBack reports whether the run ends announcements of media that are not expired. A dry run that a person asks for
// changes nothing.
func (n *notice) takesBack() bool {
	return n.enforces() || n.request.Trigger == trigger.Timer || n.request.Trigger == trigger.OSS
}

// isIdle reports whether the run has nothing to announce or to take back: the policy has no notice, and no medium is
// announced.
func (n *notice) isIdle() bool { return n.Policy.Notice.IsZero() && n.announced.IsEmpty() }

// record makes the announcements durable, and the end of earlier ones.
func (n *notice) record(ctx context.Context) (err error) {
	if n.isIdle() || !n.takesBack() || !n.enforces() && !n.update.HasEnded() {
		return nil
	}
	err = n.update.Commit(ctx, n.Now())
	n.recorded = err == nil
	return err
}

// retract counts announced media as pending if a run that should have recorded them ended before.
func (n *notice) retract() {
	if c := &n.report.Counts; n.announces() && !n.recorded {
		c.Pending, c.Announced, n.report.Announced = c.Pending+c.Announced, 0, nil
	}
}

// describe adds the days to the report, and what was lost. Announced media are not pending.
func (n *notice) describe() {
	c := &n.report.Counts
	n.report.Announced, c.Announced, c.Pending = n.days.list(), n.days.media, c.Pending-n.days.media
	for _, on := range n.report.Announced[:min(len(n.report.Announced), 3)] {
		if n.announces() {
			n.report.Note("announced: %d media, deleted from %s on, unless a tag, a hold or the policy keeps them", on.Media, on.Day)
		} else {
			n.report.Note("a dry run announces nothing: in mode enforce %d media would be deleted from %s on", on.Media, on.Day)
		}
	}
	for _, problem := range n.announced.Problems() {
		n.Log.Error("announcements lost", "problem", problem)
	}
	if problems := n.announced.Problems(); len(problems) > 0 {
		n.report.Note("announcements lost: %s (%d records)", problems[0], len(problems))
	}
	if more := n.days.media - announce.MostOfRequest; more > 0 && !n.request.Inventory {
		n.report.Note("%d media are announced only once the inventory names them, or the request comes again: one request announces %d", more, announce.MostOfRequest)
	}
}

// warnGuard says in the report if the guard would trip on the day on which most announced media go.
func (n *notice) warnGuard() {
	if len(n.report.Announced) == 0 {
		return
	}
	on := &n.report.Announced[0]
	for i := range n.report.Announced {
		if n.report.Announced[i].Media > on.Media {
			on = &n.report.Announced[i]
		}
	}
	if reason := tripped(n.Policy.Guard, on.Media, n.found.Live, n.found.MostLive); reason != "" {
		on.Guard = reason
		n.report.Note("the guard will block the sweep that deletes the media announced for %s: %s", on.Day, reason)
	}
}
