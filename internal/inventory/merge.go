package inventory

import (
	"cmp"
	"encoding/binary"
	"errors"
	"iter"
	"strings"

	"github.com/mediasweep/mediasweep/internal/media"
	"github.com/mediasweep/mediasweep/internal/spool"
)

// idMark starts the names of media: it comes after all that a bucket's name may have.
const idMark = "~"

// Name returns what the candidate is called wherever candidates have an order: bucket/key
// for an object, in the order of OSS, and behind all of them ~ID for a medium.
func (c Candidate) Name() string {
	switch {
	case c.name != "":
		return c.name
	case c.MediaID != "":
		return idMark + c.MediaID
	}
	return objectName(c.Object)
}

func objectName(object media.Object) string { return object.Bucket + "/" + object.Key }

// Named returns the candidate of a name.
func Named(name string, modified int64) (Candidate, error) {
	c := Candidate{Modified: modified, name: name}
	var found bool
	if c.MediaID, found = strings.CutPrefix(name, idMark); found {
		return c, nil
	}
	c.MediaID = ""
	bucket, key, _ := strings.Cut(name, "/")
	var err error
	c.Object, err = media.NewObject(bucket, key)
	return c, err
}

// Gathered are the candidates of sources that name them in no order and more than once:
// all of them are read before the first is handed over. It is not safe for concurrent use.
type Gathered struct{ objects, ids spool.Spool }

// Add takes a candidate. Its error is a *spool.Error.
func (g *Gathered) Add(c Candidate) error {
	if c.MediaID != "" {
		return g.ids.Add(c.Name(), nil)
	}
	return g.objects.Add(c.Name(), binary.AppendVarint(nil, c.Modified))
}

// HasIDs reports whether any candidate is a medium, and HasObjects whether one is an
// object.
func (g *Gathered) HasIDs() bool { return g.ids.Len() > 0 }

// HasObjects reports whether any candidate is an object.
func (g *Gathered) HasObjects() bool { return g.objects.Len() > 0 }

// DropIDs forgets the media.
func (g *Gathered) DropIDs() { g.ids.Close() }

// Close lets everything go.
func (g *Gathered) Close() {
	g.objects.Close()
	g.ids.Close()
}

// IDs yields the gathered media whose names come after another one, each once and in
// order.
func (g *Gathered) IDs(after string) iter.Seq2[Candidate, error] { return unique(&g.ids, after) }

// Objects yields the gathered objects whose names come after another one, and those that
// are listed in the same order; each once, and as the latest is said to have been written.
// Errors come through as they are.
//
// That listings have an order is not promised. Objects that are listed too late for it come
// last, those that had come before with Again, and unordered is told before any other goes
// on: from then on nobody may rely on having had all before the last.
func (g *Gathered) Objects(listed iter.Seq2[Candidate, error], after string, unordered func(name, last string)) iter.Seq2[Candidate, error] {
	return func(yield func(Candidate, error) bool) {
		var late Gathered
		defer late.Close()
		next, stop := iter.Pull2(unique(&g.objects, after))
		defer stop()
		ahead, aheadErr, more := next()
		last := after
		for c, err := range listed {
			if err != nil {
				if !yield(c, err) {
					return
				}
				continue
			}
			c.Listed, c.name = true, objectName(c.Object)
			if c.name <= last {
				if !late.HasObjects() {
					unordered(c.name, last)
				}
				if err := late.Add(c); err != nil && !yield(Candidate{}, err) {
					return
				}
				continue
			}
			last = c.name
			for more && (aheadErr != nil || ahead.name <= c.name) {
				if aheadErr == nil && ahead.name == c.name {
					c.Modified = max(c.Modified, ahead.Modified)
				} else if !yield(ahead, aheadErr) {
					return
				}
				ahead, aheadErr, more = next()
			}
			if !yield(c, nil) {
				return
			}
		}
		for more {
			if !yield(ahead, aheadErr) {
				return
			}
			ahead, aheadErr, more = next()
		}
		if late.HasObjects() {
			late.after(g, yield)
		}
	}
}

// after yields the objects, and says which of them another one has too.
func (g *Gathered) after(other *Gathered, yield func(Candidate, error) bool) {
	next, stop := iter.Pull2(unique(&other.objects, ""))
	defer stop()
	ahead, err, more := next()
	for c, lateErr := range unique(&g.objects, "") {
		for more && err == nil && lateErr == nil && ahead.name < c.name {
			ahead, err, more = next()
		}
		c.Listed, c.Again = true, lateErr == nil && more && err == nil && ahead.name == c.name
		if !yield(c, cmp.Or(lateErr, err)) {
			return
		}
	}
}

// unique yields what a spool holds of candidates, each once, with the latest time.
func unique(from *spool.Spool, after string) iter.Seq2[Candidate, error] {
	return func(yield func(Candidate, error) bool) {
		var one Candidate
		flush := func() bool { return one.name == "" || yield(one, nil) }
		for record, err := range from.All() {
			var c Candidate
			if err == nil && record.Name <= after {
				continue
			}
			if err == nil {
				modified, n := binary.Varint(record.Rest)
				if c, err = Named(record.Name, modified); n < 0 {
					err = errors.New("read what was spooled: a time is damaged")
				}
			}
			switch {
			case err != nil:
				yield(Candidate{}, err)
				return
			case c.name == one.name:
				one.Modified = max(one.Modified, c.Modified)
				continue
			case !flush():
				return
			}
			one = c
		}
		flush()
	}
}
