// Package policy turns retention.yaml into compiled rules. It is strict: what it
// does not know, or does not support yet, is an error with its place, and every
// mistake is reported at once. It is pure: no clock, no network, no files.
package policy

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/mediasweep/mediasweep/internal/media"
)

// Mode is the most that a deployment, or a request, may do.
type Mode string

// The two modes. A dry run decides, plans and reports, and deletes nothing.
const (
	DryRun  Mode = "dry-run"
	Enforce Mode = "enforce"
)

// Policy is a retention policy that has been read without a mistake.
type Policy struct {
	Mode     Mode
	Timezone *time.Location
	// Inventory is what a scheduled sweep looks at.
	Inventory Inventory
	// Manifests match objects that are lists of media when an OSS event names them.
	Manifests []Glob
	// FullEvery is how long a sweep goes by what earlier ones found out.
	FullEvery Period
	// Notice is how long a medium must have been announced before a run deletes it; zero for none.
	Notice Period
	// Protect rules win over Expire rules. Among the latter the first that
	// applies decides.
	Protect []Rule
	Expire  []Rule
	Guard   Guard
	Pace    Pace

	text     []byte
	digest   string    // every report carries it
	warnings []Warning // of single values, in the order of their places
}

// DefaultFullEvery is a week.
func DefaultFullEvery() Period { return Period{hours: 7 * 24} }

// MayTake reports whether any expire rule can apply to a medium that was made of an
// object.
func (p *Policy) MayTake(object *media.Object) bool {
	return slices.ContainsFunc(p.Expire, func(rule Rule) bool {
		globs := rule.Match.Object
		return len(globs) == 0 || slices.ContainsFunc(globs, func(glob Glob) bool { return glob.Match(object) })
	})
}

// IsManifest reports whether an OSS event for an object is for a list of media.
func (p *Policy) IsManifest(object media.Object) bool {
	return slices.ContainsFunc(p.Manifests, func(glob Glob) bool { return glob.Match(&object) })
}

// Rule is one protect or expire rule. An expire rule has exactly one of After,
// Date and OnSourceRemoved; a protect rule can have a Date.
type Rule struct {
	Name  string
	Match Match
	// After is the age at which a medium expires.
	After Period
	// Date is the prefix of a tag that carries a date, as in expire:2026-06-30: a
	// medium expires, or is protected, until the end of that day. The rule
	// applies only to media that carry such a tag.
	Date string
	// OnSourceRemoved expires a medium whose source object was deleted; the rule
	// applies to no other.
	OnSourceRemoved bool
	// KeepLatest keeps the newest of a group, whatever their age.
	KeepLatest KeepLatest

	clauses []clause
}

// KeepLatest keeps the newest Count media of each group; Count 0 for no such key.
type KeepLatest struct {
	Count int
	Per   Per
	// Tag is the prefix of the tag whose value makes a group, for PerTag.
	Tag string
}

// Per says what makes a group.
type Per string

// The groups.
const (
	PerFolder   Per = "folder"   // the folder of the object
	PerCategory Per = "category" // the CateId
	PerTag      Per = "tag:"     // the value of a tag with a prefix
)

// Ranks tells whether a medium is ranked: Unknown where the record does not tell
// its group, and No where it has none, for want of such a tag.
func (k KeepLatest) Ranks(m *media.Medium) Truth {
	switch k.Per {
	case PerFolder:
		return known(!m.Object.IsZero())
	case PerCategory:
		return known(m.Category.Known)
	case PerTag:
	}
	if m.TagsGarbled {
		return Unknown
	}
	return truth(carries(m, k.Tag))
}

// Groups returns the groups of a medium that is ranked. One that has several tags
// with the prefix is in the group of each.
func (k KeepLatest) Groups(m *media.Medium) []string {
	switch k.Per {
	case PerFolder:
		return []string{m.Object.String()[:strings.LastIndexByte(m.Object.String(), '/')+1]}
	case PerCategory:
		return []string{strconv.FormatInt(m.Category.Value, 10)}
	case PerTag:
	}
	var groups []string
	for _, tag := range m.Tags {
		if strings.HasPrefix(tag, k.Tag) && !slices.Contains(groups, tag) {
			groups = append(groups, tag)
		}
	}
	return groups
}

// Applies holds the rule's conditions against a medium: No if any says no, else
// Unknown if any cannot tell, else Yes. The key that cannot tell is named.
func (r *Rule) Applies(m *media.Medium) (answer Truth, unknownKey string) {
	answer = Yes
	for i := range r.clauses {
		switch r.clauses[i].holds(m) {
		case No:
			return No, ""
		case Unknown:
			answer, unknownKey = Unknown, r.clauses[i].key
		case Yes:
		}
	}
	return answer, unknownKey
}

// compile readies a rule for decisions.
func (r *Rule) compile(dateKey string) {
	r.clauses = r.Match.clauses()
	if r.Date != "" {
		r.clauses = append(r.clauses, clause{
			key:  dateKey,
			says: "with a tag that starts with " + r.Date,
			has:  func(m *media.Medium) string { return strings.Join(m.Tags, ", ") },
			holds: func(m *media.Medium) Truth {
				if m.TagsGarbled {
					return Unknown
				}
				return truth(carries(m, r.Date))
			},
		})
	}
}

// End returns the end of the latest day that the medium's tags name for a rule
// with a Date. It is false if any of them names no day.
func (r *Rule) End(m *media.Medium, zone *time.Location) (end time.Time, ok bool) {
	for _, tag := range m.Tags {
		text, dated := strings.CutPrefix(tag, r.Date)
		if !dated {
			continue
		}
		over, ok := EndOfDay(text, zone)
		if !ok {
			return time.Time{}, false
		}
		if over.After(end) {
			end = over
		}
	}
	return end, !end.IsZero()
}

// EndOfDay returns the end of a day such as 2027-01-31 in a zone. It is false for a text that names
// no day.
func EndOfDay(day string, zone *time.Location) (end time.Time, ok bool) {
	parsed, err := time.Parse(time.DateOnly, day)
	return last(wall(parsed.AddDate(0, 0, 1), zone)), err == nil
}

// Guard holds the limits beyond which a run deletes nothing.
type Guard struct {
	// MaxDelete is the largest number of media that one run may delete.
	MaxDelete int
	// MaxPercent is the largest share of the live media looked at; 100 turns
	// the check off, and 0 allows no deletion at all.
	MaxPercent Percent
	// MinPopulation is the number of live media below which MaxPercent does not
	// apply, except that 0 percent is always none.
	MinPopulation int
	// PlanMaxAge is how old a plan may be to be applied.
	PlanMaxAge Period
}

// Percent is a percentage in millionths of a percent, so that it can be compared
// exactly.
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

// Pace says how much of the account's quota this deployment may use.
type Pace struct {
	// Share is the part of the documented quota of each operation, which all
	// programs of the account draw on: 0.01 <= Share <= 1.
	Share float64
}

// DefaultPace returns the pace of a policy that names none.
func DefaultPace() Pace { return Pace{Share: 0.5} }

// Text returns the policy as it was read.
func (p *Policy) Text() []byte { return p.text }

// Digest identifies what the policy decides: "sha256:" and the hash of its
// canonical form.
func (p *Policy) Digest() string { return p.digest }

// seal takes the digest of a policy that has been read.
func (p *Policy) seal() {
	sum := sha256.Sum256(p.Canonical())
	p.digest = "sha256:" + hex.EncodeToString(sum[:])
}

// Canonical returns the policy's decisions as a policy file in its shortest form:
// JSON, which is YAML. Mode, guard and pace change what may be done and not what
// is decided, and comments and layout change nothing: none of them is in it.
func (p *Policy) Canonical() []byte {
	type source struct {
		Bucket   string `json:"bucket,omitempty"`
		Manifest string `json:"manifest,omitempty"`
		Workflow string `json:"workflow,omitempty"`
	}
	form := struct {
		Version   int             `json:"version"`
		Timezone  string          `json:"timezone"`
		Inventory []source        `json:"inventory"`
		Manifests []string        `json:"manifests,omitempty"`
		FullEvery string          `json:"fullEvery,omitempty"`
		Notice    string          `json:"notice,omitempty"`
		Protect   []canonicalRule `json:"protect"`
		Expire    []canonicalRule `json:"expire"`
	}{version, p.Timezone.String(), []source{}, nil, "", p.Notice.String(), []canonicalRule{}, []canonicalRule{}}
	for _, prefix := range p.Inventory.Prefixes {
		form.Inventory = append(form.Inventory, source{Bucket: prefix.String()})
	}
	for _, manifest := range p.Inventory.Manifests {
		form.Inventory = append(form.Inventory, source{Manifest: manifest.String()})
	}
	for _, workflow := range p.Inventory.Workflows {
		form.Inventory = append(form.Inventory, source{Workflow: workflow})
	}
	slices.SortFunc(form.Inventory, func(a, b source) int {
		return cmp.Or(strings.Compare(a.Bucket, b.Bucket), strings.Compare(a.Manifest, b.Manifest), strings.Compare(a.Workflow, b.Workflow))
	})
	if p.FullEvery != DefaultFullEvery() {
		form.FullEvery = p.FullEvery.String()
	}
	form.Manifests = slices.Sorted(slices.Values(texts(p.Manifests)))
	for i := range p.Protect {
		form.Protect = append(form.Protect, p.Protect[i].canonical("until"))
	}
	for i := range p.Expire {
		form.Expire = append(form.Expire, p.Expire[i].canonical("at"))
	}
	var b bytes.Buffer
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(form); err != nil {
		panic("policy: texts and numbers do not encode: " + err.Error())
	}
	return b.Bytes()
}

type canonicalRule struct {
	Name            string               `json:"name"`
	Match           *canonicalMatch      `json:"match,omitempty"`
	After           string               `json:"after,omitempty"`
	At              *canonicalDate       `json:"at,omitempty"`
	Until           *canonicalDate       `json:"until,omitempty"`
	OnSourceRemoved bool                 `json:"onSourceRemoved,omitempty"`
	KeepLatest      *canonicalKeepLatest `json:"keepLatest,omitempty"`
}

type canonicalMatch struct {
	Object      []string `json:"object,omitempty"`
	Tags        []string `json:"tags,omitempty"`
	TagsAll     []string `json:"tagsAll,omitempty"`
	Category    []int64  `json:"category,omitempty"`
	State       []string `json:"state,omitempty"`
	Title       string   `json:"title,omitempty"`
	MinSize     int64    `json:"minSize,omitempty"`
	MaxSize     int64    `json:"maxSize,omitempty"`
	MinDuration string   `json:"minDuration,omitempty"`
	MaxDuration string   `json:"maxDuration,omitempty"`
}

type canonicalDate struct {
	Tag string `json:"tag"`
}

type canonicalKeepLatest struct {
	Count int    `json:"count"`
	Per   string `json:"per"`
}

func (r *Rule) canonical(dateKey string) canonicalRule {
	c := canonicalRule{Name: r.Name, After: r.After.String(), OnSourceRemoved: r.OnSourceRemoved}
	if len(r.Match.clauses()) > 0 {
		c.Match = r.Match.canonical()
	}
	if r.Date != "" {
		date := &canonicalDate{r.Date}
		if dateKey == "at" {
			c.At = date
		} else {
			c.Until = date
		}
	}
	if r.KeepLatest.Count > 0 {
		c.KeepLatest = &canonicalKeepLatest{r.KeepLatest.Count, string(r.KeepLatest.Per) + r.KeepLatest.Tag}
	}
	return c
}

func (m *Match) canonical() *canonicalMatch {
	c := canonicalMatch{Tags: sorted(m.Tags), TagsAll: sorted(m.TagsAll), Category: sorted(m.Category), State: sorted(m.State),
		MinSize: m.Size.Min, MaxSize: m.Size.Max}
	for _, glob := range m.Object {
		c.Object = append(c.Object, glob.String())
	}
	c.Object = sorted(c.Object)
	if m.Title != nil {
		c.Title = m.Title.String()
	}
	if m.Duration.Min > 0 {
		c.MinDuration = m.Duration.Min.String()
	}
	if m.Duration.Max > 0 {
		c.MaxDuration = m.Duration.Max.String()
	}
	return &c
}

func sorted[T cmp.Ordered](list []T) []T {
	list = slices.Clone(list)
	slices.Sort(list)
	return slices.Compact(list)
}

// HasOrphanRule reports whether a rule expires media whose source objects were deleted.
func (p *Policy) HasOrphanRule() bool {
	return slices.ContainsFunc(p.Expire, func(r Rule) bool { return r.OnSourceRemoved })
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
