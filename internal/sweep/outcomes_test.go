package sweep

import (
	"context"
	"errors"
	"testing"

	"github.com/mediasweep/mediasweep/internal/journal"
	"github.com/mediasweep/mediasweep/internal/plan"
	"github.com/mediasweep/mediasweep/internal/purge"
	"github.com/mediasweep/mediasweep/internal/state"
)

// down is a store in which so many writes fail.
type down struct {
	state.Store
	writes int
}

func (d *down) Create(ctx context.Context, name string, data []byte) error {
	if d.writes > 0 {
		d.writes--
		return errStore
	}
	return d.Store.Create(ctx, name, data)
}

// Outcomes that could not be written are written with the next ones.
func TestOutcomesAreWrittenAgain(t *testing.T) {
	o := outcomes{store: &down{state.Folder(t.TempDir()), 1}, run: "r", plan: "p"}
	o.add(purge.Outcome{Line: plan.Line{MediaID: "a"}, Became: journal.Deleted}, "", "r")
	if err := o.flush(t.Context()); !errors.Is(err, errStore) {
		t.Fatal(err)
	}
	o.add(purge.Outcome{Line: plan.Line{MediaID: "b"}, Became: journal.Gone}, "", "r")
	if err := o.flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	all, _, err := journal.Outcomes(t.Context(), o.store, "r", "r")
	if err != nil || len(all) != 2 || all["a"].Became != journal.Deleted || all["b"].Became != journal.Gone {
		t.Errorf("%+v: %v", all, err)
	}
}
