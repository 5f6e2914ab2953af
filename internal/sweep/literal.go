package sweep

import (
	"fmt"
	"strings"

	"github.com/mediasweep/mediasweep/internal/media"
	"github.com/mediasweep/mediasweep/internal/report"
	"github.com/mediasweep/mediasweep/internal/text"
)

const (
	maxLiterals     = 1000 // names that are remembered
	maxLiteralNotes = 20   // notes about them
)

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

// miss takes objects without a medium.
func (l *literals) miss(objects []media.Object) {
	for _, object := range objects {
		if l.named[object] {
			l.withoutMedia = append(l.withoutMedia, object)
		}
	}
}

// tell adds to a report the names that have no medium.
func (l *literals) tell(one *report.Report) {
	for i, object := range l.withoutMedia {
		if i == maxLiteralNotes {
			one.Notes = append(one.Notes, fmt.Sprintf("%d more names that end in / or * have no medium", len(l.withoutMedia)-i))
			return
		}
		one.Notes = append(one.Notes, fmt.Sprintf("%s has no medium: a name is literal here, not a prefix or a pattern", text.Quote(object.String())))
	}
}
