package scan

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/mediasweep/mediasweep/internal/media"
	"github.com/mediasweep/mediasweep/internal/mps"
	"github.com/mediasweep/mediasweep/internal/plan"
	"github.com/mediasweep/mediasweep/internal/report"
	"github.com/mediasweep/mediasweep/internal/retention"
	"github.com/mediasweep/mediasweep/internal/trigger"
)

// The scope of a plan has what the request names. Names that look like prefixes or patterns, and prefixes without
// objects, are noted.
func TestScopeOfARequest(t *testing.T) {
	file := filepath.Join(t.TempDir(), "list.csv")
	if err := os.WriteFile(file, []byte("mediaId\nm\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	list, folder, empty := media.Object{Bucket: "ops", Key: "list.csv"}, objectOf("a/"), objectOf("none/")
	for name, test := range map[string]struct {
		request trigger.Request
		want    plan.Scope
		notes   []string // parts of the report's notes
	}{
		"IDs":                 {trigger.Request{Trigger: trigger.CLI, MediaIDs: []string{"m"}}, plan.Scope{MediaIDs: []string{"m"}}, nil},
		"objects":             {trigger.Request{Trigger: trigger.CLI, Objects: []media.Object{objectOf("a")}}, plan.Scope{Objects: []string{"oss://media-in/a"}}, nil},
		"a folder by name":    {trigger.Request{Trigger: trigger.CLI, Objects: []media.Object{folder}}, plan.Scope{Objects: []string{"oss://media-in/a/"}}, []string{`oss://media-in/a/" has no medium: a name is literal`}},
		"a pattern by name":   {trigger.Request{Trigger: trigger.HTTP, Objects: []media.Object{objectOf("a*")}}, plan.Scope{Objects: []string{"oss://media-in/a*"}}, []string{`oss://media-in/a*" has no medium: a name is literal`}},
		"an event's folder":   {trigger.Request{Trigger: trigger.OSS, Objects: []media.Object{folder}}, plan.Scope{Objects: []string{"oss://media-in/a/"}}, nil},
		"a list":              {trigger.Request{Trigger: trigger.CLI, Manifests: []media.Object{list}}, plan.Scope{Manifests: []string{"oss://ops/list.csv"}}, nil},
		"a prefix":            {trigger.Request{Trigger: trigger.CLI, Prefixes: []media.Object{folder}}, plan.Scope{Inventory: []string{"oss://media-in/a/"}}, nil},
		"a prefix of nothing": {trigger.Request{Trigger: trigger.CLI, Prefixes: []media.Object{empty}}, plan.Scope{Inventory: []string{"oss://media-in/none/"}}, []string{`no object is below "oss://media-in/none/"`}},
		"a list and a prefix": {trigger.Request{Trigger: trigger.CLI, Manifests: []media.Object{list}, Prefixes: []media.Object{folder}}, plan.Scope{Manifests: []string{"oss://ops/list.csv"}, Inventory: []string{"oss://media-in/a/"}}, nil},
		"a list and a file":   {trigger.Request{Trigger: trigger.CLI, Manifests: []media.Object{list}, Files: []string{file}}, plan.Scope{Manifests: []string{"oss://ops/list.csv", file}}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			c := newCloud(t)
			c.listed = []string{"a/b", "c"}
			got := c.scan(t.Context(), c.scanner(testPolicy), &test.request)
			if got.found.End() != nil || got.found.Missing {
				t.Fatalf("%v, %+v", got.found.End(), got.found.Failures)
			}
			scope := got.found.Head.Scope
			for _, names := range []*[]string{&scope.Objects, &scope.Manifests, &scope.Inventory} {
				if len(*names) == 0 {
					*names = nil
				}
			}
			if diff := cmp.Diff(test.want, scope); diff != "" {
				t.Errorf("scope (-want +got):\n%s", diff)
			}
			if notes := got.found.Notes; len(notes) != len(test.notes) || !strings.Contains(strings.Join(notes, "\n"), strings.Join(test.notes, "")) {
				t.Errorf("notes %q, want %q", notes, test.notes)
			}
		})
	}
}

// The other media of a group are below its folder, if the inventory has that, or anywhere in the inventory.
func TestWhereAGroupIs(t *testing.T) {
	const rules = `
version: 1
inventory: [{bucket: oss://media-in/series/}, {bucket: oss://media-in/clips/2/}]
expire:
  - {name: folders, match: {tags: [a]}, after: 30d, keepLatest: {count: 1, per: folder}}
  - {name: shows, after: 30d, keepLatest: {count: 1, per: "tag:show:"}}
`
	all := []string{"oss://media-in/series/", "oss://media-in/clips/2/"}
	p := newCloud(t).scanner(rules).Policy
	for name, test := range map[string]struct {
		rank retention.Rank
		want []string
	}{
		"no group":            {retention.Rank{Rule: "folders"}, nil},
		"a folder":            {retention.Rank{Rule: "folders", Groups: []string{"oss://media-in/series/a/"}}, []string{"oss://media-in/series/a/"}},
		"a folder above":      {retention.Rank{Rule: "folders", Groups: []string{"oss://media-in/clips/"}}, []string{"oss://media-in/clips/2/"}},
		"a folder elsewhere":  {retention.Rank{Rule: "folders", Groups: []string{"oss://media-in/other/"}}, nil},
		"an odd folder":       {retention.Rank{Rule: "folders", Groups: []string{"x"}}, all},
		"a tag":               {retention.Rank{Rule: "shows", Groups: []string{"show:a"}}, all},
		"a rule that is gone": {retention.Rank{Rule: "gone", Groups: []string{"oss://media-in/series/a/"}}, all},
	} {
		if got := addresses(where(p, test.rank)); !slices.Equal(got, test.want) {
			t.Errorf("%s: %v, want %v", name, got, test.want)
		}
	}
}

// A survey hands over each live medium once to each pass, in the order of IDs. It counts once what is absent or unknown, and
// leaves the others to its caller.
func TestSurveyCounts(t *testing.T) {
	c := newCloud(t)
	c.add(testMedium("m1", "a", 400))
	c.add(testMedium("m2", "b", 1))
	c.list = "mediaId,object\nm1,oss://media-in/x\n"
	var got []string
	request := &trigger.Request{Trigger: trigger.CLI, MediaIDs: []string{"m1", "m2", "m3"}}
	pass := func(m media.Medium) { got = append(got, m.ID) }
	found := c.scanner(testPolicy).Survey(t.Context(), Request{Request: request, AsOf: now}, pass, pass)
	found.Close()
	if !slices.Equal(got, []string{"m1", "m2", "m1", "m2"}) || found.Counts.Absent != 1 || found.Counts.Looked != 1 || found.Counts.Kept != 0 || found.Failed != nil {
		t.Errorf("%v, %+v, %v", got, found.Counts, found.Failed)
	}
}

// A medium of a group ranks although MPS returns it for another object, too.
func TestStraysOfGroups(t *testing.T) {
	c := newCloud(t)
	for i := range 12 { // two look-ups
		c.listed = append(c.listed, fmt.Sprintf("series/a/%02d", i))
	}
	c.add(testMedium("old", "series/a/05", 100))
	c.add(testMedium("new", c.listed[0], 40))
	c.add(testMedium("newest", c.listed[11], 40))
	s := c.scanner(testPolicy)
	contents := c.planOfOne(s, daily)
	first, last := plainURL(c.listed[0]), plainURL(c.listed[11])
	c.answers[first] = append(c.answers[first], c.answers[last]...)
	if got := c.scan(t.Context(), s, &trigger.Request{Trigger: trigger.HTTP, Plan: contents.ID}); !slices.Equal(got.ids, []string{"old"}) || got.counts.Looked != 1 {
		t.Errorf("%q, %+v, %v", got.ids, got.counts, got.found.End())
	}
}

// A group that cannot be read leaves the scan of a plan incomplete; its other media are looked at.
func TestGroupsThatCannotBeRead(t *testing.T) {
	for name, fails := range map[string]bool{"read": false, "not read": true} {
		c := newCloud(t)
		c.listed = []string{"series/a/1", "series/a/2", "series/a/3"}
		for i, key := range c.listed {
			c.add(testMedium("m"+key[len(key)-1:], key, 100+i))
		}
		s := c.scanner(testPolicy)
		contents := c.planOfOne(s, daily)
		first := true
		c.before = func(int) error {
			if first || !fails {
				first = false
				return nil
			}
			return &mps.Error{Kind: mps.Throttled, Code: "Throttling.User"}
		}
		got := c.scan(t.Context(), s, &trigger.Request{Trigger: trigger.HTTP, Plan: contents.ID})
		said := slices.ContainsFunc(got.found.Failures, func(f report.Failure) bool { return strings.Contains(f.Message, "not all groups") })
		if got.found.Missing != fails || said != fails {
			t.Errorf("%s: missing %v, %+v", name, got.found.Missing, got.found.Failures)
		}
	}
}
