package retention

import (
	"encoding/json"
	"fmt"
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
	// Marks tells what earlier runs left of a medium; nil for nothing.
	Marks func(*media.Medium) Mark
	// Clock tells when a medium that is added was read; nil for nobody knows.
	Clock func() time.Time

	policy *policy.Policy
	asOf   time.Time
	ahead  bool // hold all that is ranked, due or not
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
	id      string
	created time.Time
	held    *held
}

// held is a medium that is held back, and in how many groups it is still among
// the newest.
type held struct {
	medium media.Medium
	facts  Facts
	in     int
	stays  bool // it is among the newest of a group for ever
}

// NewDecider returns a decider for a run as of an instant.
func NewDecider(p *policy.Policy, asOf time.Time) *Decider {
	return &Decider{policy: p, asOf: asOf, groups: map[groupOf][]member{}}
}

// NewForeseer returns a decider for a look ahead. It decides alike, and ranks
// before it decides also what is not due: the facts that it hands over hold for
// Due and Explain. Media that are dated ahead are ranked too, all of them, and push
// others out when their time comes.
func NewForeseer(p *policy.Policy, asOf time.Time) *Decider {
	return &Decider{policy: p, asOf: asOf, ahead: true, groups: map[groupOf][]member{}}
}

// Add takes a medium, and hands over each decision that this makes final. Of one that
// comes again while it is ranked nothing more is heard: it has one place in a group.
func (d *Decider) Add(m media.Medium, sourceRemoved bool, decided Decided) {
	facts := Facts{AsOf: d.asOf, SourceRemoved: sourceRemoved, NotLatest: true}
	if d.Clock != nil {
		facts.ReadAt = d.Clock()
	}
	if d.Marks != nil {
		facts.Mark = d.Marks(&m)
	}
	final := Decide(d.policy, &m, facts)
	var rule *policy.Rule
	if d.ahead {
		m.Record = nil // only a deletion needs it
		_, rule = Groups(d.policy, &m, facts.at(WhenKnown(&m, d.asOf)))
	} else {
		rule = ranking(d.policy, &m, final, facts)
	}
	if rule != nil && d.has(rule, &m) {
		return
	}
	place := member{id: m.ID, created: m.Created}
	if rule != nil && (d.ahead || final.Verdict == Expired) {
		place.held = &held{medium: m, facts: facts}
	} else {
		decided(&m, final, facts)
	}
	if rule == nil {
		return
	}
	groups := rule.KeepLatest.Groups(&m)
	if place.held != nil {
		place.held.in = len(groups)
	}
	for _, name := range groups {
		d.rank(groupOf{rule, name}, place, decided)
	}
}

// has reports whether a medium is ranked in one of its groups.
func (d *Decider) has(rule *policy.Rule, m *media.Medium) bool {
	return slices.ContainsFunc(rule.KeepLatest.Groups(m), func(name string) bool {
		members := d.groups[groupOf{rule, name}]
		at, _ := slices.BinarySearchFunc(members, member{created: m.Created}, newestFirst)
		for ; at < len(members) && members[at].created.Equal(m.Created); at++ {
			if members[at].id == m.ID {
				return true
			}
		}
		return false
	})
}

func newestFirst(a, b member) int { return b.created.Compare(a.created) }

// WhenKnown returns from when on a medium is judged by its CreationTime: as of an
// instant, or later if that lies ahead.
func WhenKnown(m *media.Medium, asOf time.Time) time.Time {
	if m.Created.After(asOf) {
		return m.Created
	}
	return asOf
}

// IsRanked reports whether a rule ranks a medium among others.
func IsRanked(p *policy.Policy, m *media.Medium, facts Facts) bool {
	return ranking(p, m, Decide(p, m, facts), facts) != nil
}

// Groups returns the groups in which a medium is ranked and the rule that keeps the
// latest of each, or no rule.
func Groups(p *policy.Policy, m *media.Medium, facts Facts) (groups []string, rule *policy.Rule) {
	if rule = ranking(p, m, Decide(p, m, facts), facts); rule == nil {
		return nil, nil
	}
	return rule.KeepLatest.Groups(m), rule
}

// ranking returns the rule that ranks a medium, if one does: the one that decides
// on it, or would if it were not protected.
func ranking(p *policy.Policy, m *media.Medium, decision Decision, facts Facts) *policy.Rule {
	if decision.Verdict == Protected && !m.Created.IsZero() && !m.Created.After(facts.AsOf) && policy.IsLive(m.State) {
		decision = expire(p, m, facts)
	}
	if decision.Verdict != Keep && decision.Verdict != Expired || decision.Rule == nil ||
		decision.Rule.KeepLatest.Count == 0 || decision.Rule.KeepLatest.Ranks(m) != policy.Yes {
		return nil
	}
	return decision.Rule
}

// rank puts a member into a group and lets go those that it pushes out: what has
// as many strictly newer ones as the rule keeps. Those that are dated ahead push
// nothing out yet.
func (d *Decider) rank(group groupOf, place member, decided Decided) {
	members := d.groups[group]
	at, _ := slices.BinarySearchFunc(members, place, newestFirst)
	members = slices.Insert(members, at, place)
	ahead, _ := slices.BinarySearchFunc(members, member{created: d.asOf}, newestFirst)
	if count := ahead + group.rule.KeepLatest.Count; len(members) > count {
		oldestKept := members[count-1].created
		end := slices.IndexFunc(members[count:], func(m member) bool { return m.created.Before(oldestKept) })
		if end >= 0 {
			for _, out := range members[count+end:] {
				if h := out.held; h != nil {
					if h.in--; h.in == 0 {
						decided(&h.medium, Decide(d.policy, &h.medium, h.facts), h.facts)
					}
				}
			}
			clear(members[count+end:])
			members = members[:count+end]
		}
	}
	d.groups[group] = members
}

// Outranks reports whether a medium is none of the newest: in each of its groups as many
// as its rule keeps have been added that are newer.
func (d *Decider) Outranks(m *media.Medium) bool {
	groups, rule := Groups(d.policy, m, Facts{AsOf: d.asOf, NotLatest: true})
	for _, name := range groups {
		members, count := d.groups[groupOf{rule, name}], rule.KeepLatest.Count
		if len(members) < count || !members[count-1].created.After(m.Created) {
			return false
		}
	}
	return len(groups) > 0
}

// Finish decides on the media that are still held back: they are among the newest
// of a group of theirs, until newer ones that are dated ahead join that.
func (d *Decider) Finish(decided Decided) {
	for group, members := range d.groups {
		newer := 0 // how many are strictly newer than the member
		for i, m := range members {
			if i > 0 && m.created.Before(members[i-1].created) {
				newer = i
			}
			if m.held == nil {
				continue
			}
			m.held.facts.NotLatest = false
			if at := newer - group.rule.KeepLatest.Count; at < 0 {
				m.held.stays = true
			} else if joins := members[at].created; joins.After(m.held.facts.NotLatestFrom) {
				m.held.facts.NotLatestFrom = joins
			}
		}
	}
	for _, members := range d.groups {
		for _, m := range members {
			if h := m.held; h != nil && h.in > 0 {
				h.in = 0
				if h.stays {
					h.facts.NotLatestFrom = time.Time{}
				}
				decided(&h.medium, Decide(d.policy, &h.medium, h.facts), h.facts)
			}
		}
	}
	clear(d.groups)
}

// Place is a place in the ranking of a group, as it can be kept: with the record of
// the medium if that is held back.
type Place struct {
	Rule    string          `json:"rule"`
	Group   string          `json:"group"`
	MediaID string          `json:"mediaId"`
	Created time.Time       `json:"created"`
	Record  json.RawMessage `json:"record,omitempty"`
	ReadAt  time.Time       `json:"readAt,omitzero"`
}

// Places returns all rankings, for Resume.
func (d *Decider) Places() []Place {
	places := []Place{}
	for group, members := range d.groups {
		for _, m := range members {
			place := Place{Rule: group.rule.Name, Group: group.name, MediaID: m.id, Created: m.created}
			if m.held != nil {
				place.Record, place.ReadAt = m.held.medium.Record, m.held.facts.ReadAt
			}
			places = append(places, place)
		}
	}
	return places
}

// Resume takes over the rankings of a decider of the same policy and instant. It
// has taken no medium yet.
func (d *Decider) Resume(places []Place) error {
	back := map[string]*held{}
	for _, place := range places {
		at := slices.IndexFunc(d.policy.Expire, func(rule policy.Rule) bool { return rule.Name == place.Rule && rule.KeepLatest.Count > 0 })
		if at < 0 {
			return fmt.Errorf("no rule %s ranks media", place.Rule)
		}
		m := member{id: place.MediaID, created: place.Created}
		if place.Record != nil {
			medium, err := media.Parse(place.Record)
			if err != nil {
				return err
			}
			if m.held = back[medium.ID]; m.held == nil {
				m.held = &held{medium: medium, facts: Facts{AsOf: d.asOf, ReadAt: place.ReadAt, NotLatest: true}}
				if d.Marks != nil {
					m.held.facts.Mark = d.Marks(&medium)
				}
				back[medium.ID] = m.held
			}
			m.held.in++
		}
		group := groupOf{&d.policy.Expire[at], place.Group}
		d.groups[group] = append(d.groups[group], m)
	}
	for _, members := range d.groups {
		slices.SortStableFunc(members, newestFirst)
	}
	return nil
}
