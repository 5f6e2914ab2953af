package sweep

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/mediasweep/mediasweep/internal/journal"
	"github.com/mediasweep/mediasweep/internal/media"
	"github.com/mediasweep/mediasweep/internal/plan"
	"github.com/mediasweep/mediasweep/internal/policy"
	"github.com/mediasweep/mediasweep/internal/report"
	"github.com/mediasweep/mediasweep/internal/retention"
	"github.com/mediasweep/mediasweep/internal/scan"
	"github.com/mediasweep/mediasweep/internal/trigger"
)

// needsNotice reports whether the run deletes only what was announced before. A person who applies a plan is the
// notice.
func (r *run) needsNotice() bool { return !r.Policy.Notice.IsZero() && r.request.Plan == "" }

// openAnnouncements reads what earlier runs announced. A run of the inventory reads all.
func (r *run) openAnnouncements(ctx context.Context) (*journal.Announcements, error) {
	if r.Policy.Notice.IsZero() {
		return &journal.Announcements{}, nil
	}
	began := r.Policy.Notice.Began(r.report.AsOf, r.Policy.Timezone)
	return journal.ReadAnnouncements(ctx, r.Store, r.Region, r.placed(), r.Now(), began, r.request.Inventory)
}

// placed returns the holds that were not released.
func (r *run) placed() []retention.Hold { return r.Marks.Now().All() }

// dueAgain returns a function that reports whether a medium of an unfinished plan is still due by the notice. Calls must
// come in the order of media IDs. The plan that a person applied is not bound.
func (r *run) dueAgain(ctx context.Context, contents plan.Contents) (isDue func(*media.Medium) (bool, error), done func(), err error) {
	if r.Policy.Notice.IsZero() || contents.Head.Scope.Plan != "" {
		return func(*media.Medium) (bool, error) { return true, nil }, func() {}, nil
	}
	began := r.Policy.Notice.Began(r.report.AsOf, r.Policy.Timezone)
	announced, err := journal.ReadAnnouncements(ctx, r.Store, r.Region, r.placed(), r.Now(), began, false)
	if err != nil {
		return nil, nil, err
	}
	return func(m *media.Medium) (bool, error) {
		since, err := announced.Since(ctx, m)
		return !since.IsZero() && !since.After(began), err
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
	asOf := r.report.AsOf
	n.began = r.Policy.Notice.Began(asOf, r.Policy.Timezone).Unix()
	n.now = max(r.Now().Add(time.Second-1).Unix(), asOf.Unix()) // rounded up
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

// maxListed bounds the announced media that a report lists.
const maxListed = 100

func (n *notice) count(one journal.Announcement) {
	c := &n.report.Counts
	c.Pending--
	c.Announced++
	on := n.days[one.At]
	if on == nil {
		ends := n.Policy.Notice.After(time.Unix(one.At, 0), n.Policy.Timezone)
		on = &report.Announced{Day: ends.In(n.Policy.Timezone).Format(time.DateOnly)}
		n.days[one.At] = on
	}
	if on.Media++; c.Announced <= maxListed {
		on.MediaIDs = append(on.MediaIDs, one.MediaID)
	}
}

// describe adds the days to the report, and what was lost.
func (n *notice) describe() {
	byDay := map[string]report.Announced{}
	for _, on := range n.days {
		day := byDay[on.Day]
		byDay[on.Day] = report.Announced{Day: on.Day, Media: day.Media + on.Media, MediaIDs: append(day.MediaIDs, on.MediaIDs...)}
	}
	for _, on := range byDay {
		slices.Sort(on.MediaIDs)
		n.report.Announced = append(n.report.Announced, on)
	}
	slices.SortFunc(n.report.Announced, func(a, b report.Announced) int { return strings.Compare(a.Day, b.Day) })
	for _, on := range n.report.Announced[:min(len(n.report.Announced), 3)] {
		n.note("announced: %d media, deleted from %s on, unless a tag, a hold or the policy keeps them", on.Media, on.Day)
	}
	for _, problem := range n.announced.Problems() {
		n.Log.Error("announcements lost", "problem", problem)
	}
	if problems := n.announced.Problems(); len(problems) > 0 {
		n.note("announcements lost: %s (%d records)", problems[0], len(problems))
	}
	if more := n.report.Counts.Announced - journal.MaxAnnounced; more > 0 && !n.request.Inventory {
		n.note("%d media are announced only once the inventory names them, or the request comes again: one request announces %d", more, journal.MaxAnnounced)
	}
}

// warnGuard says in the report if the guard would trip on the day on which most announced media go.
func (n *notice) warnGuard(live, most int) {
	if len(n.report.Announced) == 0 {
		return
	}
	on := &n.report.Announced[0]
	for i := range n.report.Announced {
		if n.report.Announced[i].Media > on.Media {
			on = &n.report.Announced[i]
		}
	}
	if reason := tripped(n.Policy.Guard, on.Media, live, most); reason != "" {
		on.Guard = reason
		n.note("the guard will block the sweep that deletes the media announced for %s: %s", on.Day, reason)
	}
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
