package scan

import (
	"fmt"
	"time"

	"github.com/mediasweep/mediasweep/internal/media"
	"github.com/mediasweep/mediasweep/internal/policy"
	"github.com/mediasweep/mediasweep/internal/text"
)

// notes returns what a person should know about the candidates.
func (c *scan) notes() (notes []string) {
	note := func(format string, args ...any) { notes = append(notes, fmt.Sprintf(format, args...)) }
	if c.Origin.isHint && !c.request.isScheduled() {
		note("an interrupted scan was resumed: its decisions are as of %s", c.Head.AsOf.Format(time.RFC3339))
	}
	if n := c.sources.unmatched; n > 0 {
		note("%d rows of inventory reports skipped: no rule can match their objects", n)
	}
	notes = append(notes, c.sources.literals.describe()...)
	for _, prefix := range c.request.Prefixes {
		if c.sources.line(prefix.String()).Named == 0 && !c.Missing {
			note("no object is below %s", text.Quote(prefix.String()))
		}
	}
	if c.request.Inventory && c.Stopped == nil && !c.Missing {
		notes = append(notes, c.idleWorkflows()...)
	}
	return notes
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
