package journal

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/mediasweep/mediasweep/internal/policy"
	"github.com/mediasweep/mediasweep/internal/state"
)

func policyName(digest string) string {
	return "policies/" + state.SafeName(strings.TrimPrefix(digest, "sha256:")) + ".yaml"
}

// SavePolicy saves the text of a policy under its digest. An earlier text of the same digest stays:
// its rules are the same, and its mode, guard, pace and comments may differ.
func SavePolicy(ctx context.Context, store state.Store, p *policy.Policy) error {
	name := policyName(p.Digest())
	if err := store.Create(ctx, name, p.Text()); err != nil && !errors.Is(err, state.ErrExists) {
		return fmt.Errorf("save the text of the policy as %s: %w", name, err)
	}
	return nil
}

// ReadPolicy returns the first policy that a run saved under a digest. It may differ in mode, guard and
// pace from that of a later run. ErrNotFound: no run has saved it. ErrDamaged: the record
// is not a policy of this digest.
func ReadPolicy(ctx context.Context, store state.Store, digest string) (*policy.Policy, error) {
	name := policyName(digest)
	data, err := store.Read(ctx, name)
	if err != nil {
		return nil, fmt.Errorf("read the text of policy %s: %w", digest, err)
	}
	p, err := policy.Parse(name, data)
	switch {
	case err != nil:
		return nil, fmt.Errorf("record %s: %w: %w", name, state.ErrDamaged, err)
	case p.Digest() != digest:
		return nil, fmt.Errorf("record %s: %w: it is the policy %s", name, state.ErrDamaged, p.Digest())
	}
	return p, nil
}
