package policy_test

import (
	"slices"
	"testing"
	"time"

	"github.com/mediasweep/mediasweep/internal/media"
	"github.com/mediasweep/mediasweep/internal/policy"
)

// What the rules of a policy may take, by object and by name.
func TestWhatRulesTake(t *testing.T) {
	parse := func(rules string) *policy.Policy {
		t.Helper()
		p, err := policy.Parse("p", []byte("version: 1\nexpire:\n"+rules))
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	const orphans = "- {name: orphans, match: {object: [\"oss://media-in/a/**\"]}, onSourceRemoved: true}\n"
	some, all := parse(orphans), parse(orphans+"- {name: rest, after: 1d}\n")
	ranked := parse("- {name: series, after: 1d, keepLatest: {count: 1, per: folder}}\n")
	inside, outside := media.Object{Bucket: "media-in", Key: "a/b"}, media.Object{Bucket: "media-in", Key: "b"}
	if !some.MayTake(inside) || some.MayTake(outside) || !all.MayTake(outside) {
		t.Error("a rule takes what is behind its globs, and one without globs everything")
	}
	if some.KeepsLatest() || all.KeepsLatest() || !ranked.KeepsLatest() {
		t.Error("only a rule with keepLatest keeps the latest")
	}
	if !all.TakesOrphans("orphans") || all.TakesOrphans("rest") || all.TakesOrphans("other") {
		t.Error("only a rule with onSourceRemoved takes orphans")
	}
	if rule := all.ExpireRule("rest"); rule != &all.Expire[1] || all.ExpireRule("other") != nil || all.ExpireRule("orphans") != &all.Expire[0] {
		t.Errorf("rule rest is %+v", rule)
	}
}

// A rule with a date applies to media that carry a tag of its prefix, and no other.
func TestARuleWithADate(t *testing.T) {
	p, err := policy.Parse("p", []byte("version: 1\nprotect: [{name: promised, until: {tag: \"keep:\"}}]\nexpire: [{name: dated, at: {tag: \"expire:\"}}, {name: rest, after: 1d}]\n"))
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		rule *policy.Rule
		m    media.Medium
		want policy.Truth
		key  string
	}{
		{&p.Protect[0], media.Medium{Tags: []string{"x", "keep:2027-01-31"}}, policy.Yes, ""},
		{&p.Protect[0], media.Medium{Tags: []string{"x"}}, policy.No, ""},
		{&p.Protect[0], media.Medium{TagsGarbled: true}, policy.Unknown, "until"},
		{&p.Expire[0], media.Medium{Tags: []string{"expire:"}}, policy.Yes, ""},
		{&p.Expire[0], media.Medium{}, policy.No, ""},
		{&p.Expire[0], media.Medium{TagsGarbled: true}, policy.Unknown, "at"},
		{&p.Expire[1], media.Medium{TagsGarbled: true}, policy.Yes, ""},
	} {
		if got, key := test.rule.Applies(&test.m); got != test.want || key != test.key {
			t.Errorf("%s of %+v: %s %s, want %s %s", test.rule.Name, test.m, got, key, test.want, test.key)
		}
	}
}

// The group of a medium is its folder, its category, or each of its tags with the prefix.
func TestGroupsOfAMedium(t *testing.T) {
	m := &media.Medium{Object: media.Object{Bucket: "media-in", Key: "a/b/c.mp4"}, Category: media.Known(int64(7)), Tags: []string{"s:1", "x", "s:2", "s:1"}}
	for _, test := range []struct {
		keep   policy.KeepLatest
		ranked policy.Truth // of a medium without fields
		want   []string
	}{
		{policy.KeepLatest{Per: policy.PerFolder}, policy.Unknown, []string{"oss://media-in/a/b/"}},
		{policy.KeepLatest{Per: policy.PerCategory}, policy.Unknown, []string{"7"}},
		{policy.KeepLatest{Per: policy.PerTag, Tag: "s:"}, policy.No, []string{"s:1", "s:2"}},
	} {
		if got := test.keep.Groups(m); !slices.Equal(got, test.want) || test.keep.Ranks(m) != policy.Yes {
			t.Errorf("%s: %v, ranked %s", test.keep.Per, got, test.keep.Ranks(m))
		}
		if got := test.keep.Ranks(&media.Medium{}); got != test.ranked {
			t.Errorf("%s without the field: ranked %s, want %s", test.keep.Per, got, test.ranked)
		}
	}
}

// A day ends when the next one begins in its zone.
func TestEndOfDay(t *testing.T) {
	shanghai, err := time.LoadLocation("Asia/Shanghai")
	if err != nil {
		t.Fatal(err)
	}
	if end, ok := policy.EndOfDay("2027-01-31", shanghai); !ok || end.Format(time.RFC3339) != "2027-01-31T16:00:00Z" {
		t.Errorf("%v, %v", end, ok)
	}
	for _, day := range []string{"", "soon", "2027-02-29", "2027-1-31", "2027-01-31T00:00:00Z"} {
		if end, ok := policy.EndOfDay(day, shanghai); ok {
			t.Errorf("%q ends at %v", day, end)
		}
	}
}
