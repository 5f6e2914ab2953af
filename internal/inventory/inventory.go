// Package inventory reads candidates from requests, prefixes, manifests and workflow executions. It
// merges them in the order of their names, each once.
package inventory

import (
	"hash/fnv"
	"iter"

	"github.com/mediasweep/mediasweep/internal/media"
)

// Candidate names a medium to look up, by its ID or by its source object. One of the two is set.
type Candidate struct {
	MediaID string
	Object  media.Object
	// Beside is the hash of the object that a list names beside the media ID; 0 if it names none.
	Beside uint64
	// Modified is the LastModified of the object, in seconds since 1970; 0 if unknown.
	Modified int64
	// Listed is true if a listing of the bucket had the object.
	Listed bool
	// Lead is true if an earlier event or request announced the medium. Named is true if a list has its ID too. Orphan is
	// true if its source object may be gone.
	Lead, Named, Orphan bool

	name string // the cached result of Name
}

// Contradicts reports whether a list names another object beside the ID of a medium than the medium has.
func (c Candidate) Contradicts(object media.Object) bool {
	return c.Beside != 0 && c.Beside != Hash(objectName(object))
}

// Hash returns the hash of the name of a candidate. It is never 0.
func Hash(name string) uint64 {
	hash := fnv.New64a()
	_, _ = hash.Write([]byte(name)) // a hash returns no error
	return max(hash.Sum64(), 1)
}

// Of yields media IDs, and then objects.
func Of(ids []string, objects []media.Object) iter.Seq2[Candidate, error] {
	return func(yield func(Candidate, error) bool) {
		for _, id := range ids {
			if !yield(Candidate{MediaID: id}, nil) {
				return
			}
		}
		for _, object := range objects {
			if !yield(Candidate{Object: object}, nil) {
				return
			}
		}
	}
}
