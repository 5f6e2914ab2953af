package policy

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/mediasweep/mediasweep/internal/media"
)

// It says so where each key of one rule is as wide as that of the other, or wider.
func TestTakesAllOfWider(t *testing.T) {
	for _, test := range []struct {
		rule, other string
		want        bool
	}{
		{"minSize: 1MB", "minSize: 1MB", true},
		{"minSize: 1MB", "minSize: 2MB", true},
		{"minSize: 2MB", "minSize: 1MB", false},
		{"maxSize: 2MB", "maxSize: 2MB", true},
		{"maxSize: 2MB", "maxSize: 1MB", true},
		{"maxSize: 1MB", "maxSize: 2MB", false},
		{"maxSize: 1MB", "minSize: 1KB", false},
		{"minDuration: 1s, maxDuration: 9s", "minDuration: 1s, maxDuration: 9s", true},
		{"title: a", "title: a", true},
		{"title: a", "title: b", false},
		{"title: a", "minSize: 1", false},
		{"state: [Published]", "state: [Published], title: a", true},
		{"state: [Initiated, UnPublish, Published]", "title: a", true},
		{"state: [UnPublish, Published]", "title: a", false},
	} {
		p, err := Parse("p", []byte("version: 1\nprotect: [{name: a, match: {"+test.rule+"}}, {name: b, match: {"+test.other+"}}]\n"))
		if err != nil {
			t.Fatal(err)
		}
		if got := takesAllOf(&p.Protect[0], &p.Protect[1]); got != test.want {
			t.Errorf("{%s} takes all of {%s}: %v", test.rule, test.other, got)
		}
	}
}

// TestTakesAllOf: where it says so, it is so for every medium.
func TestTakesAllOf(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 0))
	pick := func(from []string) []string {
		var list []string
		for _, s := range from {
			if rng.IntN(3) == 0 {
				list = append(list, s)
			}
		}
		return list
	}
	globs := []string{"**", "a/**", "a/b/**", "a/*", "a/b/*.mp4", "a/**/c", "a/b/c"}
	random := func() Rule {
		rule := Rule{Match: Match{Tags: pick([]string{"x", "y"}), TagsAll: pick([]string{"x", "y"}), State: pick(LiveStates())}}
		for _, pattern := range pick(globs) {
			glob, err := ParseGlob("oss://media-in/" + pattern)
			if err != nil {
				t.Fatal(err)
			}
			rule.Match.Object = append(rule.Match.Object, glob)
		}
		if rng.IntN(3) == 0 {
			rule.Match.Size = Range[int64]{Min: rng.Int64N(3), Max: rng.Int64N(5)}
			rule.Match.Category = []int64{rng.Int64N(2)}
		}
		rule.Date = []string{"", "", "d:", "d:2"}[rng.IntN(4)]
		rule.compile("at")
		return rule
	}
	said := 0
	for range 20000 {
		rule, other := random(), random()
		if !takesAllOf(&rule, &other) {
			continue
		}
		said++
		for range 20 {
			m := media.Medium{Object: media.Object{Bucket: "media-in", Key: []string{"a/b/c", "a/x", "z", "a/b/1.mp4", "a/q/r/c"}[rng.IntN(5)]},
				State: LiveStates()[rng.IntN(3)], Tags: pick([]string{"x", "y", "d:1", "d:2"}), Created: time.Unix(0, 0)}
			if rng.IntN(2) == 0 {
				m.Size, m.Category = media.Known(rng.Int64N(6)), media.Known(rng.Int64N(3))
			}
			if yes, _ := other.Applies(&m); yes == Yes {
				if all, key := rule.Applies(&m); all != Yes {
					t.Fatalf("%+v does not take %+v (%s), which %+v does", rule.Match, m, key, other.Match)
				}
			}
		}
	}
	if said < 100 {
		t.Error(fmt.Sprint("only ", said, " pairs"))
	}
}
