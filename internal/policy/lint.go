package policy

import (
	"fmt"
	"slices"
	"time"

	"github.com/mediasweep/mediasweep/internal/text"
	"github.com/mediasweep/mediasweep/internal/words"
)

// Warning is a likely mistake in a valid policy.
type Warning struct {
	Line, Column int // from 1; 0 for the whole policy
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
	p.lintManifests(warn)
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

// lintReach warns of globs that match no object of the inventory.
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

// lintManifests warns of globs of lists that match all objects below a prefix of the inventory.
func (p *Policy) lintManifests(warn func(string, ...any)) {
	for _, glob := range p.Manifests {
		start, _ := glob.Literal()
		for _, prefix := range p.Inventory.Prefixes {
			if glob.String() == start.String()+"**" && start.Covers(prefix) {
				warn("manifests: %s matches every object of the inventory's %s: an OSS event for one is for a list, and not for its medium", glob, prefix)
			}
		}
	}
}

// lintAges warns of ages that no medium of a workflow reaches.
func (p *Policy) lintAges(warn func(string, ...any)) {
	const listed = 90 * 24 * time.Hour // source: MPS ListMediaWorkflowExecutions
	begin := time.Date(2026, time.January, 1, 0, 0, 0, 0, time.UTC)
	for i := range p.Expire {
		if rule := &p.Expire[i]; !rule.After.IsZero() && rule.After.After(begin, time.UTC).Sub(begin) >= listed {
			warn("rule %s: a medium of %s is in no inventory any more: MPS tells of the workflow executions of the last 90 days only", rule.Name, rule.After)
		}
	}
}

// twice returns the sources that the inventory names more than once.
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

// Reaches reports whether the inventory may name an object that a glob matches.
func (i Inventory) Reaches(glob Glob) bool {
	return len(i.Manifests)+len(i.Workflows) > 0 || slices.ContainsFunc(i.Prefixes, glob.Meets)
}
