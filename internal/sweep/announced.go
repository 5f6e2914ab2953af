package sweep

import (
	"maps"
	"slices"
	"time"

	"github.com/mediasweep/mediasweep/internal/announce"
	"github.com/mediasweep/mediasweep/internal/policy"
	"github.com/mediasweep/mediasweep/internal/report"
	"github.com/mediasweep/mediasweep/internal/scan"
)

const maxListed = 100

// calendar counts announced media by the day on which their notice ends.
type calendar struct {
	policy *policy.Policy
	days   map[string]*report.Announced
	media  int
}

func newCalendar(p *policy.Policy) *calendar {
	return &calendar{policy: p, days: map[string]*report.Announced{}}
}

func (c *calendar) add(one announce.Entry) {
	day := c.policy.NoticeEnds(time.Unix(one.At, 0)).In(c.policy.Timezone).Format(time.DateOnly)
	on := c.days[day]
	if on == nil {
		on = &report.Announced{Day: day}
		c.days[day] = on
	}
	on.Media++
	if c.media++; c.media <= maxListed {
		on.MediaIDs = append(on.MediaIDs, one.MediaID)
	}
}

func (c *calendar) list() (days []report.Announced) {
	for _, day := range slices.Sorted(maps.Keys(c.days)) {
		days = append(days, *c.days[day])
	}
	return days
}

// reportAnnounced adds the days to the report, and which announcements were lost. Announced media are not pending.
func (r *run) reportAnnounced(n *notice, days *calendar) {
	c := &r.report.Counts
	r.report.Announced, c.Announced, c.Pending = days.list(), days.media, c.Pending-days.media
	for _, on := range r.report.Announced[:min(len(r.report.Announced), 3)] {
		if n.announces() {
			r.report.Note("announced: %d media, deleted from %s on, unless a tag, a hold or the policy keeps them", on.Media, on.Day)
		} else {
			r.report.Note("a dry run announces nothing: in mode enforce %d media would be deleted from %s on", on.Media, on.Day)
		}
	}
	for _, problem := range n.announced.Problems() {
		r.Log.Error("announcements lost", "problem", problem)
	}
	if problems := n.announced.Problems(); len(problems) > 0 {
		r.report.Note("announcements lost: %s (%d records)", problems[0], len(problems))
	}
	if more := days.media - announce.MostOfRequest; more > 0 && !n.announced.Sweep {
		r.report.Note("%d media are announced only once the inventory names them, or the request comes again: one request announces %d", more, announce.MostOfRequest)
	}
}

// warnGuard says in the report if the guard would trip on the day on which most announced media go.
func (r *run) warnGuard(found *scan.Found) {
	if len(r.report.Announced) == 0 {
		return
	}
	on := &r.report.Announced[0]
	for i := range r.report.Announced {
		if r.report.Announced[i].Media > on.Media {
			on = &r.report.Announced[i]
		}
	}
	if reason := tripped(r.Policy.Guard, on.Media, found.Live, found.MostLive); reason != "" {
		on.Guard = reason
		r.report.Note("the guard will block the sweep that deletes the media announced for %s: %s", on.Day, reason)
	}
}

// retract counts announced media as pending if a run that should have recorded them ended before.
func (r *run) retract(n *notice) {
	if c := &r.report.Counts; n.announces() && !n.recorded {
		c.Pending, c.Announced, r.report.Announced = c.Pending+c.Announced, 0, nil
	}
}
