// Package inventory reads candidates from requests, prefixes, manifests and workflow executions. It
// merges them in the order of their names, each once.
package inventory

import (
	"iter"

	"github.com/mediasweep/mediasweep/internal/media"
)

// Candidate names a medium to look up, by its ID or by its source object. One of the two is set.
type Candidate struct {
	MediaID string
	Object  media.Object
	// Modified is the LastModified of the object, in seconds since 1970; 0 if unknown.
	Modified int64
	// Listed is true if a listing of the bucket had the object.
	Listed bool
	// Lead is true if an earlier event or request announced the medium. Orphan is true if its source
	// object was removed then.
	Lead, Orphan bool

	name string // the cached result of Name
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
