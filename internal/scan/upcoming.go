package scan

import (
	"time"

	"github.com/mediasweep/mediasweep/internal/inventory"
	"github.com/mediasweep/mediasweep/internal/media"
	"github.com/mediasweep/mediasweep/internal/report"
	"github.com/mediasweep/mediasweep/internal/retention"
)

// A scan of the inventory counts what falls due in the coming days. It agrees with a forecast of the
// same library. Of a medium that the index skips it knows what an earlier scan found.

// rankOf ranks a medium. One that is dated ahead is ranked if its group may push others out in time.
func (d *decider) rankOf(m *media.Medium, facts retention.Facts) retention.Rank {
	if d.upcoming != nil && m.Created.Before(d.upcoming.Ends()) {
		facts = facts.WhenKnown(m)
	}
	return retention.RankOf(d.policy, m, facts)
}

// expiryOf returns when a medium expires if it is not among the latest, in seconds since 1970; 0 for
// never.
func (d *decider) expiryOf(m *media.Medium, facts retention.Facts) int64 {
	if d.upcoming == nil {
		return 0
	}
	due, _, ok := retention.Due(d.policy, m, facts)
	if !ok {
		return 0
	}
	return due.Unix()
}

// countDue counts a medium of a ranked draft, if it has not expired.
func (d *decider) countDue(f *finding, ranker *retention.Ranker) {
	if d.upcoming == nil || f.expires == 0 {
		return
	}
	from, ok := ranker.OutrankedFrom(f.rank)
	if ok {
		d.upcoming.Add(max(f.expires, from/int64(time.Second)))
	}
}

// countSkipped counts a live medium that the index skips. The index does not know holds. Those that name
// the medium otherwise than the inventory does count once it is looked up.
func (d *decider) countSkipped(candidate *inventory.Candidate, due int64) {
	if d.upcoming == nil || due > d.upcoming.Ends().Unix() {
		return
	}
	d.skipped.ID, d.skipped.Object = candidate.MediaID, candidate.Object
	if hold := d.mark(&d.skipped).Hold; hold != nil {
		if hold.Until.IsZero() {
			return
		}
		due = max(due, hold.Until.Unix())
	}
	d.upcoming.Add(due)
}

// due returns the counts; nil if the scan cannot know.
func (d *decider) due() []report.Due {
	if d.upcoming == nil {
		return nil
	}
	due := []report.Due{}
	for day, media := range d.upcoming.Days() {
		due = append(due, report.Due{Day: day, Media: media})
	}
	return due
}
