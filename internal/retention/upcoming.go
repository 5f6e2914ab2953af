package retention

import (
	"iter"
	"time"

	"github.com/mediasweep/mediasweep/internal/policy"
)

// UpcomingDays is the number of days for which sweeps count what falls due.
const UpcomingDays = 90

// Upcoming counts media by the day on which a sweep may delete them, as Forecast does. The first of its
// UpcomingDays is today. It does not count what has expired.
type Upcoming struct {
	policy            *policy.Policy
	asOf, today, ends time.Time
	days              [UpcomingDays]int
}

// NewUpcoming returns the counts of a sweep as of an instant. All are zero.
func NewUpcoming(p *policy.Policy, asOf time.Time) *Upcoming {
	today := DateOf(asOf, p.Timezone)
	return &Upcoming{policy: p, asOf: asOf, today: today, ends: today.AddDate(0, 0, UpcomingDays+2)}
}

// Ends returns an instant after the last day. What happens later changes no count.
func (u *Upcoming) Ends() time.Time { return u.ends }

// Add counts a medium that falls due at a time, in seconds since 1970.
func (u *Upcoming) Add(due int64) {
	if due <= u.asOf.Unix() || due > u.ends.Unix() {
		return
	}
	goes := Goes(u.policy, Facts{AsOf: u.asOf}, time.Unix(due, 0))
	if day := daysAfter(u.today, goes, u.policy.Timezone); day < UpcomingDays {
		u.days[day]++
	}
}

// Days yields the days on which media fall due, as YYYY-MM-DD in the policy's timezone, with their numbers.
func (u *Upcoming) Days() iter.Seq2[string, int] {
	return func(yield func(string, int) bool) {
		for i, media := range u.days {
			if media > 0 && !yield(u.today.AddDate(0, 0, i).Format(time.DateOnly), media) {
				return
			}
		}
	}
}
