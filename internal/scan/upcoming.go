package scan

import (
	"time"

	"github.com/mediasweep/mediasweep/internal/inventory"
	"github.com/mediasweep/mediasweep/internal/media"
	"github.com/mediasweep/mediasweep/internal/report"
	"github.com/mediasweep/mediasweep/internal/retention"
)

// upcoming counts what falls due in the coming days. It agrees with a forecast of the same library. Of a medium that the index
// skips it knows what an earlier scan found.
type upcoming struct {
	*retention.Upcoming // nil for a scan that cannot know: it is not of the whole inventory, or was resumed
	mark                func(*media.Medium) retention.Mark
	skipped             media.Medium // used again for each medium that the index skips
}

// rankOf ranks a medium. One that is dated ahead is ranked if its group may push others out in time.
func (d *decider) rankOf(m *media.Medium, facts retention.Facts) retention.Rank {
	if d.upcoming.Upcoming != nil && m.Created.Before(d.upcoming.Ends()) {
		facts = facts.WhenKnown(m)
	}
	return retention.RankOf(d.policy, m, facts)
}

// expiryOf returns when a medium expires if it is not among the latest, in seconds since 1970; 0 for
// never.
func (d *decider) expiryOf(m *media.Medium, facts retention.Facts) int64 {
	if d.upcoming.Upcoming == nil {
		return 0
	}
	due, _, ok := retention.Due(d.policy, m, facts)
	if !ok {
		return 0
	}
	return due.Unix()
}

// countDue counts a medium of a ranked draft, if it has not expired.
func (u *upcoming) countDue(f *finding, ranker *retention.Ranker) {
	if u.Upcoming == nil || f.expires == 0 {
		return
	}
	from, ok := ranker.OutrankedFrom(f.rank)
	if ok {
		u.Add(max(f.expires, from/int64(time.Second)))
	}
}

// countSkipped counts a live medium that the index skips. The index does not know holds. Those that name
// the medium otherwise than the inventory does count once it is looked up.
func (u *upcoming) countSkipped(candidate *inventory.Candidate, due int64) {
	if u.Upcoming == nil || due > u.Ends().Unix() {
		return
	}
	u.skipped.ID, u.skipped.Object = candidate.MediaID, candidate.Object
	if hold := u.mark(&u.skipped).Hold; hold != nil {
		if hold.Until.IsZero() {
			return
		}
		due = max(due, hold.Until.Unix())
	}
	u.Add(due)
}

// due returns the counts; nil if the scan cannot know.
func (u *upcoming) due() []report.Due {
	if u.Upcoming == nil {
		return nil
	}
	due := []report.Due{}
	for day, media := range u.Days() {
		due = append(due, report.Due{Day: day, Media: media})
	}
	return due
}
