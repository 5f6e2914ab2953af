package state_test

import (
	"math"
	"strings"
	"testing"

	"github.com/mediasweep/mediasweep/internal/state"
)

// The highest number is the first name of a listing. Other names have no number.
func TestNumberedNames(t *testing.T) {
	later := ""
	for _, number := range []int64{1, 2, 10, math.MaxInt64} {
		name := state.NumberedName("heads/", number)
		if got := state.NumberOf("heads/", name); got != number || later != "" && name >= later {
			t.Errorf("%d: name %s, number %d, after %s", number, name, got, later)
		}
		later = name
	}
	for _, name := range []string{"", "heads/", "heads/1.json", "heads/+223372036854775806.json", "heads/-000000000000000001.json",
		"heads/9223372036854775807.json", "heads/9223372036854775808.json", "heads/9223372036854775806", "other/9223372036854775806.json"} {
		if got := state.NumberOf("heads/", name); got != 0 {
			t.Errorf("%q: number %d", name, got)
		}
	}
}

// A plain text is its own name. Others are hashed.
func TestSafeName(t *testing.T) {
	for name, plain := range map[string]bool{
		"a": true, "0-_Z": true, strings.Repeat("a", 128): true,
		"": false, "-a": false, "a/b": false, "a\n": false, "片": false, strings.Repeat("a", 129): false,
	} {
		if got := state.SafeName(name); (got == name) != plain || !plain && len(got) != len("sha256-")+64 {
			t.Errorf("%q has the name %s", name, got)
		}
	}
}
