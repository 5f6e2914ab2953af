package scan

import (
	"github.com/mediasweep/mediasweep/internal/extsort"
	"github.com/mediasweep/mediasweep/internal/inventory"
	"github.com/mediasweep/mediasweep/internal/plan"
	"github.com/mediasweep/mediasweep/internal/report"
)

// Found is the result of a scan. The caller must close it.
type Found struct {
	Scope plan.Scope
	Draft Draft
	// Stopped is the error that interrupted the scan. Failed is an error that makes the draft
	// unusable.
	Stopped, Failed error
	// Missing is true if some candidates or sources could not be read.
	Missing  bool
	unlisted extsort.Sorter // failures for which the report has no room
	skips
	report *report.Report
	// sorted is true if the prefixes are read before the first look-up too, and sorted.
	sorted      bool
	cursor      cursor
	checkpoints *checkpointer // nil for a scan without checkpoints
	resumed     resumed
	gathered    inventory.Gathered
}

// Close frees the memory and the temporary files.
func (f *Found) Close() {
	f.Draft.Close()
	f.unlisted.Close()
	f.skips.close()
	f.gathered.Close()
}

// End returns the error that ended the scan early, or nil.
func (f *Found) End() error {
	if f.Failed != nil {
		return f.Failed
	}
	return f.Stopped
}
