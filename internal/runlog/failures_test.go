package runlog

import (
	"errors"
	"fmt"
	"iter"
	"strings"
	"testing"

	"github.com/mediasweep/mediasweep/internal/report"
	"github.com/mediasweep/mediasweep/internal/segments"
	"github.com/mediasweep/mediasweep/internal/state/statetest"
)

// failing yields failures, and then an error if there is one.
func failing(count int, err error) iter.Seq2[report.Failure, error] {
	return func(yield func(report.Failure, error) bool) {
		for i := range count {
			if !yield(report.Failure{Message: fmt.Sprint("failure ", i)}, nil) {
				return
			}
		}
		if err != nil {
			yield(report.Failure{}, err)
		}
	}
}

func TestSaveFailures(t *testing.T) {
	store := statetest.New()
	folder, err := SaveFailures(t.Context(), store, asOf, "run", failing(2500, nil))
	no(t, err)
	names := store.Names(folder)
	if !strings.HasPrefix(folder, "failures/") || len(names) != 3 || len(names) != len(store.Records) {
		t.Errorf("records %q in %s", names, folder)
	}
	n := 0
	for _, name := range names {
		for line, err := range segments.Lines(store.Records[name]) {
			no(t, err)
			if !strings.Contains(string(line), fmt.Sprintf("\"failure %d\"", n)) {
				t.Fatalf("line %d is %s", n, line)
			}
			n++
		}
	}
	if n != 2500 {
		t.Errorf("%d failures, want 2500", n)
	}
	broken := errors.New("cannot be read")
	if _, err := SaveFailures(t.Context(), statetest.New(), asOf, "run", failing(5, broken)); !errors.Is(err, broken) {
		t.Errorf("failures that fail: %v", err)
	}
	store.Down = "create"
	if _, err := SaveFailures(t.Context(), store, asOf, "later", failing(5, nil)); !errors.Is(err, statetest.ErrDown) {
		t.Errorf("a store that fails: %v", err)
	}
}
