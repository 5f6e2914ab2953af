package policy_test

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	_ "time/tzdata"

	"github.com/google/go-cmp/cmp"

	"github.com/mediasweep/mediasweep/internal/fuzztest"
	"github.com/mediasweep/mediasweep/internal/media"
	"github.com/mediasweep/mediasweep/internal/policy"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// TestBroken holds every policy in testdata/broken against the messages beside
// it: a new case is a new .yaml file, and -update writes its .txt.
func TestBroken(t *testing.T) {
	files, err := filepath.Glob("testdata/broken/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatalf("no broken policies: %v", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".yaml"), func(t *testing.T) {
			data, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			got, err := policy.Parse("retention.yaml", data)
			var mistakes policy.Errors
			if !errors.As(err, &mistakes) || got != nil {
				t.Fatalf("Parse = %v, %v; want nothing but Errors", got, err)
			}
			golden := strings.TrimSuffix(file, ".yaml") + ".txt"
			if *update {
				if err := os.WriteFile(golden, []byte(err.Error()+"\n"), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), mistakes.Error()+"\n"); diff != "" {
				t.Errorf("messages differ (-want +got):\n%s", diff)
			}
		})
	}
}

// A byte that no text has is named with its place. So is a character with which no value can start.
func TestPlacesOfOddBytes(t *testing.T) {
	for _, test := range []struct{ policy, want string }{
		{"version: 1\n# é\xff\n", "p:2:4: not YAML: this byte is not UTF-8"},
		{"\n\n#\x01", "p:3:2: not YAML: control character U+0001"},
		{"# a\n# \x1f\nversion: 1\n", "p:2:3: not YAML: control character U+001F"},
		{"# \ufffd\t\r\nversion: 1\n", ""},
		{"version: 1\n# off:\u2028mode: enforce\n", "p:2:7: not YAML: U+2028 starts a line that editors do not show: leave it out"},
		{"version: 1\n# off:\u2029mode: enforce\n", "p:2:7: not YAML: U+2029 starts a line that editors do not show: leave it out"},
		{"version: 1\n# off:\u0085mode: enforce\n", "p:2:7: not YAML: control character U+0085"},
		{"version: 1\n# \x7f\n", "p:2:3: not YAML: control character U+007F"},
		{"\xff\xfe#\x00\x28\x20", "p:1:2: not YAML: U+2028 starts a line that editors do not show: leave it out"},
		{"\xfe\xff\x00#\x00\x85", "p:1:2: not YAML: control character U+0085"},
		{"\xff\xfe#\x00\x00\xd8", "p:1:2: not YAML: this byte is not UTF-8"},
		{"\xff\xfe#", "p:1:1: not YAML: it is cut off: its UTF-16 ends in half a character"},
		{"version: 1\nmode: @x", "p:2:7: not YAML: a value that starts with @ has to stand in quotes"},
		{"version: 1\nmode: @", "p:2:7: not YAML: a value that starts with @ has to stand in quotes"},
		{"version: 1\nmode: `x`\n", "p:2:7: not YAML: a value that starts with ` has to stand in quotes"},
		{"version: 1\nmode: %x\n", "p:2:7: not YAML: a value that starts with % has to stand in quotes"},
		{"%YAML 1.2\n---\nversion: 1\n", "p:1:1: not YAML: a line that starts with % is a directive to YAML: leave it out"},
		{"%YAML 1.1\n---\nversion: 1\n", ""},
		{"version: 1\nexpire: [{name: a, after: 1d, match: {minSize: 1MB, maxSize: 1MB, minDuration: 9s, maxDuration: 9s}}]\n", ""},
		{"version: 1\nexpire: [{name: a, after: 1d, match: {minSize: 1000001, maxSize: 1MB}}]\n", "p:2:38: minSize is above maxSize: no medium can match"},
		{"version: 1\nexpire: [{name: a, after: 1d, match: {minDuration: 10s, maxDuration: 9999ms}}]\n", "p:2:38: minDuration is above maxDuration: no medium can match"},
		{"version: 1\nprotect: [{name: a, match: {minSize: 1125899906842623, minDuration: 878399h}}]\n", ""},
		{"version: 1\nprotect: [{name: a, match: {minSize: 1024TiB}}]\n", "p:2:28: minSize is above any size that a medium can have: no medium can match"},
		{"version: 1\nprotect: [{name: a, match: {minDuration: 878400h}}]\n", "p:2:28: minDuration is above any duration that a medium can have: no medium can match"},
	} {
		_, err := policy.Parse("p", []byte(test.policy))
		if got := fmt.Sprint(err); got != test.want && (err != nil || test.want != "") {
			t.Errorf("%q: %s, want %s", test.policy, got, test.want)
		}
	}
}

func TestParseShippedPolicy(t *testing.T) {
	data, err := os.ReadFile("../../retention.yaml")
	if err != nil {
		t.Fatal(err)
	}
	p, err := policy.Parse("retention.yaml", data)
	if err != nil {
		t.Fatal(err)
	}
	if p.Mode != policy.DryRun {
		t.Errorf("the shipped policy's mode is %s: it must be safe to deploy as it is", p.Mode)
	}
	if p.Guard != policy.DefaultGuard() || p.Share != policy.DefaultShare {
		t.Errorf("the shipped policy states defaults that are not the defaults: %+v %+v", p.Guard, p.Share)
	}
	if want := (policy.Inventory{Prefixes: []media.Object{{Bucket: "media-in"}}}); !cmp.Equal(p.Inventory, want) {
		t.Errorf("inventory %v, want %v", p.Inventory, want)
	}
}

func TestParseDefaults(t *testing.T) {
	p, err := policy.Parse("p", []byte("version: 1\n"))
	if err != nil {
		t.Fatal(err)
	}
	if p.Mode != policy.DryRun || p.Timezone.String() != "UTC" || p.Guard != policy.DefaultGuard() || p.Share != policy.DefaultShare {
		t.Errorf("defaults: %+v", p)
	}
}

func TestDigestIsOfTheDecisions(t *testing.T) {
	const base = "version: 1\nexpire:\n- {name: all, match: {tags: [a, b]}, after: 7d}\n"
	digest := func(text string) string {
		t.Helper()
		p, err := policy.Parse("p", []byte(text))
		if err != nil {
			t.Fatal(err)
		}
		return p.Digest()
	}
	for name, text := range map[string]string{
		"mode":    "mode: enforce\n" + base,
		"guard":   "guard: {maxDelete: 1}\n" + base,
		"pace":    "pace: {share: 1}\n" + base,
		"comment": "# hello\n" + base,
		"default": "fullEvery: 1w\n" + base,
		"layout":  "version: 1\nexpire:\n  - name: all\n    after: 1w\n    match:\n      tags:\n        - b\n        - a\n",
	} {
		if digest(text) != digest(base) {
			t.Errorf("%s changes the digest", name)
		}
	}
	for name, text := range map[string]string{
		"age":      strings.Replace(base, "7d", "8d", 1),
		"name":     strings.Replace(base, "name: all", "name: every", 1),
		"tags":     strings.Replace(base, "[a, b]", "[a]", 1),
		"timezone": "timezone: Asia/Shanghai\n" + base,
		"protect":  base + "protect: [{name: hold}]\n",
		"notice":   "notice: 7d\n" + base,
		"interval": "fullEvery: 1d\n" + base,
		"scope":    "inventory: [{bucket: oss://abc/}]\n" + base,
	} {
		if digest(text) == digest(base) {
			t.Errorf("%s does not change the digest", name)
		}
	}
}

// complete is a policy with every key that there is.
const complete = `
version: 1
mode: enforce
timezone: Asia/Shanghai
inventory: [{bucket: oss://media-in/}, {bucket: oss://other/x/}, {manifest: oss://ops/media.csv}, {workflow: all}]
manifests: ["oss://ops/inbox/**"]
fullEvery: 1d
notice: 1y
protect:
  - {name: legal-hold, match: {tags: [legal-hold, "<&>"], tagsAll: [a, b]}}
  - {name: promised, until: {tag: "keep-until:"}}
expire:
  - {name: dated, at: {tag: "expire:"}}
  - {name: orphans, onSourceRemoved: true}
  - {name: drafts, match: {object: ["oss://media-in/drafts/**"], state: [Initiated, UnPublish]}, after: 1w}
  - {name: series, match: {category: 5, title: "^E\\d+\"", minSize: 1MB, maxSize: 1GiB, minDuration: 90s, maxDuration: 2h}, after: 1y6mo, keepLatest: {count: 3, per: "tag:show:"}}
  - {name: folders, match: {category: [1, 2]}, after: 90d, keepLatest: {count: 3, per: folder}}
  - {name: rest, after: 180d}
guard: {maxDelete: 1, maxPercent: 2.5, minPopulation: 3, planMaxAge: 2d}
pace: {share: 1}
`

func TestCompletePolicyRendersAsItself(t *testing.T) {
	p, err := policy.Parse("complete", []byte(complete))
	if err != nil {
		t.Fatal(err)
	}
	again, err := policy.Parse("canonical", p.Canonical())
	if err != nil || again.Digest() != p.Digest() {
		t.Errorf("%s: %v", p.Canonical(), err)
	}
}

// FuzzParse: whatever the input, either errors with places, or a policy that
// renders as one with the same decisions.
func FuzzParse(f *testing.F) {
	shipped, err := os.ReadFile("../../retention.yaml")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(string(shipped))
	f.Add(complete)
	broken, err := filepath.Glob("testdata/broken/*.yaml")
	if err != nil {
		f.Fatal(err)
	}
	for _, file := range broken {
		data, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(string(data))
	}
	fuzztest.Fuzz(f, func(t *testing.T, text string) {
		p, err := policy.Parse("f", []byte(text))
		if (p == nil) == (err == nil) {
			t.Fatalf("Parse = %v, %v", p, err)
		}
		if err == nil {
			again, err := policy.Parse("canonical", p.Canonical())
			if err != nil || again.Digest() != p.Digest() {
				t.Errorf("%s\nrenders as\n%s: %v", text, p.Canonical(), err)
			}
			return
		}
		var mistakes policy.Errors
		if !errors.As(err, &mistakes) {
			t.Fatalf("error is %T", err)
		}
		for _, mistake := range mistakes {
			if mistake.Line < 1 || mistake.Column < 1 || mistake.Message == "" {
				t.Errorf("mistake without a place or a message: %+v", mistake)
			}
		}
	})
}
