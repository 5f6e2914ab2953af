package policy

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

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
		var prefixes []string
		for _, prefix := range p.Inventory {
			prefixes = append(prefixes, prefix.String())
		}
		list = append(list, fmt.Sprintf("A scheduled sweep looks at the media behind %s.", anyOf(prefixes)))
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
	var with []string
	if len(m.State) > 0 {
		with = append(with, "in state "+anyOf(m.State))
	}
	if len(m.Object) > 0 {
		var globs []string
		for _, glob := range m.Object {
			globs = append(globs, glob.String())
		}
		with = append(with, "behind "+anyOf(globs))
	}
	if len(m.Tags) > 0 {
		with = append(with, "tagged "+anyOf(m.Tags))
	}
	if len(m.TagsAll) > 0 {
		with = append(with, "tagged "+strings.Join(m.TagsAll, " and "))
	}
	if len(m.Category) > 0 {
		var ids []string
		for _, id := range m.Category {
			ids = append(ids, strconv.FormatInt(id, 10))
		}
		with = append(with, "of category "+anyOf(ids))
	}
	if m.Title != nil {
		with = append(with, fmt.Sprintf("whose title matches %q", m.Title))
	}
	with = append(with, bounds(m.Size, func(bytes int64) string { return fmt.Sprintf("%d bytes", bytes) })...)
	with = append(with, bounds(m.Duration, func(d time.Duration) string { return d.String() + " of video" })...)
	if len(with) == 0 {
		return "every medium is"
	}
	return "media " + strings.Join(with, ", ") + " are"
}

func bounds[T int64 | time.Duration](r Range[T], text func(T) string) []string {
	var list []string
	if r.Min > 0 {
		list = append(list, "of at least "+text(r.Min))
	}
	if r.Max > 0 {
		list = append(list, "of at most "+text(r.Max))
	}
	return list
}

func anyOf(list []string) string {
	if len(list) == 1 {
		return list[0]
	}
	return strings.Join(list[:len(list)-1], ", ") + " or " + list[len(list)-1]
}

// Lint returns what is no mistake and yet seems unmeant: rules whose globs name a
// bucket that the inventory does not reach, so that only requests and events can
// lead to them.
func (p *Policy) Lint() []string {
	var list []string
	for _, rules := range [][]Rule{p.Protect, p.Expire} {
		for i := range rules {
			for _, glob := range rules[i].Match.Object {
				reached := slices.ContainsFunc(p.Inventory, func(prefix media.Object) bool {
					return prefix.Bucket == glob.bucket && (strings.HasPrefix(glob.pattern[:glob.literal], prefix.Key) || strings.HasPrefix(prefix.Key, glob.pattern[:glob.literal]))
				})
				if len(p.Inventory) > 0 && !reached {
					list = append(list, fmt.Sprintf("rule %s: the inventory does not reach %s", rules[i].Name, glob.String()))
				}
			}
		}
	}
	return list
}
