package policy

import (
	"cmp"
	"slices"
	"strings"

	"github.com/mediasweep/mediasweep/internal/text"
)

// Canonical returns a policy file in JSON with the keys that decide. It leaves out mode, guard and
// pace, which change no decision, and comments.
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
		rule := p.Protect[i].canonical()
		rule.Until.Tag = p.Protect[i].Date
		form.Protect = append(form.Protect, rule)
	}
	for i := range p.Expire {
		rule := p.Expire[i].canonical()
		rule.At.Tag = p.Expire[i].Date
		form.Expire = append(form.Expire, rule)
	}
	line, err := text.JSON(form)
	if err != nil {
		panic("policy: texts and numbers do not encode: " + err.Error())
	}
	return append(line, '\n')
}

type canonicalRule struct {
	Name            string              `json:"name"`
	Match           canonicalMatch      `json:"match,omitzero"`
	After           string              `json:"after,omitempty"`
	At              canonicalDate       `json:"at,omitzero"`
	Until           canonicalDate       `json:"until,omitzero"`
	OnSourceRemoved bool                `json:"onSourceRemoved,omitempty"`
	KeepLatest      canonicalKeepLatest `json:"keepLatest,omitzero"`
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

// canonical returns the rule without its date, which protect and expire rules have under different keys.
func (r *Rule) canonical() canonicalRule {
	return canonicalRule{Name: r.Name, Match: r.Match.canonical(), After: r.After.String(), OnSourceRemoved: r.OnSourceRemoved,
		KeepLatest: canonicalKeepLatest{r.KeepLatest.Count, string(r.KeepLatest.Per) + r.KeepLatest.Tag}}
}

func (m *Match) canonical() canonicalMatch {
	c := canonicalMatch{Object: sorted(texts(m.Object)), Tags: sorted(m.Tags), TagsAll: sorted(m.TagsAll), Category: sorted(m.Category), State: sorted(m.State),
		MinSize: m.Size.Min, MaxSize: m.Size.Max}
	if m.Title != nil {
		c.Title = m.Title.String()
	}
	if m.Duration.Min > 0 {
		c.MinDuration = m.Duration.Min.String()
	}
	if m.Duration.Max > 0 {
		c.MaxDuration = m.Duration.Max.String()
	}
	return c
}

// sorted returns each value once; nil for none.
func sorted[T cmp.Ordered](list []T) []T { return slices.Compact(slices.Sorted(slices.Values(list))) }
