package policy

import (
	"slices"
	"strings"
	"time"

	"go.yaml.in/yaml/v4"
)

// unreachable reports expire rules that can never apply because an earlier one
// takes all of their media. It skips rules with mistakes.
func (p *parser) unreachable(nodes []*yaml.Node, rules []Rule, sound []bool) {
	for later := range rules {
		for earlier := range rules[:later] {
			if sound[later] && sound[earlier] && takesAllOf(&rules[earlier], &rules[later]) {
				p.errorf(nodes[later], "this rule can never apply: the rule at line %d takes all of its media", nodes[earlier].Line)
				break
			}
		}
	}
}

// takesAllOf reports whether rule applies to every medium to which other applies. It may return false for such a pair.
func takesAllOf(rule, other *Rule) bool {
	if !strings.HasPrefix(other.Date, rule.Date) || rule.OnSourceRemoved && !other.OnSourceRemoved {
		return false
	}
	a, b := &rule.Match, &other.Match
	return (containsAll(a.State, LiveStates()) || containsAll(a.State, b.State)) && containsAll(a.Category, b.Category) &&
		(len(a.Object) == 0 || len(b.Object) > 0 && !slices.ContainsFunc(b.Object, func(g Glob) bool { return !covered(g, a.Object) })) &&
		(containsAll(a.Tags, b.Tags) || slices.ContainsFunc(b.TagsAll, func(tag string) bool { return slices.Contains(a.Tags, tag) })) &&
		!slices.ContainsFunc(a.TagsAll, func(tag string) bool { return !slices.Contains(b.TagsAll, tag) }) &&
		(a.Title == nil || b.Title != nil && a.Title.String() == b.Title.String()) &&
		contains(a.Size, b.Size) && contains(a.Duration, b.Duration)
}

// containsAll reports whether any of a key's values that a medium may have for b
// is one for a; no values stand for all.
func containsAll[T comparable](a, b []T) bool {
	return len(a) == 0 || len(b) > 0 && !slices.ContainsFunc(b, func(value T) bool { return !slices.Contains(a, value) })
}

func contains[T int64 | time.Duration](a, b Range[T]) bool {
	return a.IsZero() || !b.IsZero() && b.Min >= a.Min && (a.Max == 0 || b.Max > 0 && b.Max <= a.Max)
}

// covered reports whether one of the globs matches every object that glob matches. It finds equal globs, and globs
// whose ** stands after a start of glob.
func covered(glob Glob, by []Glob) bool {
	return slices.ContainsFunc(by, func(wide Glob) bool {
		return wide == glob || wide.bucket == glob.bucket && wide.pattern[wide.literal:] == "**" && strings.HasPrefix(glob.pattern[:glob.literal], wide.pattern[:wide.literal])
	})
}
