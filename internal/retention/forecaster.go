package retention

import (
	"slices"
	"time"

	"github.com/mediasweep/mediasweep/internal/media"
	"github.com/mediasweep/mediasweep/internal/policy"
)

// Forecaster decides on media in any order, with facts that hold for Due and Explain. It
// holds back media that a rule ranks. A medium is released when enough newer ones have come,
// or by Finish. Of each group it holds the rule's count, ties, and all media dated ahead.
//
// It is not safe for concurrent use.
type Forecaster struct {
	// Mark returns the mark of a medium; by default none has one.
	Mark func(*media.Medium) Mark
	// Announced returns the start of a medium's announcement; by default none is announced.
	Announced func(*media.Medium) time.Time

	policy *policy.Policy
	asOf   time.Time
	groups map[groupOf][]*ranked // newest first
}

// Decided receives a medium, the decision on it, and the facts of the decision. The
// medium has no Record.
type Decided func(*media.Medium, Decision, Facts)

type groupOf struct {
	rule *policy.Rule
	name string
}

// ranked is a medium that is held back.
type ranked struct {
	medium media.Medium
	facts  Facts
	in     int  // groups that still hold it
	stays  bool // it stays among the newest of one of its groups
}

// NewForecaster returns a forecaster as of an instant.
func NewForecaster(p *policy.Policy, asOf time.Time) *Forecaster {
	unmarked := func(*media.Medium) Mark { return Mark{} }
	never := func(*media.Medium) time.Time { return time.Time{} }
	return &Forecaster{Mark: unmarked, Announced: never, policy: p, asOf: asOf, groups: map[groupOf][]*ranked{}}
}

// Add takes a medium, and hands over each decision that is final now. It ignores a medium
// that it holds already.
func (f *Forecaster) Add(m media.Medium, decided Decided) {
	facts := Facts{AsOf: f.asOf, NotLatest: true, Mark: f.Mark(&m), Announced: f.Announced(&m)}
	m.Record = nil // only a deletion needs it
	names, rule := Groups(f.policy, &m, facts.WhenKnown(&m))
	if rule == nil {
		decided(&m, Decide(f.policy, &m, facts), facts)
		return
	}
	if slices.ContainsFunc(names, func(name string) bool { return f.holds(groupOf{rule, name}, &m) }) {
		return
	}
	one := &ranked{medium: m, facts: facts, in: len(names)}
	for _, name := range names {
		f.rank(groupOf{rule, name}, one, decided)
	}
}

func (f *Forecaster) holds(group groupOf, m *media.Medium) bool {
	members := f.groups[group]
	for at := position(members, m.Created); at < len(members) && members[at].medium.Created.Equal(m.Created); at++ {
		if members[at].medium.ID == m.ID {
			return true
		}
	}
	return false
}

// position returns how many members were created after an instant.
func position(members []*ranked, created time.Time) int {
	at, _ := slices.BinarySearchFunc(members, created, func(m *ranked, created time.Time) int { return created.Compare(m.medium.Created) })
	return at
}

// rank adds a medium to a group. It releases members that have as many strictly newer ones
// as the rule keeps. Media dated ahead do not count yet.
func (f *Forecaster) rank(group groupOf, one *ranked, decided Decided) {
	members := f.groups[group]
	members = slices.Insert(members, position(members, one.medium.Created), one)
	if ahead, count := position(members, f.asOf), group.rule.KeepLatest.Count; count < len(members)-ahead {
		kept := ahead + count
		oldest := members[kept-1].medium.Created
		if beyond := slices.IndexFunc(members[kept:], func(m *ranked) bool { return m.medium.Created.Before(oldest) }); beyond >= 0 {
			for _, out := range members[kept+beyond:] {
				if out.in--; out.in == 0 {
					decided(&out.medium, Decide(f.policy, &out.medium, out.facts), out.facts)
				}
			}
			members = slices.Delete(members, kept+beyond, len(members))
		}
	}
	f.groups[group] = members
}

// Finish decides on the media that are held back: each is among the newest of a group,
// until newer media that are dated ahead join the group.
func (f *Forecaster) Finish(decided Decided) {
	for group, members := range f.groups {
		newer := 0 // members that are strictly newer
		for i, m := range members {
			if i > 0 && m.medium.Created.Before(members[i-1].medium.Created) {
				newer = i
			}
			m.facts.NotLatest = false
			if newer < group.rule.KeepLatest.Count {
				m.stays = true
				continue
			}
			if joins := members[newer-group.rule.KeepLatest.Count].medium.Created; joins.After(m.facts.NotLatestFrom) {
				m.facts.NotLatestFrom = joins
			}
		}
	}
	for _, members := range f.groups {
		for _, m := range members {
			if m.in == 0 {
				continue // another group has handed it over
			}
			m.in = 0
			if m.stays {
				m.facts.NotLatestFrom = time.Time{}
			}
			decided(&m.medium, Decide(f.policy, &m.medium, m.facts), m.facts)
		}
	}
	clear(f.groups)
}
