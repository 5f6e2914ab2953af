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

	old, new *side
	waiting  map[string]Outlook // by ID, of media on which one side has decided yet
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

type side struct {
	policy     *policy.Policy
	forecaster *Forecaster
	decided    Decided
}

// NewDiff starts a comparison. Each difference is handed over when it is found;
// each may be nil.
func NewDiff(old, new *policy.Policy, asOf time.Time, each func(Difference)) *Diff {
	d := &Diff{AsOf: asOf, OldPolicy: old.Digest(), NewPolicy: new.Digest(), Changes: []DiffGroup{}, waiting: map[string]Outlook{}, each: each}
	d.old, d.new = d.side(old), d.side(new)
	return d
}

func (d *Diff) side(p *policy.Policy) *side {
	s := &side{policy: p, forecaster: NewForecaster(p, d.AsOf)}
	s.decided = func(m *media.Medium, decision Decision, facts Facts) {
		o := Outlook{Verdict: decision.Verdict, Rule: decision.RuleName(), Reason: decision.Reason()}
		o.DueAt, _, _ = Due(p, m, facts)
		d.hasOutlook(m, s, o)
	}
	return s
}

// Remember sets the marks of earlier runs.
func (d *Diff) Remember(marks func(*media.Medium) Mark) {
	d.old.forecaster.Mark, d.new.forecaster.Mark = marks, marks
}

// Add takes a medium.
func (d *Diff) Add(m media.Medium) {
	d.Media++
	for _, s := range []*side{d.old, d.new} {
		if !s.covers(&m) {
			d.hasOutlook(&m, s, Outlook{Verdict: Keep, Reason: "the policy's inventory does not name it"})
			continue
		}
		s.forecaster.Add(m, s.decided)
	}
}

// covers reports whether a sweep of the policy's inventory looks at a medium. A
// policy without one is held against the other's.
func (s *side) covers(m *media.Medium) bool {
	return s.policy.Inventory.IsEmpty() || s.policy.Inventory.Names(m)
}

// Finish ends the comparison after the last medium.
func (d *Diff) Finish() {
	for _, s := range []*side{d.old, d.new} {
		s.forecaster.Finish(s.decided)
	}
	order := []Kind{NewlyDeleted, NewlyKept, Sooner, Later}
	slices.SortFunc(d.Changes, func(a, b DiffGroup) int {
		return cmp.Or(slices.Index(order, a.Kind)-slices.Index(order, b.Kind), b.Media-a.Media, strings.Compare(a.OldRule, b.OldRule), strings.Compare(a.NewRule, b.NewRule))
	})
}

// hasOutlook takes the outlook of one side, and compares it with the other's once both are known.
func (d *Diff) hasOutlook(m *media.Medium, by *side, o Outlook) {
	was, ok := d.waiting[m.ID]
	if !ok {
		d.waiting[m.ID] = o
		return
	}
	delete(d.waiting, m.ID)
	is := o
	if by == d.old {
		was, is = is, was
	}
	kind := compare(was, is)
	if kind == "" {
		d.Unchanged++
		return
	}
	difference := Difference{Kind: kind, MediaID: m.ID, Object: m.Object.String(), Old: was, New: is}
	if d.each != nil {
		d.each(difference)
	}
	at := slices.IndexFunc(d.Changes, func(g DiffGroup) bool { return g.Kind == kind && g.OldRule == was.Rule && g.NewRule == is.Rule })
	if at < 0 {
		at = len(d.Changes)
		d.Changes = append(d.Changes, DiffGroup{Kind: kind, OldRule: was.Rule, NewRule: is.Rule})
	}
	group := &d.Changes[at]
	group.Media++
	byID := func(a, b Difference) int { return strings.Compare(a.MediaID, b.MediaID) }
	place, _ := slices.BinarySearchFunc(group.Samples, difference, byID)
	group.Samples = slices.Insert(group.Samples, place, difference)
	group.Samples = group.Samples[:min(len(group.Samples), maxSamples)]
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
