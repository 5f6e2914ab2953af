package scan

import (
	"encoding/json"
	"fmt"
	"iter"
	"slices"

	"github.com/mediasweep/mediasweep/internal/media"
	"github.com/mediasweep/mediasweep/internal/policy"
	"github.com/mediasweep/mediasweep/internal/report"
	"github.com/mediasweep/mediasweep/internal/text"
)

// line returns the report's line of a source, until another one is added.
func (c *scan) line(name string) *report.Source { return &c.report.Sources[c.lineNumber(name)] }

// lineNumber returns the number of a source's line in the report. It adds the line if there is none.
func (c *scan) lineNumber(name string) int {
	r := c.report
	i := slices.IndexFunc(r.Sources, func(s report.Source) bool { return s.Source == name })
	if i < 0 {
		i = len(r.Sources)
		r.Sources = append(r.Sources, report.Source{Source: name})
	}
	return i
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

// describe adds notes about skipped candidates to the report.
func (c *scan) describe() {
	if n := c.sources.unmatched; n > 0 {
		c.report.Note("%d rows of inventory reports skipped: no rule can match their objects", n)
	}
	c.sources.literals.describe(c.report)
	for _, prefix := range c.request.Prefixes {
		if c.line(prefix.String()).Named == 0 && !c.Missing {
			c.report.Note("no object is below %s", text.Quote(prefix.String()))
		}
	}
	if c.request.Inventory && c.Stopped == nil && !c.Missing {
		c.report.Notes = append(c.report.Notes, c.idleWorkflows()...)
	}
}

// idleWorkflows returns notes about workflows of the inventory that named no media. MPS does not say that it knows none of a
// name.
func (c *scan) idleWorkflows() []string {
	var notes []string
	for _, workflow := range unique(c.Policy.Inventory.Workflows) {
		if workflow != policy.AllWorkflows && c.line("workflow:"+workflow).Named == 0 {
			notes = append(notes, fmt.Sprintf("no execution of workflow %s is known: check its spelling", text.Quote(workflow)))
		}
	}
	return text.First(notes, "workflows have no execution")
}

// maxLiterals bounds the names in literals.
const maxLiterals = 1000

// literals are named objects that look like patterns.
type literals struct {
	named        map[media.Object]bool
	withoutMedia []media.Object
}

func (l *literals) add(object media.Object) {
	if !object.LooksLikePattern() || len(l.named) == maxLiterals {
		return
	}
	if l.named == nil {
		l.named = map[media.Object]bool{}
	}
	l.named[object] = true
}

// miss notes that an object has no medium.
func (l *literals) miss(object media.Object) {
	if l.named[object] {
		l.withoutMedia = append(l.withoutMedia, object)
	}
}

// describe adds notes about names without a medium to a report.
func (l *literals) describe(one *report.Report) {
	notes := make([]string, len(l.withoutMedia))
	for i, object := range l.withoutMedia {
		notes[i] = fmt.Sprintf("%s has no medium: a name is literal here, not a prefix or a pattern", text.Quote(object.String()))
	}
	one.Notes = append(one.Notes, text.First(notes, "names that end in / or * have no medium")...)
}
