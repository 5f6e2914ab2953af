package retention

import (
	"math"
	"time"

	"github.com/mediasweep/mediasweep/internal/media"
	"github.com/mediasweep/mediasweep/internal/policy"
)

// Forecaster has the facts of a medium that hold for Due and Explain. It ranks the media of a library first, and keeps of
// each group what a Ranker keeps, and all media dated ahead.
type Forecaster struct {
	policy *policy.Policy
	asOf   time.Time
	mark   func(*media.Medium) Mark // of earlier runs
	ranker *Ranker
}

// NewForecaster returns a forecaster as of an instant.
func NewForecaster(p *policy.Policy, asOf time.Time, mark func(*media.Medium) Mark) *Forecaster {
	f := &Forecaster{p, asOf, mark, NewRanker(p, asOf)}
	f.ranker.maxAhead = math.MaxInt
	return f
}

// Rank takes each medium of the library once, before the first Facts.
func (f *Forecaster) Rank(m *media.Medium) Rank {
	rank := f.rankOf(NewCase(f.policy, m), f.facts(m))
	f.ranker.Add(m.ID, rank)
	return rank
}

// Facts returns the facts of a medium.
func (f *Forecaster) Facts(m *media.Medium) Facts { return f.factsOf(NewCase(f.policy, m)) }

func (f *Forecaster) factsOf(c *Case) Facts {
	facts := f.facts(c.Medium)
	rank := f.rankOf(c, facts)
	if len(rank.Groups) == 0 {
		return facts
	}
	from, ok := f.ranker.OutrankedFrom(rank)
	if facts.NotLatest = !f.ranker.IsLatest(rank); ok && !facts.NotLatest {
		facts.NotLatestFrom = time.Unix(0, from).UTC()
	}
	return facts
}

func (f *Forecaster) facts(m *media.Medium) Facts {
	return Facts{AsOf: f.asOf, NotLatest: true, Mark: f.mark(m)}
}

func (f *Forecaster) rankOf(c *Case, facts Facts) Rank {
	return c.Rank(facts.WhenKnown(c.Medium))
}
