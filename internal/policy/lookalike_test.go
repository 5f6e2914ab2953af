package policy_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/mediasweep/mediasweep/internal/policy"
)

// TestLookalikes checks the warnings for single values. Each value stands in the match
// of a protect rule.
func TestLookalikes(t *testing.T) {
	tests := []struct {
		key, value string
		want       []string
	}{
		// Tags that mean what they say.
		{"tags", "legal-hold", nil},
		{"tags", "法务", nil},
		{"tags", "Ａ１", nil},
		{"tags", "VIP архив", nil},
		{"tags", "сорт", nil},
		{"tags", "100%", nil},
		{"tags", "می\u200cخواهم", nil},
		{"tags", "क्\u200dष", nil},
		{"tags", "👨\u200d👩", nil},
		{"tags", "C++", nil},
		// Characters of tags.
		{"tags", "legal\u2010hold", []string{`the tag "legal\u2010hold" has U+2010, which looks like "-": write "legal-hold" if that is meant`}},
		{"tags", "legal\u2011hold", []string{`the tag "legal\u2011hold" has U+2011, which looks like "-": write "legal-hold" if that is meant`}},
		{"tags", "legal\u2212hold", []string{`the tag "legal\u2212hold" has U+2212, which looks like "-": write "legal-hold" if that is meant`}},
		{"tags", "legal\u200bhold", []string{`the tag "legal\u200bhold" has U+200B, which is invisible: write "legalhold" if that is meant`}},
		{"tags", "legal\u200dhold", []string{`the tag "legal\u200dhold" has U+200D, which is invisible: write "legalhold" if that is meant`}},
		{"tags", "\ufefflegal", []string{`the tag "\ufefflegal" has U+FEFF, which is invisible: write "legal" if that is meant`}},
		{"tags", "legal\u202ehold", []string{`the tag "legal\u202ehold" has U+202E, which is invisible: write "legalhold" if that is meant`}},
		{"tags", "legal\u00adhold", []string{`the tag "legal\u00adhold" has U+00AD, which is invisible: write "legalhold" if that is meant`}},
		{"tags", "legal\u3164hold", []string{`the tag "legal\u3164hold" has U+3164, which is invisible: write "legalhold" if that is meant`}},
		{"tags", "legal\U000e0061hold", []string{`the tag "legal\U000e0061hold" has U+E0061, which is invisible: write "legalhold" if that is meant`}},
		{"tags", "legal\u00a0hold", []string{`the tag "legal\u00a0hold" has U+00A0, which looks like " ": write "legal hold" if that is meant`}},
		{"tags", "法务\u3000甲", []string{`the tag "法务\u3000甲" has U+3000, which looks like " ": write "法务 甲" if that is meant`}},
		{"tags", "a：b", []string{`the tag "a\uff1ab" has U+FF1A, which looks like ":": write "a:b" if that is meant`}},
		{"tags", "a∶b", []string{`the tag "a\u2236b" has U+2236, which looks like ":": write "a:b" if that is meant`}},
		{"tags", "a～b", []string{`the tag "a\uff5eb" has U+FF5E, which looks like "~": write "a~b" if that is meant`}},
		{"tags", "a！b", []string{`the tag "a\uff01b" has U+FF01, which looks like "!": write "a!b" if that is meant`}},
		{"tags", "legal，vip", []string{`the tag "legal\uff0cvip" has U+FF0C, which looks like ",": write "legal", "vip" if that is meant`}},
		{"tags", "甲、乙", []string{`the tag "甲\u3001乙" has U+3001, which looks like ",": write "甲", "乙" if that is meant`}},
		{"tags", "leg\u0430l", []string{`the tag "leg\u0430l" has U+0430, which looks like "a": write "legal" if that is meant`}},
		{"tags", "\u03a1RO", []string{`the tag "\u03a1RO" has U+03A1, which looks like "P": write "PRO" if that is meant`}},
		{"tags", "video \u0441", []string{`the tag "video \u0441" has U+0441, which looks like "c": write "video c" if that is meant`}},
		{"tags", "hold\u0438", []string{`the tag "hold\u0438" has U+0438, which is not Latin: write composed letters of one script if that is meant`}},
		{"tags", "e\u0301te", []string{`the tag "e\u0301te" has U+0301, which is an accent apart from its letter: write composed letters of one script if that is meant`}},
		{"tags", "a：b\u200b", []string{`the tag "a\uff1ab\u200b" has U+FF1A, which looks like ":", and U+200B, which is invisible: write "a:b" if that is meant`}},
		{"tags", "a：b，c\u200bd\u3000e", []string{`the tag "a\uff1ab\uff0cc\u200bd\u3000e" has U+FF1A, which looks like ":", and U+FF0C, which looks like ",", and U+200B, which is invisible: write "a:b", "cd e" if that is meant`}},
		// Tags that read like patterns, and tags that no medium has.
		{"tags", "legal-*", []string{`the tag "legal-*" is no pattern: list each tag that is meant`}},
		{"tags", "a|b", []string{`the tag "a|b" is no pattern: list each tag that is meant`}},
		{"tags", "/legal/i", []string{`the tag "/legal/i" is no pattern: list each tag that is meant`}},
		{"tags", "^legal", []string{`the tag "^legal" is no pattern: list each tag that is meant`}},
		{"tags", "%legal%", []string{`the tag "%legal%" is no pattern: list each tag that is meant`}},
		{"tags", "legal[12]", []string{`the tag "legal[12]" is no pattern: list each tag that is meant`}},
		{"tags", "a,b", []string{`no medium has the tag "a,b": a tag has at most 32 bytes, no comma and no space at its ends`}},
		{"tags", " a", []string{`no medium has the tag " a": a tag has at most 32 bytes, no comma and no space at its ends`}},
		{"tagsAll", strings.Repeat("a", 32), nil},
		{"tagsAll", strings.Repeat("a", 33), []string{`no medium has the tag "` + strings.Repeat("a", 33) + `": a tag has at most 32 bytes, no comma and no space at its ends`}},
		{"tagsAll", "a\u2010b", []string{`the tag "a\u2010b" has U+2010, which looks like "-": write "a-b" if that is meant`}},
		// Globs.
		{"object", "oss://media-in/a b/视频/**", nil},
		{"object", "oss://media-in/a／**", []string{`the glob "oss://media-in/a\uff0f**" has U+FF0F, which looks like "/": write "oss://media-in/a/**" if that is meant`}},
		{"object", "oss://media-in/a/**\u00a0", []string{`the glob "oss://media-in/a/**\u00a0" has U+00A0, which looks like " ": write "oss://media-in/a/** " if that is meant`}},
		{"object", "oss://media-in/a/** ", []string{`the glob "oss://media-in/a/** " has a space at an end of its key: write "oss://media-in/a/**" if that is meant`}},
		{"object", "oss://media-in/ a/**", []string{`the glob "oss://media-in/ a/**" has a space at an end of its key: write "oss://media-in/a/**" if that is meant`}},
		{"object", "oss://media-in/a//**", []string{`the glob "oss://media-in/a//**" has "//": a key is no path, write "oss://media-in/a/**" if that is meant`}},
		{"object", "oss://media-in/a/./**", []string{`the glob "oss://media-in/a/./**" has "/./": a key is no path, write "oss://media-in/a/**" if that is meant`}},
		{"object", "oss://media-in/../a/**", []string{`the glob "oss://media-in/../a/**" has "/../": a key is no path, write "oss://media-in/a/**" if that is meant`}},
		{"object", "oss://media-in/a[12]/**", []string{`the glob "oss://media-in/a[12]/**" has only * and ** as wildcards: every other character stands for itself`}},
		{"object", "oss://media-in/a%20b/**", []string{`the %XX in the glob "oss://media-in/a%20b/**" stands for itself: write the character that is meant`}},
		{"object", "oss://media-in/show-04", []string{`the glob "oss://media-in/show-04" matches no folder: write "oss://media-in/show-04/**" for what is below one`}},
		// Titles.
		{"title", `(?i)secret|^第\d+集$|[\x{2010}‐-]\p{Cyrillic}`, nil},
		{"title", "1/2/x y", nil},
		{"title", "100%", nil},
		{"title", `a.*b`, nil},
		{"title", `(?i)сор`, nil},
		{"title", `\bhold\b`, nil},
		{"title", "secret*", []string{`the "t*" in the title "secret*" repeats one letter: write ".*" for any characters`}},
		{"title", "%like%", []string{`the % of the title "%like%" stands for itself: write "like" for a part of a title`}},
		{"title", "/hold/i", []string{`the slashes of the title "/hold/i" stand for themselves: write "(?i)hold"`}},
		{"title", "/hold/g", []string{`the slashes of the title "/hold/g" stand for themselves: write "hold"`}},
		{"title", "hold ", []string{`the title "hold " has a space at an end: write "hold" if that is meant`}},
		{"title", "legal\u2010hold", []string{`the title "legal\u2010hold" has U+2010, which looks like "-": write "legal-hold" if that is meant`}},
		{"title", "a（b", []string{`the title "a\uff08b" has U+FF08, which looks like "(": write "a\\(b" if that is meant`}},
		{"title", `draft|`, []string{`every title matches "draft|": it also matches no character at all, leave title out if every medium is meant`}},
		{"title", `^(draft|)`, []string{`every title matches "^(draft|)": it also matches no character at all, leave title out if every medium is meant`}},
		{"title", `^(draft|)$`, nil},
		{"title", `x$^`, []string{`no title matches "x$^": ^ is the start of a title and $ its end`}},
		{"title", `^x^`, []string{`no title matches "^x^": ^ is the start of a title and $ its end`}},
		{"title", `x\by`, []string{`no title matches "x\\by": ^ is the start of a title and $ its end`}},
	}
	for _, test := range tests {
		t.Run(test.key+" "+test.value, func(t *testing.T) {
			value := fmt.Sprintf("%q", test.value)
			if test.key != "title" {
				value = "[" + value + "]"
			}
			p, err := policy.Parse("p", []byte("version: 1\nexpire: [{name: all, after: 7d}]\nprotect: [{name: hold, match: {"+test.key+": "+value+"}}]\n"))
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, warning := range p.Lint() {
				if warning.Line > 0 {
					got = append(got, warning.Message)
				}
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("warnings differ (-want +got):\n%s", diff)
			}
		})
	}
}

// Every place of a policy that takes a free text warns with the place of that text.
func TestLookalikesHaveTheirPlace(t *testing.T) {
	for _, test := range []struct{ policy, want string }{
		{"inventory: [{bucket: oss://media-in/a：/}]", `2:22: the inventory prefix "oss://media-in/a\uff1a/" has U+FF1A, which looks like ":": write "oss://media-in/a:/" if that is meant`},
		{"inventory: [{bucket: oss://media-in/a//b/}]", `2:22: the inventory prefix "oss://media-in/a//b/" has "//": a key is no path, write "oss://media-in/a/b/" if that is meant`},
		{"inventory: [{bucket: oss://media-in/}, {bucket: oss://media-out/a/}]", ""},
		{"inventory: [{bucket: oss://media-in/draft}]", `2:22: the inventory prefix "oss://media-in/draft" takes in "oss://media-in/draft2/" too: write "oss://media-in/draft/" for one folder`},
		{"inventory: [{bucket: oss://media-in}, {bucket: oss://media-in/draft-}]", ""},
		{"timezone: Etc/GMT+8", "2:11: the timezone Etc/GMT+8 is 8 hours behind UTC: the sign in such a name is reversed"},
		{"timezone: Etc/GMT-14", "2:11: the timezone Etc/GMT-14 is 14 hours ahead of UTC: the sign in such a name is reversed"},
		{"timezone: Etc/GMT+0", ""},
		{"inventory: [{manifest: oss://ops/a：.csv}]", `2:24: the manifest "oss://ops/a\uff1a.csv" has U+FF1A, which looks like ":": write "oss://ops/a:.csv" if that is meant`},
		{"inventory: [{workflow: a：b}]", `2:24: the workflow "a\uff1ab" has U+FF1A, which looks like ":": write "a:b" if that is meant`},
		{`manifests: ["oss://ops/a：/**"]`, `2:13: the glob "oss://ops/a\uff1a/**" has U+FF1A, which looks like ":": write "oss://ops/a:/**" if that is meant`},
		{`protect: [{name: a, until: {tag: "keep："}}]`, `2:34: the tag prefix "keep\uff1a" has U+FF1A, which looks like ":": write "keep:" if that is meant`},
		{`protect: [{name: a, until: {tag: keep}}]`, `2:34: a day follows "keep" at once, as in "keep2027-01-31": write "keep:" if a colon stands between them`},
		{`protect: [{name: a, until: {tag: " keep:"}}]`, `2:34: no medium has a tag that starts with " keep:": a tag has no comma and no space at its ends`},
		{`protect: [{name: a, until: {tag: "keep:*"}}]`, `2:34: the tag prefix "keep:*" is no pattern: write what stands before a day`},
		{`protect: [{name: a, until: {tag: "keep-this-medium-until-day:"}}]`, `2:34: no medium has a tag such as "keep-this-medium-until-day:2027-01-31": a tag has at most 32 bytes`},
		{`protect: [{name: a, until: {tag: "keep-this-until-day:"}}]`, ""},
		{`protect: [{name: a, until: {tag: "keep-this-until-a-day:"}}]`, ""},
		{`protect: [{name: a, until: {tag: "keep-this-until-the-day:"}}]`, `2:34: no medium has a tag such as "keep-this-until-the-day:2027-01-31": a tag has at most 32 bytes`},
		{"expire: [{name: a, at: {tag: expire}}]", `2:30: a day follows "expire" at once, as in "expire2027-01-31": write "expire:" if a colon stands between them`},
		{`expire: [{name: a, after: 7d, keepLatest: {count: 1, per: "tag:show"}}]`, `2:59: a value follows "show" at once, as in "showVALUE": write "show:" if a colon stands between them`},
		{`expire: [{name: a, after: 7d, match: {tags: [ok, "a：b"]}}]`, `2:50: the tag "a\uff1ab" has U+FF1A, which looks like ":": write "a:b" if that is meant`},
		{`protect: [{name: a, until: {tag: "keep="}}]`, ""},
	} {
		p, err := policy.Parse("p", []byte("version: 1\n"+test.policy+"\n"))
		if err != nil {
			t.Fatal(err)
		}
		got := ""
		if list := p.Lint(); list[0].Line > 0 {
			got = list[0].String()
		}
		if got != test.want {
			t.Errorf("%s\n got %s\nwant %s", test.policy, got, test.want)
		}
	}
}
