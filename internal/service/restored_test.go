package service

import (
	"context"
	"errors"
	"log/slog"
	"testing"

	"github.com/mediasweep/mediasweep/internal/report"
	"github.com/mediasweep/mediasweep/internal/runlog"
	"github.com/mediasweep/mediasweep/internal/state"
)

// failing is a store in which so many writes fail.
type failing struct {
	state.Store
	writes int
}

func (f *failing) Create(ctx context.Context, name string, data []byte) error {
	if f.writes > 0 {
		f.writes--
		return errors.New("the store is down")
	}
	return f.Store.Create(ctx, name, data)
}

// Results that could not be written are written with the next ones. The report names their records only then.
func TestResultsAreWrittenAgain(t *testing.T) {
	r := &report.Report{Run: "r", Restore: &report.Restore{}}
	o := &results{store: &failing{state.Folder(t.TempDir()), 1}, log: slog.New(slog.DiscardHandler), report: r}
	o.add(t.Context(), report.RestoredMedium{MediaID: "a", Result: report.Restored, NewID: "b"})
	if o.flush(t.Context()); r.Restore.Records != "" {
		t.Fatalf("records %s", r.Restore.Records)
	}
	o.add(t.Context(), report.RestoredMedium{MediaID: "c", Result: report.Skipped})
	o.flush(t.Context())
	var ids string
	for one, err := range runlog.Restored(t.Context(), o.store, "r", 2) {
		if err != nil {
			t.Fatal(err)
		}
		ids += one.MediaID
	}
	if ids != "ac" || r.Restore.Records == "" {
		t.Errorf("results of %q, records %q", ids, r.Restore.Records)
	}
}
