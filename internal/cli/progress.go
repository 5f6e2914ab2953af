package cli

import (
	"cmp"
	"time"

	"github.com/schollz/progressbar/v3"

	"github.com/mediasweep/mediasweep/internal/sweep"
)

// progress returns what shows how far a run is: a bar with rate and time left
// where stderr is a terminal, and nothing elsewhere.
func (c *Command) progress() func(sweep.Progress) {
	if !isTerminal(c.Stderr) {
		return func(sweep.Progress) {}
	}
	var bar *progressbar.ProgressBar
	var shown sweep.Progress
	return func(now sweep.Progress) {
		if bar != nil && (now.Over || now.Deleting != shown.Deleting) {
			_ = bar.Finish() // only for the eye
			bar = nil
		}
		switch shown = now; {
		case now.Over:
		case bar != nil:
			_ = bar.Set(now.Done) // as above
		case now.Deleting:
			bar = c.newBar(now.Total, "deleting")
		case now.Restoring:
			bar = c.newBar(cmp.Or(now.Total, -1), "restoring")
		default:
			bar = c.newBar(-1, "looking up")
		}
	}
}

func (c *Command) newBar(total int, doing string) *progressbar.ProgressBar {
	bar := progressbar.NewOptions(total,
		progressbar.OptionSetWriter(c.Stderr),
		progressbar.OptionSetDescription(doing),
		progressbar.OptionSetItsString("media"),
		progressbar.OptionShowIts(),
		progressbar.OptionShowCount(),
		progressbar.OptionSetPredictTime(true),
		progressbar.OptionThrottle(100*time.Millisecond),
		progressbar.OptionClearOnFinish(),
		progressbar.OptionSetSpinnerChangeInterval(0), // its goroutine reads the bar without its lock
	)
	bar.StartWithoutRender() // else its clock starts with the first count, and the first rate has seven digits
	return bar
}
