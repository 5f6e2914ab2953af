// Package retention decides whether a medium is kept or has expired. It is pure: the same policy,
// record and facts give the same decision and reason.
package retention

import (
	"time"

	"github.com/mediasweep/mediasweep/internal/media"
	"github.com/mediasweep/mediasweep/internal/policy"
)

// Mark has the tombstone and the holds of a medium, and whether its source object is gone.
type Mark struct {
	Kind MarkKind
	// Until is the end of the time for which an Unverified or Restored medium is kept.
	Until time.Time
	// Unranked is true for a medium that was restored. Its new CreationTime must not push others out of the
	// latest of its group.
	Unranked bool
	// Hold is the hold of the medium that lasts longest, and MayHold the hold on objects that
	// does, if the medium's object is not known. Both may be nil.
	Hold, MayHold *Hold
	// SourceRemoved is true if the source object is known to be gone.
	SourceRemoved bool
}

// Held returns the decision on a medium that a hold keeps as of an instant. A medium whose record has no
// object may be held by any hold on objects: it is Unknown.
func (m Mark) Held(asOf time.Time) (d Decision, held bool) {
	switch {
	case m.Hold != nil && m.Hold.Lasts(asOf):
		return Decision{Verdict: Protected, Cause: Held, Hold: m.Hold, ExpiresAt: m.Hold.Until}, true
	case m.MayHold != nil && m.MayHold.Lasts(asOf):
		return Decision{Verdict: Unknown, Cause: FieldUnknown, Hold: m.MayHold, Key: "object"}, true
	}
	return Decision{}, false
}

// Unheld returns the mark without holds.
func (m Mark) Unheld() Mark {
	m.Hold, m.MayHold = nil, nil
	return m
}

// MarkKind is the kind of a mark.
type MarkKind int

// The kinds of marks. All but Restored are valid for one record, by its ID and
// CreationTime.
const (
	Unmarked   MarkKind = iota
	Deleted             // it was deleted, and the library shows deleted media as Initiated
	Unverified          // its deletion was sent, and the library still showed it
	Restored            // it was restored
)

// Facts are the inputs of a decision besides the policy and the record.
type Facts struct {
	// AsOf is the instant at which the medium is judged.
	AsOf time.Time
	// NotLatest is true if the medium is known not to be among the newest of its
	// group, for the keepLatest of the rule that decides.
	NotLatest bool
	// NotLatestFrom is the time from which NotLatest is true, because media with a future CreationTime
	// join the group; zero if they do not change it.
	NotLatestFrom time.Time
	// Mark is its mark from earlier runs.
	Mark Mark
	// Announced is the start of the medium's announcement; zero for none. It changes no decision.
	Announced time.Time
}

// isNotLatest reports whether the medium is not among the newest of its group as of
// AsOf.
func (f Facts) isNotLatest() bool {
	return f.NotLatest || !f.NotLatestFrom.IsZero() && !f.AsOf.Before(f.NotLatestFrom)
}

// WhenKnown returns the facts as of the medium's CreationTime, if that is later than AsOf.
func (f Facts) WhenKnown(m *media.Medium) Facts {
	if m.Created.After(f.AsOf) {
		f.AsOf = m.Created
	}
	return f
}

// isHeld reports whether the mark keeps the medium as of AsOf.
func (f Facts) isHeld() bool {
	return (f.Mark.Kind == Restored || f.Mark.Kind == Unverified) && f.AsOf.Before(f.Mark.Until)
}

func expireBy(p *policy.Policy, rule *policy.Rule, m *media.Medium, facts Facts) Decision {
	d := Decision{Rule: rule}
	switch {
	case rule.OnSourceRemoved:
		d.ExpiresAt = facts.AsOf
	case rule.Date != "":
		end, ok := rule.End(m, p.Timezone)
		if !ok {
			return Decision{Verdict: Unknown, Cause: DateMalformed, Rule: rule}
		}
		d.ExpiresAt = end
	default:
		d.ExpiresAt = rule.After.After(m.Created, p.Timezone)
	}
	if rule.KeepLatest.Count > 0 {
		switch in := rule.KeepLatest.Ranks(m); {
		case in == policy.Unknown:
			return Decision{Verdict: Unknown, Cause: FieldUnknown, Rule: rule, Key: "keepLatest"}
		case in == policy.Yes && facts.Mark.Unranked:
			d.Cause = WithoutRank
			return d
		case in == policy.Yes && !facts.isNotLatest():
			d.Cause = AmongLatest
			return d
		}
	}
	switch {
	case facts.isHeld() && facts.Mark.Until.After(d.ExpiresAt):
		d.ExpiresAt, d.Cause = facts.Mark.Until, AwaitingVerification
		if facts.Mark.Kind == Restored {
			d.Cause = WasRestored
		}
	case facts.AsOf.Before(d.ExpiresAt):
		d.Cause = TooYoung
	default:
		d.Verdict, d.Cause = Expired, TimeIsUp
	}
	return d
}
