package policy

import (
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v4"

	"github.com/mediasweep/mediasweep/internal/media"
	"github.com/mediasweep/mediasweep/internal/text"
)

// OtherHolds is the name under which reports count the holds beyond those that they list. No rule may have it.
const OtherHolds = "other-holds"

// ruleName matches names of any length: a repetition that is bounded compiles the classes for each time.
var ruleName = regexp.MustCompile(`^[\p{L}\p{N}][\p{L}\p{M}\p{N}._-]*$`)

const maxRuleName = 64 // characters

func (p *parser) rules(n *yaml.Node, kind string) []Rule {
	items := p.list(n)
	rules := make([]Rule, len(items))
	sound := make([]bool, len(items))
	for i, item := range items {
		rule, mistakes := &rules[i], len(p.errs)
		fields := []field{
			{name: "name", required: true, read: func(n *yaml.Node) {
				name, ok := p.text(n)
				if ok && (utf8.RuneCountInString(name) > maxRuleName || !ruleName.MatchString(name)) {
					p.errorf(n, "%s is not a rule's name: up to 64 letters and digits of any script, ., _ and -, starting with a letter or digit", text.Quote(name))
				}
				if name == OtherHolds {
					p.errorf(n, "%s is a line of reports: choose another name", name)
				}
				rule.Name = name
			}},
			{name: "match", read: func(n *yaml.Node) { rule.Match = p.match(n) }},
		}
		dateKey := "until"
		if kind == "expire" {
			dateKey = "at"
			fields = append(fields,
				field{name: "after", read: func(n *yaml.Node) { rule.After = p.period(n) }},
				field{name: "onSourceRemoved", read: func(n *yaml.Node) { rule.OnSourceRemoved = p.isTrue(n) }},
				field{name: "keepLatest", read: func(n *yaml.Node) { rule.KeepLatest = p.keepLatest(n) }})
		}
		fields = append(fields, field{name: dateKey, read: func(n *yaml.Node) { rule.Date = p.date(n, dateKey) }})
		p.mapping(item, "a rule of "+kind, fields)
		if kind == "expire" && item.Kind == yaml.MappingNode && valueOf(item, "<<").Kind == 0 {
			p.oneWay(item)
		}
		rule.compile(dateKey)
		sound[i] = len(p.errs) == mistakes
	}
	if kind == "expire" {
		p.unreachable(items, rules, sound)
	}
	return rules
}

// oneWay reports a rule that has none or several of the keys after, at and onSourceRemoved.
func (p *parser) oneWay(rule *yaml.Node) {
	var set []string
	var last *yaml.Node
	for key := range entries(rule) {
		if slices.Contains([]string{"after", "at", "onSourceRemoved"}, key.Value) && !slices.Contains(set, key.Value) {
			set, last = append(set, key.Value), key
		}
	}
	switch {
	case len(set) == 0:
		p.errorf(rule, "a rule of expire needs one of the keys after, at and onSourceRemoved")
	case len(set) > 1:
		p.errorf(last, "a rule of expire has one of after, at and onSourceRemoved, this one has %s", strings.Join(set, " and "))
	}
}

func (p *parser) match(n *yaml.Node) Match {
	var match Match
	tags := func(into *[]string) func(*yaml.Node) {
		return func(n *yaml.Node) {
			p.texts(n, func(item *yaml.Node, s string) {
				p.warn(item, oddTag(s))
				*into = append(*into, s)
			})
		}
	}
	const size, duration = "a size such as 500MB or 2GiB", "a duration such as 90s or 1h30m"
	p.mapping(n, "match", []field{
		{name: "object", read: func(n *yaml.Node) { match.Object = p.globs(n) }},
		{name: "tags", read: tags(&match.Tags)},
		{name: "tagsAll", read: tags(&match.TagsAll)},
		{name: "category", read: func(n *yaml.Node) { match.Category = p.categories(n) }},
		{name: "state", read: func(n *yaml.Node) { match.State = p.someOf(n, "state of a live medium", LiveStates()) }},
		{name: "title", read: func(n *yaml.Node) { match.Title = p.title(n) }},
		{name: "minSize", read: bound(p, &match.Size.Min, size, parseSize)},
		{name: "maxSize", read: bound(p, &match.Size.Max, size, parseSize)},
		{name: "minDuration", read: bound(p, &match.Duration.Min, duration, parseDuration)},
		{name: "maxDuration", read: bound(p, &match.Duration.Max, duration, parseDuration)},
	})
	switch {
	case n.Kind == yaml.MappingNode && len(n.Content) == 0:
		p.errorf(n, "match is empty: leave it out for a rule that applies to every medium")
	case match.Size.Min >= media.SizeLimit:
		p.errorf(n, "minSize is above any size that a medium can have: no medium can match")
	case match.Duration.Min >= media.DurationLimit:
		p.errorf(n, "minDuration is above any duration that a medium can have: no medium can match")
	case match.Size.Max > 0 && match.Size.Min > match.Size.Max:
		p.errorf(n, "minSize is above maxSize: no medium can match")
	case match.Duration.Max > 0 && match.Duration.Min > match.Duration.Max:
		p.errorf(n, "minDuration is above maxDuration: no medium can match")
	}
	return match
}

func bound[T any](p *parser, into *T, what string, parse func(string) (T, error)) func(*yaml.Node) {
	return func(n *yaml.Node) { *into = scalar(p, n, what, parse) }
}

func (p *parser) globs(n *yaml.Node) (globs []Glob) {
	p.texts(n, func(item *yaml.Node, s string) {
		glob, err := ParseGlob(s)
		if err != nil {
			p.errorf(item, "%v", err)
			return
		}
		p.warn(item, oddGlob(glob))
		globs = append(globs, glob)
	})
	return globs
}

// title reads a regular expression. The first title beyond maxTitleSteps is a mistake,
// and those after it are not compiled.
func (p *parser) title(n *yaml.Node) *regexp.Regexp {
	s, ok := p.text(n)
	if !ok || p.titleSteps > maxTitleSteps {
		return nil
	}
	program, err := parseTitle(s)
	if err != nil {
		p.errorf(n, "%v", err)
		return nil
	}
	if p.titleSteps += titleSteps(program); p.titleSteps > maxTitleSteps {
		p.errorf(n, "the titles up to here compile to %d steps, the limit is %d: write smaller repetitions or fewer titles", p.titleSteps, maxTitleSteps)
		return nil
	}
	p.warn(n, oddTitle(s, program))
	return regexp.MustCompile(s)
}

// categories reads one CateId or a list of them.
func (p *parser) categories(n *yaml.Node) []int64 {
	items := []*yaml.Node{n}
	if n.Kind == yaml.SequenceNode {
		items = p.filled(n)
	}
	var list []int64
	for _, item := range items {
		if id, ok := p.integer(item, 0); ok {
			list = append(list, int64(id))
		}
	}
	return list
}

func (p *parser) date(n *yaml.Node, key string) (prefix string) {
	p.mapping(n, key, []field{{name: "tag", required: true, read: func(n *yaml.Node) {
		prefix, _ = p.text(n)
		p.warn(n, oddTagPrefix(prefix, "a day", "2027-01-31"))
	}}})
	return prefix
}

func (p *parser) keepLatest(n *yaml.Node) KeepLatest {
	var keep KeepLatest
	p.mapping(n, "keepLatest", []field{
		{name: "count", required: true, read: func(n *yaml.Node) { keep.Count, _ = p.integer(n, 1) }},
		{name: "per", required: true, read: func(n *yaml.Node) {
			s, ok := p.choice(n, "folder", "category", "tag:PREFIX")
			prefix, tagged := strings.CutPrefix(s, string(PerTag))
			switch {
			case !ok:
			case s == string(PerFolder), s == string(PerCategory):
				keep.Per = Per(s)
			case tagged && prefix != "":
				keep.Per, keep.Tag = PerTag, prefix
				p.warn(n, oddTagPrefix(prefix, "a value", "VALUE"))
			default:
				p.errorf(n, "%s makes no groups: allowed are folder, category and tag:PREFIX", text.Quote(s))
			}
		}},
	})
	return keep
}

// uniqueNames reports rules that share a name: the report counts by name.
func (p *parser) uniqueNames(policy *yaml.Node) {
	first := map[string]int{}
	for _, list := range []string{"protect", "expire"} {
		for _, rule := range valueOf(policy, list).Content {
			name := valueOf(rule, "name")
			if name.Value == "" {
				continue
			}
			if line, taken := first[name.Value]; taken {
				p.errorf(name, "the rule at line %d is called %s already", line, text.Quote(name.Value))
				continue
			}
			first[name.Value] = name.Line
		}
	}
}
