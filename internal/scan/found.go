package scan

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/mediasweep/mediasweep/internal/deadline"
	"github.com/mediasweep/mediasweep/internal/plan"
	"github.com/mediasweep/mediasweep/internal/report"
)

// Found is the result of a scan. The caller must close it.
type Found struct {
	Scope plan.Scope
	Draft Draft
	// Live is the number of live media, including those that the index skipped. If a checkpoint claims some, it is a lower
	// bound, and MostLive is an upper one.
	Live, MostLive int
	Origin         Origin
	ending
	failures
	skips
	checkpoints *checkpointer
}

// close frees the memory and the temporary files of a scan without a result.
func (c *scan) close() {
	c.sources.gathered.Close()
	(&Found{Draft: c.draft, skips: c.skips, failures: c.failures}).Close()
}

// result ends the scan. It adds to the report what the scan read.
func (c *scan) result(r *report.Report) *Found {
	c.sources.gathered.Close()
	r.AsOf = c.asOf
	r.Sources, r.Notes = append(r.Sources, c.sources.lines...), append(r.Notes, c.notes...)
	for _, failure := range c.reported {
		r.Fail(failure)
	}
	return &Found{Scope: c.scope, Draft: c.draft, Origin: c.origin, ending: c.ending, failures: c.failures, skips: c.skips, checkpoints: c.checkpoints}
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

// ending says why a scan ended early.
type ending struct {
	// Stopped is the error that interrupted the scan. Failed is an error that makes the draft
	// unusable.
	Stopped, Failed error
}

// End returns the error that ended the scan early, or nil.
func (e *ending) End() error {
	if e.Failed != nil {
		return e.Failed
	}
	return e.Stopped
}

func (e *ending) stop(why error) {
	if errors.Is(why, context.DeadlineExceeded) {
		why = deadline.ErrTimeUp
	}
	if e.Stopped == nil {
		e.Stopped = fmt.Errorf("stopped before everything had been looked at: %w", why)
	}
}
