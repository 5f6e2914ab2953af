package inventory

import (
	"context"
	"fmt"
	"iter"

	"github.com/mediasweep/mediasweep/internal/media"
	"github.com/mediasweep/mediasweep/internal/text"
)

// Executions tells of the media of workflow executions, a page at a time.
type Executions interface {
	Executions(ctx context.Context, workflow, token string) (ids []string, next string, err error)
}

// maxEmpty bounds the pages of executions that name no medium: that a list ends with an
// empty token is not documented.
const maxEmpty = 1000

// OfWorkflow yields the media of the executions of a workflow, or of all workflows for
// an empty name, in the last 90 days. A medium comes for each execution. An error ends
// it, but for one of a MediaId that is none.
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
