// Package retention decides whether a medium is kept or has expired. It is pure: the same policy,
// record and facts give the same decision and reason.
package retention

import (
	"fmt"
	"time"

	"github.com/mediasweep/mediasweep/internal/media"
	"github.com/mediasweep/mediasweep/internal/policy"
	"github.com/mediasweep/mediasweep/internal/text"
)

// Verdict is the result of a decision. Keep is the zero value.
type Verdict int

// The verdicts. Only Expired leads to a deletion.
const (
	Keep      Verdict = iota // no rule applies, or it has not expired yet
	Unknown                  // the record lacks a field; it is kept
	Protected                // a protect rule matches; it is kept
	Absent                   // not in MPS any more
	Expired
)

// String returns the verdict as reports count it.
func (v Verdict) String() string {
	return [...]string{Keep: "kept", Unknown: "unknown", Protected: "protected", Absent: "absent", Expired: "expired"}[v]
}

// MarshalText writes the verdict as String does.
func (v Verdict) MarshalText() ([]byte, error) { return []byte(v.String()), nil }

// Cause is the line that decided.
type Cause int

// The causes.
const (
	NoRule               Cause = iota // Keep: no expire rule applies
	TooYoung                          // Keep: its time has not come
	AmongLatest                       // Keep: it is among the newest of its group
	TimeIsUp                          // Expired
	Matched                           // Protected by a rule without a date
	DateAhead                         // Protected until a day that has not passed
	DateMalformed                     // Protected, or Unknown, because a tag names no day
	FieldUnknown                      // Unknown: a rule asks for what the record does not tell
	NoCreationTime                    // Unknown
	FutureCreation                    // Unknown: its CreationTime lies in the future
	UndocumentedState                 // Unknown: its PublishState is not documented
	Doubtful                          // Unknown: its record cannot be believed
	StateDeleted                      // Absent
	DeletedByUs                       // Absent: this program deleted it
	AwaitingVerification              // Keep: its deletion was sent and could not be verified
	WasRestored                       // Keep: this program restored it
	WithoutRank                       // Keep: it was restored, and its rule keeps the latest of its group
	Held                              // Protected by a hold
)

// Mark is what earlier runs and people have left for a medium.
type Mark struct {
	Kind MarkKind
	// Until is until when an Unverified or Restored medium is kept.
	Until time.Time
	// Unranked is true for a medium that was restored. Its new CreationTime must not push others out of the
	// latest of its group.
	Unranked bool
	// Hold is the hold of the medium that lasts longest, and MayHold the hold on objects that
	// does, if the medium's object is not known. Both may be nil.
	Hold, MayHold *Hold
}

// MarkKind is the kind of a mark.
type MarkKind int

// The kinds of marks. All but Restored are valid for one record, by its ID and
// CreationTime.
const (
	Unmarked   MarkKind = iota
	Deleted             // it was deleted, and the library shows what is deleted as Initiated
	Unverified          // its deletion was sent, and the library still showed it
	Restored            // it was restored
)

// Decision is a verdict with its reason.
type Decision struct {
	Verdict Verdict
	Cause   Cause
	// Rule is the rule that decided, or that could not; nil for none. Hold is a hold instead.
	Rule *policy.Rule
	Hold *Hold
	// Key is the field that the rule needs and the record lacks, for FieldUnknown; for
	// Doubtful it is the medium's Doubt.
	Key string
	// ExpiresAt is when the deciding expire rule takes the medium, or when what
	// keeps it ends: a hold, or a protect rule with a date. Zero for never.
	ExpiresAt time.Time
}

// RuleName returns the name of the rule or hold that decided, or nothing.
func (d Decision) RuleName() string {
	switch {
	case d.Hold != nil:
		return d.Hold.Rule()
	case d.Rule != nil:
		return d.Rule.Name
	}
	return ""
}

// ExpiredSince is the reason of a medium whose time is up by a rule.
func ExpiredSince(rule string, at time.Time) string {
	return "rule " + rule + ": expired since " + at.Format(time.RFC3339)
}

// Reason says why, in words for a person.
func (d Decision) Reason() string {
	rule, at := d.RuleName(), d.ExpiresAt.Format(time.RFC3339)
	switch d.Cause {
	case NoRule:
		return "no expire rule applies"
	case TooYoung:
		return fmt.Sprintf("rule %s keeps it until %s", rule, at)
	case AmongLatest:
		return fmt.Sprintf("rule %s keeps the latest %d of its group", rule, d.Rule.KeepLatest.Count)
	case TimeIsUp:
		if d.Rule.OnSourceRemoved {
			return fmt.Sprintf("rule %s: its source object was removed", rule)
		}
		return ExpiredSince(rule, d.ExpiresAt)
	case Matched:
		return "protected by rule " + rule
	case DateAhead:
		return fmt.Sprintf("protected by rule %s until %s", rule, at)
	case DateMalformed:
		return fmt.Sprintf("rule %s: a tag that starts with %s names no day", rule, text.Quote(d.Rule.Date))
	case FieldUnknown:
		return fmt.Sprintf("rule %s asks for %s, which the record does not tell", rule, d.Key)
	case NoCreationTime:
		return "the record has no readable CreationTime of 2010 or later"
	case FutureCreation:
		return "its CreationTime lies in the future"
	case UndocumentedState:
		return "its PublishState is not a documented one"
	case Doubtful:
		return d.Key
	case StateDeleted:
		return "its PublishState is Deleted"
	case DeletedByUs:
		return "an earlier run deleted it, and the library shows it as Initiated"
	case AwaitingVerification:
		return fmt.Sprintf("rule %s: an earlier run sent its deletion, which could not be verified; it is not sent again until %s", rule, at)
	case WasRestored:
		return fmt.Sprintf("rule %s: it was restored, and is kept until %s", rule, at)
	case WithoutRank:
		return fmt.Sprintf("rule %s keeps the latest %d of its group: it was restored, has no place among them, and stays", rule, d.Rule.KeepLatest.Count)
	case Held:
		return fmt.Sprintf("held by %s until %s, by %s: %s", rule, d.Hold.Ends(), d.Hold.By, d.Hold.Reason)
	}
	return ""
}

// Facts are the inputs of a decision besides the policy and the record.
type Facts struct {
	// AsOf is the instant at which the medium is judged.
	AsOf time.Time
	// ReadAt is when the record was read, if anybody needs to know.
	ReadAt time.Time
	// SourceRemoved says that the source object is known to be gone.
	SourceRemoved bool
	// NotLatest says that the medium is known not to be among the newest of its
	// group, for the keepLatest of the rule that decides.
	NotLatest bool
	// NotLatestFrom is from when on NotLatest holds, since media that are dated ahead
	// join the group; zero if they do not change it.
	NotLatestFrom time.Time
	// Mark is its mark from earlier runs.
	Mark Mark
	// Announced is since when its record has been announced; zero if it is not. It changes no decision.
	Announced time.Time
}

// isNotLatest reports whether the medium is not among the newest of its group as of
// AsOf.
func (f Facts) isNotLatest() bool {
	return f.NotLatest || !f.NotLatestFrom.IsZero() && !f.AsOf.Before(f.NotLatestFrom)
}

// isHeld reports whether an earlier run's hold lasts as of AsOf.
func (f Facts) isHeld() bool {
	return (f.Mark.Kind == Restored || f.Mark.Kind == Unverified) && f.AsOf.Before(f.Mark.Until)
}

// Decide holds one medium against the policy, in the order absent, protected,
// unknown, then kept or expired. A record in doubt proves none of these: its medium is
// unknown. A missing field never leads to deletion. Decide allocates nothing, but for
// what a regular expression does.
func Decide(p *policy.Policy, m *media.Medium, facts Facts) Decision {
	if m.Doubt != "" {
		return Decision{Verdict: Unknown, Cause: Doubtful, Key: m.Doubt}
	}
	if m.State == media.StateDeleted {
		return Decision{Verdict: Absent, Cause: StateDeleted}
	}
	if m.State == media.StateInitiated && facts.Mark.Kind == Deleted {
		return Decision{Verdict: Absent, Cause: DeletedByUs}
	}
	if d, held := facts.Mark.Held(facts.AsOf); held {
		return d
	}
	var unclear Decision
	for i := range p.Protect {
		rule := &p.Protect[i]
		switch truth, key := rule.Applies(m); truth {
		case policy.Yes:
			if d := protect(p, rule, m, facts.AsOf); d.Verdict == Protected {
				return d
			}
		case policy.Unknown:
			if unclear.Verdict != Unknown {
				unclear = Decision{Verdict: Unknown, Cause: FieldUnknown, Rule: rule, Key: key}
			}
		case policy.No:
		}
	}
	switch {
	case unclear.Verdict == Unknown:
		return unclear
	case m.Created.IsZero():
		return Decision{Verdict: Unknown, Cause: NoCreationTime}
	case m.Created.After(facts.AsOf):
		return Decision{Verdict: Unknown, Cause: FutureCreation}
	case !policy.IsLive(m.State):
		return Decision{Verdict: Unknown, Cause: UndocumentedState}
	}
	return expire(p, m, facts)
}

// protect decides by a protect rule that applies. One with a date that has passed
// decides nothing.
func protect(p *policy.Policy, rule *policy.Rule, m *media.Medium, asOf time.Time) Decision {
	if rule.Date == "" {
		return Decision{Verdict: Protected, Cause: Matched, Rule: rule}
	}
	end, ok := rule.End(m, p.Timezone)
	switch {
	case !ok:
		return Decision{Verdict: Protected, Cause: DateMalformed, Rule: rule}
	case asOf.Before(end):
		return Decision{Verdict: Protected, Cause: DateAhead, Rule: rule, ExpiresAt: end}
	}
	return Decision{}
}

// expire lets the first expire rule that applies decide. A rule that may apply
// ends the search too: what it would have said is unknown.
func expire(p *policy.Policy, m *media.Medium, facts Facts) Decision {
	for i := range p.Expire {
		rule := &p.Expire[i]
		if rule.OnSourceRemoved && !facts.SourceRemoved {
			continue
		}
		switch truth, key := rule.Applies(m); truth {
		case policy.Unknown:
			return Decision{Verdict: Unknown, Cause: FieldUnknown, Rule: rule, Key: key}
		case policy.Yes:
			return expireBy(p, rule, m, facts)
		case policy.No:
		}
	}
	return Decision{Verdict: Keep, Cause: NoRule}
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
