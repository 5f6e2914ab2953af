package policy

import (
	"fmt"
	"strings"

	"github.com/mediasweep/mediasweep/internal/media"
)

// Glob matches objects by "oss://bucket/key". In the key "*" stands for any
// characters but a slash, "**" for any characters, and "**/" for any number of
// whole segments, none included. Every other character stands for itself, and
// the bucket is always literal.
type Glob struct {
	bucket  string
	pattern string
	literal int // length of the pattern before its first star
}

// ParseGlob reads a pattern, which must name its bucket.
func ParseGlob(s string) (Glob, error) {
	prefix, err := media.ParsePrefix(s)
	if err != nil {
		return Glob{}, err
	}
	if prefix.Key == "" {
		return Glob{}, fmt.Errorf("%q names no object: end it with /** for the whole bucket", s)
	}
	literal := strings.IndexByte(prefix.Key, '*')
	if literal < 0 {
		literal = len(prefix.Key)
	}
	return Glob{bucket: prefix.Bucket, pattern: prefix.Key, literal: literal}, nil
}

// String returns the pattern as it was written.
func (g Glob) String() string { return "oss://" + g.bucket + "/" + g.pattern }

// Match reports whether the glob takes in the object. Most objects differ from
// most globs within what is literal, which is quick to tell.
func (g *Glob) Match(object *media.Object) bool {
	return strings.HasPrefix(object.Key, g.pattern[:g.literal]) && g.bucket == object.Bucket && matchKey(g.pattern, object.Key, g.literal)
}

// matchKey walks pattern and key together, from where both are alike. A wildcard first takes as little as
// it can, and on a mismatch the latest one that can take more does. One such
// place for "*" and one for "**" is enough, because a later "**" can take over
// whatever an earlier wildcard could have taken; so nothing is allocated.
func matchKey(pattern, key string, alike int) bool {
	type place struct{ pattern, key int }
	nowhere := place{-1, -1}
	star, stars, segments := nowhere, nowhere, false
	p, k := alike, alike
	for {
		switch {
		case p < len(pattern) && pattern[p] == '*':
			if p++; p == len(pattern) || pattern[p] != '*' {
				star = place{p, k}
				continue
			}
			p++
			atSegment := p == 2 || pattern[p-3] == '/'
			if segments = atSegment && p < len(pattern) && pattern[p] == '/'; segments {
				p++
			}
			star, stars = nowhere, place{p, k}
		case p < len(pattern) && k < len(key) && pattern[p] == key[k]:
			p++
			k++
		case p == len(pattern) && k == len(key):
			return true
		case star != nowhere && star.key < len(key) && key[star.key] != '/':
			star.key++
			p, k = star.pattern, star.key
		case stars != nowhere && stars.key < len(key):
			skip := 1
			if segments { // whole segments only
				skip = strings.IndexByte(key[stars.key:], '/') + 1
				if skip == 0 {
					return false
				}
			}
			stars.key += skip
			star = nowhere
			p, k = stars.pattern, stars.key
		default:
			return false
		}
	}
}
