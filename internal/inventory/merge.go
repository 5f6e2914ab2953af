package inventory

import (
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"iter"
	"strings"

	"github.com/mediasweep/mediasweep/internal/extsort"
	"github.com/mediasweep/mediasweep/internal/media"
	"github.com/mediasweep/mediasweep/internal/text"
)

// idMark starts the names of media. It sorts after all bytes of a bucket's name.
const idMark = "~"

// Name returns the name by which candidates sort: bucket/key for an object, as OSS sorts, and ~ID for
// a medium ID, after all objects.
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

// Named returns the candidate of a name. The object of a saved name is checked.
func Named(name string, modified int64) (Candidate, error) {
	var c Candidate
	c.set(name, modified)
	if c.MediaID != "" {
		return c, nil
	}
	_, err := media.NewObject(c.Object.Bucket, c.Object.Key)
	return c, err
}

// set sets the candidate to the one of a name that Name returned. It copies no candidate.
func (c *Candidate) set(name string, modified int64) {
	*c = Candidate{Modified: modified, name: name}
	if id, isID := strings.CutPrefix(name, idMark); isID {
		c.MediaID = id
		return
	}
	c.Object.Bucket, c.Object.Key, _ = strings.Cut(name, "/")
}

// Gathered sorts the candidates of unordered sources. It is not safe for concurrent use.
type Gathered struct {
	objects, ids extsort.Sorter
	name, rest   []byte // scratch
}

// Add adds a candidate. Its error is extsort.ErrFile.
func (g *Gathered) Add(c Candidate) error {
	if c.MediaID != "" {
		g.rest = binary.AppendVarint(g.rest[:0], c.flags())
		if c.Beside != 0 {
			g.rest = binary.BigEndian.AppendUint64(g.rest, c.Beside)
		}
		return g.ids.Add(c.Name(), g.rest)
	}
	g.name = append(append(append(g.name[:0], c.Object.Bucket...), '/'), c.Object.Key...) // as objectName has it
	g.rest = binary.AppendVarint(g.rest[:0], c.Modified)
	return g.objects.AddBytes(g.name, g.rest)
}

// Mark begins objects that Undo can drop. Its error is extsort.ErrFile.
func (g *Gathered) Mark() error { return g.objects.Mark() }

// Undo drops the objects that were added since Mark.
func (g *Gathered) Undo() { g.objects.Undo() }

const (
	leadFlag = 1 << iota
	orphanFlag
)

func (c Candidate) flags() (flags int64) {
	if c.Lead {
		flags |= leadFlag
	}
	if c.Orphan {
		flags |= orphanFlag
	}
	return flags
}

// Len returns the number of candidates, with those that were added more than once.
func (g *Gathered) Len() int { return g.objects.Len() + g.ids.Len() }

// HasIDs reports whether any candidate is a media ID.
func (g *Gathered) HasIDs() bool { return g.ids.Len() > 0 }

// HasObjects reports whether any candidate is an object.
func (g *Gathered) HasObjects() bool { return g.objects.Len() > 0 }

// Close frees the memory and the temporary files.
func (g *Gathered) Close() {
	g.objects.Close()
	g.ids.Close()
}

// DropIDs drops the IDs of media that were found. found has them in order, each with the name of its candidate. An ID stays if
// a list names another object beside it than that candidate, or if its medium may be an orphan: the candidate did not say so.
func (g *Gathered) DropIDs(found iter.Seq2[extsort.Record, error]) error {
	find, stop := extsort.Finder(found)
	defer stop()
	var left extsort.Sorter
	for record, err := range g.ids.All() {
		var c Candidate
		if err == nil {
			err = c.decode(record)
		}
		drop := false
		if err == nil {
			var one extsort.Record
			one, drop, err = find(c.MediaID)
			drop = drop && !c.Orphan && (c.Beside == 0 || c.Beside == Hash(string(one.Rest)))
		}
		if err == nil && !drop {
			err = left.Add(record.Name, record.Rest)
		}
		if err != nil {
			left.Close()
			return err
		}
	}
	g.ids.Close()
	g.ids = left
	return nil
}

// IDs yields the gathered media IDs whose names come after another one, sorted, each once.
func (g *Gathered) IDs(after string) iter.Seq2[Candidate, error] { return unique(&g.ids, after) }

// ErrUnordered means that a listing is not sorted by name. The caller should gather its prefix and start again.
var ErrUnordered = errors.New("the bucket is not listed in the order of its names")

// Objects merges the gathered objects whose names come after another one with a listing, if any. It yields
// each object once, with the latest Modified, and errors unchanged. An ErrUnordered is the last value.
func (g *Gathered) Objects(listed iter.Seq2[Candidate, error], after string) iter.Seq2[Candidate, error] {
	if listed == nil {
		return unique(&g.objects, after)
	}
	return func(yield func(Candidate, error) bool) {
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
				yield(Candidate{}, fmt.Errorf("%w: %s comes after %s", ErrUnordered, text.Quote(c.name), text.Quote(last)))
				return
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
	}
}

// unique yields sorted candidates, each once.
func unique(from *extsort.Sorter, after string) iter.Seq2[Candidate, error] {
	return func(yield func(Candidate, error) bool) {
		var one, c Candidate
		for record, err := range from.All() {
			if err == nil && record.Name <= after {
				continue
			}
			if err == nil {
				err = c.decode(record)
			}
			switch {
			case err != nil:
				yield(Candidate{}, err)
				return
			case c.name == one.name:
				one.merge(&c)
				continue
			case one.name != "" && !yield(one, nil):
				return
			}
			one = c
		}
		if one.name != "" {
			yield(one, nil)
		}
	}
}

// decode sets the candidate to that of a record; see Gathered.Add.
func (c *Candidate) decode(record extsort.Record) error {
	number, n := binary.Varint(record.Rest)
	if n <= 0 {
		return errors.New("temporary file: a time is damaged")
	}
	c.set(record.Name, number)
	if c.MediaID != "" {
		c.Modified, c.Lead, c.Orphan = 0, number&leadFlag != 0, number&orphanFlag != 0
		c.Named = !c.Lead
		if rest := record.Rest[n:]; len(rest) == 8 {
			c.Beside = binary.BigEndian.Uint64(rest)
		}
	}
	return nil
}

// merge adds another candidate of the same name. It keeps the latest Modified.
func (c *Candidate) merge(other *Candidate) {
	c.Modified = max(c.Modified, other.Modified)
	c.Lead, c.Named, c.Orphan = c.Lead || other.Lead, c.Named || other.Named, c.Orphan || other.Orphan
	if c.Beside != 0 && other.Beside != 0 && c.Beside != other.Beside {
		other.Beside = 1 // no object has it: one of the two rows is wrong
	}
	c.Beside = cmp.Or(other.Beside, c.Beside)
}
