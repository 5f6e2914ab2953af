package journal

import (
	"errors"
	"strings"
	"testing"

	"github.com/mediasweep/mediasweep/internal/policy"
	"github.com/mediasweep/mediasweep/internal/state"
	"github.com/mediasweep/mediasweep/internal/state/statetest"
)

// The first text of a digest stays, and what is no policy of its digest is damaged.
func TestPolicies(t *testing.T) {
	parse := func(text string) *policy.Policy {
		p, err := policy.Parse("p", []byte(text))
		no(t, err)
		return p
	}
	store := statetest.New()
	first := parse("version: 1 # first\nexpire: [{name: a, after: 7d}]\n")
	if _, err := ReadPolicy(t.Context(), store, first.Digest()); !errors.Is(err, state.ErrNotFound) {
		t.Errorf("%v, want that there is none", err)
	}
	no(t, SavePolicy(t.Context(), store, first))
	no(t, SavePolicy(t.Context(), store, parse("version: 1\nmode: enforce\nexpire: [{name: a, after: 7d}]\n")))
	p, err := ReadPolicy(t.Context(), store, first.Digest())
	no(t, err)
	if string(p.Text()) != string(first.Text()) {
		t.Errorf("%q, want the first text", p.Text())
	}
	name := policyName(first.Digest())
	for what, text := range map[string]string{
		"empty": "", "cut": string(first.Text()[:20]), "JSON": "{}", "another policy": "version: 1\nexpire: [{name: a, after: 8d}]\n",
		"huge": string(first.Text()) + strings.Repeat("#", policy.MaxBytes),
	} {
		store.Put(name, []byte(text))
		if _, err := ReadPolicy(t.Context(), store, first.Digest()); !errors.Is(err, state.ErrDamaged) || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v, want that %s is damaged", what, err, name)
		}
	}
	store.Down, store.Of = "create", "policies/"
	if err := SavePolicy(t.Context(), store, first); !errors.Is(err, statetest.ErrDown) || !strings.Contains(err.Error(), name) {
		t.Errorf("%v, want the store's error with the record", err)
	}
	for _, digest := range []string{"", "sha256:../../x", strings.Repeat("x", 5000)} { // of a damaged report
		if _, err := ReadPolicy(t.Context(), store, digest); !errors.Is(err, state.ErrNotFound) {
			t.Errorf("%v, want that there is none", err)
		}
	}
}
