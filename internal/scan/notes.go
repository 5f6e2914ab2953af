package scan

import (
	"encoding/json"
	"fmt"
	"iter"
	"log/slog"
	"slices"

	"github.com/mediasweep/mediasweep/internal/extsort"
	"github.com/mediasweep/mediasweep/internal/media"
	"github.com/mediasweep/mediasweep/internal/policy"
	"github.com/mediasweep/mediasweep/internal/report"
	"github.com/mediasweep/mediasweep/internal/text"
)

// failures are what could not be read.
type failures struct {
	log *slog.Logger
	// Missing is true if some candidates or sources could not be read.
	Missing  bool
	reported []report.Failure // in the report
	unlisted extsort.Sorter   // those for which the report has no room
	unknown  int              // media that were kept as unknown
}

// miss adds a failure. A resumed scan may have it from its checkpoint: it reads its lists again.
func (f *failures) miss(failure report.Failure) {
	f.Missing = true
	failure.Message = text.Bound(failure.Message)
	if slices.Contains(f.reported, failure) {
		return
	}
	if len(f.reported) < report.MaxFailures {
		f.reported = append(f.reported, failure)
		return
	}
	encoded, err := json.Marshal(failure)
	if err == nil {
		err = f.unlisted.Add(fmt.Sprintf("%012d", f.unlisted.Len()), encoded)
	}
	if err != nil {
		f.log.Error("failure not listed", "mediaId", failure.MediaID, "object", failure.Object, "message", failure.Message, "error", err.Error())
	}
}

// maxUnknownLines bounds the log lines about media that are kept as unknown.
const maxUnknownLines = 100

func (f *failures) warnUnknown(id, reason string) {
	if f.unknown++; f.unknown <= maxUnknownLines {
		f.log.Warn("kept as unknown", "mediaId", text.Bound(id), "reason", reason)
	}
}

// Unlisted returns the failures for which the report has no room.
func (f *failures) Unlisted() (count int, failures iter.Seq2[report.Failure, error]) {
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

// describe adds notes about skipped candidates.
func (c *scan) describe() {
	if n := c.sources.unmatched; n > 0 {
		c.note("%d rows of inventory reports skipped: no rule can match their objects", n)
	}
	c.notes = append(c.notes, c.sources.literals.describe()...)
	for _, prefix := range c.request.Prefixes {
		if c.sources.line(prefix.String()).Named == 0 && !c.Missing {
			c.note("no object is below %s", text.Quote(prefix.String()))
		}
	}
	if c.request.Inventory && c.Stopped == nil && !c.Missing {
		c.notes = append(c.notes, c.idleWorkflows()...)
	}
}

func (c *scan) note(format string, args ...any) {
	c.notes = append(c.notes, fmt.Sprintf(format, args...))
}

// idleWorkflows returns notes about workflows of the inventory that named no media. MPS does not say that it knows none of a
// name.
func (c *scan) idleWorkflows() []string {
	var notes []string
	for _, workflow := range unique(c.Policy.Inventory.Workflows) {
		if workflow != policy.AllWorkflows && c.sources.line("workflow:"+workflow).Named == 0 {
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

// describe returns notes about names without a medium.
func (l *literals) describe() []string {
	notes := make([]string, len(l.withoutMedia))
	for i, object := range l.withoutMedia {
		notes[i] = fmt.Sprintf("%s has no medium: a name is literal here, not a prefix or a pattern", text.Quote(object.String()))
	}
	return text.First(notes, "names that end in / or * have no medium")
}
