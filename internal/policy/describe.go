package policy

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/mediasweep/mediasweep/internal/text"
)

// Describe restates the policy in plain English, a sentence for the mode, the
// inventory, each rule and the guard.
func (p *Policy) Describe() []string {
	list := []string{"This deployment decides and reports, and deletes nothing (dry-run)."}
	if p.Mode == Enforce {
		list[0] = "This deployment deletes what has expired (enforce)."
	}
	if sources := p.Inventory.describe(); len(sources) > 0 {
		list = append(list, fmt.Sprintf("A scheduled sweep looks at the media %s.", strings.Join(sources, ", and ")))
	}
	if len(p.Manifests) > 0 {
		list = append(list, fmt.Sprintf("An OSS event for %s is for a list of media.", anyOf(texts(p.Manifests))))
	}
	for i := range p.Protect {
		rule := &p.Protect[i]
		until := "whatever else holds"
		if rule.Date != "" {
			until = fmt.Sprintf("until the end of the day that the tag %sYYYY-MM-DD names, in %s", rule.Date, p.Timezone)
		}
		list = append(list, fmt.Sprintf("%s: %s never deleted, %s.", rule.Name, rule.Match.describe(), until))
	}
	for i := range p.Expire {
		rule := &p.Expire[i]
		when := fmt.Sprintf("%s after creation", rule.After)
		switch {
		case rule.Date != "":
			when = fmt.Sprintf("at the end of the day that the tag %sYYYY-MM-DD names, in %s", rule.Date, p.Timezone)
		case rule.OnSourceRemoved:
			when = "when the source object is removed"
		}
		keep := ""
		if rule.KeepLatest.Count > 0 {
			keep = fmt.Sprintf(", except the latest %d of each %s", rule.KeepLatest.Count, rule.KeepLatest.per())
		}
		list = append(list, fmt.Sprintf("%s: %s deleted %s%s.", rule.Name, rule.Match.describe(), when, keep))
	}
	list = append(list, "Media to which no expire rule applies are kept.")
	guard := fmt.Sprintf("A run that would delete more than %d media", p.Guard.MaxDelete)
	if p.Guard.MaxPercent < 100*OnePercent {
		guard += fmt.Sprintf(", or more than %s %% of at least %d live ones,", p.Guard.MaxPercent, p.Guard.MinPopulation)
	}
	return append(list, guard+" deletes nothing.")
}

func (i Inventory) describe() (sources []string) {
	if len(i.Prefixes) > 0 {
		sources = append(sources, "behind "+anyOf(texts(i.Prefixes)))
	}
	if len(i.Manifests) > 0 {
		sources = append(sources, "that are listed in "+anyOf(texts(i.Manifests)))
	}
	for _, workflow := range i.Workflows {
		if workflow == AllWorkflows {
			sources = append(sources, "of all workflow executions of the last 90 days")
		} else {
			sources = append(sources, fmt.Sprintf("of the executions of workflow %s in the last 90 days", workflow))
		}
	}
	return sources
}

func (k KeepLatest) per() string {
	if k.Per == PerTag {
		return "tag that starts with " + k.Tag
	}
	return string(k.Per)
}

// describe names the media that match, and says that they are.
func (m *Match) describe() string {
	clauses := m.clauses()
	if len(clauses) == 0 {
		return "every medium is"
	}
	with := make([]string, len(clauses))
	for i, c := range clauses {
		with[i] = c.says
	}
	return "media " + strings.Join(with, ", ") + " are"
}

// maxTagBytes is how long a tag of a medium can be. Source: MPS QueryMediaList,
// Media.Tags.
const maxTagBytes = 32

// Lint returns warnings: rules for a bucket outside the inventory, expire rules whose
// media are all protected, tags that no medium can have, and values that read like
// something else, such as a full-width comma.
func (p *Policy) Lint() []string {
	var list []string
	warn := func(format string, args ...any) { list = append(list, fmt.Sprintf(format, args...)) }
	if p.Inventory.IsEmpty() {
		warn("there is no inventory: a timer has nothing to look at")
	}
	for _, twice := range p.Inventory.twice() {
		warn("the inventory has %s twice", twice)
	}
	for _, prefix := range p.Inventory.Prefixes {
		if odd := lookalikes(prefix.Key); odd != "" {
			warn("the inventory has %s with %s", prefix, odd)
		}
	}
	if len(p.Expire) == 0 {
		warn("there is no expire rule: nothing is ever deleted")
	}
	for i := range p.Protect {
		rule := &p.Protect[i]
		if len(rule.Match.Object) > 0 && !p.Inventory.IsEmpty() && !slices.ContainsFunc(rule.Match.Object, p.Inventory.reaches) {
			warn("rule %s protects nothing: the inventory has no object that matches %s", rule.Name, anyOf(texts(rule.Match.Object)))
		}
		p.lintRule(rule, false, warn)
	}
	for i := range p.Expire {
		p.lintRule(&p.Expire[i], true, warn)
	}
	if len(p.Inventory.Workflows) > 0 && len(p.Inventory.Prefixes)+len(p.Inventory.Manifests) == 0 {
		p.lintAges(warn)
	}
	for i := range p.Expire {
		for j := range p.Protect {
			if takesAllOf(&p.Protect[j], &p.Expire[i]) {
				warn("rule %s deletes nothing: rule %s protects all of its media", p.Expire[i].Name, p.Protect[j].Name)
				break
			}
		}
	}
	return list
}

// lintRule warns of what one rule may not mean.
func (p *Policy) lintRule(rule *Rule, expires bool, warn func(string, ...any)) {
	name, match := rule.Name, &rule.Match
	protectsSome := slices.ContainsFunc(match.Object, p.Inventory.reaches)
	for _, glob := range match.Object {
		if (expires || protectsSome) && !p.Inventory.IsEmpty() && !p.Inventory.reaches(glob) {
			warn("rule %s: the inventory does not reach %s", name, glob)
		}
		if strings.ContainsAny(glob.pattern, `?[{\`) {
			warn("rule %s: %s: only * and ** are wildcards, every other character stands for itself", name, glob)
		}
		if escape.MatchString(glob.pattern) {
			warn("rule %s: %s: %%XX stands for itself: write the character that is meant", name, glob)
		}
		if last := glob.pattern[strings.LastIndexByte(glob.pattern, '/')+1:]; !strings.ContainsAny(last, "*.") {
			warn("rule %s: %s is one object: write %s/** for what is below a folder", name, glob, glob)
		}
		if odd := lookalikes(glob.pattern); odd != "" {
			warn("rule %s: %s has %s", name, glob, odd)
		}
	}
	for _, tag := range slices.Concat(match.Tags, match.TagsAll) {
		if len(tag) > maxTagBytes || strings.Contains(tag, ",") || strings.TrimSpace(tag) != tag {
			warn("rule %s: no medium can be tagged %s: a tag has at most %d bytes, no comma and no space at its ends", name, text.Quote(tag), maxTagBytes)
		}
		if odd := lookalikes(tag); odd != "" {
			warn("rule %s: the tag %s has %s", name, text.Quote(tag), odd)
		}
	}
	for _, prefix := range []struct{ text, then, example string }{{rule.Date, "a day", "2027-01-31"}, {rule.KeepLatest.Tag, "a value", "VALUE"}} {
		if prefix.text == "" {
			continue
		}
		if strings.Contains(prefix.text, ",") || strings.TrimLeft(prefix.text, " ") != prefix.text {
			warn("rule %s: no medium has a tag that starts with %s: a tag has no comma and no space at its ends", name, text.Quote(prefix.text))
		}
		if odd := lookalikes(prefix.text); odd != "" {
			warn("rule %s: the start of a tag %s has %s", name, text.Quote(prefix.text), odd)
		}
		if last, _ := utf8.DecodeLastRuneInString(prefix.text); unicode.IsLetter(last) || unicode.IsDigit(last) {
			warn("rule %s: %s follows %s at once, as in %s: write %s if a colon stands between them",
				name, prefix.then, text.Quote(prefix.text), text.Quote(prefix.text+prefix.example), text.Quote(prefix.text+":"))
		}
	}
	if dated := len(rule.Date) + len(time.DateOnly); rule.Date != "" && dated > maxTagBytes {
		warn("rule %s: no medium can have a tag that starts with %s and names a day: a tag has at most %d bytes", name, text.Quote(rule.Date), maxTagBytes)
	}
	if match.Title != nil {
		if parts := delimited.FindStringSubmatch(match.Title.String()); parts != nil {
			flags := ""
			if parts[2] != "" {
				flags = "(?" + strings.Trim(parts[2], "gu") + ")"
			}
			warn("rule %s: the slashes of %s are part of the title that it looks for: write %s", name, text.Quote(parts[0]), text.Quote(strings.TrimPrefix(flags, "(?)")+parts[1]))
		}
	}
}

var (
	escape    = regexp.MustCompile(`%[0-9A-Fa-f]{2}`)
	delimited = regexp.MustCompile(`^/(.*)/([a-z]*)$`) // as other languages write a regular expression
)

// lookalikes names the full-width characters of a text that stand where ASCII is
// usual, or nothing.
func lookalikes(s string) string {
	var list []string
	for _, r := range s {
		ascii := r - '！' + '!' // the full-width forms have the order of ASCII
		switch {
		case r == '、':
			ascii = ','
		case r < '！' || r > '～' || unicode.IsLetter(r) || unicode.IsDigit(r):
			continue
		}
		if told := fmt.Sprintf("%c, which is not %c", r, ascii); !slices.Contains(list, told) {
			list = append(list, told)
		}
	}
	if len(list) == 0 {
		return ""
	}
	return "a full-width " + strings.Join(list, ", and ")
}

// lintAges warns of ages that media do not reach as long as a workflow names them.
func (p *Policy) lintAges(warn func(string, ...any)) {
	const told = 90 * 24 * time.Hour // source: MPS ListMediaWorkflowExecutions
	begin := time.Date(2026, time.January, 1, 0, 0, 0, 0, time.UTC)
	for i := range p.Expire {
		if rule := &p.Expire[i]; !rule.After.IsZero() && rule.After.After(begin, time.UTC).Sub(begin) >= told {
			warn("rule %s: a medium of %s is in no inventory any more: MPS tells of the workflow executions of the last 90 days only", rule.Name, rule.After)
		}
	}
}

// twice returns what the inventory names more than once.
func (i Inventory) twice() (list []string) {
	sources := texts(i.Prefixes)
	for _, manifest := range i.Manifests {
		sources = append(sources, "manifest "+manifest.String())
	}
	for _, workflow := range i.Workflows {
		sources = append(sources, "workflow "+workflow)
	}
	times := map[string]int{}
	for _, source := range sources {
		if times[source]++; times[source] == 2 {
			list = append(list, source)
		}
	}
	return list
}

// reaches reports whether the inventory can name an object that a glob takes in.
func (i Inventory) reaches(glob Glob) bool {
	return len(i.Manifests)+len(i.Workflows) > 0 || slices.ContainsFunc(i.Prefixes, glob.Meets)
}
