package sweep

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"maps"
	"slices"
	"time"

	"github.com/mediasweep/mediasweep/internal/inventory"
	"github.com/mediasweep/mediasweep/internal/manifest"
	"github.com/mediasweep/mediasweep/internal/media"
	"github.com/mediasweep/mediasweep/internal/policy"
	"github.com/mediasweep/mediasweep/internal/report"
	"github.com/mediasweep/mediasweep/internal/spool"
	"github.com/mediasweep/mediasweep/internal/text"
	"github.com/mediasweep/mediasweep/internal/trigger"
)

// listing is how far a look at sources is. Its zero value is the beginning.
type listing struct {
	// after is the name of the last candidate that has been taken, with all before it.
	// Where a bucket turned out to be unordered it says that of no place any more.
	after     string
	unordered bool
	// open are the candidates that have been taken and are not accounted for yet, by
	// their names.
	open map[string]asked
	// accounted counts the others, and those that were passed over: those of this run and,
	// with the live media that they have, those of the runs that it carries on too.
	accounted, passed, live int
	// met counts media that were found though their objects had been passed over.
	met int
	// seen is what media must not be named for again, nil where none can be.
	seen *seen
	// misread is what went wrong with sources that are read anew by who carries on.
	misread []report.Failure
	// untaken counts rows of reports whose objects no rule takes.
	untaken int
}

// asked is a candidate, and how it is asked for.
type asked struct {
	inventory.Candidate
	slash media.Slash
}

// take takes a candidate that is to be looked at.
func (l *listing) take(c inventory.Candidate) {
	l.after = c.Name()
	l.put(c, media.SlashPlain)
}

// pass passes over a candidate that has so many live media.
func (l *listing) pass(c inventory.Candidate, live int) {
	l.after = c.Name()
	l.accounted++
	l.passed++
	l.live += live
	if l.seen != nil && c.MediaID == "" {
		l.seen.add(nameOf(passed, c.Name()))
	}
}

func (l *listing) put(c inventory.Candidate, slash media.Slash) {
	if l.open == nil {
		l.open = map[string]asked{}
	}
	l.open[c.Name()] = asked{c, slash}
}

// account notes that a batch is accounted for, but for those objects that are to be
// asked for again.
func (l *listing) account(batch inventory.Batch, again []media.Object) {
	if l.open == nil {
		return // not of sources
	}
	for c := range batch.Candidates() {
		if c.MediaID == "" && slices.Contains(again, c.Object) {
			l.put(l.open[c.Name()].Candidate, media.SlashEscaped)
			continue
		}
		delete(l.open, c.Name())
	}
	l.accounted += batch.Len() - len(again)
}

// isNew reports whether a medium that was found has not been found before, and
// remembers it.
func (l *listing) isNew(m *media.Medium) bool {
	if l.seen == nil {
		return true
	}
	if media.CheckID(m.ID) == nil && !l.seen.add(nameOf(foundID, m.ID)) {
		return false
	}
	if l.seen.has(nameOf(passed, inventory.Candidate{Object: m.Object}.Name())) {
		l.met++
	}
	return true
}

// left returns the open candidates, in order.
func (l *listing) left() (open []asked) {
	for _, name := range slices.Sorted(maps.Keys(l.open)) {
		open = append(open, l.open[name])
	}
	return open
}

// hasBegun reports whether anything has been taken.
func (l *listing) hasBegun() bool { return l.after != "" || l.accounted > 0 || len(l.open) > 0 }

// sources are the places that name media: prefixes, whose objects come in order, and
// others, of which all is read before the first medium is looked at.
type sources struct {
	prefixes []media.Object
	others   []source
}

// source is one of the others.
type source struct {
	name       string // in the report; empty for one that it does not tell of
	candidates func(context.Context) iter.Seq2[inventory.Candidate, error]
	// whole says that it names whatever is in a bucket.
	whole bool
}

// inventorySources returns the sources of the policy's inventory.
func (l *look) inventorySources() sources {
	from := l.Policy.Inventory
	s := sources{once(from.Prefixes), l.manifestSources(once(from.Manifests))}
	for _, workflow := range once(from.Workflows) {
		name := workflow
		if name == policy.AllWorkflows {
			name = ""
		}
		s.others = append(s.others, source{name: "workflow:" + workflow, candidates: func(ctx context.Context) iter.Seq2[inventory.Candidate, error] {
			return inventory.OfWorkflow(ctx, l.Library, name)
		}})
	}
	return s
}

// once returns what a list has, each the first time.
func once[T comparable](list []T) (first []T) {
	for i, one := range list {
		if !slices.Contains(list[:i], one) {
			first = append(first, one)
		}
	}
	return first
}

func (l *look) manifestSources(manifests []media.Object) (list []source) {
	for _, manifest := range manifests {
		rows := func(ctx context.Context) iter.Seq2[inventory.Candidate, error] {
			return inventory.OfManifest(ctx, l.Objects, manifest)
		}
		list = append(list, source{"manifest:" + manifest.String(), rows, inventory.IsReport(manifest)})
	}
	return list
}

// sourcesOf returns those that a request names.
func (l *look) sourcesOf(request *trigger.Request) sources {
	objects := func(context.Context) iter.Seq2[inventory.Candidate, error] { return inventory.Of(nil, request.Objects) }
	s := sources{request.Prefixes, append([]source{{candidates: objects}}, l.manifestSources(request.Manifests)...)}
	for _, name := range request.Files {
		rows := func(ctx context.Context) iter.Seq2[inventory.Candidate, error] { return inventory.OfFile(ctx, name) }
		s.others = append(s.others, source{name: "manifest:" + name, candidates: rows})
	}
	return s
}

// names returns what the sources are called.
func (s sources) names() []string {
	names := addresses(s.prefixes)
	for _, other := range s.others {
		if other.name != "" {
			names = append(names, other.name)
		}
	}
	return names
}

// ofSources returns what was left over by an earlier look, and then what the sources name,
// each medium once: first by its object. The lists are to be looked at one after another,
// since what one finds is what the next leaves out.
func (l *look) ofSources(ctx context.Context, s sources) []batches {
	for _, name := range s.names() {
		l.sourceCalled(name)
	}
	in := func(candidates func() iter.Seq2[inventory.Candidate, error]) batches {
		return inventory.Batches(func(yield func(inventory.Candidate, error) bool) { candidates()(yield) }, l.Region, media.SlashPlain)
	}
	return []batches{
		in(func() iter.Seq2[inventory.Candidate, error] { return l.gather(ctx, s) }),
		in(l.leftOver),
		in(func() iter.Seq2[inventory.Candidate, error] {
			listed := inventory.OfPrefixes(ctx, l.Objects, s.prefixes, l.listing.after, l.splits)
			return l.taken(s, l.gathered.Objects(listed, l.listing.after, l.notInOrder))
		}),
		in(func() iter.Seq2[inventory.Candidate, error] { return l.taken(s, l.gathered.IDs(l.listing.after)) }),
	}
}

// sourceCalled returns the report's line of a source. It stays where it is once the report
// has the lines of all of them.
func (l *look) sourceCalled(name string) *report.Source {
	one := l.reports[0]
	i := slices.IndexFunc(one.Sources, func(s report.Source) bool { return s.Source == name })
	if i < 0 {
		i = len(one.Sources)
		one.Sources = append(one.Sources, report.Source{Source: name})
	}
	return &one.Sources[i]
}

// errNotAll says that a source names more than there was time to read: all of them are
// read in half of the time that a run has, so that the other half is left to look.
var errNotAll = errors.New("it could not be read to its end in its share of half of the run's time: what it names further on is left out")

// maxBadRows is the number of bad rows after which a source is not read any further.
const maxBadRows = 10_000

// portion returns a context that ends after a part of the time that is left.
func portion(ctx context.Context, part float64) (context.Context, context.CancelFunc) {
	deadline, ok := ctx.Deadline()
	if !ok {
		return context.WithCancel(ctx)
	}
	return context.WithTimeout(ctx, time.Duration(part*float64(time.Until(deadline))))
}

// gather reads the sources that have no order, and yields only what goes wrong.
func (l *look) gather(ctx context.Context, s sources) iter.Seq2[inventory.Candidate, error] {
	return func(yield func(inventory.Candidate, error) bool) {
		half, cancel := portion(ctx, 0.5)
		defer cancel()
		// tell yields an error; one that who carries on meets again is not kept for them.
		tell := func(err error, again bool) bool {
			one := l.reports[0]
			told := len(one.Failures)
			more := yield(inventory.Candidate{}, err)
			if again {
				l.listing.misread = append(l.listing.misread, one.Failures[told:]...)
			}
			return more
		}
		for i, other := range s.others {
			rows, bad := 0, 0
			share, done := portion(half, 1/float64(len(s.others)-i))
			for c, err := range other.candidates(share) {
				if err == nil {
					rows++
					if other.whole && !l.Policy.MayTake(&c.Object) {
						l.listing.untaken++
						continue
					}
					if !other.whole && other.name != "" {
						l.literals.add(c.Object)
					}
					if l.named != nil {
						l.named.insert(nameOf(named, c.Name()))
					}
					err = l.gathered.Add(c)
				}
				enough := (share.Err() != nil || isContext(err)) && ctx.Err() == nil && !isSpool(err)
				if enough {
					err = fmt.Errorf("%s: %w", other.name, errNotAll)
				}
				if err = cmp.Or(err, ctx.Err()); err == nil {
					continue
				}
				var row *manifest.RowError
				if !tell(err, errors.As(err, &row)) {
					done()
					return
				}
				if enough {
					break
				}
				if bad++; bad == maxBadRows {
					if !tell(fmt.Errorf("%s: reading stopped after %d bad rows: the remaining rows were skipped", other.name, bad), true) {
						done()
						return
					}
					break
				}
			}
			done()
			if other.name != "" {
				l.mu.Lock()
				l.sourceCalled(other.name).Named = rows // also if an earlier look has counted it
				l.mu.Unlock()
			}
		}
		l.dropUnnamed()
		switch {
		case l.listing.seen != nil, !l.gathered.HasIDs(), !l.gathered.HasObjects() && len(s.prefixes) == 0:
		case l.listing.hasBegun():
			// An earlier run, which knew of no IDs, has not noted which media it found.
			l.gathered.DropIDs()
			tell(errors.New("IDs that are named only since the look began are left to the next sweep"), true)
		default:
			l.listing.seen = &seen{kept: l.took != nil}
		}
	}
}

// isNamed reports whether the inventory names a medium: by a prefix of its object, or in a
// list or a workflow that has been read.
func (l *look) isNamed(object media.Object, id string) bool {
	return l.isCovered(object) ||
		l.named.has(nameOf(named, inventory.Candidate{Object: object}.Name())) ||
		id != "" && l.named.has(nameOf(named, inventory.Candidate{MediaID: id}.Name()))
}

// isCovered reports whether the inventory names an object by a prefix.
func (l *look) isCovered(object media.Object) bool {
	return slices.ContainsFunc(l.Policy.Inventory.Prefixes, func(prefix media.Object) bool { return prefix.Covers(object) })
}

// dropUnnamed gives up what a record says is still to be looked at and the inventory does
// not name.
func (l *look) dropUnnamed() {
	if l.named == nil {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	for name, open := range l.listing.open {
		if !l.isNamed(open.Object, open.MediaID) {
			delete(l.listing.open, name)
		}
	}
	l.again = slices.DeleteFunc(l.again, func(object media.Object) bool { return !l.isNamed(object, "") })
}

// countNamed returns how many candidates the inventory names, up to the one of a name. A
// prefix that cannot be listed counts for what has been listed of it.
func (l *look) countNamed(ctx context.Context, upTo string) (count int, err error) {
	listed := inventory.OfPrefixes(ctx, l.Objects, once(l.Policy.Inventory.Prefixes), "", l.splits)
	for _, all := range []iter.Seq2[inventory.Candidate, error]{l.gathered.Objects(listed, "", func(string, string) {}), l.gathered.IDs("")} {
		for c, err := range all {
			if isContext(err) {
				return 0, err
			}
			if err == nil && c.Name() > upTo {
				break
			}
			if err == nil {
				count++
			}
		}
	}
	return count, ctx.Err()
}

// leftOver yields what an earlier look left over.
func (l *look) leftOver() iter.Seq2[inventory.Candidate, error] {
	return func(yield func(inventory.Candidate, error) bool) {
		for _, open := range l.listing.left() {
			if open.slash == media.SlashPlain && !yield(open.Candidate, nil) {
				return
			}
		}
	}
}

// notInOrder notes that no place can be told any more after which all is still to come.
func (l *look) notInOrder(name, last string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.listing.unordered = true
	l.Log.Warn("the bucket is not listed in the order of its names: what comes too late is looked at last", "name", name, "after", last)
}

// taken yields what is to be looked at of what sources name.
func (l *look) taken(s sources, candidates iter.Seq2[inventory.Candidate, error]) iter.Seq2[inventory.Candidate, error] {
	var lines []*report.Source
	for _, name := range addresses(s.prefixes) {
		lines = append(lines, l.sourceCalled(name))
	}
	take := func(c inventory.Candidate) bool {
		found := c.Again || c.MediaID != "" && l.isFound(c.MediaID)
		live, passed := 0, false
		if !found && l.passOver != nil {
			live, passed = l.passOver(c)
		}
		l.mu.Lock()
		defer l.mu.Unlock()
		for i, prefix := range s.prefixes {
			if c.Listed && prefix.Covers(c.Object) {
				lines[i].Named++
			}
		}
		switch {
		case found:
			return false
		case !passed:
			l.listing.take(c)
			return true
		}
		l.listing.pass(c, live)
		if l.took != nil && l.listing.accounted%checkpointStep == 0 {
			l.took() // of so many at once, since there is no look-up that would tell
		}
		return false
	}
	return func(yield func(inventory.Candidate, error) bool) {
		for candidate, err := range candidates {
			if err == nil && !take(candidate) {
				continue
			}
			if !yield(candidate, err) {
				return
			}
		}
	}
}

// isFound reports whether a medium has been found by its object.
func (l *look) isFound(id string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.listing.seen != nil && l.listing.seen.has(nameOf(foundID, id))
}

// tellOfListing says in a report what was not looked at.
func (l *look) tellOfListing(one *report.Report) {
	if n := l.listing.untaken; n > 0 {
		one.Notes = append(one.Notes, fmt.Sprintf("%d rows of inventory reports are of objects that no rule can take: they were not looked at", n))
	}
	l.literals.tell(one)
}

// tellOfPrefixes notes in a report which of the request's prefixes have no object.
func (r *run) tellOfPrefixes(one *report.Report) {
	for _, prefix := range r.request.Prefixes {
		if r.sourceCalled(prefix.String()).Named == 0 && !r.missing[one] {
			one.Notes = append(one.Notes, fmt.Sprintf("no object is below %s", text.Quote(prefix.String())))
		}
	}
}

// isSpool reports whether there is no room for what a run has to keep for a while.
func isSpool(err error) bool {
	var failed *spool.Error
	return errors.As(err, &failed)
}
