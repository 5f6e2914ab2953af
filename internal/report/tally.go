package report

import (
	"github.com/mediasweep/mediasweep/internal/policy"
	"github.com/mediasweep/mediasweep/internal/retention"
)

// Tally counts media by what was decided on them and what became of them, in all and by rule.
type Tally struct {
	Counts Counts `json:"counts"`
	Rules  []Rule `json:"rules"`
}

// Counts are numbers of media. The first line adds up to Looked, the second to
// Expired; objects that have no medium are counted beside them.
type Counts struct {
	Looked    int `json:"looked"`
	Absent    int `json:"absent"`
	Unknown   int `json:"unknown"`
	Protected int `json:"protected"`
	Kept      int `json:"kept"`
	Expired   int `json:"expired"`

	Deleted    int `json:"deleted"`
	Gone       int `json:"gone"`
	Failed     int `json:"failed"`
	Unverified int `json:"unverified"`
	Pending    int `json:"pending"`
	// Announced media have expired, and stay until the policy's notice has run.
	Announced int `json:"announced"`

	ObjectsWithoutMedia int `json:"objectsWithoutMedia"`
}

// Rule counts the media on which one rule decided.
type Rule struct {
	Name    string `json:"name"`
	Kind    string `json:"kind"` // protect, expire or hold
	Applied int    `json:"applied"`
	Expired int    `json:"expired"`
	Deleted int    `json:"deleted"`
	Lost    int    `json:"lost,omitempty"` // gone media that an earlier run may have deleted, and no report counts
}

// NewTally returns a tally with a line for each rule of the policy, which may be nil.
func NewTally(p *policy.Policy) Tally {
	t := Tally{Rules: []Rule{}}
	if p == nil {
		return t
	}
	for _, rule := range p.Protect {
		t.Rules = append(t.Rules, Rule{Name: rule.Name, Kind: "protect"})
	}
	for _, rule := range p.Expire {
		t.Rules = append(t.Rules, Rule{Name: rule.Name, Kind: "expire"})
	}
	return t
}

// Rule returns the line of a rule, or nil for a name that is none.
func (t *Tally) Rule(name string) *Rule {
	for i := range t.Rules {
		if t.Rules[i].Name == name {
			return &t.Rules[i]
		}
	}
	return nil
}

// AddRule adds the line of an expire rule, unless there is one.
func (t *Tally) AddRule(name string) {
	if t.Rule(name) == nil {
		t.Rules = append(t.Rules, Rule{Name: name, Kind: "expire"})
	}
}

// maxHoldLines is the largest number of holds with a line of their own. The others share one.
const maxHoldLines = 100

// line returns the line of a rule or hold, or nil. A hold gets its line when it first applies.
func (t *Tally) line(rule string) *Rule {
	line := t.Rule(rule)
	if line != nil || !retention.IsHold(rule) {
		return line
	}
	holds := 0
	for i := range t.Rules {
		if t.Rules[i].Kind == retention.HoldKind {
			holds++
		}
	}
	if holds >= maxHoldLines {
		rule = policy.OtherHolds
	}
	if t.Rule(rule) == nil {
		t.Rules = append(t.Rules, Rule{Name: rule, Kind: retention.HoldKind})
	}
	return t.Rule(rule)
}

// Count counts a medium by the verdict on it and the rule that decided. Looked is the caller's to count.
func (t *Tally) Count(verdict retention.Verdict, rule string) {
	c := &t.Counts
	var line *Rule
	if verdict != retention.Unknown {
		line = t.line(rule)
	}
	if line != nil {
		line.Applied++
	}
	switch verdict {
	case retention.Absent:
		c.Absent++
	case retention.Protected:
		c.Protected++
	case retention.Keep:
		c.Kept++
	case retention.Unknown:
		c.Unknown++
	case retention.Expired:
		c.Expired++
		line.Expired++
	}
}
