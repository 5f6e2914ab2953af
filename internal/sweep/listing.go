package sweep

import (
	"context"
	"iter"
	"maps"
	"slices"

	"github.com/mediasweep/mediasweep/internal/inventory"
	"github.com/mediasweep/mediasweep/internal/media"
	"github.com/mediasweep/mediasweep/internal/policy"
	"github.com/mediasweep/mediasweep/internal/report"
	"github.com/mediasweep/mediasweep/internal/trigger"
)

// listing is how far a look at sources is. Its zero value is the beginning.
type listing struct {
	// after is the last object of the prefixes that has been taken, with all before it.
	after media.Object
	// open are the objects that have been taken and are not accounted for yet, with the
	// form in which they are to be asked for, and openIDs such media.
	open    map[media.Object]asked
	openIDs map[string]bool
	// accounted counts the others, and those that were passed over.
	accounted int
	// met counts media that were found though their objects had been passed over.
	met int
	// seen is what has been taken, nil where nothing can be named twice.
	seen *seen
}

// asked is how an object is asked for, and when it was written, if that is known.
type asked struct {
	slash    media.Slash
	modified int64
}

// take takes a candidate, and reports whether it is to be looked at.
func (l *listing) take(c inventory.Candidate, ordered bool) bool {
	if ordered {
		l.after = c.Object
	}
	if l.seen != nil && (c.MediaID != "" && l.seen.has(nameOf(foundID, c.MediaID)) || !l.seen.add(candidateName(c))) {
		return false
	}
	l.put(c, media.SlashPlain)
	return true
}

// pass passes over an object of the prefixes, which no other source needs to name.
func (l *listing) pass(object media.Object) {
	l.after = object
	if l.seen != nil {
		l.seen.add(objectName(object))
		l.seen.add(nameOf(passed, object.String()))
	}
}

func (l *listing) put(c inventory.Candidate, slash media.Slash) {
	if l.open == nil {
		l.open, l.openIDs = map[media.Object]asked{}, map[string]bool{}
	}
	if c.MediaID != "" {
		l.openIDs[c.MediaID] = true
	} else {
		l.open[c.Object] = asked{slash, c.Modified}
	}
}

// account notes that a batch is accounted for, but for those objects that are to be
// asked for again.
func (l *listing) account(batch inventory.Batch, again []media.Object) {
	if l.open == nil {
		return // not of sources
	}
	for _, id := range batch.IDs {
		delete(l.openIDs, id)
	}
	kept := make([]asked, len(again))
	for i, object := range again {
		kept[i] = asked{media.SlashEscaped, l.open[object].modified}
	}
	for _, object := range batch.Objects {
		delete(l.open, object)
	}
	for i, object := range again {
		l.open[object] = kept[i]
	}
	l.accounted += batch.Len() - len(again)
}

// isNew reports whether a medium that was found has not been found before, and
// remembers it.
func (l *listing) isNew(m *media.Medium) bool {
	if l.seen == nil {
		return true
	}
	if !l.seen.add(nameOf(foundID, m.ID)) {
		return false
	}
	if l.seen.has(nameOf(passed, m.Object.String())) {
		l.met++
	}
	return true
}

// left returns the open objects of one form, in order.
func (l *listing) left(slash media.Slash) []media.Object {
	var objects []media.Object
	for object, how := range l.open {
		if how.slash == slash {
			objects = append(objects, object)
		}
	}
	slices.SortFunc(objects, media.Object.Compare)
	return objects
}

// leftIDs returns the open media, in order.
func (l *listing) leftIDs() []string { return slices.Sorted(maps.Keys(l.openIDs)) }

// hasBegun reports whether anything has been taken.
func (l *listing) hasBegun() bool {
	return !l.after.IsZero() || l.accounted > 0 || len(l.open)+len(l.openIDs) > 0
}

// source is one of the places that name media.
type source struct {
	candidates iter.Seq2[inventory.Candidate, error]
	// names are what the source is called, and counts tells whether a candidate counts
	// for one of them; nil for always.
	names  []string
	counts func(name int, c inventory.Candidate) bool
	// ordered says that the candidates come in order, so that they can be carried on
	// after one of them; others are read from the beginning again.
	ordered bool
}

// inventorySources returns the sources of the policy's inventory.
func (l *look) inventorySources(ctx context.Context) []source {
	var sources []source
	from := l.Policy.Inventory
	if len(from.Prefixes) > 0 {
		sources = append(sources, source{
			candidates: inventory.OfPrefixes(ctx, l.Objects, from.Prefixes, l.listing.after), names: addresses(from.Prefixes), ordered: true,
			counts: func(name int, c inventory.Candidate) bool { return from.Prefixes[name].Covers(c.Object) },
		})
	}
	sources = append(sources, l.manifestSources(ctx, from.Manifests)...)
	for _, workflow := range from.Workflows {
		name := workflow
		if name == policy.AllWorkflows {
			name = ""
		}
		sources = append(sources, source{candidates: inventory.OfWorkflow(ctx, l.Library, name), names: []string{"workflow:" + workflow}})
	}
	return sources
}

func (l *look) manifestSources(ctx context.Context, manifests []media.Object) []source {
	var sources []source
	for _, manifest := range manifests {
		sources = append(sources, source{candidates: inventory.OfManifest(ctx, l.Objects, manifest), names: []string{"manifest:" + manifest.String()}})
	}
	return sources
}

// sourcesOf returns those that a request names.
func (l *look) sourcesOf(ctx context.Context, request *trigger.Request) []source {
	return append([]source{{candidates: inventory.Of(nil, request.Objects)}}, l.manifestSources(ctx, request.Manifests)...)
}

// ofSources returns what was left over by an earlier look, and then what each source names
// and no other has named.
func (l *look) ofSources(sources []source) []batches {
	if l.listing.seen == nil && (len(sources) > 1 || !sources[0].ordered) {
		l.listing.seen = &seen{kept: l.took != nil}
	}
	left := inventory.Of(l.listing.leftIDs(), l.listing.left(media.SlashPlain))
	lists := []batches{inventory.Batches(left, l.Region, media.SlashPlain)}
	for _, source := range sources {
		lists = append(lists, inventory.Batches(l.taken(source, l.named(source)), l.Region, media.SlashPlain))
	}
	return lists
}

// named returns which of the report's sources those of a source are. What one that is
// not ordered named before is named again.
func (l *look) named(s source) (at []int) {
	one := l.reports[0]
	for _, name := range s.names {
		i := slices.IndexFunc(one.Sources, func(known report.Source) bool { return known.Source == name })
		if i < 0 {
			i = len(one.Sources)
			one.Sources = append(one.Sources, report.Source{Source: name})
		}
		if !s.ordered {
			one.Sources[i].Named = 0
		}
		at = append(at, i)
	}
	return at
}

// taken yields what is to be looked at of what a source names.
func (l *look) taken(s source, at []int) iter.Seq2[inventory.Candidate, error] {
	take := func(c inventory.Candidate) bool {
		passed := s.ordered && l.passOver != nil && l.passOver(c)
		l.mu.Lock()
		defer l.mu.Unlock()
		for name, i := range at {
			if s.counts == nil || s.counts(name, c) {
				l.reports[0].Sources[i].Named++
			}
		}
		if passed {
			l.listing.pass(c.Object)
			if l.listing.accounted++; l.took != nil && l.listing.accounted%checkpointStep == 0 {
				l.took() // of so many at once, since there is no look-up that would tell
			}
			return false
		}
		return l.listing.take(c, s.ordered)
	}
	return func(yield func(inventory.Candidate, error) bool) {
		for candidate, err := range s.candidates {
			if err == nil && !take(candidate) {
				continue
			}
			if !yield(candidate, err) {
				return
			}
		}
	}
}
