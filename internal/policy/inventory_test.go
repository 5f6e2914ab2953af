package policy_test

import (
	"testing"

	"github.com/mediasweep/mediasweep/internal/media"
	"github.com/mediasweep/mediasweep/internal/policy"
)

// A manifest or a workflow may name any medium, and a bucket those below its prefix.
func TestWhatAnInventoryNames(t *testing.T) {
	bucket, manifest, workflow := []media.Object{{Bucket: "media-in", Key: "raw/"}}, []media.Object{{Bucket: "ops", Key: "a"}}, []string{"w"}
	inside, outside := &media.Medium{Object: media.Object{Bucket: "media-in", Key: "raw/a"}}, &media.Medium{Object: media.Object{Bucket: "media-in", Key: "a"}}
	for name, test := range map[string]struct {
		of                    policy.Inventory
		empty, inside, others bool
	}{
		"nothing":                 {empty: true},
		"a bucket":                {of: policy.Inventory{Prefixes: bucket}, inside: true},
		"a manifest":              {of: policy.Inventory{Manifests: manifest}, inside: true, others: true},
		"a workflow":              {of: policy.Inventory{Workflows: workflow}, inside: true, others: true},
		"a bucket and a workflow": {of: policy.Inventory{Prefixes: bucket, Workflows: workflow}, inside: true, others: true},
		"a list and a workflow":   {of: policy.Inventory{Manifests: manifest, Workflows: workflow}, inside: true, others: true},
		"a bucket and a list":     {of: policy.Inventory{Prefixes: bucket, Manifests: manifest}, inside: true, others: true},
	} {
		if got := test.of.IsEmpty(); got != test.empty {
			t.Errorf("%s: empty %v", name, got)
		}
		if got := test.of.Names(inside); got != test.inside {
			t.Errorf("%s: names what is below raw/: %v", name, got)
		}
		if got := test.of.Names(outside); got != test.others {
			t.Errorf("%s: names others: %v", name, got)
		}
	}
}
