package inventory

import (
	"context"
	"fmt"
	"iter"

	"github.com/mediasweep/mediasweep/internal/media"
	"github.com/mediasweep/mediasweep/internal/text"
)

// Executions lists the media of workflow executions, page by page.
type Executions interface {
	Executions(ctx context.Context, workflow, token string) (ids []string, next string, err error)
}

// maxEmpty bounds the consecutive pages without a medium. MPS does not document how a list ends.
const maxEmpty = 1000

// OfWorkflow yields the media of a workflow's executions in the last 90 days, once for each execution.
// An empty name means all workflows. It yields an error for an invalid MediaId and goes on; other
// errors are the last value.
func OfWorkflow(ctx context.Context, library Executions, workflow string) iter.Seq2[Candidate, error] {
	return func(yield func(Candidate, error) bool) {
		tokens := map[string]bool{}
		empty := 0 // pages in a row
		for token := ""; ; {
			ids, next, err := library.Executions(ctx, workflow, token)
			if err != nil {
				yield(Candidate{}, fmt.Errorf("executions of workflow %s: %w", text.Quote(workflow), err))
				return
			}
			if empty++; len(ids) > 0 {
				empty = 0
			}
			for _, id := range ids {
				c, err := Candidate{MediaID: id}, media.CheckID(id)
				if err != nil {
					c, err = Candidate{}, fmt.Errorf("executions of workflow %s: MediaId %s: %w", text.Quote(workflow), text.Quote(id), err)
				}
				if !yield(c, err) {
					return
				}
			}
			switch {
			case next == "":
				return
			case empty == maxEmpty:
				yield(Candidate{}, fmt.Errorf("executions of workflow %s: %d pages in a row have none", text.Quote(workflow), empty))
				return
			case tokens[next]:
				yield(Candidate{}, fmt.Errorf("executions of workflow %s: a page goes on where an earlier one was", text.Quote(workflow)))
				return
			}
			tokens[next] = true
			token = next
		}
	}
}
