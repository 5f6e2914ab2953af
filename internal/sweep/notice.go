package sweep

import (
	"context"
	"time"

	"github.com/mediasweep/mediasweep/internal/journal"
	"github.com/mediasweep/mediasweep/internal/media"
	"github.com/mediasweep/mediasweep/internal/plan"
	"github.com/mediasweep/mediasweep/internal/policy"
	"github.com/mediasweep/mediasweep/internal/report"
	"github.com/mediasweep/mediasweep/internal/scan"
	"github.com/mediasweep/mediasweep/internal/trigger"
)

// The rules of the policy's notice have three homes. In internal/retention, Goes says when a medium goes if
// nothing else changes: explain and forecast show it. In internal/journal, Announcements keep what was announced and
// taken back, and say since when a record is announced. Here a run applies them: a medium goes if it was
// announced before the notice began; else the run announces it, and what is not expired loses its announcement.

// needsNotice reports whether the run deletes only what was announced before. A person who applies a plan is the
// notice.
func (r *run) needsNotice() bool { return !r.Policy.Notice.IsZero() && r.request.Plan == "" }

// noticeBegan returns the time by which the media that are due were announced.
func (r *run) noticeBegan() time.Time {
	return r.Policy.Notice.Began(r.report.AsOf, r.Policy.Timezone)
}

// announcements reads what earlier runs announced. If whole is false, it yields only announcements of given media.
func (r *run) announcements(ctx context.Context, whole bool) (*journal.Announcements, error) {
	if r.Policy.Notice.IsZero() {
		return &journal.Announcements{}, nil
	}
	return journal.ReadAnnouncements(ctx, r.Store, r.Region, r.Marks.Now().All(), r.Now(), r.noticeBegan(), whole)
}

// dueAgain returns a function that reports whether a medium of an unfinished plan is still due by the notice. Calls must
// come in the order of media IDs. The plan that a person applied is not bound.
func (r *run) dueAgain(ctx context.Context, contents plan.Contents) (isDue func(*media.Medium) (bool, error), done func(), err error) {
	if r.Policy.Notice.IsZero() || contents.Head.Scope.Plan != "" {
		return func(*media.Medium) (bool, error) { return true, nil }, func() {}, nil
	}
	announced, err := r.announcements(ctx, false)
	if err != nil {
		return nil, nil, err
	}
	return func(m *media.Medium) (bool, error) {
		since, err := announced.Since(ctx, m)
		return !since.IsZero() && !since.After(r.noticeBegan()), err
	}, announced.Close, nil
}

// notice splits the expired media of a run into due ones, which were announced before the notice, and
// announced ones.
type notice struct {
	*run
	announced *journal.Announcements
	// A sweep of the inventory writes the next generation. Other runs write the new announcements, and the media whose
	// announcements they take back.
	next  *journal.NextAnnouncements
	added []journal.Announcement
	kept  []string
	// dropped is the number of announcements that end.
	dropped int

	now, began int64
	seenAll    bool   // no candidate was missing
	due        bitset // of the lines of the draft
	lines      int
	recorded   bool
	days       map[int64]*report.Announced // by the time of the announcement
}

// split finds the due media of a scan, and counts the announced ones. It begins the next generation.
func (r *run) split(ctx context.Context, found *scan.Found, announced *journal.Announcements) (*notice, error) {
	n := &notice{run: r, announced: announced, next: announced.Next(), seenAll: !found.Missing, days: map[int64]*report.Announced{}}
	if r.Policy.Notice.IsZero() {
		return n, nil
	}
	n.began = r.noticeBegan().Unix()
	n.now = max(r.Now().Add(time.Second-1).Unix(), r.report.AsOf.Unix()) // rounded up
	for l, err := range found.Draft.Media() {
		if err == nil {
			err = n.take(ctx, l)
		}
		if err != nil {
			return n, err
		}
	}
	for earlier, err := range announced.Rest(ctx) {
		if err == nil {
			err = n.unseen(ctx, earlier)
		}
		if err != nil {
			return n, err
		}
	}
	n.describe()
	return n, nil
}

// take decides on one medium. What is not expired loses its announcement.
func (n *notice) take(ctx context.Context, l plan.Line) error {
	one := journal.Announcement{MediaID: l.MediaID, At: n.now, Lead: !n.request.Inventory}
	one.Orphan = l.Text != nil && n.Policy.TakesOrphans(l.Rule)
	if l.Text != nil {
		one.Digest = plan.LineDigest(l.Text)
	}
	held, err := n.heldUntil(l)
	if err != nil {
		return err
	}
	known, same := false, false
	for earlier, err := range n.announced.Until(ctx, l.MediaID) {
		switch {
		case err != nil:
			return err
		case earlier.MediaID != l.MediaID:
			if err := n.unseen(ctx, earlier); err != nil {
				return err
			}
			continue
		}
		known = true
		one.Lead = one.Lead || earlier.Lead
		if l.Text != nil && earlier.Digest == one.Digest && earlier.At > held {
			same = true
			one.At = min(one.At, earlier.At)
		}
	}
	if l.Text == nil {
		n.drop(l.MediaID, known)
		return nil
	}
	isDue := one.At <= n.began || !n.needsNotice()
	n.due.add(n.lines, isDue)
	n.lines++
	if !isDue {
		n.count(one)
	}
	switch {
	case n.request.Inventory && (n.announces() || same):
		return n.keep(ctx, one)
	case n.request.Inventory:
		n.drop(l.MediaID, known)
	case n.announces() && one.At == n.now && len(n.added) < journal.MaxAnnounced:
		n.added = append(n.added, one)
	}
	return nil
}

// heldUntil returns when the last hold of an expired medium ended: earlier announcements do not count.
func (n *notice) heldUntil(l plan.Line) (int64, error) {
	if l.Text == nil || n.announced.Held.Last() == 0 {
		return 0, nil
	}
	if err := l.Parse(); err != nil {
		return 0, err
	}
	return n.announced.Held.LastOf(l.Medium), nil
}

// keep adds an announcement to the next generation, if the run writes one.
func (n *notice) keep(ctx context.Context, one journal.Announcement) error {
	if !n.takesBack() {
		return nil
	}
	return n.next.Add(ctx, one)
}

// drop ends the announcement of a medium, if it has one.
func (n *notice) drop(id string, known bool) {
	if !known {
		return
	}
	if n.dropped++; !n.request.Inventory {
		n.kept = append(n.kept, id)
	}
}

// unseen keeps the announcement of a medium that the sweep did not see, if it might have: some candidates could not
// be read, or the medium is a lead.
func (n *notice) unseen(ctx context.Context, earlier journal.Announcement) error {
	switch {
	case !n.request.Inventory:
		return nil
	case n.seenAll && !earlier.Lead, time.Unix(n.began, 0).Sub(time.Unix(earlier.At, 0)) > journal.LeadTime:
		n.dropped++
		return nil
	}
	earlier.At = min(max(earlier.At, n.announced.Held.Last()), n.now) // a hold may have kept it
	return n.keep(ctx, earlier)
}

// announces reports whether the run announces media.
func (n *notice) announces() bool { return n.needsNotice() && n.report.Mode == policy.Enforce }

// takesBack reports whether the run ends announcements of media that are not expired. A dry run that a person asks for
// changes nothing.
func (n *notice) takesBack() bool {
	return n.report.Mode == policy.Enforce || n.request.Trigger == trigger.Timer || n.request.Trigger == trigger.OSS
}

// record makes the announcements durable, and the end of earlier ones.
func (n *notice) record(ctx context.Context) (err error) {
	switch {
	case n.Policy.Notice.IsZero() || !n.takesBack():
		return nil
	case !n.request.Inventory:
		if err = journal.Announce(ctx, n.Store, n.Now(), n.added); err == nil {
			err = journal.TakeBack(ctx, n.Store, n.Now(), n.kept)
		}
	case n.announces() || n.dropped > 0:
		err = n.next.Commit(ctx, n.Now())
	}
	n.recorded = err == nil
	return err
}

// retract counts announced media as pending if a run that should have recorded them ended before.
func (n *notice) retract() {
	if c := &n.report.Counts; n.announces() && !n.recorded {
		c.Pending, c.Announced, n.report.Announced = c.Pending+c.Announced, 0, nil
	}
}
