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
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			p, err := policy.Parse("p", []byte(test.policy))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, lint(p)); diff != "" {
				t.Errorf("warnings differ (-want +got):\n%s", diff)
			}
		})
	}
}

func lint(p *policy.Policy) (list []string) {
	for _, warning := range p.Lint() {
		list = append(list, warning.String())
	}
	return list
}

func TestRuleNamesOfAnyScript(t *testing.T) {
	for _, name := range []string{"drafts", "草稿-视频_1", "Überholt", "हिन्दी", "مسودة", "черновики.2", strings.Repeat("稿", 64)} {
		p, err := policy.Parse("p", []byte("version: 1\nexpire: [{name: "+name+", after: 7d}]\n"))
		if err != nil || p.Expire[0].Name != name {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := policy.Parse("p", []byte("version: 1\nexpire: [{name: "+strings.Repeat("稿", 65)+", after: 7d}]\n")); err == nil {
		t.Error("a name of 65 characters is one")
	}
}
