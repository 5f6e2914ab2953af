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
func (c *scan) rankOf(m *media.Medium, facts retention.Facts) retention.Rank {
	if c.upcoming != nil && m.Created.Before(c.upcoming.Ends()) {
		facts = facts.WhenKnown(m)
	}
	return retention.RankOf(c.Policy, m, facts)
}

// expiryOf returns when a medium expires if it is not among the latest, in seconds since 1970; 0 for
// never.
func (c *scan) expiryOf(m *media.Medium, facts retention.Facts) int64 {
	if c.upcoming == nil {
		return 0
	}
	due, _, ok := retention.Due(c.Policy, m, facts)
	if !ok {
		return 0
	}
	return due.Unix()
}

// countDue counts a medium of a ranked draft, if it has not expired.
func (c *scan) countDue(f *finding) {
	if c.upcoming == nil || f.expires == 0 {
		return
	}
	from, ok := c.Draft.ranker.OutrankedFrom(f.rank)
	if ok {
		c.upcoming.Add(max(f.expires, from/int64(time.Second)))
	}
}

// countSkipped counts a live medium that the index skips. The index does not know holds. Those that name
// the medium otherwise than the inventory does count once it is looked up.
func (c *scan) countSkipped(candidate inventory.Candidate, due int64) {
	if c.upcoming == nil || due > c.upcoming.Ends().Unix() {
		return
	}
	if hold := c.Mark(&media.Medium{ID: candidate.MediaID, Object: candidate.Object}).Hold; hold != nil {
		if hold.Until.IsZero() {
			return
		}
		due = max(due, hold.Until.Unix())
	}
	c.upcoming.Add(due)
}

// reportUpcoming adds the counts of a whole scan to the report.
func (c *scan) reportUpcoming() {
	if c.upcoming == nil || c.End() != nil || !c.Draft.ranker.IsWhole() {
		return
	}
	c.report.Due = []report.Due{}
	for day, media := range c.upcoming.Days() {
		c.report.Due = append(c.report.Due, report.Due{Day: day, Media: media})
	}
}
