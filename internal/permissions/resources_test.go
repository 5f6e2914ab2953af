package permissions

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// matches reports whether a pattern of RAM with stars matches a name.
func matches(pattern, name string) bool {
	start, rest, open := strings.Cut(pattern, "*")
	if !open {
		return pattern == name
	}
	name, ok := strings.CutPrefix(name, start)
	for ; ok; name = name[1:] {
		if matches(rest, name) {
			return true
		}
		ok = name != ""
		if !ok {
			break
		}
	}
	return false
}

// What patterns match, those match that compact keeps: a statement without the others allows, or denies, the same.
func TestCompactProperties(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	text := func(letters string, most int) string {
		var b strings.Builder
		for range random.IntN(most + 1) {
			b.WriteByte(letters[random.IntN(len(letters))])
		}
		return b.String()
	}
	dropped := 0
	for range 20_000 {
		var patterns []string
		for range 1 + random.IntN(4) {
			patterns = append(patterns, text("ab*", 4))
		}
		kept := compact(slices.Clone(patterns))
		dropped += len(patterns) - len(kept)
		name := text("ab*", 5)
		isIn := func(pattern string) bool { return matches(pattern, name) }
		if slices.ContainsFunc(patterns, isIn) != slices.ContainsFunc(kept, isIn) {
			t.Fatalf("%q of %q: %s is not matched by both", kept, patterns, name)
		}
	}
	if dropped < 1000 {
		t.Errorf("only %d patterns were dropped", dropped)
	}
}

// A key may have a star of its own.
func TestCompactKeepsOneOfTwoAlike(t *testing.T) {
	if kept := compact([]string{"x**", "x*"}); !slices.Equal(kept, []string{"x*"}) {
		t.Errorf("%q", kept)
	}
}
