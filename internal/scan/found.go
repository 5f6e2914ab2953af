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
	problems
	skips
	checkpoints *checkpointer
}

// close frees the memory and the temporary files of a scan without a result.
func (c *scan) close() {
	c.sources.gathered.Close()
	c.Found.Close()
}

// result ends the scan. It adds to the report what the scan read.
func (c *scan) result(r *report.Report, notes []string) *Found {
	c.sources.gathered.Close()
	r.AsOf = c.Head.AsOf
	r.Sources, r.Notes = append(r.Sources, c.sources.lines...), append(r.Notes, notes...)
	for _, failure := range c.reported {
		r.Fail(failure)
	}
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
