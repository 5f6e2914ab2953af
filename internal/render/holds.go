package render

import (
	"strings"
	"time"

	"github.com/mediasweep/mediasweep/internal/retention"
)

// WriteHolds writes holds for a person at a terminal.
func WriteHolds(b *strings.Builder, holds []retention.Hold) {
	t := &grid{out: b}
	t.line("hold\ttarget\tuntil\tplaced\tby\treason")
	for _, h := range holds {
		t.line("%s\t%s\t%s\t%s\t%s\t%s", h.ID, h.On(), h.Ends(), h.At.Format(time.RFC3339), h.By, h.Reason)
	}
	t.flush()
}
