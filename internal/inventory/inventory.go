// Package inventory is where candidates come from: the media IDs or objects that a request
// names, the objects below prefixes, manifests and workflow executions. It merges them in
// the order of their names, each once.
package inventory

import (
	"iter"

	"github.com/mediasweep/mediasweep/internal/media"
)

// Candidate is a medium that may be looked at: by its ID, or by the object that it was
// made of. One of the two is set.
type Candidate struct {
	MediaID string
	Object  media.Object
	// Modified is when the source says that the object was written, in seconds since 1970;
	// 0 where none does.
	Modified int64
	// Listed says that the object is in a bucket that was listed.
	Listed bool

	name string // if it has been put together
}

// Of yields media by their IDs, and then by their objects.
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
