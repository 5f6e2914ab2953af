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
	// Mark returns the mark of a medium; by default none has one.
	Mark func(*media.Medium) Mark

	policy *policy.Policy
	asOf   time.Time
	ranker *Ranker
}

// NewForecaster returns a forecaster as of an instant.
func NewForecaster(p *policy.Policy, asOf time.Time) *Forecaster {
	f := &Forecaster{Mark: func(*media.Medium) Mark { return Mark{} }, policy: p, asOf: asOf, ranker: NewRanker(p, asOf)}
	f.ranker.maxAhead = math.MaxInt
	return f
}

// Rank takes each medium of the library once, before the first Facts.
func (f *Forecaster) Rank(m *media.Medium) Rank {
	rank := f.rankOf(m, f.facts(m))
	f.ranker.Add(m.ID, rank)
	return rank
}

// Facts returns the facts of a medium.
func (f *Forecaster) Facts(m *media.Medium) Facts {
	facts := f.facts(m)
	rank := f.rankOf(m, facts)
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
	return Facts{AsOf: f.asOf, NotLatest: true, Mark: f.Mark(m)}
}

func (f *Forecaster) rankOf(m *media.Medium, facts Facts) Rank {
	return RankOf(f.policy, m, facts.WhenKnown(m))
}
