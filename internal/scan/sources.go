package scan

import (
	"context"
	"errors"
	"iter"
	"slices"

	"github.com/mediasweep/mediasweep/internal/deadline"
	"github.com/mediasweep/mediasweep/internal/extsort"
	"github.com/mediasweep/mediasweep/internal/index"
	"github.com/mediasweep/mediasweep/internal/inventory"
	"github.com/mediasweep/mediasweep/internal/journal"
	"github.com/mediasweep/mediasweep/internal/media"
	"github.com/mediasweep/mediasweep/internal/mps"
	"github.com/mediasweep/mediasweep/internal/plan"
	"github.com/mediasweep/mediasweep/internal/policy"
	"github.com/mediasweep/mediasweep/internal/report"
	"github.com/mediasweep/mediasweep/internal/trigger"
)

// candidates yields the candidates of one stage of a scan.
type candidates = iter.Seq2[inventory.Candidate, error]

// sources name candidates. Prefixes list them in order. Lists are read to the end before the
// first look-up.
type sources struct {
	prefixes []media.Object
	lists    []list
	gathered inventory.Gathered // from the lists
	sorted   bool               // the prefixes are read before the first look-up too, and sorted
	// lines are those of the report. ofPrefix has the numbers of the lines with the prefixes.
	lines    []report.Source
	ofPrefix []int
	// unmatched counts rows of reports whose objects no rule takes.
	unmatched int
	hasIDs    bool // the lists name media IDs
	literals  literals
}

// list is a source without an order.
type list struct {
	name string // in the report; empty if it has no line there
	read func(context.Context) candidates
	// isReport is true for a report of OSS Inventory, which names all objects of a bucket.
	isReport bool
}

// stages returns the scope of the request's plan, and its candidates, in stages.
func (c *scan) stages() (plan.Scope, []candidates) {
	request := c.request
	if request.Trigger != trigger.OSS {
		for _, object := range request.Objects {
			c.sources.literals.add(object)
		}
	}
	switch {
	case request.Plan != "":
		return plan.Scope{Plan: request.Plan}, []candidates{c.ofPlan(request.Plan)}
	case len(request.MediaIDs) > 0:
		return plan.Scope{MediaIDs: request.MediaIDs}, []candidates{inventory.Of(request.MediaIDs, nil)}
	case len(request.Manifests)+len(request.Prefixes)+len(request.Files) > 0:
		scope := plan.Scope{Objects: addresses(request.Objects), Manifests: append(addresses(request.Manifests), request.Files...), Inventory: addresses(request.Prefixes)}
		c.sources.prefixes, c.sources.lists = c.sourcesOf(request)
		return scope, c.ofSources()
	case len(request.Objects) > 0:
		return plan.Scope{Objects: addresses(request.Objects)}, []candidates{inventory.Of(nil, request.Objects)}
	}
	c.sources.prefixes, c.sources.lists = c.inventorySources()
	return plan.Scope{Inventory: c.sources.called()}, c.ofSources()
}

func addresses(objects []media.Object) []string {
	list := make([]string, len(objects))
	for i, object := range objects {
		list[i] = object.String()
	}
	return list
}

// inventorySources returns the sources of the policy's inventory.
func (s *Scanner) inventorySources() (prefixes []media.Object, lists []list) {
	from := s.Policy.Inventory
	lists = s.manifests(unique(from.Manifests))
	for _, workflow := range unique(from.Workflows) {
		name := workflow
		if name == policy.AllWorkflows {
			name = ""
		}
		lists = append(lists, list{name: "workflow:" + workflow, read: func(ctx context.Context) candidates {
			return inventory.OfWorkflow(ctx, s.Library, name)
		}})
	}
	return unique(from.Prefixes), lists
}

func unique[T comparable](list []T) (first []T) {
	for i, one := range list {
		if !slices.Contains(list[:i], one) {
			first = append(first, one)
		}
	}
	return first
}

func (s *Scanner) manifests(manifests []media.Object) (lists []list) {
	for _, object := range manifests {
		read := func(ctx context.Context) candidates { return inventory.OfManifest(ctx, s.Objects, object) }
		lists = append(lists, list{"manifest:" + object.String(), read, inventory.IsReport(object)})
	}
	return lists
}

// sourcesOf returns the sources that a request names.
func (s *Scanner) sourcesOf(request *trigger.Request) (prefixes []media.Object, lists []list) {
	objects := func(context.Context) candidates { return inventory.Of(nil, request.Objects) }
	lists = append([]list{{read: objects}}, s.manifests(request.Manifests)...)
	for _, name := range request.Files {
		read := func(ctx context.Context) candidates { return inventory.OfFile(ctx, name) }
		lists = append(lists, list{name: "manifest:" + name, read: read})
	}
	return request.Prefixes, lists
}

// mayName reports whether a source may name an object.
func (s *sources) mayName(object media.Object) bool {
	return s.gathered.HasObjects() || policy.Inventory{Prefixes: s.prefixes}.Covers(object)
}

// line returns the report's line of a source, until another one is added.
func (s *sources) line(name string) *report.Source { return &s.lines[s.lineNumber(name)] }

// lineNumber returns the number of a source's line in the report. It adds the line if there is none.
func (s *sources) lineNumber(name string) int {
	i := slices.IndexFunc(s.lines, func(line report.Source) bool { return line.Source == name })
	if i < 0 {
		i = len(s.lines)
		s.lines = append(s.lines, report.Source{Source: name})
	}
	return i
}

// called returns the names of the sources.
func (s *sources) called() []string {
	names := addresses(s.prefixes)
	for _, one := range s.lists {
		if one.name != "" {
			names = append(names, one.name)
		}
	}
	return names
}

// ofSources reads the lists, and returns the stages of the sources: the pending candidates of the
// checkpoint, objects, and media IDs. Each candidate comes once. A medium found by its object is
// not looked up by its ID.
func (c *scan) ofSources() []candidates {
	for _, name := range c.sources.called() {
		c.sources.lineNumber(name)
	}
	for _, prefix := range c.sources.prefixes {
		c.sources.ofPrefix = append(c.sources.ofPrefix, c.sources.lineNumber(prefix.String()))
	}
	c.gather()
	return []candidates{c.leftOver, c.namedObjects, c.namedIDs}
}

// namedObjects yields the objects that the sources name.
func (c *scan) namedObjects(yield func(inventory.Candidate, error) bool) {
	c.unskipped(c.sources.gathered.Objects(c.list(c.admit, c.sources.prefixes, c.cursor.after), c.cursor.after), yield)
}

// namedIDs yields the media IDs that the sources name, but not those of media that were found. It yields an ID again if a list
// names another object beside it.
func (c *scan) namedIDs(yield func(inventory.Candidate, error) bool) {
	if err := c.sources.gathered.DropIDs(c.draft.found()); err != nil {
		yield(inventory.Candidate{}, err)
		return
	}
	c.unskipped(c.sources.gathered.IDs(c.cursor.after), yield)
}

// list lists prefixes in order. It is nil if there are none, or gather has sorted them.
func (c *scan) list(ctx context.Context, prefixes []media.Object, after string) candidates {
	if c.sources.sorted || len(prefixes) == 0 {
		return nil
	}
	return inventory.OfPrefixes(ctx, c.Objects, prefixes, after, c.skips.splits())
}

// leftOver yields the pending candidates of the checkpoint. Those for escaped slashes go to again.
func (c *scan) leftOver(yield func(inventory.Candidate, error) bool) {
	for _, open := range c.cursor.left() {
		if open.escaped {
			c.pool.again = append(c.pool.again, open.Candidate)
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
			if entries := c.skips.find(c.admit, candidate, c.asOf); len(entries) > 0 {
				c.skip(candidate, entries)
				continue
			}
			c.cursor.advance(candidate)
		}
		if !yield(candidate, err) {
			return
		}
	}
}

// skip moves past a candidate that the index skips.
func (c *scan) skip(candidate inventory.Candidate, entries []index.Entry) {
	c.cursor.skip(candidate)
	c.skips.count(entries)
	for _, e := range entries {
		if isLive(e) {
			c.decider.countSkipped(candidate, e.Due)
		}
	}
	if c.cursor.accounted%checkpointStep == 0 {
		c.maybeCheckpoint() // there may be no look-up that does
	}
}

// countListed counts a candidate for the prefixes that list it.
func (s *sources) countListed(candidate inventory.Candidate) {
	for i, prefix := range s.prefixes {
		if prefix.Covers(candidate.Object) {
			s.lines[s.ofPrefix[i]].Named++
		}
	}
}

// sourceFailed accounts for a source that could not be read, unless the scan is over.
func (c *scan) sourceFailed(err error) {
	_, ofTemporaryFile := errors.AsType[*extsort.Error](err)
	switch {
	case c.isOver():
	case deadline.Passed(err):
		c.stop(err)
	case ofTemporaryFile, isUnordered(err), c.request.Plan != "":
		c.fail(err)
	default:
		c.miss(report.Failure{Code: mps.CodeOf(err), Message: err.Error()})
	}
}

func (c *scan) ofPlan(id string) candidates {
	return func(yield func(inventory.Candidate, error) bool) {
		contents, err := journal.ReadPlan(c.ctx, c.Store, id)
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
}

// markOrphans marks the candidates of a batch whose source objects may be gone: according to an event, an announcement, or the
// plan that is applied.
func (c *scan) markOrphans(batch []inventory.Candidate) {
	for i := range batch {
		one := &batch[i]
		one.Orphan = c.Policy.HasOrphanRule() && (one.Orphan || slices.Contains(c.request.Removed, one.Object))
	}
}
