package retention

import (
	"time"

	"github.com/mediasweep/mediasweep/internal/media"
	"github.com/mediasweep/mediasweep/internal/policy"
)

// Case is a medium with the rules of a policy that apply to it, or may apply. Time changes none of them, so that one
// reading of the rules serves all questions about the medium.
type Case struct {
	Policy *policy.Policy
	Medium *media.Medium

	// promises are the protect rules with a date that apply before protect, the first one without a date that does.
	promises []promise
	protect  *policy.Rule
	unclear  applied // the first protect rule that may apply
	// expire is the first expire rule that applies or may apply, and orphan the first if the source object is gone.
	expire, orphan applied
}

// applied is a rule that applies. With an unknownKey it only may.
type applied struct {
	rule       *policy.Rule
	unknownKey string
}

// promise is a protect rule with the end of the day that the medium's tags name.
type promise struct {
	rule  *policy.Rule
	end   time.Time
	valid bool
}

// NewCase reads the rules of a policy for a medium. Only regular expressions and tags that name a day allocate memory.
func NewCase(p *policy.Policy, m *media.Medium) *Case {
	c := &Case{Policy: p, Medium: m}
	c.read()
	return c
}

// read is not part of NewCase, which is inlined so that a Case needs no allocation.
func (c *Case) read() {
	c.readProtect()
	c.readExpire()
}

func (c *Case) readProtect() {
	for i := range c.Policy.Protect {
		rule := &c.Policy.Protect[i]
		truth, key := rule.Applies(c.Medium)
		switch {
		case truth == policy.Unknown && c.unclear.rule == nil:
			c.unclear = applied{rule, key}
		case truth == policy.Yes && rule.Date == "":
			c.protect = rule
			return
		case truth == policy.Yes:
			end, valid := rule.End(c.Medium, c.Policy.Timezone)
			c.promises = append(c.promises, promise{rule, end, valid})
		}
	}
}

func (c *Case) readExpire() {
	for i := range c.Policy.Expire {
		rule := &c.Policy.Expire[i]
		if rule.OnSourceRemoved && c.orphan.rule != nil {
			continue
		}
		truth, key := rule.Applies(c.Medium)
		if truth == policy.No {
			continue
		}
		if c.orphan.rule == nil {
			c.orphan = applied{rule, key}
		}
		if !rule.OnSourceRemoved {
			c.expire = applied{rule, key}
			return
		}
	}
}

// AsksSource reports whether the decision may depend on the source object: a rule about removed ones comes first if it is gone.
func (c *Case) AsksSource() bool { return c.orphan.rule != nil && c.orphan.rule.OnSourceRemoved }

// Decide decides on one medium; see Case.Decide.
func Decide(p *policy.Policy, m *media.Medium, facts Facts) Decision {
	return NewCase(p, m).Decide(facts)
}

// Decide decides in the order absent, protected, unknown, then kept or expired. The medium of a record
// in doubt is unknown. A missing field never leads to deletion.
func (c *Case) Decide(facts Facts) Decision {
	m := c.Medium
	switch {
	case m.Doubt != "":
		return Decision{Verdict: Unknown, Cause: Doubtful, Key: m.Doubt}
	case m.State == media.StateDeleted:
		return Decision{Verdict: Absent, Cause: StateDeleted}
	case m.State == media.StateInitiated && facts.Mark.Kind == Deleted:
		return Decision{Verdict: Absent, Cause: DeletedByUs}
	}
	held, isHeld := facts.Mark.Held(facts.AsOf)
	if held.Verdict == Protected {
		return held
	}
	for _, p := range c.promises { // one that has passed decides nothing
		switch {
		case !p.valid:
			return Decision{Verdict: Protected, Cause: DateMalformed, Rule: p.rule}
		case facts.AsOf.Before(p.end):
			return Decision{Verdict: Protected, Cause: DateAhead, Rule: p.rule, ExpiresAt: p.end}
		}
	}
	switch {
	case c.protect != nil:
		return Decision{Verdict: Protected, Cause: Matched, Rule: c.protect}
	case isHeld:
		return held
	case c.unclear.rule != nil:
		return c.unclear.unknown()
	case m.Created.IsZero():
		return Decision{Verdict: Unknown, Cause: NoCreationTime}
	case m.Created.After(facts.AsOf):
		return Decision{Verdict: Unknown, Cause: FutureCreation}
	case !policy.IsLive(m.State):
		return Decision{Verdict: Unknown, Cause: UndocumentedState}
	}
	return c.decideExpiry(facts)
}

// decideExpiry decides by the first expire rule that applies.
func (c *Case) decideExpiry(facts Facts) Decision {
	first := c.expire
	if facts.Mark.SourceRemoved {
		first = c.orphan
	}
	switch {
	case first.rule == nil:
		return Decision{Verdict: Keep, Cause: NoRule}
	case first.unknownKey != "":
		return first.unknown()
	}
	return expireBy(c.Policy, first.rule, c.Medium, facts)
}

// unknown returns the decision on a medium to which the rule may apply.
func (a applied) unknown() Decision {
	return Decision{Verdict: Unknown, Cause: FieldUnknown, Rule: a.rule, Key: a.unknownKey}
}
