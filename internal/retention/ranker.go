package retention

import (
	"slices"
	"time"

	"github.com/mediasweep/mediasweep/internal/media"
	"github.com/mediasweep/mediasweep/internal/policy"
)

// Rank is a medium's place in the groups of the rule that keeps their latest. Its zero
// value is that of a medium which no rule ranks.
type Rank struct {
	Rule   string
	Groups []string
	// Created is the CreationTime in nanoseconds since 1970. Only media of 2010 to AsOf are ranked.
	Created int64
}

// RankOf returns where a medium is ranked. Protected media are ranked too.
func RankOf(p *policy.Policy, m *media.Medium, facts Facts) Rank {
	groups, rule := Groups(p, m, facts)
	if rule == nil {
		return Rank{}
	}
	return Rank{Rule: rule.Name, Groups: groups, Created: m.Created.UnixNano()}
}

// IsRanked reports whether a rule ranks a medium among others.
func IsRanked(p *policy.Policy, m *media.Medium, facts Facts) bool {
	return ranking(p, m, facts) != nil
}

// Groups returns the groups in which a medium is ranked, and the rule that keeps the latest
// of each. It returns no rule if none ranks the medium.
func Groups(p *policy.Policy, m *media.Medium, facts Facts) (groups []string, rule *policy.Rule) {
	if rule = ranking(p, m, facts); rule == nil {
		return nil, nil
	}
	return rule.KeepLatest.Groups(m), rule
}

// ranking returns the rule that ranks a medium, or nil: the rule that decides on it, or
// would if the medium were not protected.
func ranking(p *policy.Policy, m *media.Medium, facts Facts) *policy.Rule {
	decision := Decide(p, m, facts)
	if decision.Verdict == Protected && !m.Created.IsZero() && !m.Created.After(facts.AsOf) && policy.IsLive(m.State) {
		decision = expire(p, m, facts)
	}
	if decision.Verdict != Keep && decision.Verdict != Expired || decision.Rule == nil ||
		decision.Rule.KeepLatest.Count == 0 || decision.Rule.KeepLatest.Ranks(m) != policy.Yes {
		return nil
	}
	return decision.Rule
}

// WhenKnown returns the first instant, from asOf on, at which a medium is judged by its
// CreationTime.
func WhenKnown(m *media.Medium, asOf time.Time) time.Time {
	if m.Created.After(asOf) {
		return m.Created
	}
	return asOf
}

// Ranker finds the newest media of each group. It keeps at most the rule's count of
// creation times for each group. Add each medium once.
type Ranker struct {
	counts map[string]int // by rule
	newest map[group][]int64
}

type group struct{ rule, name string }

// NewRanker returns a ranker for the rules of a policy.
func NewRanker(p *policy.Policy) *Ranker {
	r := &Ranker{counts: map[string]int{}, newest: map[group][]int64{}}
	for _, rule := range p.Expire {
		r.counts[rule.Name] = rule.KeepLatest.Count
	}
	return r
}

// Add takes a medium.
func (r *Ranker) Add(rank Rank) {
	for _, name := range rank.Groups {
		of := group{rank.Rule, name}
		times := r.newest[of]
		at, _ := slices.BinarySearchFunc(times, rank.Created, latestFirst)
		if at == r.counts[rank.Rule] {
			continue
		}
		times = slices.Insert(times, at, rank.Created)
		r.newest[of] = times[:min(len(times), r.counts[rank.Rule])]
	}
}

func latestFirst(a, b int64) int {
	switch {
	case a > b:
		return -1
	case a < b:
		return 1
	}
	return 0
}

// IsLatest reports whether a medium is among the newest of a group of its own, ties
// included: fewer media than the rule keeps are newer.
func (r *Ranker) IsLatest(rank Rank) bool {
	return slices.ContainsFunc(rank.Groups, func(name string) bool {
		times, count := r.newest[group{rank.Rule, name}], r.counts[rank.Rule]
		return len(times) < count || rank.Created >= times[count-1]
	})
}
