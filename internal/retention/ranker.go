package retention

import (
	"cmp"
	"math"
	"slices"
	"time"

	"github.com/mediasweep/mediasweep/internal/policy"
)

// Rank is a medium's place in the groups of the rule that keeps their latest. Its zero
// value is that of a medium which no rule ranks.
type Rank struct {
	Rule   string
	Groups []string
	// Created is the CreationTime in nanoseconds since 1970. Only media of 2010 to the AsOf of the facts are ranked.
	Created int64
	// Leaving is true for a medium that outranks no other: its deletion was sent, or only an event or a request led to it.
	Leaving bool
}

// Rank returns where the medium is ranked. Protected media are ranked too.
func (c *Case) Rank(facts Facts) Rank {
	groups, rule := c.groups(facts)
	if rule == nil {
		return Rank{}
	}
	return Rank{Rule: rule.Name, Groups: groups, Created: nanoseconds(c.Medium.Created), Leaving: facts.Mark.Kind == Unverified}
}

// nanoseconds returns the nanoseconds since 1970. They end in 2262.
func nanoseconds(t time.Time) int64 {
	if t.Year() > 2261 {
		return math.MaxInt64
	}
	return t.UnixNano()
}

// groups returns the groups in which the medium is ranked, and the rule that keeps the latest
// of each: the rule that decides on the medium, or would if it were neither protected nor held. It returns no
// rule if none ranks the medium. No rule ranks a restored medium.
func (c *Case) groups(facts Facts) (groups []string, rule *policy.Rule) {
	m := c.Medium
	if facts.Mark.Unranked {
		return nil, nil
	}
	facts.Mark = facts.Mark.Unheld()
	decision := c.Decide(facts)
	if decision.Verdict == Protected && !m.Created.IsZero() && !m.Created.After(facts.AsOf) && policy.IsLive(m.State) {
		decision = c.decideExpiry(facts)
	}
	rule = decision.Rule
	if decision.Verdict != Keep && decision.Verdict != Expired || rule == nil ||
		rule.KeepLatest.Count == 0 || rule.KeepLatest.Ranks(m) != policy.Yes {
		return nil, nil
	}
	return rule.KeepLatest.Groups(m), rule
}

// Ranker finds the newest media of each group. It keeps at most the rule's count of media for
// each group, and those that are dated ahead. Add each medium once.
type Ranker struct {
	asOf            int64
	counts          map[string]int // by rule
	newest          map[group][]member
	ahead, maxAhead int
}

type group struct{ rule, name string }

type member struct {
	mediaID string
	created int64
}

// maxAhead bounds the memberships of media that are dated ahead. A Forecaster has no bound.
const maxAhead = 10_000

// NewRanker returns a ranker for the rules of a policy, as of an instant.
func NewRanker(p *policy.Policy, asOf time.Time) *Ranker {
	r := &Ranker{asOf: nanoseconds(asOf), counts: map[string]int{}, newest: map[group][]member{}, maxAhead: maxAhead}
	for _, rule := range p.Expire {
		r.counts[rule.Name] = min(rule.KeepLatest.Count, math.MaxInt/2) // Add adds to it
	}
	return r
}

// newerThan returns the number of members that were created after an instant. The newest member is the first.
func newerThan(members []member, created int64) int {
	at, _ := slices.BinarySearchFunc(members, created, func(m member, created int64) int { return cmp.Compare(created, m.created) })
	return at
}

// Add takes a medium. One that is dated ahead joins its groups at its CreationTime.
func (r *Ranker) Add(mediaID string, rank Rank) {
	if rank.Leaving {
		return
	}
	for _, name := range rank.Groups {
		of := group{rank.Rule, name}
		members := r.newest[of]
		at, kept := newerThan(members, rank.Created), newerThan(members, r.asOf)+r.counts[rank.Rule]
		if rank.Created > r.asOf {
			if r.ahead++; r.ahead > r.maxAhead {
				continue
			}
			kept++
		}
		if at == kept {
			continue
		}
		members = slices.Insert(members, at, member{mediaID, rank.Created})
		r.newest[of] = members[:min(len(members), kept)]
	}
}

// IsLatest reports whether a medium is among the newest of a group of its own, ties
// included: fewer media than the rule keeps are newer.
func (r *Ranker) IsLatest(rank Rank) bool {
	from, ok := r.OutrankedFrom(rank)
	return !ok || from > r.asOf
}

// OutrankedFrom returns when a medium is no longer among the newest of any group, in nanoseconds since
// 1970. It returns false for a medium that stays among them.
func (r *Ranker) OutrankedFrom(rank Rank) (from int64, ok bool) {
	for _, name := range rank.Groups {
		members, count := r.newest[group{rank.Rule, name}], r.counts[rank.Rule]
		newer := newerThan(members, rank.Created)
		if newer < count {
			return 0, false
		}
		from = max(from, members[newer-count].created)
	}
	return from, true
}

// IsWhole reports whether OutrankedFrom knows all media that are dated ahead.
func (r *Ranker) IsWhole() bool { return r.ahead <= r.maxAhead }

// Newest returns the newest media of a medium's groups that are not dated ahead.
func (r *Ranker) Newest(rank Rank) (mediaIDs []string) {
	for _, name := range rank.Groups {
		members := r.newest[group{rank.Rule, name}]
		for _, m := range members[newerThan(members, r.asOf):] {
			mediaIDs = append(mediaIDs, m.mediaID)
		}
	}
	return mediaIDs
}
