// Package inventory is where candidates come from: the IDs or objects that a
// request names, the objects below prefixes, manifests and workflow executions. It
// looks them up in batches and says what became of each.
package inventory

import (
	"context"
	"errors"
	"iter"
	"maps"
	"slices"
	"strings"

	"github.com/mediasweep/mediasweep/internal/media"
	"github.com/mediasweep/mediasweep/internal/mps"
)

// Library looks media up, mps.MaxBatch at a time.
type Library interface {
	ByID(ctx context.Context, ids []string) (mps.Found, error)
	ByURL(ctx context.Context, urls []string) (mps.Found, error)
}

// Candidate is a medium that may be looked at: by its ID, or by the object that it was
// made of. One of the two is set.
type Candidate struct {
	MediaID string
	Object  media.Object
	// Modified is when the source says that the object was written, in seconds since 1970;
	// 0 where none does.
	Modified int64
	// Listed says that the object is in a bucket that was listed, and Again that it has
	// come before and is only listed late.
	Listed, Again bool

	name string // if it has been put together
}

// Batch is what one look-up asks for: IDs, or objects in one form of their URLs.
type Batch struct {
	IDs     []string
	Objects []media.Object
	Slash   media.Slash
	// Repeated says that an answer to the same has not mentioned them.
	Repeated bool
}

// Len returns how many IDs or objects the batch asks for.
func (b Batch) Len() int { return len(b.IDs) + len(b.Objects) }

// Candidates yields what the batch asks for.
func (b Batch) Candidates() iter.Seq[Candidate] {
	return func(yield func(Candidate) bool) {
		for _, id := range b.IDs {
			if !yield(Candidate{MediaID: id}) {
				return
			}
		}
		for _, object := range b.Objects {
			if !yield(Candidate{Object: object}) {
				return
			}
		}
	}
}

// Without returns what the batch has and another one lacks.
func (b Batch) Without(other Batch) Batch {
	b.IDs = slices.DeleteFunc(slices.Clone(b.IDs), func(id string) bool { return slices.Contains(other.IDs, id) })
	b.Objects = slices.DeleteFunc(slices.Clone(b.Objects), func(object media.Object) bool { return slices.Contains(other.Objects, object) })
	return b
}

// Halves splits a batch in two.
func (b Batch) Halves() (first, second Batch) {
	ids, objects := len(b.IDs)/2, len(b.Objects)/2
	return Batch{b.IDs[:ids], b.Objects[:objects], b.Slash, b.Repeated}, Batch{b.IDs[ids:], b.Objects[objects:], b.Slash, b.Repeated}
}

// Of yields media by their IDs, and then by their objects.
func Of(ids []string, objects []media.Object) iter.Seq2[Candidate, error] {
	return func(yield func(Candidate, error) bool) {
		for c := range (Batch{IDs: ids, Objects: objects}).Candidates() {
			if !yield(c, nil) {
				return
			}
		}
	}
}

// OfIDs splits IDs into batches.
func OfIDs(ids []string) iter.Seq2[Batch, error] {
	return Batches(Of(ids, nil), "", media.SlashPlain)
}

// OfObjects splits objects into batches that ask with one form of slash.
func OfObjects(objects []media.Object, region string, slash media.Slash) iter.Seq2[Batch, error] {
	return Batches(Of(nil, objects), region, slash)
}

// Batches fills batches up to the number that a look-up takes, and of URLs to the length
// of their list. Errors come through as they are.
func Batches(candidates iter.Seq2[Candidate, error], region string, slash media.Slash) iter.Seq2[Batch, error] {
	return func(yield func(Batch, error) bool) {
		var ids []string
		var objects []media.Object
		length := 0
		flushIDs := func() bool {
			full := Batch{IDs: ids}
			ids = nil
			return full.Len() == 0 || yield(full, nil)
		}
		flushObjects := func() bool {
			full := Batch{Objects: objects, Slash: slash}
			objects, length = nil, 0
			return full.Len() == 0 || yield(full, nil)
		}
		for candidate, err := range candidates {
			switch {
			case err != nil:
				if !yield(Batch{}, err) {
					return
				}
			case candidate.MediaID != "":
				if len(ids) == mps.MaxBatch && !flushIDs() {
					return
				}
				ids = append(ids, candidate.MediaID)
			default:
				next := len(candidate.Object.URL(region, slash)) + len(",")
				if (len(objects) == mps.MaxBatch || length+next > media.MaxURLBytes+len(",")) && !flushObjects() {
					return
				}
				objects = append(objects, candidate.Object)
				length += next
			}
		}
		if flushIDs() {
			flushObjects()
		}
	}
}

// Looked is what a look-up of one batch came to.
type Looked struct {
	// Media are those that the library has for what was asked.
	Media []media.Medium
	// Absent are IDs of which the library says that it has no medium.
	Absent []string
	// Unclear says of what the answer left open why it is.
	Unclear []Unclear
	// WithoutMedia are objects that have no medium.
	WithoutMedia []media.Object
	// Again holds objects that were not found by plain slashes and have some:
	// they are to be asked for with escaped ones, since the documents do not say
	// by which form a library knows an object.
	Again []media.Object
	// Unanswered has the candidates that the answer mentions nowhere. Ask for them once
	// more; the second time they are ErrUnanswered.
	Unanswered Batch
}

// ErrUnanswered is the failure of what no answer mentions.
var ErrUnanswered = errors.New("MPS neither returned a medium nor said that there is none")

// Unclear is one medium of which an answer does not tell enough.
type Unclear struct {
	MediaID string
	Reason  string
	// Objects are those for which it may have been returned.
	Objects []media.Object
}

// LookUp asks the library for one batch. Media are returned only if they were
// asked for, each once.
func LookUp(ctx context.Context, library Library, batch Batch, region string) (Looked, error) {
	if len(batch.Objects) > 0 {
		return byObject(ctx, library, batch, region)
	}
	return byID(ctx, library, batch.IDs)
}

func byID(ctx context.Context, library Library, ids []string) (Looked, error) {
	found, err := library.ByID(ctx, ids)
	if err != nil {
		return Looked{}, err
	}
	open := make(map[string]bool, len(ids))
	for _, id := range ids {
		open[id] = true
	}
	var looked Looked
	for _, medium := range found.Media {
		if open[medium.ID] {
			delete(open, medium.ID)
			looked.Media = append(looked.Media, medium)
		}
	}
	for _, id := range found.Missing {
		if open[id] {
			delete(open, id)
			looked.Absent = append(looked.Absent, id)
		}
	}
	looked.Unanswered = Batch{IDs: slices.Sorted(maps.Keys(open)), Repeated: true}
	return looked, nil
}

func byObject(ctx context.Context, library Library, batch Batch, region string) (Looked, error) {
	urls := make([]string, len(batch.Objects))
	asked := make(map[media.Object]bool, len(batch.Objects))
	for i, object := range batch.Objects {
		urls[i] = object.URL(region, batch.Slash)
		asked[object] = true
	}
	found, err := library.ByURL(ctx, urls)
	if err != nil {
		return Looked{}, err
	}
	var looked Looked
	known := make(map[media.Object]bool, len(batch.Objects))
	seen := make(map[string]bool, len(found.Media))
	for _, medium := range found.Media {
		switch {
		case seen[medium.ID]:
		case asked[medium.Object]:
			known[medium.Object] = true
			looked.Media = append(looked.Media, medium)
		default:
			looked.Unclear = append(looked.Unclear, Unclear{MediaID: medium.ID, Reason: "its File.URL is none of the objects that MPS returned it for"})
		}
		seen[medium.ID] = media.CheckID(medium.ID) == nil
	}
	for i := range looked.Unclear {
		for _, object := range batch.Objects {
			if !known[object] {
				looked.Unclear[i].Objects = append(looked.Unclear[i].Objects, object)
			}
		}
	}
	missing := make(map[media.Object]bool, len(found.Missing))
	for _, address := range found.Missing {
		if object, err := media.ParseURL(address); err == nil {
			missing[object] = true
		}
	}
	unanswered := slices.DeleteFunc(slices.Clone(batch.Objects), func(object media.Object) bool { return known[object] || missing[object] })
	if len(unanswered) <= len(looked.Unclear) { // these media may have been returned for them
		unanswered = nil
	}
	for _, object := range batch.Objects {
		switch {
		case known[object], slices.Contains(unanswered, object):
		case batch.Slash == media.SlashPlain && strings.Contains(object.Key, "/"):
			looked.Again = append(looked.Again, object)
		default:
			looked.WithoutMedia = append(looked.WithoutMedia, object)
		}
	}
	looked.Unanswered = Batch{Objects: unanswered, Slash: batch.Slash, Repeated: true}
	return looked, nil
}
