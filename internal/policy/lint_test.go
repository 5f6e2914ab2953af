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
		{"a rule without globs", protect(`match: {tags: [a]}`), nil},
		{"all of a rule", inventory + "protect: [{name: hold, match: {tags: [a, b]}}]\nexpire: [{name: a, match: {tags: [a]}, after: 7d}]\n",
			[]string{"rule a deletes nothing: rule hold protects all of its media"}},
		{"all of a rule for a time", inventory + "protect: [{name: promised, until: {tag: \"keep:\"}}]\nexpire: [{name: a, match: {tags: [a]}, at: {tag: \"keep:\"}}]\n", nil},
		{"an expire rule for another bucket", inventory + "expire: [{name: gone, match: {object: [\"oss://media-out/**\"]}, after: 7d}]\n",
			[]string{"rule gone: the inventory does not reach oss://media-out/**"}},
		{"sources twice", "version: 1\ninventory: [{bucket: oss://b-1/}, {manifest: oss://ops/a}, {workflow: w}, {bucket: oss://b-1/}, {manifest: oss://ops/a}, {workflow: w}, {workflow: w}]\n" + expire,
			[]string{"the inventory has oss://b-1/ twice", "the inventory has manifest oss://ops/a twice", "the inventory has workflow w twice"}},
		{"ages that workflows do not tell", "version: 1\ninventory: [{workflow: w}]\nexpire: [{name: a, match: {tags: [a]}, after: 90d}, {name: b, match: {tags: [b]}, after: 3mo}, {name: c, at: {tag: \"c:\"}}]\n",
			[]string{"rule a: a medium of 90d is in no inventory any more: MPS tells of the workflow executions of the last 90 days only", "rule b: a medium of 3mo is in no inventory any more: MPS tells of the workflow executions of the last 90 days only"}},
		{"names like all workflows", "version: 1\ninventory: [{workflow: ALL}, {workflow: \"*\"}, {workflow: \"All \"}, {workflow: all}, {workflow: overall}]\n" + expire, []string{
			"2:24: the workflow \"ALL\" is the one of this name: write all for all workflows",
			"2:41: the workflow \"*\" is the one of this name: write all for all workflows",
			"2:58: the workflow \"All \" is the one of this name: write all for all workflows",
		}},
		{"ages that workflows tell", "version: 1\ninventory: [{workflow: w}]\nexpire: [{name: a, match: {tags: [a]}, after: 89d23h}, {name: b, after: 2mo}]\n", nil},
		{"ages without an inventory", "version: 1\nexpire: [{name: a, after: 1y}]\n", []string{"there is no inventory: a timer has nothing to look at"}},
		{"ages beside a bucket", "version: 1\ninventory: [{workflow: w}, {bucket: oss://b-1/}]\nexpire: [{name: a, after: 1y}]\n", nil},
		{"ages beside a manifest", "version: 1\ninventory: [{workflow: w}, {manifest: oss://ops/a}]\nexpire: [{name: a, after: 1y}]\n", nil},
		{"ages beside both", "version: 1\ninventory: [{workflow: w}, {bucket: oss://b-1/}, {manifest: oss://ops/a}]\nexpire: [{name: a, after: 1y}]\n", nil},
		{"ages without a workflow", inventory + "expire: [{name: a, after: 1y}]\n", nil},
		{"lists where the media are", inventory + expire + "manifests: [\"oss://media-in/**\", \"oss://media-in/raw/**\", \"oss://media-in/ra**\"]\n", []string{
			"manifests: oss://media-in/** matches every object of the inventory's oss://media-in/raw/: an OSS event for one is for a list, and not for its medium",
			"manifests: oss://media-in/raw/** matches every object of the inventory's oss://media-in/raw/: an OSS event for one is for a list, and not for its medium",
			"manifests: oss://media-in/ra** matches every object of the inventory's oss://media-in/raw/: an OSS event for one is for a list, and not for its medium",
		}},
		{"lists beside the media", inventory + expire + "manifests: [\"oss://ops/**\", \"oss://media-in/raw/lists/**\", \"oss://media-in/*/inbox/**\", \"oss://media-in/**.csv\", \"oss://media-in/raw/*\"]\n", nil},
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
