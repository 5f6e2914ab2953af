package scan

import (
	"context"
	"time"

	"github.com/mediasweep/mediasweep/internal/plan"
	"github.com/mediasweep/mediasweep/internal/report"
)

// Found is the result of a scan. The caller must close it.
type Found struct {
	Head  plan.Head // of the plan
	Draft Draft
	// Live is the number of live media, including those that the index skipped. If a checkpoint claims some, it is a lower
	// bound, and MostLive is an upper one.
	Live, MostLive int
	Origin         Origin
	Summary
	// Resumes is true if a later run resumes the scan.
	Resumes bool
	problems
	skips
	checkpoints *checkpointer
}

// Summary is what a scan tells the report of its run, beside the problems.
type Summary struct {
	report.Tally
	Sources []report.Source
	Notes   []string
	// Due are the media that fall due on the next days. It is nil if the scan cannot know.
	Due []report.Due
}

// close frees the memory and the temporary files of a scan without a result.
func (c *scan) close() {
	c.sources.gathered.Close()
	c.Found.Close()
}

// result ends the scan.
func (c *scan) result() *Found {
	c.sources.gathered.Close()
	c.Sources = c.sources.lines
	return c.Found
}

// Close frees the memory and the temporary files.
func (f *Found) Close() {
	f.Draft.Close()
	f.unlisted.Close()
	f.skips.close()
}

// WriteIndex writes the next generation of the index.
func (f *Found) WriteIndex(ctx context.Context, now time.Time, run string) error {
	if f.finds == nil {
		return nil
	}
	return f.finds.Write(ctx, f.known, now, run)
}
