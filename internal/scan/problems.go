package scan

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"slices"

	"github.com/mediasweep/mediasweep/internal/deadline"
	"github.com/mediasweep/mediasweep/internal/extsort"
	"github.com/mediasweep/mediasweep/internal/report"
	"github.com/mediasweep/mediasweep/internal/text"
)

type problems struct {
	log *slog.Logger
	// Stopped is the error that interrupted the scan. Failed is an error that makes the draft unusable.
	Stopped, Failed error
	// Missing is true if some candidates or sources could not be read.
	Missing bool
	// BadRows are rows of lists that name nothing. An unusable list has none.
	BadRows int
	// Failures are the first. Unlisted has the others.
	Failures []report.Failure
	unlisted extsort.Sorter // those for which the report has no room
	unknown  int            // media that were kept as unknown
}

// End returns the error that ended the scan early, or nil.
func (p *problems) End() error { return cmp.Or(p.Failed, p.Stopped) }

func (p *problems) stop(why error) {
	if errors.Is(why, context.DeadlineExceeded) {
		why = deadline.ErrTimeUp
	}
	if p.Stopped == nil {
		p.Stopped = fmt.Errorf("stopped before everything had been looked at: %w", why)
	}
}

// miss adds a failure. A resumed scan may have it from its checkpoint: it reads its lists again.
func (p *problems) miss(failure report.Failure) {
	p.Missing = true
	failure.Message = text.Bound(failure.Message)
	if slices.Contains(p.Failures, failure) {
		return
	}
	if len(p.Failures) < report.MaxFailures {
		p.Failures = append(p.Failures, failure)
		return
	}
	encoded, err := json.Marshal(failure)
	if err == nil {
		err = p.unlisted.Add(fmt.Sprintf("%012d", p.unlisted.Len()), encoded)
	}
	if err != nil {
		p.log.Error("failure not listed", "mediaId", failure.MediaID, "object", failure.Object, "message", failure.Message, "error", err.Error())
	}
}

// maxUnknownLines bounds the log lines about media that are kept as unknown.
const maxUnknownLines = 100

func (p *problems) warnUnknown(id, reason string) {
	if p.unknown++; p.unknown <= maxUnknownLines {
		p.log.Warn("kept as unknown", "mediaId", text.Bound(id), "reason", reason)
	}
}

// Unlisted returns the failures for which the report has no room.
func (p *problems) Unlisted() (count int, failures iter.Seq2[report.Failure, error]) {
	return p.unlisted.Len(), func(yield func(report.Failure, error) bool) {
		for record, err := range p.unlisted.All() {
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
