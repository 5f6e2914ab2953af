package scan

import (
	"context"
	"iter"
	"slices"

	"github.com/mediasweep/mediasweep/internal/index"
	"github.com/mediasweep/mediasweep/internal/inventory"
	"github.com/mediasweep/mediasweep/internal/journal"
	"github.com/mediasweep/mediasweep/internal/media"
	"github.com/mediasweep/mediasweep/internal/trigger"
)

// candidates yields the candidates of one stage of a scan.
type candidates = iter.Seq2[inventory.Candidate, error]

// stages returns the candidates of the request, in stages. It sets the scope of the plan.
func (c *scan) stages() []candidates {
	request, scope := c.request, &c.Head.Scope
	if request.Trigger != trigger.OSS {
		for _, object := range request.Objects {
			c.sources.literals.add(object)
		}
	}
	switch {
	case request.Plan != "":
		scope.Plan = request.Plan
		return []candidates{c.planned}
	case len(request.MediaIDs) > 0:
		scope.MediaIDs = request.MediaIDs
		return []candidates{inventory.Of(request.MediaIDs, nil)}
	case len(request.Manifests)+len(request.Prefixes)+len(request.Files) > 0:
		scope.Objects, scope.Inventory = addresses(request.Objects), addresses(request.Prefixes)
		scope.Manifests = append(addresses(request.Manifests), request.Files...)
		c.sources.prefixes, c.sources.lists = request.Prefixes, c.listsOf(request.Request)
		return c.ofSources()
	case len(request.Objects) > 0:
		scope.Objects = addresses(request.Objects)
		return []candidates{inventory.Of(nil, request.Objects)}
	}
	c.sources.prefixes, c.sources.lists = c.inventorySources()
	scope.Inventory = c.sources.names()
	return c.ofSources()
}

func addresses(objects []media.Object) []string {
	list := make([]string, len(objects))
	for i, object := range objects {
		list[i] = object.String()
	}
	return list
}

// planned yields the media of the plan that is applied.
func (c *scan) planned(yield func(inventory.Candidate, error) bool) {
	contents, err := journal.ReadPlan(c.ctx, c.Store, c.request.Plan)
	if err != nil {
		yield(inventory.Candidate{}, err)
		return
	}
	for entry, err := range journal.Entries(c.ctx, c.Store, contents) {
		if !yield(inventory.Candidate{MediaID: entry.MediaID, Orphan: c.Policy.TakesOrphans(entry.Rule)}, err) || err != nil {
			return
		}
	}
}

// ofSources reads the lists, and returns the stages of the sources: the pending candidates of the
// checkpoint, objects, and media IDs. Each candidate comes once. A medium found by its object is
// not looked up by its ID.
func (c *scan) ofSources() []candidates {
	c.gather()
	return []candidates{c.leftOver, c.namedObjects, c.namedIDs}
}

func (c *scan) namedObjects(yield func(inventory.Candidate, error) bool) {
	c.unskipped(c.sources.gathered.Objects(c.list(c.admit, c.sources.prefixes, c.checkpoints.after), c.checkpoints.after), yield)
}

// namedIDs yields the media IDs that the sources name, but not those of media that were found. It yields an ID again if a list
// names another object beside it.
func (c *scan) namedIDs(yield func(inventory.Candidate, error) bool) {
	if err := c.sources.gathered.DropIDs(c.Draft.found()); err != nil {
		yield(inventory.Candidate{}, err)
		return
	}
	c.unskipped(c.sources.gathered.IDs(c.checkpoints.after), yield)
}

// list lists prefixes in order. It is nil if there are none, or gather has sorted them.
func (c *scan) list(ctx context.Context, prefixes []media.Object, after string) candidates {
	if c.sources.sorted || len(prefixes) == 0 {
		return nil
	}
	var splits []string
	if c.skips.known != nil {
		splits = c.skips.known.Splits()
	}
	return inventory.OfPrefixes(ctx, c.Objects, prefixes, after, splits)
}

// leftOver yields the pending candidates of the checkpoint. Those for escaped slashes go to again.
func (c *scan) leftOver(yield func(inventory.Candidate, error) bool) {
	for _, open := range c.checkpoints.left() {
		if open.escaped {
			c.again = append(c.again, open.Candidate)
			continue
		}
		if !yield(open.Candidate, nil) {
			return
		}
	}
}

// unskipped yields the candidates that the index does not skip. It moves the cursor past each candidate.
func (c *scan) unskipped(all candidates, yield func(inventory.Candidate, error) bool) {
	for candidate, err := range all {
		if err == nil {
			if candidate.Listed {
				c.sources.countListed(candidate)
			}
			if entries := c.skips.find(c.admit, &candidate, c.Head.AsOf); len(entries) > 0 {
				c.skip(&candidate, entries)
				continue
			}
			c.checkpoints.advance(candidate)
		}
		if !yield(candidate, err) {
			return
		}
	}
}

func (c *scan) skip(candidate *inventory.Candidate, entries []index.Entry) {
	c.checkpoints.skip(candidate.Name())
	c.skips.count(entries)
	for _, e := range entries {
		if isLive(e) {
			c.decider.upcoming.countSkipped(candidate, e.Due)
		}
	}
	if c.checkpoints.accounted%checkpointStep == 0 {
		c.maybeCheckpoint() // there may be no look-up that does
	}
}

// markOrphans marks the candidates of a batch whose source objects are gone according to an event.
func (c *scan) markOrphans(batch []inventory.Candidate) {
	for i := range batch {
		one := &batch[i]
		one.Orphan = one.Orphan || slices.Contains(c.request.Removed, one.Object)
	}
}
