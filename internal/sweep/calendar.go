package sweep

import (
	"maps"
	"slices"
	"time"

	"github.com/mediasweep/mediasweep/internal/announce"
	"github.com/mediasweep/mediasweep/internal/policy"
	"github.com/mediasweep/mediasweep/internal/report"
)

// maxListed bounds the announced media that a report lists.
const maxListed = 100

// calendar counts announced media by the day on which their notice ends.
type calendar struct {
	policy *policy.Policy
	days   map[string]*report.Announced
	media  int
}

// add counts a medium.
func (c *calendar) add(one announce.Entry) {
	zone := c.policy.Timezone
	day := c.policy.Notice.After(time.Unix(one.At, 0), zone).In(zone).Format(time.DateOnly)
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

// list returns the days in their order.
func (c *calendar) list() (days []report.Announced) {
	for _, day := range slices.Sorted(maps.Keys(c.days)) {
		days = append(days, *c.days[day])
	}
	return days
}
