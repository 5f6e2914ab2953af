package sweep

import (
	"maps"
	"slices"
	"time"

	"github.com/mediasweep/mediasweep/internal/announce"
	"github.com/mediasweep/mediasweep/internal/report"
)

// maxListed bounds the announced media that a report lists.
const maxListed = 100

// count counts an announced medium, which is no longer pending.
func (n *notice) count(one announce.Entry) {
	c := &n.report.Counts
	c.Pending--
	c.Announced++
	day := n.Policy.Notice.After(time.Unix(one.At, 0), n.Policy.Timezone).In(n.Policy.Timezone).Format(time.DateOnly)
	on := n.days[day]
	if on == nil {
		on = &report.Announced{Day: day}
		n.days[day] = on
	}
	if on.Media++; c.Announced <= maxListed {
		on.MediaIDs = append(on.MediaIDs, one.MediaID)
	}
}

// describe adds the days to the report, and what was lost.
func (n *notice) describe() {
	for _, day := range slices.Sorted(maps.Keys(n.days)) {
		n.report.Announced = append(n.report.Announced, *n.days[day])
	}
	for _, on := range n.report.Announced[:min(len(n.report.Announced), 3)] {
		if n.announces() {
			n.note("announced: %d media, deleted from %s on, unless a tag, a hold or the policy keeps them", on.Media, on.Day)
		} else {
			n.note("a dry run announces nothing: in mode enforce %d media would be deleted from %s on", on.Media, on.Day)
		}
	}
	for _, problem := range n.announced.Problems() {
		n.Log.Error("announcements lost", "problem", problem)
	}
	if problems := n.announced.Problems(); len(problems) > 0 {
		n.note("announcements lost: %s (%d records)", problems[0], len(problems))
	}
	if more := n.report.Counts.Announced - announce.MostOfRequest; more > 0 && !n.request.Inventory {
		n.note("%d media are announced only once the inventory names them, or the request comes again: one request announces %d", more, announce.MostOfRequest)
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
