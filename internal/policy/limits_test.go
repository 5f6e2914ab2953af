package policy_test

import (
	"fmt"
	"runtime"
	"strings"
	"testing"

	"github.com/mediasweep/mediasweep/internal/policy"
	"github.com/mediasweep/mediasweep/internal/words"
)

// costly are policies that cost much for their bytes. Each fills a policy file, but for
// those that a limit on entries ends before.
func costly() map[string]string {
	fill := func(start, entry, end string) string {
		var b strings.Builder
		b.WriteString("version: 1\n" + start)
		for i := 0; i < 2400 && b.Len()+len(entry)+len(end) < policy.MaxBytes; i++ {
			b.WriteString(strings.ReplaceAll(entry, "N", fmt.Sprint(i)))
		}
		return b.String() + end
	}
	const rest = policy.MaxBytes - 100
	expire := func(rule string) string {
		return fill("inventory: [{workflow: all}]\nexpire:\n", "- {name: rN, after: 1d, match: {"+rule+"}}\n", "")
	}
	return map[string]string{
		"entries of a flow list":  "version: 1\nprotect: [{name: a, match: {tags: [" + strings.Repeat("a,", rest/2) + "]}}]\n",
		"entries of a block list": "version: 1\nprotect:\n" + strings.Repeat("-\n", rest/2),
		"unknown keys":            "{version: 1" + strings.Repeat(",k", rest/2) + "}\n",
		"large titles":            expire(`title: "a{999}"`),
		"titles of any letter":    expire(`title: '^\pL$'`),
		"unreachable rules":       expire("tags: [t]"),
		"rules apart":             expire("tags: [tN]"),
		"rules with titles apart": expire("title: tN"),
		"globs and prefixes": fill("inventory:\n", "- bucket: oss://abc/N/a\n", "") +
			fill("", "", "protect:\n- {name: a, match: {object: [")[len("version: 1\n"):] + strings.Repeat("oss://abc/*a*b/x,", 2100) + "]}}\n",
		"stars and prefixes": "version: 1\ninventory:\n" + strings.Repeat("- bucket: oss://abc/"+strings.Repeat("a", 900)+"\n", 50) +
			"protect:\n- {name: a, match: {object: [" + strings.Repeat("oss://abc/"+strings.Repeat("*a", 480)+"b/x,", 50) + "]}}\n",
		"one odd tag":    "version: 1\nprotect: [{name: a, match: {tags: [\"" + everyPrivate(rest) + "\"]}}]\n",
		"odd characters": fill("protect:\n- name: a\n  match:\n    tags:\n", "    - ：a，b\u200b*N\n", ""),
	}
}

// A policy of any content is checked in bounded memory. All that is allocated bounds
// what is in use.
func TestCheckAllocatesLittle(t *testing.T) {
	if testing.Short() {
		t.Skip("it measures memory")
	}
	const most = 160 << 20
	for name, content := range costly() {
		t.Run(name, func(t *testing.T) {
			if len(content) > policy.MaxBytes {
				t.Fatalf("the policy has %d bytes", len(content))
			}
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			check(content)
			runtime.ReadMemStats(&after)
			if got := after.TotalAlloc - before.TotalAlloc; got > most {
				t.Errorf("checking allocates %d MiB, want at most %d MiB", got>>20, most>>20)
			}
		})
	}
}

func BenchmarkCheck(b *testing.B) {
	for name, content := range costly() {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				check(content)
			}
		})
	}
}

// everyPrivate returns characters of private use, each once.
func everyPrivate(most int) string {
	var b strings.Builder
	for r := '\U000F0000'; b.Len() < most-4 && r < '\U000FFFFE'; r++ {
		b.WriteRune(r)
	}
	return b.String()
}

func check(content string) {
	if p, err := policy.Parse("p", []byte(content)); err == nil {
		p.Lint()
		p.Describe(words.Chinese)
	}
}

func TestLimits(t *testing.T) {
	list := func(n int) string { return "[" + strings.Repeat("a, ", n-1) + "a]" }
	titles := func(n int) string {
		var b strings.Builder
		for i := range n {
			fmt.Fprintf(&b, "- {name: r%d, match: {title: 'a{980}'}}\n", i)
		}
		return "version: 1\nprotect:\n" + b.String()
	}
	for _, test := range []struct{ name, policy, want string }{
		{"entries", "version: 1\nprotect: [{name: a, match: {tags: " + list(4999) + "}}]\n", ""},
		{"too many entries", "version: 1\nprotect: [{name: a, match: {tags: " + list(3000) + ", tagsAll: " + list(2000) + ", state: [x]}}]\n",
			"p:2:9046: the lists up to here have 5001 entries, the limit is 5000: match many media by one tag or glob"},
		{"too many entries after as many as allowed", "version: 1\nprotect: [{name: a, match: {tags: " + list(2999) + ", tagsAll: " + list(2000) + ", state: [Published]}}]\n",
			"p:2:15052: the lists up to here have 5001 entries, the limit is 5000: match many media by one tag or glob"},
		{"too many categories", "version: 1\nprotect: [{name: a, match: {category: " + strings.ReplaceAll(list(5000), "a", "1") + "}}]\n",
			"p:2:39: the lists up to here have 5001 entries, the limit is 5000: match many media by one tag or glob"},
		{"titles", titles(101), ""},
		{"large titles", titles(104), "p:104:31: the titles up to here compile to 100164 steps, the limit is 100000: write smaller repetitions or fewer titles"},
		{"as many steps as titles may have", titles(101) + "- {name: last, match: {title: 'a{816}'}}\n", ""},
		{"one title more", titles(101) + "- {name: last, match: {title: 'a{816}'}}\n- {name: more, match: {title: a}}\n",
			"p:105:31: the titles up to here compile to 100003 steps, the limit is 100000: write smaller repetitions or fewer titles"},
		{"a title of classes", "version: 1\nprotect: [{name: a, match: {title: '\\pL{900}'}}]\n", "p:2:36: the titles up to here compile to 148502 steps, the limit is 100000: write smaller repetitions or fewer titles"},
		{"a long title", "version: 1\nprotect: [{name: a, match: {title: " + strings.Repeat("a", 1001) + "}}]\n",
			"p:2:36: title has 1001 bytes, the limit is 1000: shorten it"},
		{"the largest", "version: 1\n" + strings.Repeat("#", policy.MaxBytes-11), ""},
		{"the longest title", "version: 1\nprotect: [{name: a, match: {title: " + strings.Repeat("a", 1000) + "}}]\n", ""},
		{"size", "version: 1\n" + strings.Repeat("#", policy.MaxBytes-10), "p:1:1: the policy has 100001 bytes, the limit is 100000: shorten its lists"},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, err := policy.Parse("p", []byte(test.policy))
			if got := fmt.Sprint(err); got != test.want && (err != nil || test.want != "") {
				t.Errorf("got  %.300s\nwant %s", got, test.want)
			}
		})
	}
}
