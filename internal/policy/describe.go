package policy

import (
	"fmt"
	"slices"
	"strings"

	"github.com/mediasweep/mediasweep/internal/media"
)

// Describe restates the policy in plain English, a sentence for the mode, the
// inventory, each rule and the guard.
func (p *Policy) Describe() []string {
	list := []string{"This deployment decides and reports, and deletes nothing (dry-run)."}
	if p.Mode == Enforce {
		list[0] = "This deployment deletes what has expired (enforce)."
	}
	if len(p.Inventory) > 0 {
		list = append(list, fmt.Sprintf("A scheduled sweep looks at the media behind %s.", anyOf(texts(p.Inventory))))
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
	if p.Guard.MaxPercent < 100 {
		guard += fmt.Sprintf(", or more than %g %% of at least %d live ones,", p.Guard.MaxPercent, p.Guard.MinPopulation)
	}
	return append(list, guard+" deletes nothing.")
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

// Lint returns what is no mistake and yet seems unmeant: rules whose globs name a
// bucket that the inventory does not reach, so that only requests and events can
// lead to them, and expire rules that delete nothing because a protect rule holds
// all of their media.
func (p *Policy) Lint() []string {
	var list []string
	for _, rules := range [][]Rule{p.Protect, p.Expire} {
		for i := range rules {
			for _, glob := range rules[i].Match.Object {
				if len(p.Inventory) > 0 && !slices.ContainsFunc(p.Inventory, glob.meets) {
					list = append(list, fmt.Sprintf("rule %s: the inventory does not reach %s", rules[i].Name, glob))
				}
			}
		}
	}
	for i := range p.Expire {
		for j := range p.Protect {
			if takesAllOf(&p.Protect[j], &p.Expire[i]) {
				list = append(list, fmt.Sprintf("rule %s deletes nothing: rule %s protects all of its media", p.Expire[i].Name, p.Protect[j].Name))
				break
			}
		}
	}
	return list
}

// meets reports whether an object below a prefix can match.
func (g Glob) meets(prefix media.Object) bool {
	literal := g.pattern[:g.literal]
	return prefix.Bucket == g.bucket && (strings.HasPrefix(literal, prefix.Key) || strings.HasPrefix(prefix.Key, literal))
}
