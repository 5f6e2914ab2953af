package retention

import (
	"slices"
	"time"

	"github.com/mediasweep/mediasweep/internal/media"
	"github.com/mediasweep/mediasweep/internal/policy"
)

// never is later than any time that a policy can name: its dates end with the
// year 9999.
func never() time.Time { return time.Date(10001, 1, 1, 0, 0, 0, 0, time.UTC) }

// at returns the facts as of another instant.
func (f Facts) at(instant time.Time) Facts {
	f.AsOf = instant
	return f
}

// Due returns when a medium will have expired if nothing but time passes, and the
// decision at that instant; it is false for one that will stay. One that has
// expired already is due since the returned instant, or since asOf at the latest.
//
// Only time makes a medium expire that has not: its CreationTime is reached, a
// protection ends, or the deciding rule's time comes. What has expired stays so.
func Due(p *policy.Policy, m *media.Medium, facts Facts) (due time.Time, then Decision, ok bool) {
	then = Decide(p, m, facts.at(never()))
	if then.Verdict != Expired {
		return time.Time{}, Decision{}, false
	}
	instants := []time.Time{then.ExpiresAt, m.Created}
	if then.Rule.OnSourceRemoved {
		instants[0] = facts.AsOf
	}
	for i := range p.Protect {
		rule := &p.Protect[i]
		if rule.Date == "" {
			continue
		}
		if end, ok := rule.End(m, p.Timezone); ok {
			instants = append(instants, end)
		}
	}
	slices.SortFunc(instants, time.Time.Compare)
	for _, due = range instants {
		if then = Decide(p, m, facts.at(due)); then.Verdict == Expired {
			break
		}
	}
	return due, then, true
}
