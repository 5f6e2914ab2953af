package scan

import (
	"context"
	"slices"

	"github.com/mediasweep/mediasweep/internal/inventory"
	"github.com/mediasweep/mediasweep/internal/media"
	"github.com/mediasweep/mediasweep/internal/policy"
	"github.com/mediasweep/mediasweep/internal/report"
	"github.com/mediasweep/mediasweep/internal/trigger"
)

// sources name candidates. Prefixes list them in order. Lists are read to the end before the
// first look-up.
type sources struct {
	prefixes []media.Object
	lists    []list
	gathered inventory.Gathered // from the lists
	sorted   bool               // the prefixes are read before the first look-up too, and sorted
	lines    []report.Source    // of the prefixes, and then of the lists that have one
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

func (c *Cloud) manifests(manifests []media.Object) (lists []list) {
	for _, object := range manifests {
		read := func(ctx context.Context) candidates { return inventory.OfManifest(ctx, c.Objects, object) }
		lists = append(lists, list{"manifest:" + object.String(), read, inventory.IsReport(object)})
	}
	return lists
}

func (c *Cloud) listsOf(request *trigger.Request) []list {
	objects := func(context.Context) candidates { return inventory.Of(nil, request.Objects) }
	lists := append([]list{{read: objects}}, c.manifests(unique(request.Manifests))...)
	for _, name := range request.Files {
		read := func(ctx context.Context) candidates { return inventory.OfFile(ctx, name) }
		lists = append(lists, list{name: "manifest:" + name, read: read})
	}
	return lists
}

func (s *sources) mayName(object media.Object) bool {
	return s.gathered.HasObjects() || policy.Inventory{Prefixes: s.prefixes}.Covers(object)
}

// begin gives each source a line. It takes those of a resumed scan over.
func (s *sources) begin() {
	earlier := s.lines
	s.lines = nil
	for _, name := range s.names() {
		line := report.Source{Source: name}
		if i := slices.IndexFunc(earlier, func(line report.Source) bool { return line.Source == name }); i >= 0 {
			line = earlier[i]
		}
		s.lines = append(s.lines, line)
	}
}

func (s *sources) line(name string) *report.Source {
	return &s.lines[slices.IndexFunc(s.lines, func(line report.Source) bool { return line.Source == name })]
}

func (s *sources) names() []string {
	names := addresses(s.prefixes)
	for _, one := range s.lists {
		if one.name != "" {
			names = append(names, one.name)
		}
	}
	return names
}

// countListed counts a candidate for the prefixes that list it.
func (s *sources) countListed(candidate inventory.Candidate) {
	for i, prefix := range s.prefixes {
		if prefix.Covers(candidate.Object) {
			s.lines[i].Named++
		}
	}
}
