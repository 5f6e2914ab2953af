// Package policy parses retention.yaml and compiles its rules. An unknown key or value is an
// error with its place. Parse reports all mistakes at once. The package is pure: no clock, no
// network, no files.
package policy

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/mediasweep/mediasweep/internal/media"
)

// Mode limits what a deployment or a request may do.
type Mode string

// The two modes. A dry run decides, plans and reports, and deletes nothing.
const (
	DryRun  Mode = "dry-run"
	Enforce Mode = "enforce"
)

// Policy is a valid retention policy.
type Policy struct {
	Mode     Mode
	Timezone *time.Location
	// Inventory lists the sources of a scheduled sweep.
	Inventory Inventory
	// Manifests match objects that an OSS event names and that are lists of media.
	Manifests []Glob
	// FullEvery is the time for which a sweep may rely on the index of earlier ones.
	FullEvery Period
	// Notice is the time for which a medium must have been announced before a run deletes it; zero for none.
	Notice Period
	// Protect rules win over Expire rules. The first Expire rule that applies decides.
	Protect []Rule
	Expire  []Rule
	Guard   Guard
	// Share is the part of the account's quota of each operation that this deployment uses: 0 < Share <= 1.
	Share float64

	text     []byte
	digest   string    // every report carries it
	warnings []Warning // of single values, in the order of their places
}

// DefaultFullEvery is a week.
func DefaultFullEvery() Period { return Period{hours: 7 * 24} }

// MayTake reports whether any expire rule can apply to a medium that was made of an
// object.
func (p *Policy) MayTake(object media.Object) bool {
	for i := range p.Expire { // without a copy of the rule
		if globs := p.Expire[i].Match.Object; len(globs) == 0 || anyTakes(globs, &object) {
			return true
		}
	}
	return false
}

// IsManifest reports whether an OSS event for an object is for a list of media.
func (p *Policy) IsManifest(object media.Object) bool {
	return anyTakes(p.Manifests, &object)
}

// Guard holds the limits beyond which a run deletes nothing.
type Guard struct {
	// MaxDelete is the largest number of media that one run may delete.
	MaxDelete int
	// MaxPercent is the largest share of the live media that one run may delete; 100 turns
	// the check off, and 0 allows no deletion.
	MaxPercent Percent
	// MinPopulation is the number of live media below which MaxPercent does not
	// apply. A MaxPercent of 0 always applies.
	MinPopulation int
	// PlanMaxAge is the age up to which a plan may be applied.
	PlanMaxAge Period
}

// Percent is a percentage in millionths of a percent. Its comparisons are exact.
type Percent int64

// OnePercent is the unit of a Percent.
const OnePercent Percent = 1_000_000

// ExceededBy reports whether a part is more than this percentage of a whole.
func (p Percent) ExceededBy(part, whole int) bool {
	return 100*int64(OnePercent)*int64(part) > int64(p)*int64(whole)
}

// String returns the percentage as a policy has it, such as 32.3.
func (p Percent) String() string {
	digits := fmt.Sprintf("%d.%0*d", p/OnePercent, places, p%OnePercent)
	return strings.TrimSuffix(strings.TrimRight(digits, "0"), ".")
}

// DefaultGuard returns the limits of a policy that names none.
func DefaultGuard() Guard {
	return Guard{MaxDelete: 5000, MaxPercent: 10 * OnePercent, MinPopulation: 100, PlanMaxAge: Period{hours: 7 * 24}}
}

// DefaultShare is the Share of a policy that names none.
const DefaultShare = 0.5

// Text returns the policy as it was read.
func (p *Policy) Text() []byte { return p.text }

// Digest returns "sha256:" and the hash of the canonical form. It identifies the policy's decisions.
func (p *Policy) Digest() string { return p.digest }

// NoticeEnds returns when the notice of media ends that are announced at a time.
func (p *Policy) NoticeEnds(announced time.Time) time.Time {
	return p.Notice.After(announced, p.Timezone)
}

// KeepsLatest reports whether a rule keeps the latest media of a group.
func (p *Policy) KeepsLatest() bool {
	return slices.ContainsFunc(p.Expire, func(r Rule) bool { return r.KeepLatest.Count > 0 })
}

// ExpireRule returns the expire rule of a name, or nil.
func (p *Policy) ExpireRule(name string) *Rule {
	at := slices.IndexFunc(p.Expire, func(r Rule) bool { return r.Name == name })
	if at < 0 {
		return nil
	}
	return &p.Expire[at]
}

// TakesOrphans reports whether the rule of a name expires media whose source objects were deleted.
func (p *Policy) TakesOrphans(name string) bool {
	rule := p.ExpireRule(name)
	return rule != nil && rule.OnSourceRemoved
}
