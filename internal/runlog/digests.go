package runlog

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"

	"github.com/mediasweep/mediasweep/internal/report"
	"github.com/mediasweep/mediasweep/internal/state"
	"github.com/mediasweep/mediasweep/internal/text"
)

// ClaimDigest records that the digest about a status of a run is about to be sent. It returns false if
// an earlier call did so: that one may have sent the digest. Each claim is unique, because two records
// of the same content would count as one.
func ClaimDigest(ctx context.Context, store state.Store, run string, status report.Status) (bool, error) {
	err := state.CreateJSON(ctx, store, fmt.Sprintf("digests/%s/%s.json", state.SafeName(run), state.SafeName(string(status))), struct {
		Format int    `json:"format"`
		Claim  string `json:"claim"`
	}{1, rand.Text()})
	if errors.Is(err, state.ErrExists) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("record the digest of run %s: %w", text.Quote(run), err)
	}
	return true, nil
}
