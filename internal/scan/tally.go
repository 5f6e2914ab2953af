package scan

import (
	"encoding/json"
	"fmt"
	"iter"
	"log/slog"
	"slices"

	"github.com/mediasweep/mediasweep/internal/extsort"
	"github.com/mediasweep/mediasweep/internal/report"
	"github.com/mediasweep/mediasweep/internal/text"
)

// tally adds what a scan could not look at to the report and the log.
type tally struct {
	report *report.Report
	log    *slog.Logger
	// Missing is true if some candidates or sources could not be read.
	Missing  bool
	unlisted extsort.Sorter // failures for which the report has no room
	unknown  int            // media that were kept as unknown
}

// line returns the report's line of a source.
func (t *tally) line(name string) *report.Source {
	r := t.report
	i := slices.IndexFunc(r.Sources, func(s report.Source) bool { return s.Source == name })
	if i < 0 {
		i = len(r.Sources)
		r.Sources = append(r.Sources, report.Source{Source: name})
	}
	return &r.Sources[i]
}

func (t *tally) note(format string, args ...any) {
	t.report.Notes = append(t.report.Notes, fmt.Sprintf(format, args...))
}

// miss adds a failure to the report, or to unlisted if the report is full. The report of a resumed scan may have the
// failure: the scan reads its lists again.
func (t *tally) miss(failure report.Failure) {
	t.Missing = true
	failure.Message = text.Bound(failure.Message)
	if slices.Contains(t.report.Failures, failure) || t.report.Fail(failure) {
		return
	}
	encoded, err := json.Marshal(failure)
	if err == nil {
		err = t.unlisted.Add(fmt.Sprintf("%012d", t.unlisted.Len()), encoded)
	}
	if err != nil {
		t.log.Error("failure not listed", "mediaId", failure.MediaID, "object", failure.Object, "message", failure.Message, "error", err.Error())
	}
}

// maxUnknownLines bounds the log lines about media that are kept as unknown.
const maxUnknownLines = 100

func (t *tally) warnUnknown(id, reason string) {
	if t.unknown++; t.unknown <= maxUnknownLines {
		t.log.Warn("kept as unknown", "mediaId", text.Bound(id), "reason", reason)
	}
}

// Unlisted returns the failures for which the report has no room.
func (t *tally) Unlisted() (count int, failures iter.Seq2[report.Failure, error]) {
	return t.unlisted.Len(), func(yield func(report.Failure, error) bool) {
		for record, err := range t.unlisted.All() {
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
