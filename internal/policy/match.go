package policy

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/mediasweep/mediasweep/internal/media"
	"github.com/mediasweep/mediasweep/internal/words"
)

// Match selects the media for which every key that is set holds. A Match without keys
// selects every medium.
type Match struct {
	// Object has globs over oss://bucket/key. One of them must match.
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

// Range is a pair of bounds. Zero stands for a missing bound.
type Range[T int64 | time.Duration] struct{ Min, Max T }

// IsZero reports whether the range has no bound.
func (r Range[T]) IsZero() bool { return r == Range[T]{} }

func (r Range[T]) has(value T) bool { return value >= r.Min && (r.Max == 0 || value <= r.Max) }

// Truth is the answer to "does it match?". It is Unknown if the record lacks the field, or the field
// cannot be read.
type Truth int

// The three answers. No is the zero value.
const (
	No Truth = iota
	Unknown
	Yes
)

// String returns "no", "unknown" or "yes".
func (t Truth) String() string { return [...]string{No: "no", Unknown: "unknown", Yes: "yes"}[t] }

// MarshalText writes the answer as String does.
func (t Truth) MarshalText() ([]byte, error) { return []byte(t.String()), nil }

func truth(b bool) Truth {
	if b {
		return Yes
	}
	return No
}

func known(b bool) Truth {
	if b {
		return Yes
	}
	return Unknown
}

// clause is one condition of a rule, by its key in retention.yaml.
type clause struct {
	key  string
	says func(words.Lang) string // the selection, after "media"
	attribute
}

// attribute is a field of a record.
type attribute struct {
	has   func(*media.Medium) string // in words; empty for nothing
	holds func(*media.Medium) Truth  // whether the clause holds for it
}

// given returns whether a clause holds. It is Unknown for a field that the record lacks.
func given(known, holds bool) Truth {
	if !known {
		return Unknown
	}
	return truth(holds)
}

func tagsOf(m *media.Medium) string { return strings.Join(m.Tags, ", ") }

func maybe[T any](of func(*media.Medium) media.Maybe[T], write func(T) string, is func(T) bool) attribute {
	return attribute{func(m *media.Medium) string { return of(m).Text(write) }, func(m *media.Medium) Truth {
		field := of(m)
		return given(field.Known, field.Known && is(field.Value))
	}}
}

// Condition is one key of a rule with its result for a medium.
type Condition struct {
	Key   string `json:"key"`  // as in retention.yaml
	Says  string `json:"says"` // the rule's selection, after "media"
	Has   string `json:"has"`  // the value of the record; empty for none
	Holds Truth  `json:"holds"`

	says func(words.Lang) string // nil for a condition without a clause
}

// In returns the rule's selection in a language.
func (c Condition) In(lang words.Lang) string {
	if c.says == nil {
		return lang.Sentence(c.Says)
	}
	return c.says(lang)
}

// Conditions returns the conditions that Applies checks, with their answers for a medium.
func (r *Rule) Conditions(m *media.Medium) []Condition {
	list := make([]Condition, len(r.clauses))
	for i, c := range r.clauses {
		list[i] = Condition{c.key, c.says(words.English), c.has(m), c.holds(m), c.says}
	}
	return list
}

// of returns the says of a clause with choices.
func of(format string, choices []string) func(words.Lang) string {
	return func(lang words.Lang) string { return lang.Say(format, anyOf(lang, choices)) }
}

// clauses compiles the keys that are set.
func (m *Match) clauses() []clause {
	var list []clause
	add := func(set bool, key string, says func(words.Lang) string, field attribute) {
		if set {
			list = append(list, clause{key, says, field})
		}
	}
	add(len(m.State) > 0, "state", of("in state %s", m.State), attribute{func(medium *media.Medium) string { return medium.State },
		func(medium *media.Medium) Truth {
			return given(IsLive(medium.State), slices.Contains(m.State, medium.State))
		}})
	add(len(m.Object) > 0, "object", of("behind %s", texts(m.Object)), attribute{func(medium *media.Medium) string { return medium.Object.String() },
		func(medium *media.Medium) Truth {
			return given(!medium.Object.IsZero(), anyTakes(m.Object, &medium.Object))
		}})
	add(len(m.Tags) > 0, "tags", of("tagged %s", m.Tags), attribute{tagsOf, func(medium *media.Medium) Truth {
		return given(!medium.TagsGarbled, carriesAny(medium, m.Tags))
	}})
	add(len(m.TagsAll) > 0, "tagsAll", func(lang words.Lang) string { return lang.Say("tagged %s", joined(lang, "%s and %s", m.TagsAll)) }, attribute{tagsOf, func(medium *media.Medium) Truth {
		return given(!medium.TagsGarbled, !slices.ContainsFunc(m.TagsAll, func(tag string) bool { return !slices.Contains(medium.Tags, tag) }))
	}})
	add(len(m.Category) > 0, "category", of("of category %s", texts(m.Category)), maybe(func(medium *media.Medium) media.Maybe[int64] { return medium.Category },
		func(id int64) string { return strconv.FormatInt(id, 10) }, func(id int64) bool { return slices.Contains(m.Category, id) }))
	add(!m.Size.IsZero(), m.Size.key("Size"), m.Size.says("of at least %d bytes", "of at most %d bytes"), maybe(func(medium *media.Medium) media.Maybe[int64] { return medium.Size },
		func(n int64) string { return fmt.Sprintf("%d bytes", n) }, m.Size.has))
	add(!m.Duration.IsZero(), m.Duration.key("Duration"), m.Duration.says("of at least %s of video", "of at most %s of video"),
		maybe(func(medium *media.Medium) media.Maybe[time.Duration] { return medium.Duration },
			func(d time.Duration) string { return d.String() + " of video" }, m.Duration.has))
	if m.Title != nil {
		add(true, "title", func(lang words.Lang) string { return lang.Say("whose title matches %q", m.Title) },
			maybe(func(medium *media.Medium) media.Maybe[string] { return medium.Title }, func(title string) string { return title }, m.Title.MatchString))
	}
	return list
}

func anyTakes(globs []Glob, object *media.Object) bool {
	for i := range globs {
		if globs[i].Match(object) { // without a copy of the glob
			return true
		}
	}
	return false
}

// says returns the says of a clause with bounds.
func (r Range[T]) says(least, most string) func(words.Lang) string {
	return func(lang words.Lang) string {
		var list []string
		if r.Min > 0 {
			list = append(list, lang.Say(least, r.Min))
		}
		if r.Max > 0 {
			list = append(list, lang.Say(most, r.Max))
		}
		return joined(lang, "%s, %s", list)
	}
}

func texts[T any](list []T) []string {
	written := make([]string, len(list))
	for i := range list {
		written[i] = fmt.Sprint(list[i])
	}
	return written
}

func anyOf(lang words.Lang, list []string) string {
	if len(list) < 2 {
		return strings.Join(list, "")
	}
	return lang.Say("%s or %s", strings.Join(list[:len(list)-1], lang.Say(", ")), list[len(list)-1])
}

// key returns the keys of the bounds that are set.
func (r Range[T]) key(field string) string {
	switch {
	case r.Max == 0:
		return "min" + field
	case r.Min == 0:
		return "max" + field
	}
	return "min" + field + " and max" + field
}

// LiveStates returns the documented publish states of media that are not deleted.
func LiveStates() []string {
	return []string{media.StateInitiated, media.StateUnPublish, media.StatePublished}
}

// IsLive reports whether a state is one of LiveStates.
func IsLive(state string) bool { return slices.Contains(LiveStates(), state) }

func carriesAny(medium *media.Medium, tags []string) bool {
	for _, tag := range tags { // a closure for ContainsFunc is not inlined
		if slices.Contains(medium.Tags, tag) {
			return true
		}
	}
	return false
}

func carries(medium *media.Medium, prefix string) bool {
	return slices.ContainsFunc(medium.Tags, func(tag string) bool { return strings.HasPrefix(tag, prefix) })
}
