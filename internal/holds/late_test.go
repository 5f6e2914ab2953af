package holds

import (
	"context"
	"fmt"
	"iter"
	"testing"

	"github.com/mediasweep/mediasweep/internal/state"
	"github.com/mediasweep/mediasweep/internal/state/statetest"
)

// late is a store whose listings lack some records.
type late struct {
	*statetest.Memory
	lacks map[string]bool
}

func (l late) List(ctx context.Context, folder, after string) iter.Seq2[state.Record, error] {
	return func(yield func(state.Record, error) bool) {
		for record, err := range l.Memory.List(ctx, folder, after) {
			if !l.lacks[record.Name] && !yield(record, err) {
				return
			}
		}
	}
}

// A hold binds, and its release ends it, although listings do not show the records yet.
func TestListingsThatAreLate(t *testing.T) {
	store := late{statetest.New(), map[string]bool{"holds/0000000002.json": true, "holds/0000000003.json": true, "releases/0000000001.json": true}}
	here, elsewhere := New(), New()
	check := func(want string) {
		t.Helper()
		for name, h := range map[string]*Holds{"here": here, "elsewhere": elsewhere, "in a new process": New()} {
			no(t, h.Refresh(t.Context(), store))
			var ids []string
			for _, hold := range h.Latest().All() {
				ids = append(ids, hold.ID)
			}
			if got := fmt.Sprint(ids); got != want {
				t.Errorf("%s: %s, want %s", name, got, want)
			}
		}
	}
	for i, want := range []string{"[1]", "[1 2]", "[1 2 3]"} {
		_, err := here.Place(t.Context(), store, holdOn(fmt.Sprint("id", i+1)))
		no(t, err)
		check(want)
	}
	_, err := here.Release(t.Context(), store, "1", "ops@host", asOf)
	no(t, err)
	check("[2 3]")
	clear(store.lacks)
	check("[2 3]")
	_, err = elsewhere.Place(t.Context(), store, holdOn("id4"))
	no(t, err)
	check("[2 3 4]")
}
