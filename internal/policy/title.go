package policy

import (
	"fmt"
	"regexp"
	"regexp/syntax"
	"slices"
	"strings"
	"unicode"

	"github.com/mediasweep/mediasweep/internal/text"
)

const (
	// maxTitleBytes bounds one title pattern. A title has at most 128 bytes (MPS
	// QueryMediaList, Media.Title).
	maxTitleBytes = 1000
	// maxTitleSteps bounds the compiled size of all title patterns of a policy. A
	// literal title has one step a character; a{999} has 1000. Measured: this many
	// steps compile in 0.1 s and take 5 MB.
	maxTitleSteps = 100_000
)

func parseTitle(pattern string) (*syntax.Prog, error) {
	if len(pattern) > maxTitleBytes {
		return nil, fmt.Errorf("title has %d bytes, the limit is %d: shorten it", len(pattern), maxTitleBytes)
	}
	tree, err := syntax.Parse(pattern, syntax.Perl)
	if err != nil {
		return nil, fmt.Errorf("title is not a regular expression (RE2): %s", text.Bound(err.Error()))
	}
	return syntax.Compile(tree.Simplify())
}

// titleSteps returns the compiled size of a title. Eight bounds of a character class
// count as one more step.
func titleSteps(program *syntax.Prog) (steps int) {
	for i := range program.Inst {
		steps += 1 + len(program.Inst[i].Rune)/8
	}
	return steps
}

// class is a set of kinds of the characters beside a place in a text.
type class uint8

const (
	edge class = 1 << iota // the text's start or end
	newline
	word
	other
	anything = edge | newline | word | other
)

// samples has one character of each class; -1 stands for none.
var samples = map[class]rune{edge: -1, newline: '\n', word: 'a', other: ' '}

// place is a step of a program, with what stands before it and may stand after it.
type place struct {
	step          uint32
	before, after class
}

// canMatch reports whether a program matches any title.
func canMatch(program *syntax.Prog) bool {
	var starts []place
	for before := range samples {
		starts = append(starts, place{uint32(program.Start), before, anything}) //nolint:gosec // an index of program.Inst
	}
	return matches(program, true, starts...)
}

// matchesAll reports whether a program matches every title: it needs no character at the start of one, or at its end,
// whatever stands beside that.
func matchesAll(program *syntax.Prog) bool {
	atStart, atEnd := true, true
	for beside := range samples {
		start := place{uint32(program.Start), beside, edge} //nolint:gosec // an index of program.Inst
		atEnd = atEnd && matches(program, false, start)
		start.before, start.after = edge, beside
		atStart = atStart && matches(program, false, start)
	}
	return atStart || atEnd
}

// matches reports whether a program can match from some places on. It takes characters only if takes is true.
func matches(program *syntax.Prog, takes bool, starts ...place) bool {
	seen := map[place]bool{}
	var todo []place
	reach := func(at place) {
		if at.after != 0 && !seen[at] {
			seen[at] = true
			todo = append(todo, at)
		}
	}
	for _, start := range starts {
		reach(start)
	}
	for len(todo) > 0 {
		at := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		switch step := &program.Inst[at.step]; step.Op {
		case syntax.InstMatch:
			return true
		case syntax.InstAlt, syntax.InstAltMatch:
			reach(place{step.Out, at.before, at.after})
			reach(place{step.Arg, at.before, at.after})
		case syntax.InstCapture, syntax.InstNop:
			reach(place{step.Out, at.before, at.after})
		case syntax.InstEmptyWidth:
			condition := syntax.EmptyOp(step.Arg) //nolint:gosec // the program keeps an EmptyOp there
			reach(place{step.Out, at.before, at.after & allowed(condition, at.before)})
		case syntax.InstFail:
		default:
			taken := classes(step) & at.after
			for c := range samples {
				if takes && c&taken != 0 {
					reach(place{step.Out, c, anything})
				}
			}
		}
	}
	return false
}

// allowed returns what may stand after a place at which a condition holds.
func allowed(condition syntax.EmptyOp, before class) (after class) {
	for c, r := range samples {
		if syntax.EmptyOpContext(samples[before], r)&condition == condition {
			after |= c
		}
	}
	return after
}

// classes returns the classes of the characters that a step takes.
func classes(step *syntax.Inst) (taken class) {
	add := func(r rune) {
		switch {
		case r == '\n':
			taken |= newline
		case syntax.IsWordChar(r):
			taken |= word
		default:
			taken |= other
		}
	}
	switch bounds := step.Rune; {
	case step.Op == syntax.InstRuneAny:
		taken = newline | word | other
	case step.Op == syntax.InstRuneAnyNotNL:
		taken = word | other
	case len(bounds) == 1: // in any case, if the step folds cases
		add(bounds[0])
		for r := unicode.SimpleFold(bounds[0]); step.MatchRune(r) && r != bounds[0]; r = unicode.SimpleFold(r) {
			add(r)
		}
	default:
		for pair := range slices.Chunk(bounds, 2) {
			for r := pair[0]; r <= min(pair[1], unicode.MaxASCII); r++ {
				add(r)
			}
			add(pair[1])
		}
	}
	return taken
}

var (
	delimited = regexp.MustCompile(`^/(.*)/([a-z]*)$`) // as other languages write a regular expression
	// syntaxOfTitle finds what names no character of a title by itself: escapes, classes,
	// flags and group names.
	syntaxOfTitle = regexp.MustCompile(`\\[pP]\{[^}]*\}|\\.|\[(?:\\.|[^\]])*\]|\(\?P?<[^>]*>|\(\?[a-zA-Z-]*[:)]`)
	repeated      = regexp.MustCompile(`\pL\*`)
	sqlLike       = regexp.MustCompile(`^%+|(\D)%+$`)
)

// oddTitle warns of a title pattern that no title matches, or that reads like one of
// another language.
func oddTitle(title string, program *syntax.Prog) []string {
	quoted, literal := visible(title), syntaxOfTitle.ReplaceAllString(title, " ")
	list := oddIn("title", title, literal, regexp.QuoteMeta)
	if !canMatch(program) {
		list = append(list, fmt.Sprintf("no title matches %s: ^ is the start of a title and $ its end", quoted))
	}
	if matchesAll(program) {
		list = append(list, fmt.Sprintf("every title matches %s: it also matches no character at all, leave title out if every medium is meant", quoted))
	}
	if parts := delimited.FindStringSubmatch(title); parts != nil {
		flags := strings.Trim(parts[2], "gu")
		if flags != "" {
			flags = "(?" + flags + ")"
		}
		list = append(list, fmt.Sprintf("the slashes of the title %s stand for themselves: write %s", quoted, visible(flags+parts[1])))
	}
	if letter := repeated.FindString(literal); letter != "" {
		list = append(list, fmt.Sprintf("the %s in the title %s repeats one letter: write \".*\" for any characters", visible(letter), quoted))
	}
	if part := sqlLike.ReplaceAllString(title, "$1"); part != title {
		list = append(list, fmt.Sprintf("the %% of the title %s stands for itself: write %s for a part of a title", quoted, visible(part)))
	}
	if trimmed := strings.Trim(title, " "); trimmed != title {
		list = append(list, fmt.Sprintf("the title %s has a space at an end: write %s if that is meant", quoted, visible(trimmed)))
	}
	return list
}
