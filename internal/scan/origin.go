package scan

import (
	"context"
	"maps"
	"slices"

	"github.com/mediasweep/mediasweep/internal/inventory"
	"github.com/mediasweep/mediasweep/internal/media"
	"github.com/mediasweep/mediasweep/internal/policy"
	"github.com/mediasweep/mediasweep/internal/retention"
	"github.com/mediasweep/mediasweep/internal/trigger"
)

// Origin says which media the sources of a plan name, and which were the newest of their groups. A checkpoint and a saved
// plan are only hints: their media must be named by the sources. The zero value is of a scan that saw all of it itself.
type Origin struct {
	isHint bool
	// names are hashes of the names in lists and workflows of the sources, in order.
	names    []uint64
	prefixes []media.Object    // of the sources
	ranker   *retention.Ranker // of a checkpoint and what was scanned since; nil without a checkpoint
	claim    claim             // of a checkpoint
}

// claim is the number of live media in a checkpoint, up to the candidate of a name.
type claim struct {
	live int
	upTo string
}

func (o *Origin) hasName(c inventory.Candidate) bool {
	_, ok := slices.BinarySearch(o.names, inventory.Hash(c.Name()))
	return ok
}

// covers reports whether the sources name a medium, by a prefix of its object or in a list.
func (o *Origin) covers(object media.Object, id string) bool {
	return policy.Inventory{Prefixes: o.prefixes}.Covers(object) ||
		o.hasName(inventory.Candidate{Object: object}) || id != "" && o.hasName(inventory.Candidate{MediaID: id})
}

// Names reports whether the sources name a medium.
func (o *Origin) Names(m *media.Medium) bool { return !o.isHint || o.covers(m.Object, m.ID) }

// Newest returns the newest media of a medium's groups, according to a checkpoint. Callers must
// read them again before they rely on them.
func (o *Origin) Newest(rank retention.Rank) []string {
	if o.ranker == nil {
		return nil
	}
	return o.ranker.Newest(rank)
}

// Inventory returns what the policy's inventory names, and the media to which events and requests led. It reads the lists if
// listed is true. A list that cannot be read names nothing.
func (s *Scanner) Inventory(ctx, admit context.Context, listed bool) *Origin {
	c := s.newScan(ctx, admit, Request{Request: &trigger.Request{Inventory: true}}, false)
	defer c.close()
	defer c.pool.close()
	c.Origin = Origin{isHint: true, prefixes: s.Policy.Inventory.Prefixes}
	if listed {
		c.sources.prefixes, c.sources.lists = s.inventorySources()
		c.gather()
	}
	for _, failure := range c.Failures {
		s.Log.Warn("source not read: its media are left to the next sweep", "error", failure.Message)
	}
	if err := c.End(); err != nil {
		s.Log.Warn("sources not read: the media that only lists name are left to the next sweep", "error", err.Error())
	}
	return &c.Origin
}

// dropUnnamed reads the names that the lists gathered, and drops pending candidates that the sources do not name.
func (c *scan) dropUnnamed() {
	if err := c.Origin.read(&c.sources.gathered); err != nil {
		c.fail(err)
		return
	}
	maps.DeleteFunc(c.checkpoints.open, func(_ string, open pending) bool { return !c.Origin.covers(open.Object, open.MediaID) })
}

// read reads the names of lists. They take eight bytes each.
func (o *Origin) read(lists *inventory.Gathered) error {
	o.names = make([]uint64, 0, lists.Len())
	for _, all := range []candidates{lists.Objects(nil, ""), lists.IDs("")} {
		for candidate, err := range all {
			if err != nil {
				o.names = nil
				return err
			}
			o.names = append(o.names, inventory.Hash(candidate.Name()))
		}
	}
	slices.Sort(o.names)
	return nil
}
