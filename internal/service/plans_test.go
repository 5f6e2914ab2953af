package service

import (
	"strings"
	"testing"
	"time"

	"github.com/mediasweep/mediasweep/internal/plan"
	"github.com/mediasweep/mediasweep/internal/policy"
)

func TestCheckAge(t *testing.T) {
	p, err := policy.Parse("p", []byte("version: 1\nexpire: [{name: all, after: 7d}]\nguard: {planMaxAge: 2d}\n"))
	if err != nil {
		t.Fatal(err)
	}
	made := time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC)
	for name, test := range map[string]struct {
		policy string
		age    time.Duration
		want   string // empty for a plan that may be applied
	}{
		"fresh":             {p.Digest(), 0, ""},
		"as old as it may":  {p.Digest(), 48 * time.Hour, ""},
		"older":             {p.Digest(), 48*time.Hour + time.Second, "the plan was made at 2026-11-25T12:00:00Z and guard.planMaxAge is 2d"},
		"of another policy": {"sha256:0", 0, "under another policy (sha256:0, and now it is " + p.Digest() + ")"},
		"by a fast clock":   {p.Digest(), -time.Hour, ""},
		"of the future":     {p.Digest(), -time.Hour - time.Second, "in the future"},
	} {
		err := CheckAge(p, plan.Head{AsOf: made, Policy: test.policy}, made.Add(test.age))
		if (err == nil) != (test.want == "") || err != nil && !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %v; want %q", name, err, test.want)
		}
	}
}
