package retention

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/mediasweep/mediasweep/internal/media"
	"github.com/mediasweep/mediasweep/internal/policy"
)

// Explanation has the reasons for which a medium stays or goes, and the changes that would turn the
// verdict. Decide makes the verdict, and the verdict after each change.
type Explanation struct {
	MediaID   string    `json:"mediaId"` // empty for an object without a medium
	Object    string    `json:"object,omitempty"`
	Title     string    `json:"title,omitempty"`
	State     string    `json:"state"`
	Tags      []string  `json:"tags"`
	CreatedAt time.Time `json:"createdAt,omitzero"`
	AsOf      time.Time `json:"asOf"`

	Verdict   Verdict   `json:"verdict"`
	Rule      string    `json:"rule,omitempty"`
	Reason    string    `json:"reason"`
	ExpiresAt time.Time `json:"expiresAt,omitzero"`
	ExpiresIn string    `json:"expiresIn,omitempty"`
	// Holds are all holds of the medium. It stays until the last has ended.
	Holds []Hold `json:"holds,omitempty"`
	// Groups are the groups in which the medium is ranked, if its rule keeps the latest.
	Groups []string `json:"groups,omitempty"`
	// DueAt is the time from which a sweep may delete the medium, if only time passes. DueRule is the
	// rule. Zero for never.
	DueAt   time.Time `json:"dueAt,omitzero"`
	DueIn   string    `json:"dueIn,omitempty"`
	DueRule string    `json:"dueRule,omitempty"`
	// AnnouncedAt is the start of its announcement, if the policy has a notice.
	AnnouncedAt time.Time `json:"announcedAt,omitzero"`

	// Rules are the answers of all rules, in their order.
	Rules []Answer `json:"rules"`
	// Changes would turn the verdict from deletion to keeping, or back.
	Changes []Change `json:"changes"`
	// Notes come from the caller of Explain.
	Notes []string `json:"notes,omitempty"`
	// Deleted is the deletion of an absent medium. Nil: no run of this program deleted it.
	Deleted *Deletion `json:"deleted,omitempty"`
}

// Deletion is the decision by which a run deleted a medium.
type Deletion struct {
	At      time.Time `json:"at"`
	Outcome string    `json:"outcome"`
	Run     string    `json:"run"`
	Plan    string    `json:"plan"`
	Policy  string    `json:"policy"`
	Rule    string    `json:"rule"`
	Reason  string    `json:"reason"`
	Next    string    `json:"next"` // how to get it back
}

// Answer is the answer of one rule for a medium. One rule decides. The others show why they do not.
type Answer struct {
	Name       string             `json:"name"`
	Kind       string             `json:"kind"` // protect or expire
	Applies    policy.Truth       `json:"applies"`
	Decides    bool               `json:"decides"`
	ExpiresAt  time.Time          `json:"expiresAt,omitzero"` // of a rule that applies: an expire rule, or a protect rule with a date
	Conditions []policy.Condition `json:"conditions"`
}

// Change is something that would flip the verdict.
type Change struct {
	What    string  `json:"change"`
	Verdict Verdict `json:"verdict"`
	Reason  string  `json:"reason"`
	// Unless is the condition for another verdict: the change moves the medium into a group whose media
	// were not looked up.
	Unless string `json:"unless,omitempty"`
}

// maxChanges bounds the changes. The nearest come first.
const maxChanges = 6

// Explain explains the decision on one medium. A Forecaster returns the facts of the decision.
func Explain(p *policy.Policy, m *media.Medium, facts Facts) *Explanation {
	c := NewCase(p, m)
	d := c.Decide(facts)
	e := &Explanation{MediaID: m.ID, Object: m.Object.String(), Title: m.Title.Value, State: m.State, Tags: append([]string{}, m.Tags...), CreatedAt: m.Created, AsOf: facts.AsOf,
		Verdict: d.Verdict, Rule: d.RuleName(), Reason: d.Reason(), ExpiresAt: d.ExpiresAt, Changes: []Change{}}
	e.Groups, _ = c.groups(facts)
	if !d.ExpiresAt.IsZero() {
		e.ExpiresIn = Distance(facts.AsOf, d.ExpiresAt)
	}
	if due, then, ok := c.Due(facts); ok {
		goes := Goes(p, facts, due)
		e.DueAt, e.DueIn, e.DueRule = goes, Distance(facts.AsOf, goes), then.RuleName()
		switch {
		case d.Verdict == Expired && !p.Notice.IsZero():
			e.AnnouncedAt = facts.Announced
		case d.Verdict != Expired:
			e.Changes = append(e.Changes, Change{What: fmt.Sprintf("time passes until %s, %s", due.Format(time.RFC3339), e.DueIn), Verdict: then.Verdict, Reason: then.Reason()})
		}
	}
	e.Rules = answers(p, m, facts, d)
	e.Changes = append(e.Changes, flips(p, m, facts, d)...)
	e.Changes = e.Changes[:min(len(e.Changes), maxChanges)]
	return e
}

// ExplainAbsent explains an ID, or an object as oss://bucket/key, that has no medium in the library.
func ExplainAbsent(name string, asOf time.Time) *Explanation {
	e := &Explanation{MediaID: name, Tags: []string{}, AsOf: asOf, Verdict: Absent, Reason: "MPS does not know it", Rules: []Answer{}, Changes: []Change{}}
	if strings.HasPrefix(name, "oss://") {
		e.MediaID, e.Object = "", name
	}
	return e
}

func answers(p *policy.Policy, m *media.Medium, facts Facts, d Decision) []Answer {
	list := []Answer{}
	for i := range p.Protect {
		rule := &p.Protect[i]
		a := answer(rule, "protect", m, d)
		if a.Applies == policy.Yes && rule.Date != "" {
			a.ExpiresAt, _ = rule.End(m, p.Timezone)
		}
		list = append(list, a)
	}
	for i := range p.Expire {
		rule := &p.Expire[i]
		a := answer(rule, "expire", m, d)
		switch {
		case rule.OnSourceRemoved:
			removed := policy.Condition{Key: "onSourceRemoved", Says: "whose source object was removed", Holds: policy.No}
			if facts.Mark.SourceRemoved {
				removed.Holds = policy.Yes
			} else {
				a.Applies = policy.No
			}
			a.Conditions = append(a.Conditions, removed)
		case a.Applies == policy.Yes && !m.Created.IsZero():
			its := facts
			its.Mark = Mark{} // a hold is not the rule's
			a.ExpiresAt = expireBy(p, rule, m, its).ExpiresAt
		}
		list = append(list, a)
	}
	return list
}

func answer(rule *policy.Rule, kind string, m *media.Medium, d Decision) Answer {
	applies, _ := rule.Applies(m)
	return Answer{Name: rule.Name, Kind: kind, Applies: applies, Decides: d.Rule == rule, Conditions: rule.Conditions(m)}
}

// flips returns the edits that turn the verdict.
func flips(p *policy.Policy, m *media.Medium, facts Facts, d Decision) (changes []Change) {
	seen := map[string]bool{}
	for _, edit := range edits(p, m, facts, d) {
		if seen[edit.key()] {
			continue
		}
		seen[edit.key()] = true
		then := Decide(p, &edit.medium, edit.facts)
		if (then.Verdict == Expired) == (d.Verdict == Expired) {
			continue
		}
		change := Change{What: edit.what, Verdict: then.Verdict, Reason: then.Reason()}
		if edit.unranked && then.Verdict == Expired && then.Rule.KeepLatest.Count > 0 {
			change.Unless = fmt.Sprintf("unless it is then among the latest %d of its group", then.Rule.KeepLatest.Count)
		}
		changes = append(changes, change)
	}
	return changes
}

// edit is a medium that differs from another one by one change.
type edit struct {
	what   string
	medium media.Medium
	facts  Facts
	// unranked is true if the medium moves into a group whose media were not looked up.
	unranked bool
}

// key is equal for edits that come to the same medium and facts.
func (e *edit) key() string {
	tags := slices.Compact(slices.Sorted(slices.Values(e.medium.Tags)))
	_, held := e.facts.Mark.Held(e.facts.AsOf)
	return fmt.Sprintf("%s %v %v %q", e.medium.State, e.facts.isNotLatest(), held, tags)
}

// edits returns what might flip a decision, the likeliest first. Whether it does
// is for Decide to say. An edit that changes nothing, or what an earlier one changes, does no harm: flips drops it.
func edits(p *policy.Policy, m *media.Medium, facts Facts, d Decision) []edit {
	var list []edit
	groups, ranks := NewCase(p, m).groups(facts)
	add := func(what string, changed media.Medium) {
		its, unranked := facts, false
		if g, r := NewCase(p, &changed).groups(facts); r != ranks || !slices.Equal(g, groups) {
			its.NotLatest, unranked = true, true // NotLatestFrom is of another group
		}
		list = append(list, edit{what, changed, its, unranked})
	}
	tagged := func(what string, tags []string) {
		changed := *m
		changed.Tags = tags
		add(what, changed)
	}
	without := func(drop func(tag string) bool) []string { return slices.DeleteFunc(slices.Clone(m.Tags), drop) }
	with := func(tags ...string) []string { return append(slices.Clone(m.Tags), tags...) }

	if d.Cause == AmongLatest {
		older := facts
		older.NotLatest = true
		list = append(list, edit{fmt.Sprintf("newer media come into its group, so that it is not among the latest %d", d.Rule.KeepLatest.Count), *m, older, false})
	}
	if d.Hold != nil {
		released := facts
		released.Mark = released.Mark.Unheld()
		list = append(list, edit{"all its holds are released", *m, released, false})
	}
	for _, tag := range slices.Compact(slices.Sorted(slices.Values(m.Tags))) {
		tagged(fmt.Sprintf("the tag %s is removed", tag), without(func(t string) bool { return t == tag }))
	}
	held := holding(p, m)
	tagged(fmt.Sprintf("the tags %s are removed", strings.Join(held, " and ")), without(func(t string) bool { return slices.Contains(held, t) }))
	today := facts.AsOf.In(p.Timezone)
	past, ahead := today.AddDate(0, 0, -1).Format(time.DateOnly), today.AddDate(0, 0, 1).Format(time.DateOnly)
	dated := func(rule *policy.Rule, day string) {
		tagged(fmt.Sprintf("it is tagged %s%s", rule.Date, day), with(rule.Date+day))
		others := without(func(t string) bool { return strings.HasPrefix(t, rule.Date) })
		tagged(fmt.Sprintf("its tags that start with %s become %s%s", rule.Date, rule.Date, day), append(others, rule.Date+day))
	}
	for _, rules := range [][]policy.Rule{p.Protect, p.Expire} {
		for i := range rules {
			rule := &rules[i]
			if rule.Date != "" && d.Verdict == Expired {
				dated(rule, ahead)
			} else if rule.Date != "" {
				dated(rule, past)
			}
			for _, tag := range rule.Match.Tags {
				tagged(fmt.Sprintf("it is tagged %s", tag), with(tag))
			}
			tagged(fmt.Sprintf("it is tagged %s", strings.Join(rule.Match.TagsAll, " and ")), with(rule.Match.TagsAll...))
		}
	}
	for _, state := range policy.LiveStates() {
		changed := *m
		changed.State = state
		add("its state becomes "+state, changed)
	}
	return list
}

// holding returns the tags of a medium by which protect rules hold it.
func holding(p *policy.Policy, m *media.Medium) []string {
	var held []string
	for i := range p.Protect {
		rule := &p.Protect[i]
		for _, tag := range m.Tags {
			if slices.Contains(rule.Match.Tags, tag) || slices.Contains(rule.Match.TagsAll, tag) || rule.Date != "" && strings.HasPrefix(tag, rule.Date) {
				held = append(held, tag)
			}
		}
	}
	slices.Sort(held)
	return slices.Compact(held)
}

// Distance says how far an instant lies from another one: "in 98 days", "3 hours
// ago". Whole units, rounded down.
func Distance(from, to time.Time) string {
	seconds := to.Unix() - from.Unix() // a Duration holds 292 years only
	var text string
	switch size := max(seconds, -seconds); {
	case size == 0:
		return "now"
	case size >= 2*24*60*60:
		text = fmt.Sprintf("%d days", size/(24*60*60))
	case size >= 2*60*60:
		text = fmt.Sprintf("%d hours", size/(60*60))
	case size >= 2*60:
		text = fmt.Sprintf("%d minutes", size/60)
	default:
		text = fmt.Sprintf("%d seconds", size)
	}
	if to.Before(from) {
		return text + " ago"
	}
	return "in " + text
}
