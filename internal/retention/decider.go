package retention

import (
	"slices"
	"time"

	"github.com/mediasweep/mediasweep/internal/media"
	"github.com/mediasweep/mediasweep/internal/policy"
)

// Decider decides on the media of one run, in whatever order they come. It holds
// back those that are due and may be among the newest of their group, until
// enough newer ones have come or Finish says that no more will: of each group of
// a keepLatest rule at most its count, and ties.
//
// Ranked are the live media on which the rule decides, and protected ones on
// which it would. It is not safe for concurrent use.
type Decider struct {
	policy *policy.Policy
	asOf   time.Time
	// until is when media are due that are held back: asOf, or later for one
	// whose facts are to hold later too.
	until  time.Time
	groups map[groupOf][]member
}

// Decided receives a medium, the decision on it and the facts that it rests on.
type Decided func(*media.Medium, Decision, Facts)

type groupOf struct {
	rule *policy.Rule
	name string
}

// member is a place in a group's ranking; held is nil for a medium that has been
// decided on and only takes its place.
type member struct {
	created time.Time
	held    *media.Medium
	facts   Facts
}

// NewDecider returns a decider for a run as of an instant.
func NewDecider(p *policy.Policy, asOf time.Time) *Decider {
	return &Decider{policy: p, asOf: asOf, until: asOf, groups: map[groupOf][]member{}}
}

// NewForeseer returns a decider for a look ahead. It decides alike, and ranks
// also what is not due yet: the facts that it hands over hold for Due.
func NewForeseer(p *policy.Policy, asOf time.Time) *Decider {
	return &Decider{policy: p, asOf: asOf, until: never(), groups: map[groupOf][]member{}}
}

// Add takes a medium, and hands over each decision that this makes final.
func (d *Decider) Add(m media.Medium, sourceRemoved bool, decided Decided) {
	facts := Facts{AsOf: d.asOf, SourceRemoved: sourceRemoved, NotLatest: true}
	final := Decide(d.policy, &m, facts)
	name, rule := ranking(d.policy, &m, final, facts)
	ranked := rule != nil
	place := member{created: m.Created, facts: facts}
	switch {
	case ranked && final.Verdict == Expired,
		ranked && d.until.After(d.asOf) && Decide(d.policy, &m, facts.at(d.until)).Verdict == Expired:
		place.held = &m
	default:
		decided(&m, final, facts)
	}
	if ranked {
		d.rank(groupOf{rule, name}, place, decided)
	}
}

// GroupOf returns the group in which a medium is ranked and the rule that keeps
// the latest of it, or no rule.
func GroupOf(p *policy.Policy, m *media.Medium, facts Facts) (group string, rule *policy.Rule) {
	return ranking(p, m, Decide(p, m, facts), facts)
}

func ranking(p *policy.Policy, m *media.Medium, decision Decision, facts Facts) (group string, rule *policy.Rule) {
	if decision.Verdict == Protected && !m.Created.IsZero() && !m.Created.After(facts.AsOf) && policy.IsLive(m.State) {
		decision = expire(p, m, facts)
	}
	if decision.Verdict != Keep && decision.Verdict != Expired || decision.Rule == nil || decision.Rule.KeepLatest.Count == 0 {
		return "", nil
	}
	group, in := decision.Rule.KeepLatest.Group(m)
	if in != policy.Yes {
		return "", nil
	}
	return group, decision.Rule
}

// rank puts a member into its group and decides on those that it pushes out:
// what has as many strictly newer ones as the rule keeps.
func (d *Decider) rank(group groupOf, place member, decided Decided) {
	newestFirst := func(a, b member) int { return b.created.Compare(a.created) }
	members := d.groups[group]
	at, _ := slices.BinarySearchFunc(members, place, newestFirst)
	members = slices.Insert(members, at, place)
	if count := group.rule.KeepLatest.Count; len(members) > count {
		oldestKept := members[count-1].created
		end := slices.IndexFunc(members[count:], func(m member) bool { return m.created.Before(oldestKept) })
		if end >= 0 {
			d.release(members[count+end:], true, decided)
			clear(members[count+end:])
			members = members[:count+end]
		}
	}
	d.groups[group] = members
}

// release decides on the held ones of some members of a group.
func (d *Decider) release(members []member, notLatest bool, decided Decided) {
	for _, m := range members {
		if m.held != nil {
			m.facts.NotLatest = notLatest
			decided(m.held, Decide(d.policy, m.held, m.facts), m.facts)
		}
	}
}

// Finish decides on the media that are still held back: they are the newest.
func (d *Decider) Finish(decided Decided) {
	for _, members := range d.groups {
		d.release(members, false, decided)
	}
	clear(d.groups)
}
