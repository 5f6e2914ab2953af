package policy

import (
	"fmt"
	"slices"
	"time"

	"github.com/mediasweep/mediasweep/internal/text"
	"github.com/mediasweep/mediasweep/internal/words"
)

// Describe restates the policy in a language, a sentence for the mode, the
// inventory, each rule and the guard.
func (p *Policy) Describe(lang words.Lang) []string {
	list := []string{lang.Say("This deployment decides and reports, and deletes nothing (dry-run).")}
	if p.Mode == Enforce {
		list[0] = lang.Say("This deployment deletes what has expired (enforce).")
	}
	if sources := p.Inventory.describe(lang); len(sources) > 0 {
		list = append(list, lang.Say("A scheduled sweep looks at the media %s.", joined(lang, "%s, and %s", sources)))
	}
	if len(p.Manifests) > 0 {
		list = append(list, lang.Say("An OSS event for %s is for a list of media.", anyOf(lang, texts(p.Manifests))))
	}
	for i := range p.Protect {
		rule := &p.Protect[i]
		until := lang.Say("whatever else holds")
		if rule.Date != "" {
			until = lang.Say("until the end of that day, in %s", p.Timezone)
		}
		list = append(list, lang.Say("%s: %s never deleted, %s.", rule.Name, rule.describe(lang), until))
	}
	for i := range p.Expire {
		rule := &p.Expire[i]
		when := lang.Say("%s after creation", rule.After.in(lang))
		switch {
		case rule.Date != "":
			when = lang.Say("at the end of that day, in %s", p.Timezone)
		case rule.OnSourceRemoved:
			when = lang.Say("when the source object is removed")
		}
		keep := ""
		if rule.KeepLatest.Count > 0 {
			keep = lang.Say(", except the latest %d of each %s", rule.KeepLatest.Count, rule.KeepLatest.per(lang))
		}
		list = append(list, lang.Say("%s: %s deleted %s%s.", rule.Name, rule.describe(lang), when, keep))
	}
	list = append(list, lang.Say("Media to which no expire rule applies are kept."))
	if !p.Notice.IsZero() {
		list = append(list, lang.Say("A medium is deleted only if a run announced it at least %s before, and every sweep since found it expired.", p.Notice.in(lang)))
	}
	guard := lang.Say("A run that would delete more than %d media deletes nothing.", p.Guard.MaxDelete)
	if p.Guard.MaxPercent < 100*OnePercent {
		guard = lang.Say("A run that would delete more than %d media, or more than %s %% of at least %d live ones, deletes nothing.", p.Guard.MaxDelete, p.Guard.MaxPercent, p.Guard.MinPopulation)
	}
	return append(list, guard)
}

func (i Inventory) describe(lang words.Lang) (sources []string) {
	if len(i.Prefixes) > 0 {
		sources = append(sources, lang.Say("behind %s", anyOf(lang, texts(i.Prefixes))))
	}
	if len(i.Manifests) > 0 {
		sources = append(sources, lang.Say("that are listed in %s", anyOf(lang, texts(i.Manifests))))
	}
	for _, workflow := range i.Workflows {
		if workflow == AllWorkflows {
			sources = append(sources, lang.Say("of all workflow executions of the last 90 days"))
		} else {
			sources = append(sources, lang.Say("of the executions of workflow %s in the last 90 days", workflow))
		}
	}
	return sources
}

func (k KeepLatest) per(lang words.Lang) string {
	if k.Per == PerTag {
		return lang.Say("tag that starts with %s", k.Tag)
	}
	return lang.Say(string(k.Per))
}

// describe names the media to which the rule applies, and says that they are.
func (r *Rule) describe(lang words.Lang) string {
	var with []string
	for _, c := range r.Match.clauses() {
		with = append(with, c.says(lang))
	}
	if r.Date != "" {
		with = append(with, lang.Say("with a tag %sYYYY-MM-DD", r.Date))
	}
	if len(with) == 0 {
		return lang.Say("every medium is")
	}
	return lang.Say("media %s are", joined(lang, "%s, %s", with))
}

// joined joins texts by the format of two.
func joined(lang words.Lang, two string, list []string) string {
	all := list[0]
	for _, one := range list[1:] {
		all = lang.Say(two, all, one)
	}
	return all
}

// Warning is something that a policy says and may not mean.
type Warning struct {
	Line, Column int // from 1; 0 where the policy as a whole is meant
	Message      string
}

// String returns the message after its place.
func (w Warning) String() string {
	if w.Line == 0 {
		return w.Message
	}
	return fmt.Sprintf("%d:%d: %s", w.Line, w.Column, w.Message)
}

// MarshalText writes the warning as String does.
func (w Warning) MarshalText() ([]byte, error) { return []byte(w.String()), nil }

// Lint returns warnings: odd values, rules for a bucket outside the inventory, and
// expire rules whose media are all protected.
func (p *Policy) Lint() []Warning {
	list := slices.Clone(p.warnings)
	warn := func(format string, args ...any) {
		list = append(list, Warning{Message: text.Bound(fmt.Sprintf(format, args...))})
	}
	if p.Inventory.IsEmpty() {
		warn("there is no inventory: a timer has nothing to look at")
	}
	for _, twice := range p.Inventory.twice() {
		warn("the inventory has %s twice", twice)
	}
	if len(p.Expire) == 0 {
		warn("there is no expire rule: nothing is ever deleted")
	}
	if !p.Inventory.IsEmpty() {
		p.lintReach(warn)
	}
	if len(p.Inventory.Workflows) > 0 && len(p.Inventory.Prefixes)+len(p.Inventory.Manifests) == 0 {
		p.lintAges(warn)
	}
	for i := range p.Expire {
		for j := range p.Protect {
			if p.Protect[j].Date == "" && takesAllOf(&p.Protect[j], &p.Expire[i]) {
				warn("rule %s deletes nothing: rule %s protects all of its media", p.Expire[i].Name, p.Protect[j].Name)
				break
			}
		}
	}
	return list
}

// lintReach warns of globs of rules that match no object of the inventory.
func (p *Policy) lintReach(warn func(string, ...any)) {
	for i, rule := range slices.Concat(p.Protect, p.Expire) {
		beyond := slices.DeleteFunc(slices.Clone(rule.Match.Object), p.Inventory.Reaches)
		if protects := i < len(p.Protect); protects && len(beyond) > 0 && len(beyond) == len(rule.Match.Object) {
			warn("rule %s protects nothing: the inventory has no object that matches %s", rule.Name, anyOf(words.English, texts(beyond)))
			continue
		}
		for _, glob := range beyond {
			warn("rule %s: the inventory does not reach %s", rule.Name, glob)
		}
	}
}

// lintAges warns of ages that media do not reach as long as a workflow names them.
func (p *Policy) lintAges(warn func(string, ...any)) {
	const listed = 90 * 24 * time.Hour // source: MPS ListMediaWorkflowExecutions
	begin := time.Date(2026, time.January, 1, 0, 0, 0, 0, time.UTC)
	for i := range p.Expire {
		if rule := &p.Expire[i]; !rule.After.IsZero() && rule.After.After(begin, time.UTC).Sub(begin) >= listed {
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

// Reaches reports whether the inventory can name an object that a glob takes in.
func (i Inventory) Reaches(glob Glob) bool {
	return len(i.Manifests)+len(i.Workflows) > 0 || slices.ContainsFunc(i.Prefixes, glob.Meets)
}
