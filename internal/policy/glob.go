package policy

import (
	"fmt"
	"strings"

	"github.com/mediasweep/mediasweep/internal/media"
	"github.com/mediasweep/mediasweep/internal/text"
)

// Glob matches objects by "oss://bucket/key". In the key "*" stands for any
// characters but a slash, "**" for any characters, and "**/" for any number of
// whole segments, none included. Every other character stands for itself, and
// the bucket is always literal.
type Glob struct {
	bucket  string
	pattern string
	literal int // length of the pattern before its first star
	tail    int // start of the literal end, after the last star
}

// ParseGlob reads a pattern, which must name its bucket and can match an object.
func ParseGlob(s string) (Glob, error) {
	prefix, err := media.ParsePrefix(s)
	switch {
	case err != nil:
		return Glob{}, fmt.Errorf("%w: write a glob such as oss://bucket/dir/**", err)
	case prefix.Key == "":
		return Glob{}, fmt.Errorf("%s names no object: write oss://%s/** for the whole bucket", text.Quote(s), prefix.Bucket)
	case strings.HasSuffix(s, "/"):
		return Glob{}, fmt.Errorf("%s ends in / and matches nothing below it: write %s for all of that",
			text.Quote(s), text.Quote(strings.TrimSuffix(strings.TrimRight(s, "/"), "/**")+"/**"))
	}
	g := Glob{bucket: prefix.Bucket, pattern: prefix.Key, literal: strings.IndexByte(prefix.Key, '*'), tail: strings.LastIndexByte(prefix.Key, '*') + 1}
	switch {
	case g.literal < 0:
		g.literal, g.tail = len(g.pattern), len(g.pattern)
	case strings.HasSuffix(g.pattern[:g.tail], "**") && strings.HasPrefix(g.pattern[g.tail:], "/"):
		g.tail++ // the slash of "**/" may stand for nothing
	}
	return g, nil
}

// String returns the pattern as it was written.
func (g Glob) String() string { return "oss://" + g.bucket + "/" + g.pattern }

// Literal returns the bucket, and the key up to the first star. It reports whether that is the whole
// pattern.
func (g Glob) Literal() (start media.Object, whole bool) {
	return media.Object{Bucket: g.bucket, Key: g.pattern[:g.literal]}, g.literal == len(g.pattern)
}

// Meets reports whether an object whose key starts with a prefix can match. Each
// segment is read once: "*" crosses no slash, and behind "**" any key can match.
func (g Glob) Meets(prefix media.Object) bool {
	if g.bucket != prefix.Bucket {
		return false
	}
	pattern, _, open := strings.Cut(g.pattern, "**")
	for key := prefix.Key; ; {
		segment, rest, whole := strings.Cut(key, "/")
		wanted, next, more := strings.Cut(pattern, "/")
		switch {
		case !whole: // the object's key may go on
			literal, _, star := strings.Cut(wanted, "*")
			return strings.HasPrefix(literal, segment) || (star || open && !more) && strings.HasPrefix(segment, literal)
		case !more:
			return open && matchSegment(wanted, segment, false)
		case !matchSegment(wanted, segment, true):
			return false
		}
		key, pattern = rest, next
	}
}

// matchSegment reports whether a pattern without "**" matches a segment, or with
// whole false its start. Each literal is looked for once, from left to right.
func matchSegment(pattern, segment string, whole bool) bool {
	literal, rest, star := strings.Cut(pattern, "*")
	segment, ok := strings.CutPrefix(segment, literal)
	for ok && star {
		if literal, rest, star = strings.Cut(rest, "*"); !star && whole {
			return strings.HasSuffix(segment, literal)
		}
		_, segment, ok = strings.Cut(segment, literal)
	}
	return ok && (segment == "" || !whole)
}

// Match reports whether the glob covers the object. It compares the literal parts first: most objects
// differ from most globs there.
func (g *Glob) Match(object *media.Object) bool {
	key, tail := object.Key, g.pattern[g.tail:]
	return strings.HasPrefix(key, g.pattern[:g.literal]) && g.bucket == object.Bucket &&
		len(key) >= g.literal+len(tail) && strings.HasSuffix(key, tail) &&
		matchKey(g.pattern[:g.tail], key[:len(key)-len(tail)], g.literal)
}

// matchKey walks pattern and key together, from where both are alike. A wildcard
// first takes as little as it can, and on a mismatch the latest one that can take
// more does. One such place for "*" and one for "**" is enough, because a later
// "**" can take over whatever an earlier wildcard could have taken; so nothing is
// allocated.
func matchKey(pattern, key string, alike int) bool {
	type place struct{ pattern, key int }
	nowhere := place{} // a place stands after a star
	star, stars, segments := nowhere, nowhere, false
	p, k := alike, alike
	for {
		switch {
		case p < len(pattern) && pattern[p] == '*':
			if p++; p == len(pattern) || pattern[p] != '*' {
				star = place{p, k}
				if p == len(pattern) && strings.IndexByte(key[k:], '/') < 0 {
					return true
				}
				continue
			}
			if p++; p == len(pattern) {
				return true
			}
			atSegment := p == 2 || pattern[p-3] == '/'
			if segments = atSegment && pattern[p] == '/'; segments {
				p++
			}
			star, stars = nowhere, place{p, k}
		case p < len(pattern) && k < len(key) && pattern[p] == key[k]:
			p++
			k++
		case p == len(pattern) && k == len(key):
			return true
		case star != nowhere && star.pattern < len(pattern) && star.key < len(key) && key[star.key] != '/':
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
