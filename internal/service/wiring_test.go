package service

import (
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/mediasweep/mediasweep/internal/policy"
	"github.com/mediasweep/mediasweep/internal/state"
)

func TestCheckPlace(t *testing.T) {
	none := func(string) string { return "" }
	for name, test := range map[string]struct{ state, policy, want string }{
		"apart":                  {"oss://ops/state/", "inventory: [{bucket: oss://media-in/}, {manifest: oss://ops/list.csv}]\nmanifests: [\"oss://ops/inbox/**\"]", ""},
		"a folder":               {"file:///var/state", "inventory: [{bucket: oss://media-in/}]", ""},
		"a similar name":         {"oss://ops/state/", "inventory: [{bucket: oss://ops/statements/}]", ""},
		"state among media":      {"oss://media-in/state/", "inventory: [{bucket: oss://media-in/}]", "state would be taken for media"},
		"media among state":      {"oss://ops/state/", "inventory: [{bucket: oss://ops/state/clips/}]", "media would be taken for state"},
		"a list among state":     {"oss://ops/state/", "inventory: [{manifest: oss://ops/state/list.csv}]", "state would be taken for a list of media"},
		"state among lists":      {"oss://ops/inbox/state/", "manifests: [\"oss://ops/inbox/**\"]", "state would be taken for lists of media"},
		"lists among state":      {"oss://ops/state/", "manifests: [\"oss://ops/state/*.csv\"]", "state would be taken for lists of media"},
		"lists in the same name": {"oss://ops/state/", "manifests: [\"oss://ops/*/list.csv\"]", "state would be taken for lists of media"},
	} {
		p, err := policy.Parse("p", []byte("version: 1\nexpire: [{name: all, after: 7d}]\n"+test.policy+"\n"))
		if err != nil {
			t.Fatal(name, err)
		}
		d := new(deployment)
		if d.state, err = state.ParseLocation(test.state, none); err != nil {
			t.Fatal(name, err)
		}
		if err := d.checkPlace(p); (err == nil) != (test.want == "") || err != nil && !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %v; want %q", name, err, test.want)
		}
	}
}

// Records need the place of the state, and a region if it is in OSS. Runs need all, and say all that is missing.
func TestMistakesOfAnEnvironment(t *testing.T) {
	for name, test := range map[string]struct {
		env               map[string]string
		noRecords, noRuns []string
	}{
		"nothing wrong":          {map[string]string{"MEDIASWEEP_STATE": "oss://ops/state/", "MEDIASWEEP_REGION": "cn-shanghai"}, nil, nil},
		"no place":               {map[string]string{"MEDIASWEEP_STATE": "ops/state", "MEDIASWEEP_REGION": "cn-shanghai"}, []string{"MEDIASWEEP_STATE: "}, []string{"MEDIASWEEP_STATE: "}},
		"no place and no region": {map[string]string{"MEDIASWEEP_STATE": "ops/state"}, []string{"MEDIASWEEP_STATE: "}, []string{"MEDIASWEEP_STATE: ", "no region"}},
		"OSS without a region":   {map[string]string{"MEDIASWEEP_STATE": "oss://ops/state/"}, []string{"no region"}, []string{"no region"}},
		"a folder, no region":    {map[string]string{"MEDIASWEEP_STATE": "file:///var/state", "MEDIASWEEP_LANG": "fr"}, nil, []string{"MEDIASWEEP_LANG", "no region"}},
	} {
		s := New(Options{Getenv: func(name string) string { return test.env[name] }, Log: io.Discard, Policy: new(policy.Policy)})
		for _, got := range []struct {
			err  error
			want []string
		}{{s.noStore, test.noRecords}, {s.broken, test.noRuns}} {
			if (got.err == nil) != (len(got.want) == 0) {
				t.Errorf("%s: %v, want %q", name, got.err, got.want)
			}
			for _, want := range got.want {
				if strings.Count(fmt.Sprint(got.err), want) != 1 {
					t.Errorf("%s: %v, want %q once", name, got.err, want)
				}
			}
		}
	}
}
