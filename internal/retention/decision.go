package retention

import (
	"fmt"
	"time"

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

// Cause is the reason of a decision.
type Cause int

// The causes.
const (
	NoRule               Cause = iota // Keep: no expire rule applies
	TooYoung                          // Keep: its time has not come
	AmongLatest                       // Keep: it is among the newest of its group
	TimeIsUp                          // Expired
	Matched                           // Protected by a rule without a date
	DateAhead                         // Protected until a day that has not passed
	DateMalformed                     // Protected, or Unknown: the tag has no valid day
	FieldUnknown                      // Unknown: the record lacks a field that a rule needs
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

// Decision is a verdict with its reason.
type Decision struct {
	Verdict Verdict
	Cause   Cause
	// Rule is the rule that decided, or that lacked a field; nil for none. Hold is the hold that decided.
	Rule *policy.Rule
	Hold *Hold
	// Key is the field that the rule needs and the record lacks, for FieldUnknown; for
	// Doubtful it is the medium's Doubt.
	Key string
	// ExpiresAt is the time from which the deciding expire rule takes the medium. For a medium that is kept by a
	// hold, or by a protect rule with a date, it is the end of that. Zero for never.
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

// ExpiredSince returns the reason of a medium that expired by a rule.
func ExpiredSince(rule string, at time.Time) string {
	return "rule " + rule + ": expired since " + at.Format(time.RFC3339)
}

// Reason returns the reason in words.
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
