package render

import (
	"strings"
	"text/tabwriter"
	"time"

	"github.com/mediasweep/mediasweep/internal/retention"
)

// WriteHolds writes holds for a person at a terminal.
func WriteHolds(b *strings.Builder, holds []retention.Hold) {
	t := tabwriter.NewWriter(b, 0, 0, 2, ' ', 0)
	say(t, "hold\ttarget\tuntil\tplaced\tby\treason")
	for _, h := range holds {
		say(t, "%s\t%s\t%s\t%s\t%s\t%s", h.ID, h.Target, h.Ends(), h.At.Format(time.RFC3339), h.By, h.Reason)
	}
	_ = t.Flush() // a Builder takes everything
}
