package runlog_test

import (
	"context"
	"testing"

	"github.com/mediasweep/mediasweep/internal/report"
	"github.com/mediasweep/mediasweep/internal/runlog"
	"github.com/mediasweep/mediasweep/internal/state"
)

func TestClaimDigest(t *testing.T) {
	store := state.Folder(t.TempDir())
	for i, claim := range []struct {
		run    string
		status report.Status
		want   bool
	}{
		{"run-1", report.Failed, true},
		{"run-1", report.Failed, false},
		{"run-1", report.Done, true}, // repeated after the failure
		{"run-1", report.Done, false},
		{"../run 1", report.Done, true},
		{"../run 1", report.Done, false},
	} {
		if got, err := runlog.ClaimDigest(context.Background(), store, claim.run, claim.status); got != claim.want || err != nil {
			t.Errorf("claim %d: %t, %v", i+1, got, err)
		}
	}
}
