package retention

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/mediasweep/mediasweep/internal/media"
	"github.com/mediasweep/mediasweep/internal/policy"
)

// Kind is the kind of a difference between two policies.
type Kind string

// The kinds of differences. Another rule or reason alone is no difference.
const (
	NewlyDeleted Kind = "newly-deleted" // a sweep takes it now, and did not before
	NewlyKept    Kind = "newly-kept"    // a sweep took it before, and does not now
	Sooner       Kind = "sooner"        // it falls due earlier, or at all
	Later        Kind = "later"         // it falls due later, or never
)

// Difference is a medium with another outlook under the new policy.
type Difference struct {
	Kind    Kind    `json:"kind"`
	MediaID string  `json:"mediaId"`
	Object  string  `json:"object"`
	Old     Outlook `json:"old"`
	New     Outlook `json:"new"`
}

// Outlook is the decision of a policy on a medium, and the time when the medium is due.
type Outlook struct {
	Verdict Verdict   `json:"verdict"`
	Rule    string    `json:"rule,omitempty"`
	Reason  string    `json:"reason"`
	DueAt   time.Time `json:"dueAt,omitzero"` // no time for never
}

// Text returns the outlook in words.
func (o Outlook) Text() string {
	switch {
	case o.Verdict == Expired || o.DueAt.IsZero():
		return fmt.Sprintf("%s, %s", o.Verdict, o.Reason)
	}
	return fmt.Sprintf("%s, %s; due %s", o.Verdict, o.Reason, o.DueAt.Format(time.RFC3339))
}

// Diff compares two policies by the media of one inventory.
type Diff struct {
	AsOf      time.Time   `json:"asOf"`
	OldPolicy string      `json:"oldPolicy"`
	NewPolicy string      `json:"newPolicy"`
	Media     int         `json:"media"`
	Unchanged int         `json:"unchanged"`
	Changes   []DiffGroup `json:"changes"`

	old, new *Forecaster
	names    func(*policy.Policy, *media.Medium) bool
	each     func(Difference)
}

// DiffGroup is all differences of one kind between two rules.
type DiffGroup struct {
	Kind    Kind         `json:"kind"`
	OldRule string       `json:"oldRule"`
	NewRule string       `json:"newRule"`
	Media   int          `json:"media"`
	Samples []Difference `json:"samples"`
}

// maxSamples bounds the media of a group that a Diff shows. They have the first IDs, so that equal
// libraries give equal samples.
const maxSamples = 5

// NewDiff starts a comparison. It passes each difference to each when it is found. names reports whether a sweep under a policy
// looks at a medium.
func NewDiff(old, new *policy.Policy, asOf time.Time, mark func(*media.Medium) Mark, names func(*policy.Policy, *media.Medium) bool, each func(Difference)) *Diff {
	return &Diff{AsOf: asOf, OldPolicy: old.Digest(), NewPolicy: new.Digest(), Changes: []DiffGroup{},
		old: NewForecaster(old, asOf, mark), new: NewForecaster(new, asOf, mark), names: names, each: each}
}

// Rank takes each medium once, before the first Add.
func (d *Diff) Rank(m media.Medium) {
	for _, f := range []*Forecaster{d.old, d.new} {
		if d.names(f.policy, &m) {
			f.Rank(&m)
		}
	}
}

func (d *Diff) outlook(f *Forecaster, m *media.Medium) Outlook {
	if !d.names(f.policy, m) {
		return Outlook{Verdict: Keep, Reason: "the policy's inventory does not name it"}
	}
	c := NewCase(f.policy, m)
	facts := f.factsOf(c)
	decision := c.Decide(facts)
	due, _, _ := c.Due(facts)
	return Outlook{decision.Verdict, decision.RuleName(), decision.Reason(), due}
}

// Add compares the outlooks of a medium. Calls must come in the order of media IDs.
func (d *Diff) Add(m media.Medium) {
	d.Media++
	was, is := d.outlook(d.old, &m), d.outlook(d.new, &m)
	kind := compare(was, is)
	if kind == "" {
		d.Unchanged++
		return
	}
	difference := Difference{Kind: kind, MediaID: m.ID, Object: m.Object.String(), Old: was, New: is}
	d.each(difference)
	at := slices.IndexFunc(d.Changes, func(g DiffGroup) bool { return g.Kind == kind && g.OldRule == was.Rule && g.NewRule == is.Rule })
	if at < 0 {
		at = len(d.Changes)
		d.Changes = append(d.Changes, DiffGroup{Kind: kind, OldRule: was.Rule, NewRule: is.Rule})
	}
	group := &d.Changes[at]
	group.Media++
	if len(group.Samples) < maxSamples {
		group.Samples = append(group.Samples, difference)
	}
}

// Finish ends the comparison after the last medium.
func (d *Diff) Finish() {
	order := []Kind{NewlyDeleted, NewlyKept, Sooner, Later}
	slices.SortFunc(d.Changes, func(a, b DiffGroup) int {
		return cmp.Or(slices.Index(order, a.Kind)-slices.Index(order, b.Kind), b.Media-a.Media, strings.Compare(a.OldRule, b.OldRule), strings.Compare(a.NewRule, b.NewRule))
	})
}

// compare returns the kind of the difference, or nothing.
func compare(was, is Outlook) Kind {
	switch {
	case was.Verdict == Expired && is.Verdict == Expired:
		return ""
	case is.Verdict == Expired:
		return NewlyDeleted
	case was.Verdict == Expired:
		return NewlyKept
	case was.DueAt.Equal(is.DueAt):
		return ""
	case is.DueAt.IsZero(), !was.DueAt.IsZero() && is.DueAt.After(was.DueAt):
		return Later
	}
	return Sooner
}
