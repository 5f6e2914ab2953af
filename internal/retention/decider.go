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
	groups map[groupOf][]member
}

type groupOf struct {
	rule *policy.Rule
	name string
}

// member is a place in a group's ranking; held is nil for a medium that has been
// decided on and only takes its place.
type member struct {
	created time.Time
	held    *media.Medium
}

// NewDecider returns a decider for a run as of an instant.
func NewDecider(p *policy.Policy, asOf time.Time) *Decider {
	return &Decider{policy: p, asOf: asOf, groups: map[groupOf][]member{}}
}

// Add takes a medium, and hands over each decision that this makes final.
func (d *Decider) Add(m media.Medium, sourceRemoved bool, decided func(*media.Medium, Decision)) {
	facts := Facts{AsOf: d.asOf, SourceRemoved: sourceRemoved, NotLatest: true}
	final := Decide(d.policy, &m, facts)
	place := member{created: m.Created}
	group, ranked := d.group(&m, final, facts)
	if ranked && final.Verdict == Expired {
		place.held = &m
	} else {
		decided(&m, final)
	}
	if ranked {
		d.rank(group, place, decided)
	}
}

// group returns the group in which a medium is ranked, if it is.
func (d *Decider) group(m *media.Medium, decision Decision, facts Facts) (groupOf, bool) {
	if decision.Verdict == Protected && !m.Created.IsZero() && !m.Created.After(facts.AsOf) && policy.IsLive(m.State) {
		decision = expire(d.policy, m, facts)
	}
	if decision.Verdict != Keep && decision.Verdict != Expired || decision.Rule == nil || decision.Rule.KeepLatest.Count == 0 {
		return groupOf{}, false
	}
	name, in := decision.Rule.KeepLatest.Group(m)
	return groupOf{decision.Rule, name}, in == policy.Yes
}

// rank puts a member into its group and decides on those that it pushes out:
// what has as many strictly newer ones as the rule keeps.
func (d *Decider) rank(group groupOf, place member, decided func(*media.Medium, Decision)) {
	newestFirst := func(a, b member) int { return b.created.Compare(a.created) }
	members := d.groups[group]
	at, _ := slices.BinarySearchFunc(members, place, newestFirst)
	members = slices.Insert(members, at, place)
	if count := group.rule.KeepLatest.Count; len(members) > count {
		oldestKept := members[count-1].created
		end := slices.IndexFunc(members[count:], func(m member) bool { return m.created.Before(oldestKept) })
		if end >= 0 {
			for _, out := range members[count+end:] {
				if out.held != nil {
					decided(out.held, Decide(d.policy, out.held, Facts{AsOf: d.asOf, SourceRemoved: group.rule.OnSourceRemoved, NotLatest: true}))
				}
			}
			clear(members[count+end:])
			members = members[:count+end]
		}
	}
	d.groups[group] = members
}

// Finish decides on the media that are still held back: they are the newest.
func (d *Decider) Finish(decided func(*media.Medium, Decision)) {
	for group, members := range d.groups {
		for _, m := range members {
			if m.held != nil {
				decided(m.held, Decide(d.policy, m.held, Facts{AsOf: d.asOf, SourceRemoved: group.rule.OnSourceRemoved}))
			}
		}
	}
	clear(d.groups)
}
