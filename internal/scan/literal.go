package scan

import (
	"fmt"
	"strings"

	"github.com/mediasweep/mediasweep/internal/media"
	"github.com/mediasweep/mediasweep/internal/report"
	"github.com/mediasweep/mediasweep/internal/text"
)

// maxLiterals bounds the names that are remembered.
const maxLiterals = 1000

// literals are objects that a request or a list names, and whose names end in / or *. A
// name is literal, and whoever wrote such a name may have meant a prefix or a pattern.
type literals struct {
	named        map[media.Object]bool
	withoutMedia []media.Object
}

// add takes an object that was named.
func (l *literals) add(object media.Object) {
	if !strings.HasSuffix(object.Key, "/") && !strings.HasSuffix(object.Key, "*") || len(l.named) == maxLiterals {
		return
	}
	if l.named == nil {
		l.named = map[media.Object]bool{}
	}
	l.named[object] = true
}

// miss takes an object without a medium.
func (l *literals) miss(object media.Object) {
	if l.named[object] {
		l.withoutMedia = append(l.withoutMedia, object)
	}
}

// describe lists in a report the names without a medium.
func (l *literals) describe(one *report.Report) {
	notes := make([]string, len(l.withoutMedia))
	for i, object := range l.withoutMedia {
		notes[i] = fmt.Sprintf("%s has no medium: a name is literal here, not a prefix or a pattern", text.Quote(object.String()))
	}
	one.Notes = append(one.Notes, text.First(notes, "names that end in / or * have no medium")...)
}
