package sweep

import (
	"slices"
	"strings"
	"time"

	"github.com/mediasweep/mediasweep/internal/journal"
	"github.com/mediasweep/mediasweep/internal/report"
)

// maxListed bounds the announced media that a report lists.
const maxListed = 100

// count counts an announced medium, which is no longer pending.
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
