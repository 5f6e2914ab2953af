package policy_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/mediasweep/mediasweep/internal/policy"
)

func TestLint(t *testing.T) {
	const inventory = "version: 1\ninventory: [{bucket: oss://media-in/raw/}]\n"
	const expire = "expire: [{name: all, after: 7d}]\n"
	protect := func(rule string) string { return inventory + expire + "protect: [{name: hold, " + rule + "}]\n" }
	tests := []struct {
		name, policy string
		want         []string
	}{
		{"nothing", protect(`match: {object: ["oss://media-in/raw/a/**", "oss://media-in/raw/b.mp4"], tags: [legal-hold, 法务]}`), nil},
		{"the inventory may have anything", "version: 1\ninventory: [{bucket: oss://media-in/raw/}, {workflow: all}]\nprotect: [{name: hold, match: {object: [\"oss://other/**\"]}}]\n" + expire, nil},
		{"another bucket", protect(`match: {object: ["oss://media-out/raw/**"]}`),
			[]string{"rule hold protects nothing: the inventory has no object that matches oss://media-out/raw/**"}},
		{"another case", protect(`match: {object: ["oss://media-in/Raw/**", "oss://media-in/RAW/**"]}`),
			[]string{"rule hold protects nothing: the inventory has no object that matches oss://media-in/Raw/** or oss://media-in/RAW/**"}},
		{"a star that does not cross a slash", protect(`match: {object: ["oss://media-in/*.mp4"]}`),
			[]string{"rule hold protects nothing: the inventory has no object that matches oss://media-in/*.mp4"}},
		{"some of the globs", protect(`match: {object: ["oss://media-in/raw/**", "oss://media-in/row/**"]}`),
			[]string{"rule hold: the inventory does not reach oss://media-in/row/**"}},
		{"a folder", protect(`match: {object: ["oss://media-in/raw/show-04"]}`),
			[]string{"rule hold: oss://media-in/raw/show-04 is one object: write oss://media-in/raw/show-04/** for what is below a folder"}},
		{"an escape", protect(`match: {object: ["oss://media-in/raw/a%20b/**"]}`),
			[]string{"rule hold: oss://media-in/raw/a%20b/**: %XX stands for itself: write the character that is meant"}},
		{"a full-width slash", protect(`match: {object: ["oss://media-in/raw/a／**"]}`),
			[]string{"rule hold: oss://media-in/raw/a／** has a full-width ／, which is not /"}},
		{"full-width punctuation in tags", protect(`match: {tags: [legal-hold，vip, "a：b", 甲、乙, Ａ１]}`), []string{
			`rule hold: the tag "legal-hold，vip" has a full-width ，, which is not ,`, `rule hold: the tag "a：b" has a full-width ：, which is not :`,
			`rule hold: the tag "甲、乙" has a full-width 、, which is not ,`}},
		{"a full-width colon", protect(`until: {tag: "keep-until："}`), []string{`rule hold: the start of a tag "keep-until：" has a full-width ：, which is not :`}},
		{"no colon", protect(`until: {tag: keep-until}`),
			[]string{`rule hold: a day follows "keep-until" at once, as in "keep-until2027-01-31": write "keep-until:" if a colon stands between them`}},
		{"a space before", protect(`until: {tag: " keep-until:"}`), []string{`rule hold: no medium has a tag that starts with " keep-until:": a tag has no comma and no space at its ends`}},
		{"other separators", protect(`until: {tag: "keep-until="}`), nil},
		{"no colon of expire", inventory + "expire: [{name: dated, at: {tag: expire}}]\n",
			[]string{`rule dated: a day follows "expire" at once, as in "expire2027-01-31": write "expire:" if a colon stands between them`}},
		{"no colon of a group", inventory + "expire: [{name: a, after: 7d, keepLatest: {count: 1, per: \"tag:show\"}}]\n",
			[]string{`rule a: a value follows "show" at once, as in "showVALUE": write "show:" if a colon stands between them`}},
		{"a delimited title", protect(`match: {title: "/hold/i"}`), []string{`rule hold: the slashes of "/hold/i" are part of the title that it looks for: write "(?i)hold"`}},
		{"a delimited title without flags", protect(`match: {title: /hold/g}`), []string{`rule hold: the slashes of "/hold/g" are part of the title that it looks for: write "hold"`}},
		{"slashes in a title", protect(`match: {title: 1/2/x y}`), nil},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			p, err := policy.Parse("p", []byte(test.policy))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, p.Lint()); diff != "" {
				t.Errorf("warnings differ (-want +got):\n%s", diff)
			}
		})
	}
}

func TestRuleNamesOfAnyScript(t *testing.T) {
	for _, name := range []string{"drafts", "草稿-视频_1", "Überholt", "हिन्दी", "مسودة", "черновики.2", strings.Repeat("稿", 64)} {
		p, err := policy.Parse("p", []byte("version: 1\nexpire: [{name: "+name+", after: 7d}]\n"))
		if err != nil || p.Expire[0].Name != name {
			t.Errorf("%s: %v", name, err)
		}
	}
}
