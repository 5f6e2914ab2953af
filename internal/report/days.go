package report

import (
	"cmp"
	"time"

	"github.com/mediasweep/mediasweep/internal/retention"
)

// Announced counts the media whose notice ends on a day. The first sweep after that deletes them.
type Announced struct {
	Day   string `json:"day"` // YYYY-MM-DD in the policy's timezone
	Media int    `json:"media"`
	// MediaIDs are the first of them. A report lists at most 100.
	MediaIDs []string `json:"mediaIds,omitempty"`
	// Guard is why the guard will block the sweep that deletes them; empty if it will not.
	Guard string `json:"guard,omitempty"`
}

// Due counts the media that fall due on a day, by what sweeps know. With a notice the day is the one on which it ends.
// Days without media are left out.
type Due struct {
	Day   string `json:"day"` // YYYY-MM-DD in the policy's timezone
	Media int    `json:"media"`
}

// DueWithinSeven returns the days of Due that begin within seven days after AsOf, and their media.
func (r *Report) DueWithinSeven() (days []Due, media int) {
	last := retention.DateOf(r.AsOf.AddDate(0, 0, 7), cmp.Or(r.Zone, time.UTC))
	for _, on := range r.Due {
		if day, err := time.Parse(time.DateOnly, on.Day); err == nil && !day.After(last) {
			days, media = append(days, on), media+on.Media
		}
	}
	return days, media
}
