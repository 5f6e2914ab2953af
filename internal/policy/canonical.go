package policy

import (
	"bytes"
	"cmp"
	"encoding/json"
	"slices"
	"strings"
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
