package policy

import (
	"fmt"
	"iter"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"go.yaml.in/yaml/v4"

	"github.com/mediasweep/mediasweep/internal/text"
)

// field is one key that a mapping may have.
type field struct {
	name     string
	required bool
	read     func(*yaml.Node)
}

// mapping reads each value of n by its field. It reports keys that are unknown, repeated or missing.
func (p *parser) mapping(n *yaml.Node, what string, fields []field) {
	if n.Kind != yaml.MappingNode {
		p.errorf(n, "%s must be a mapping with the keys %s", what, names(fields))
		return
	}
	seen := map[string]int{}
	for key, value := range entries(n) {
		if key.Kind == yaml.AliasNode || key.ShortTag() == "!!merge" { // the Value of an alias is the name of its anchor
			p.errorf(key, "merge keys (<<), anchors and aliases are not supported: write the keys out")
			continue
		}
		if line, again := seen[key.Value]; again {
			p.errorf(key, "%s is set twice: first at line %d", text.Quote(key.Value), line)
			continue
		}
		seen[key.Value] = key.Line
		at := slices.IndexFunc(fields, func(f field) bool { return f.name == key.Value })
		switch {
		case at < 0:
			p.errorf(key, "%s has no key %s%s: allowed are %s", what, text.Quote(key.Value), nearest(key.Value, fields), names(fields))
		default:
			fields[at].read(value)
		}
	}
	for _, f := range fields {
		if f.required && seen[f.name] == 0 {
			p.errorf(n, "%s needs the key %q", what, f.name)
		}
	}
}

// nearest suggests the key that was probably meant, if one is near enough.
func nearest(key string, fields []field) string {
	best, least := "", 1+len(key)/3
	for _, f := range fields {
		if d := distance(strings.ToLower(key), strings.ToLower(f.name)); d <= least {
			best, least = f.name, d-1
		}
	}
	if best == "" {
		return ""
	}
	return fmt.Sprintf(", did you mean %q?", best)
}

// distance counts the letters to insert, remove or replace (Levenshtein).
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost++
			}
			diagonal = row[j+1]
			row[j+1] = min(row[j]+1, row[j+1]+1, cost)
		}
	}
	return row[len(b)]
}

func names(fields []field) string {
	var list []string
	for _, f := range fields {
		list = append(list, f.name)
	}
	return strings.Join(list, ", ")
}

// list returns the entries of a list. The first list beyond maxEntries is a mistake,
// and its entries and those of later lists are not read.
func (p *parser) list(n *yaml.Node) []*yaml.Node {
	if n.Kind != yaml.SequenceNode {
		p.errorf(n, "must be a list")
		return nil
	}
	within := p.entries <= maxEntries
	if p.entries += len(n.Content); p.entries <= maxEntries {
		return n.Content
	}
	if within {
		p.errorf(n, "the lists up to here have %d entries, the limit is %d: match many media by one tag or glob", p.entries, maxEntries)
	}
	return nil
}

// filled returns the entries of a list that must hold something.
func (p *parser) filled(n *yaml.Node) []*yaml.Node {
	items := p.list(n)
	if n.Kind == yaml.SequenceNode && len(n.Content) == 0 {
		p.errorf(n, "the list is empty: name at least one, or leave the key out")
	}
	return items
}

func (p *parser) texts(n *yaml.Node, read func(*yaml.Node, string)) {
	if n.Kind == yaml.ScalarNode && n.ShortTag() == "!!str" {
		p.errorf(n, "must be a list: write [%s]", text.Quote(n.Value))
		return
	}
	for _, item := range p.filled(n) {
		if s, ok := p.text(item); ok {
			read(item, s)
		}
	}
}

func (p *parser) text(n *yaml.Node) (string, bool) {
	switch tag := n.ShortTag(); {
	case n.Kind == yaml.ScalarNode && n.Value != "" && tag != "!!str" && tag != "!!null":
		p.errorf(n, "must be a text: write %s in quotes", text.Quote(n.Value))
		return "", false
	case n.Kind == yaml.ScalarNode && tag == "!!str" && n.Value == "":
		p.errorf(n, "must not be empty")
		return "", false
	case n.Kind != yaml.ScalarNode || tag != "!!str":
		p.errorf(n, "must be a text")
		return "", false
	}
	if strings.ContainsFunc(n.Value, unicode.IsControl) || !utf8.ValidString(n.Value) {
		p.errorf(n, "%s holds a character that cannot be printed", text.Quote(n.Value))
		return "", false
	}
	return n.Value, true
}

// scalar reads a value that may be written as a number or as a text.
func scalar[T any](p *parser, n *yaml.Node, what string, parse func(string) (T, error)) (value T) {
	switch tag := n.ShortTag(); {
	case n.Kind == yaml.ScalarNode && n.Value == "":
		p.errorf(n, "must not be empty: write %s", what)
		return value
	case n.Kind != yaml.ScalarNode || tag != "!!str" && tag != "!!int" && tag != "!!float":
		p.errorf(n, "must be %s", what)
		return value
	}
	value, err := parse(n.Value)
	if err != nil {
		p.errorf(n, "%v", err)
	}
	return value
}

func (p *parser) isTrue(n *yaml.Node) bool {
	var value bool
	if n.Kind != yaml.ScalarNode || n.ShortTag() != "!!bool" || n.Decode(&value) != nil || !value {
		p.errorf(n, "must be true: leave it out otherwise")
	}
	return value
}

// choice reads one of some values. The caller refuses others.
func (p *parser) choice(n *yaml.Node, allowed ...string) (string, bool) {
	if n.Kind != yaml.ScalarNode || n.ShortTag() != "!!str" || n.Value == "" {
		p.errorf(n, "must be one of %s", strings.Join(allowed, ", "))
		return "", false
	}
	return p.text(n)
}

func (p *parser) oneOf(n *yaml.Node, what string, allowed []string) string {
	s, ok := p.choice(n, allowed...)
	if ok && !slices.Contains(allowed, s) {
		p.errorf(n, "%s is not a %s: allowed are %s", text.Quote(s), what, strings.Join(allowed, ", "))
	}
	return s
}

func (p *parser) someOf(n *yaml.Node, what string, allowed []string) (list []string) {
	if n.Kind != yaml.SequenceNode || len(n.Content) == 0 {
		p.errorf(n, "must be a list of one or more of %s", strings.Join(allowed, ", "))
		return nil
	}
	for _, item := range p.list(n) {
		list = append(list, p.oneOf(item, what, allowed))
	}
	return list
}

func (p *parser) integer(n *yaml.Node, least int) (int, bool) {
	value, ok := p.number(n, fmt.Sprintf("a whole number of at least %d", least), text.Decimal,
		func(value int64) bool { return value >= int64(least) })
	return int(value), ok
}

// places bounds the digits after the point of a number in the policy.
const places = 6

// fraction reads a number from least to most, all in units of 10^-places.
func (p *parser) fraction(n *yaml.Node, what string, least, most int64) int64 {
	value, _ := p.number(n, what, func(s string) (int64, error) { return text.Fraction(s, places) },
		func(value int64) bool { return least <= value && value <= most })
	return value
}

// number reads the text of a number, and not what YAML takes that for: 010 is eight to
// YAML, and 1_000 a thousand.
func (p *parser) number(n *yaml.Node, what string, parse func(string) (int64, error), allowed func(int64) bool) (int64, bool) {
	if n.Kind != yaml.ScalarNode {
		p.errorf(n, "must be %s", what)
		return 0, false
	}
	value, err := parse(n.Value)
	switch tag := n.ShortTag(); {
	case err != nil:
		p.errorf(n, "must be %s: %v", what, err)
	case tag != "!!int" && tag != "!!float":
		p.errorf(n, "must be %s: leave the quotes out", what)
	case !allowed(value):
		p.errorf(n, "must be %s", what)
	default:
		return value, true
	}
	return 0, false
}

// errorf reports a mistake at a node. Aliases are not followed: what a rule says
// stands in the rule.
func (p *parser) errorf(at *yaml.Node, format string, args ...any) {
	message := fmt.Sprintf(format, args...)
	if at.Kind == yaml.AliasNode {
		message = "anchors and aliases are not supported: write the value out"
	}
	p.errs = append(p.errs, Error{File: p.file, Line: max(at.Line, 1), Column: max(at.Column, 1), Message: message})
}

func (p *parser) warn(at *yaml.Node, messages []string) {
	for _, message := range messages {
		p.warnings = append(p.warnings, Warning{Line: at.Line, Column: at.Column, Message: message})
	}
}

func valueOf(mapping *yaml.Node, key string) *yaml.Node {
	for name, value := range entries(mapping) {
		if name.Value == key {
			return value
		}
	}
	return &yaml.Node{}
}

// entries yields the keys of a mapping with their values, and nothing of another node.
func entries(n *yaml.Node) iter.Seq2[*yaml.Node, *yaml.Node] {
	return func(yield func(key, value *yaml.Node) bool) {
		if n.Kind != yaml.MappingNode {
			return
		}
		for pair := range slices.Chunk(n.Content, 2) {
			if !yield(pair[0], pair[1]) {
				return
			}
		}
	}
}
