package scan

import (
	"time"

	"github.com/mediasweep/mediasweep/internal/inventory"
	"github.com/mediasweep/mediasweep/internal/media"
	"github.com/mediasweep/mediasweep/internal/policy"
	"github.com/mediasweep/mediasweep/internal/report"
	"github.com/mediasweep/mediasweep/internal/retention"
)

// upcoming counts media by the day on which a sweep may delete them, as a forecast of the same library does. It does not count
// what has expired. Of a medium that the index skips it knows what an earlier scan found. It is nil for a scan that cannot
// know: it is not of the whole inventory, or was resumed.
type upcoming struct {
	policy  *policy.Policy
	mark    func(*media.Medium) retention.Mark
	asOf    time.Time
	today   time.Time // see retention.DateOf
	ends    time.Time // after the last day: what happens later changes no count
	days    [retention.UpcomingDays]int
	skipped media.Medium // used again for each medium that the index skips
}

func newUpcoming(p *policy.Policy, asOf time.Time, mark func(*media.Medium) retention.Mark) *upcoming {
	today := retention.DateOf(asOf, p.Timezone)
	return &upcoming{policy: p, mark: mark, asOf: asOf, today: today, ends: today.AddDate(0, 0, retention.UpcomingDays+2)}
}

// add counts a medium that falls due at a time, in seconds since 1970.
func (u *upcoming) add(due int64) {
	if due <= u.asOf.Unix() || due > u.ends.Unix() {
		return
	}
	goes := retention.Goes(u.policy, retention.Facts{AsOf: u.asOf}, time.Unix(due, 0))
	if day := retention.DaysAfter(u.today, goes, u.policy.Timezone); day < len(u.days) {
		u.days[day]++
	}
}

// rankOf ranks a medium. One that is dated ahead is ranked if its group may push others out in time.
func (d *decider) rankOf(c *retention.Case, facts retention.Facts) retention.Rank {
	if d.upcoming != nil && c.Medium.Created.Before(d.upcoming.ends) {
		facts = facts.WhenKnown(c.Medium)
	}
	return c.Rank(facts)
}

// countDue counts a medium of a ranked draft, if it has not expired.
func (u *upcoming) countDue(f *finding, ranker *retention.Ranker) {
	if u == nil || f.expires == 0 {
		return
	}
	from, ok := ranker.OutrankedFrom(f.rank)
	if ok {
		u.add(max(f.expires, from/int64(time.Second)))
	}
}

// countSkipped counts a live medium that the index skips. The index does not know holds. Those that name
// the medium otherwise than the inventory does count once it is looked up.
func (u *upcoming) countSkipped(candidate *inventory.Candidate, due int64) {
	if u == nil || due > u.ends.Unix() {
		return
	}
	u.skipped.ID, u.skipped.Object = candidate.MediaID, candidate.Object
	if hold := u.mark(&u.skipped).Hold; hold != nil {
		if hold.Until.IsZero() {
			return
		}
		due = max(due, hold.Until.Unix())
	}
	u.add(due)
}

// due returns the counts; nil if the scan cannot know.
func (u *upcoming) due() []report.Due {
	if u == nil {
		return nil
	}
	due := []report.Due{}
	for i, media := range u.days {
		if media > 0 {
			due = append(due, report.Due{Day: u.today.AddDate(0, 0, i).Format(time.DateOnly), Media: media})
		}
	}
	return due
}
