package sweep

import (
	"iter"

	"github.com/mediasweep/mediasweep/internal/plan"
	"github.com/mediasweep/mediasweep/internal/scan"
)

// dueLines yields the lines of the due media. It may be called several times.
func (n *notice) dueLines(found *scan.Found) iter.Seq2[plan.Line, error] {
	if !n.needsNotice() {
		return found.Draft.Lines()
	}
	return func(yield func(plan.Line, error) bool) {
		i := 0
		for l, err := range found.Draft.Lines() {
			if (err != nil || n.due[i]) && !yield(l, err) {
				return
			}
			i++
		}
	}
}
