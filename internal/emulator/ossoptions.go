package emulator

import (
	"strings"
	"time"
)

// OSSOptions chooses among behaviours of OSS that its documentation leaves open. The zero
// value is the likeliest of them.
type OSSOptions struct {
	// FoldedOrder lists keys without regard to upper and lower case; by default they come
	// in the order of their bytes.
	FoldedOrder bool
	// Overlap is the number of keys that the next page repeats; by default none.
	Overlap int
	// Immutable puts all objects under a retention policy: any change of one is refused as such. By default
	// x-oss-forbid-overwrite alone refuses it.
	Immutable bool
	// TokensGoRound makes the last page's token lead to the first page: no listing of more than
	// one page ends.
	TokensGoRound bool
	// StartAfterWins ignores the token of a listing that has start-after too. By default the token wins.
	StartAfterWins bool
	// TokenLife is the time after which a listing refuses its token; 0 for never.
	TokenLife time.Duration
	// EmptyPages puts a page without objects before each page, as deleted versions may.
	EmptyPages bool
	// ListingDelay is the time for which listings do not show a new object.
	ListingDelay time.Duration
	// HidesMissing refuses to read a missing object with status 403 if the caller may not list its bucket. A condition on
	// the prefix of listings counts as a refusal, because a read has no such prefix. By default the status is 404.
	HidesMissing bool
	// Archived keeps all objects in an archive: they are listed, and cannot be read.
	Archived bool
}

func (o OSSOptions) compare(a, b string) int {
	if o.FoldedOrder {
		if order := strings.Compare(strings.ToLower(a), strings.ToLower(b)); order != 0 {
			return order
		}
	}
	return strings.Compare(a, b)
}

// storageClass returns the class of all objects.
func (o OSSOptions) storageClass() string {
	if o.Archived {
		return "Archive"
	}
	return "Standard"
}
