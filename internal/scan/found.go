package scan

import (
	"encoding/json"
	"iter"

	"github.com/mediasweep/mediasweep/internal/extsort"
	"github.com/mediasweep/mediasweep/internal/index"
	"github.com/mediasweep/mediasweep/internal/inventory"
	"github.com/mediasweep/mediasweep/internal/plan"
	"github.com/mediasweep/mediasweep/internal/report"
)

// Found is the result of a scan. The caller must close it.
type Found struct {
	Scope plan.Scope
	Draft Draft
	// Missing is true if some candidates or sources could not be read.
	Missing bool
	// Stopped is the error that interrupted the scan. Failed is an error that makes the draft
	// unusable.
	Stopped, Failed error
	// Suspended is true if a later run resumes the scan.
	Suspended bool
	// Passed counts the candidates that were skipped by the index. Known counts their live media.
	Passed, Known int

	// known is the index of earlier scans. finds collects the entries of this scan. Both are nil
	// for a scan that is not scheduled.
	known *index.Generation
	finds *index.Finds
	// splits are names at which a listing may be parted.
	splits     []string
	resumed    resumed
	checkpoint *checkpointer // nil for a scan without checkpoints
	head       checkpoint    // the position at the end of the scan
	// begun is true if any candidate was taken. progressed is true if any was accounted for since
	// the scan was resumed.
	begun, progressed bool
	unlisted          extsort.Sorter // failures for which the report has no room
	gathered          inventory.Gathered
}

// Close frees the memory and the temporary files.
func (f *Found) Close() {
	f.Draft.Close()
	f.unlisted.Close()
	f.gathered.Close()
	if f.finds != nil {
		f.finds.Close()
	}
}

// End returns the error that ended the scan early, or nil.
func (f *Found) End() error {
	if f.Failed != nil {
		return f.Failed
	}
	return f.Stopped
}

// Progress receives the number of candidates that have been answered.
type Progress func(done int)

// Unlisted returns the failures for which the report has no room.
func (f *Found) Unlisted() (count int, failures iter.Seq2[report.Failure, error]) {
	return f.unlisted.Len(), func(yield func(report.Failure, error) bool) {
		for record, err := range f.unlisted.All() {
			var failure report.Failure
			if err == nil {
				err = json.Unmarshal(record.Rest, &failure)
			}
			if !yield(failure, err) {
				return
			}
		}
	}
}
