package policy

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/mediasweep/mediasweep/internal/media"
	"github.com/mediasweep/mediasweep/internal/words"
)

// Rule is one protect or expire rule. An expire rule has exactly one of After,
// Date and OnSourceRemoved; a protect rule can have a Date.
type Rule struct {
	Name  string
	Match Match
	// After is the age at which a medium expires.
	After Period
	// Date is the prefix of a tag that carries a date, as in expire:2026-06-30: a
	// medium expires, or is protected, until the end of that day. The rule
	// applies only to media that carry such a tag.
	Date string
	// OnSourceRemoved expires a medium whose source object was deleted; the rule
	// applies to no other.
	OnSourceRemoved bool
	// KeepLatest keeps the newest of a group, whatever their age.
	KeepLatest KeepLatest

	clauses []clause
}

// KeepLatest keeps the newest Count media of each group. The zero value stands for a rule without the key.
type KeepLatest struct {
	Count int
	Per   Per
	// Tag is the prefix of the tag whose value makes a group, for PerTag.
	Tag string
}

// Per is the kind of a group.
type Per string

// The groups.
const (
	PerFolder   Per = "folder"   // the folder of the object
	PerCategory Per = "category" // the CateId
	PerTag      Per = "tag:"     // the value of a tag with a prefix
)

// Ranks reports whether a medium is ranked: Unknown if the record does not name
// its group, and No if it has no such tag.
func (k KeepLatest) Ranks(m *media.Medium) Truth {
	switch k.Per {
	case PerFolder:
		return known(!m.Object.IsZero())
	case PerCategory:
		return known(m.Category.Known)
	case PerTag:
	}
	if m.TagsGarbled {
		return Unknown
	}
	return truth(carries(m, k.Tag))
}

// Groups returns the groups of a medium that is ranked. One that has several tags
// with the prefix is in the group of each.
func (k KeepLatest) Groups(m *media.Medium) []string {
	switch k.Per {
	case PerFolder:
		return []string{m.Object.String()[:strings.LastIndexByte(m.Object.String(), '/')+1]}
	case PerCategory:
		return []string{strconv.FormatInt(m.Category.Value, 10)}
	case PerTag:
	}
	var groups []string
	for _, tag := range m.Tags {
		if strings.HasPrefix(tag, k.Tag) && !slices.Contains(groups, tag) {
			groups = append(groups, tag)
		}
	}
	return groups
}

// Applies checks the rule's conditions for a medium. The answer is No if one is No, else Unknown if one
// is Unknown, else Yes. unknownKey is the key of the first unknown condition.
func (r *Rule) Applies(m *media.Medium) (answer Truth, unknownKey string) {
	answer = Yes
	for i := range r.clauses {
		switch r.clauses[i].holds(m) {
		case No:
			return No, ""
		case Unknown:
			answer, unknownKey = Unknown, r.clauses[i].key
		case Yes:
		}
	}
	return answer, unknownKey
}

func (r *Rule) compile(dateKey string) {
	r.clauses = r.Match.clauses()
	if r.Date != "" {
		r.clauses = append(r.clauses, clause{
			dateKey, func(lang words.Lang) string { return lang.Say("with a tag that starts with %s", r.Date) },
			attribute{tagsOf, func(m *media.Medium) Truth { return given(!m.TagsGarbled, carries(m, r.Date)) }},
		})
	}
}

// End returns the end of the latest day that the medium's tags name for a rule
// with a Date. It is false if any of them names no day.
func (r *Rule) End(m *media.Medium, zone *time.Location) (end time.Time, ok bool) {
	for _, tag := range m.Tags {
		text, dated := strings.CutPrefix(tag, r.Date)
		if !dated {
			continue
		}
		over, ok := EndOfDay(text, zone)
		if !ok {
			return time.Time{}, false
		}
		if over.After(end) {
			end = over
		}
	}
	return end, !end.IsZero()
}

// EndOfDay returns the end of a day such as 2027-01-31 in a zone. It is false for a text that names
// no day.
func EndOfDay(day string, zone *time.Location) (end time.Time, ok bool) {
	parsed, err := time.Parse(time.DateOnly, day)
	return last(wall(parsed.AddDate(0, 0, 1), zone)), err == nil
}
