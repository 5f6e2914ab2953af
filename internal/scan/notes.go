package scan

import (
	"fmt"
	"strings"

	"github.com/mediasweep/mediasweep/internal/media"
	"github.com/mediasweep/mediasweep/internal/policy"
	"github.com/mediasweep/mediasweep/internal/report"
	"github.com/mediasweep/mediasweep/internal/text"
)

// describe adds notes about skipped candidates to the report.
func (c *scan) describe() {
	if n := c.sources.unmatched; n > 0 {
		c.note("%d rows of inventory reports skipped: no rule can match their objects", n)
	}
	c.sources.literals.describe(c.report)
	for _, prefix := range c.request.Prefixes {
		if c.line(prefix.String()).Named == 0 && !c.Missing {
			c.note("no object is below %s", text.Quote(prefix.String()))
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

// literals are named objects whose names end in / or *. Names are literal, but the author may have
// meant a prefix or a pattern.
type literals struct {
	named        map[media.Object]bool
	withoutMedia []media.Object
}

func (l *literals) add(object media.Object) {
	if !strings.HasSuffix(object.Key, "/") && !strings.HasSuffix(object.Key, "*") || len(l.named) == maxLiterals {
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
