package policy

import (
	"slices"

	"github.com/mediasweep/mediasweep/internal/media"
)

// Inventory lists the sources of a scheduled sweep: the objects below prefixes, manifests, and the
// executions of workflows, which MPS lists for 90 days. A workflow is named by its ID or its name.
// AllWorkflows stands for all.
type Inventory struct {
	Prefixes  []media.Object
	Manifests []media.Object
	Workflows []string
}

// AllWorkflows is the name that stands for every workflow of the library.
const AllWorkflows = "all"

// IsEmpty reports whether nothing is named.
func (i Inventory) IsEmpty() bool { return len(i.Prefixes)+len(i.Manifests)+len(i.Workflows) == 0 }

// Names reports whether a sweep of the inventory may look at a medium: it does if a
// prefix takes in its object, and may where a manifest or a workflow could name it.
func (i Inventory) Names(m *media.Medium) bool {
	return len(i.Manifests)+len(i.Workflows) > 0 || i.Covers(m.Object)
}

// Covers reports whether a prefix takes in an object.
func (i Inventory) Covers(object media.Object) bool {
	return slices.ContainsFunc(i.Prefixes, func(prefix media.Object) bool { return prefix.Covers(object) })
}

// And returns an inventory of everything that either names.
func (i Inventory) And(other Inventory) Inventory {
	return Inventory{slices.Concat(i.Prefixes, other.Prefixes), slices.Concat(i.Manifests, other.Manifests), slices.Concat(i.Workflows, other.Workflows)}
}
