package retention

import (
	"time"

	"github.com/mediasweep/mediasweep/internal/policy"
)

// never is later than any time of a policy. These end with the year 9999.
func never() time.Time { return time.Date(10001, 1, 1, 0, 0, 0, 0, time.UTC) }

func (f Facts) at(instant time.Time) Facts {
	f.AsOf = instant
	return f
}

// Due returns when a medium expires if only time passes, and the decision at that instant. ok is false for a
// medium that stays. An expired medium is due since the returned instant, or since AsOf at the latest.
//
// A medium expires at one of four times: a protection or a hold ends, the time of the deciding rule comes, a
// CreationTime comes, or newer media join its group. It then stays expired.
func (c *Case) Due(facts Facts) (due time.Time, then Decision, ok bool) {
	then = c.Decide(facts.at(never()))
	if then.Verdict != Expired {
		return time.Time{}, Decision{}, false
	}
	due = then.ExpiresAt
	if then.Rule.OnSourceRemoved {
		due = facts.AsOf
	}
	after := func(instant time.Time) {
		if instant.After(due) {
			due = instant
		}
	}
	after(c.Medium.Created) // it may have been dated back
	after(facts.Mark.Until)
	for _, hold := range []*Hold{facts.Mark.Hold, facts.Mark.MayHold} {
		if hold != nil {
			after(hold.Until)
		}
	}
	if !facts.NotLatest && then.Rule.KeepLatest.Count > 0 && then.Rule.KeepLatest.Ranks(c.Medium) == policy.Yes {
		after(facts.NotLatestFrom)
	}
	for _, p := range c.promises {
		after(p.end)
	}
	return due, c.Decide(facts.at(due)), true
}

// Goes returns when a sweep may delete a due medium: at the end of the policy's notice, which begins with its
// announcement.
func Goes(p *policy.Policy, facts Facts, due time.Time) time.Time {
	switch {
	case p.Notice.IsZero():
		return due
	case due.After(facts.AsOf):
		return p.NoticeEnds(due)
	case facts.Announced.IsZero():
		return p.NoticeEnds(facts.AsOf)
	}
	return p.NoticeEnds(facts.Announced)
}
