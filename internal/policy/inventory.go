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

// AllWorkflows stands for every workflow of the library.
const AllWorkflows = "all"

// IsEmpty reports whether the inventory has no source.
func (i Inventory) IsEmpty() bool { return len(i.Prefixes)+len(i.Manifests)+len(i.Workflows) == 0 }

// Names reports whether a sweep of the inventory may find a medium. A manifest or a workflow may name any medium.
func (i Inventory) Names(m *media.Medium) bool {
	return len(i.Manifests)+len(i.Workflows) > 0 || i.Covers(m.Object)
}

// Covers reports whether an object is below a prefix.
func (i Inventory) Covers(object media.Object) bool {
	return slices.ContainsFunc(i.Prefixes, func(prefix media.Object) bool { return prefix.Covers(object) })
}

// Equal reports whether two inventories have the same sources in the same order.
func (i Inventory) Equal(other Inventory) bool {
	return slices.Equal(i.Prefixes, other.Prefixes) && slices.Equal(i.Manifests, other.Manifests) && slices.Equal(i.Workflows, other.Workflows)
}

// And returns an inventory with the sources of both.
func (i Inventory) And(other Inventory) Inventory {
	return Inventory{slices.Concat(i.Prefixes, other.Prefixes), slices.Concat(i.Manifests, other.Manifests), slices.Concat(i.Workflows, other.Workflows)}
}
