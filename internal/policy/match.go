package policy

import (
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/mediasweep/mediasweep/internal/media"
)

// Match selects media. Every key that is set must hold; a Match without keys
// selects every medium.
type Match struct {
	// Object holds globs over oss://bucket/key, any of which may match.
	Object []Glob
	// Tags selects media that carry any of these tags, TagsAll those with all.
	Tags    []string
	TagsAll []string
	// Category selects media of any of these categories (CateId).
	Category []int64
	// State selects media with any of these publish states.
	State []string
	// Title is searched in the title; nil for no such key.
	Title *regexp.Regexp
	// Size is of the input in bytes, Duration of its video; bounds included.
	Size     Range[int64]
	Duration Range[time.Duration]
}

// Range is a pair of bounds, each of which may be missing. A bound of nothing
// says nothing, so zero stands for a missing one.
type Range[T int64 | time.Duration] struct{ Min, Max T }

// IsZero reports whether the range has no bound.
func (r Range[T]) IsZero() bool { return r == Range[T]{} }

func (r Range[T]) holds(field media.Maybe[T]) Truth {
	if !field.Known {
		return Unknown
	}
	return truth(field.Value >= r.Min && (r.Max == 0 || field.Value <= r.Max))
}

// Truth is the answer to "does it match?". A record may lack or garble the field
// that would tell, and then the answer is neither yes nor no.
type Truth int

// The three answers. No is the zero value.
const (
	No Truth = iota
	Unknown
	Yes
)

func truth(b bool) Truth {
	if b {
		return Yes
	}
	return No
}

// clause is one condition of a rule, by its key in retention.yaml.
type clause struct {
	key   string
	holds func(*media.Medium) Truth
}

// clauses compiles the keys that are set, so that a decision costs only those.
func (m *Match) clauses() []clause {
	var list []clause
	add := func(set bool, key string, holds func(*media.Medium) Truth) {
		if set {
			list = append(list, clause{key, holds})
		}
	}
	add(len(m.State) > 0, "state", func(medium *media.Medium) Truth {
		if !IsLive(medium.State) {
			return Unknown
		}
		return truth(slices.Contains(m.State, medium.State))
	})
	add(len(m.Object) > 0, "object", func(medium *media.Medium) Truth {
		if medium.Object.IsZero() {
			return Unknown
		}
		for i := range m.Object {
			if m.Object[i].Match(&medium.Object) {
				return Yes
			}
		}
		return No
	})
	add(len(m.Tags) > 0, "tags", func(medium *media.Medium) Truth {
		if medium.TagsGarbled {
			return Unknown
		}
		for _, tag := range m.Tags {
			if slices.Contains(medium.Tags, tag) {
				return Yes
			}
		}
		return No
	})
	add(len(m.TagsAll) > 0, "tagsAll", func(medium *media.Medium) Truth {
		if medium.TagsGarbled {
			return Unknown
		}
		for _, tag := range m.TagsAll {
			if !slices.Contains(medium.Tags, tag) {
				return No
			}
		}
		return Yes
	})
	add(len(m.Category) > 0, "category", func(medium *media.Medium) Truth {
		if !medium.Category.Known {
			return Unknown
		}
		return truth(slices.Contains(m.Category, medium.Category.Value))
	})
	add(!m.Size.IsZero(), m.Size.key("Size"), func(medium *media.Medium) Truth { return m.Size.holds(medium.Size) })
	add(!m.Duration.IsZero(), m.Duration.key("Duration"), func(medium *media.Medium) Truth { return m.Duration.holds(medium.Duration) })
	add(m.Title != nil, "title", func(medium *media.Medium) Truth {
		if !medium.Title.Known {
			return Unknown
		}
		return truth(m.Title.MatchString(medium.Title.Value))
	})
	return list
}

// key names the bounds that are set.
func (r Range[T]) key(field string) string {
	switch {
	case r.Max == 0:
		return "min" + field
	case r.Min == 0:
		return "max" + field
	}
	return "min" + field + " and max" + field
}

// LiveStates returns the documented publish states of a medium that is there.
func LiveStates() []string {
	return []string{media.StateInitiated, media.StateUnPublish, media.StatePublished}
}

// IsLive reports whether a state is one of LiveStates.
func IsLive(state string) bool {
	switch state {
	case media.StatePublished, media.StateUnPublish, media.StateInitiated:
		return true
	}
	return false
}

// carries reports whether a medium has a tag with a prefix.
func carries(medium *media.Medium, prefix string) bool {
	return slices.ContainsFunc(medium.Tags, func(tag string) bool { return strings.HasPrefix(tag, prefix) })
}
