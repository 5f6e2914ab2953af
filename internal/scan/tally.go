package scan

import (
	"encoding/json"
	"fmt"
	"iter"
	"slices"

	"github.com/mediasweep/mediasweep/internal/report"
	"github.com/mediasweep/mediasweep/internal/text"
)

// line returns the report's line of a source.
func (c *scan) line(name string) *report.Source {
	r := c.report
	i := slices.IndexFunc(r.Sources, func(s report.Source) bool { return s.Source == name })
	if i < 0 {
		i = len(r.Sources)
		r.Sources = append(r.Sources, report.Source{Source: name})
	}
	return &r.Sources[i]
}

func (c *scan) note(format string, args ...any) {
	c.report.Notes = append(c.report.Notes, fmt.Sprintf(format, args...))
}

// miss adds a failure to the report, or to unlisted if the report is full. The report of a resumed scan may have the
// failure: the scan reads its lists again.
func (c *scan) miss(failure report.Failure) {
	c.Missing = true
	failure.Message = text.Bound(failure.Message)
	if slices.Contains(c.report.Failures, failure) || c.report.Fail(failure) {
		return
	}
	encoded, err := json.Marshal(failure)
	if err == nil {
		err = c.unlisted.Add(fmt.Sprintf("%012d", c.unlisted.Len()), encoded)
	}
	if err != nil {
		c.Log.Error("failure not listed", "mediaId", failure.MediaID, "object", failure.Object, "message", failure.Message, "error", err.Error())
	}
}

// maxUnknownLines bounds the log lines about media that are kept as unknown.
const maxUnknownLines = 100

func (c *scan) warnUnknown(id, reason string) {
	if c.unknown++; c.unknown <= maxUnknownLines {
		c.Log.Warn("kept as unknown", "mediaId", text.Bound(id), "reason", reason)
	}
}

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
