package runlog

import (
	"encoding/json"
	"fmt"
	"iter"
	"testing"
	"time"

	"github.com/mediasweep/mediasweep/internal/plan"
)

var asOf = time.Date(2026, 6, 30, 12, 0, 0, 0, time.UTC)

// no fails the test on an error.
func no(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func head() plan.Head {
	return plan.Head{AsOf: asOf, Policy: "sha256:p", Scope: plan.Scope{MediaIDs: []string{"a"}}}
}

// entries yields the lines of so many media.
func entries(t *testing.T, count int) iter.Seq2[plan.Line, error] {
	t.Helper()
	return func(yield func(plan.Line, error) bool) {
		for i := range count {
			id := fmt.Sprintf("m%06d", i)
			l, err := plan.LineOf(plan.Entry{MediaID: id, Rule: "r", Record: json.RawMessage(fmt.Sprintf(`{"MediaId":%q}`, id))}, asOf, asOf)
			if !yield(l, err) {
				return
			}
		}
	}
}
