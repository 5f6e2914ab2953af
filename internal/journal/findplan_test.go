package journal

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/mediasweep/mediasweep/internal/plan"
	"github.com/mediasweep/mediasweep/internal/state"
)

func TestFindPlan(t *testing.T) {
	id := func(digits string) string { return "sha256:" + digits + strings.Repeat("0", 64-len(digits)) }
	first, second, third, empty := id("aaaaaaaa1"), id("aaaaaaaa2"), id("bbbbbbbb"), id("cccccccc")
	saved := newMemory()
	for i, name := range []string{plan.Name(third), plan.Name(first), plan.Name(second), plan.EmptyName(empty)} {
		saved.put(name, []byte("{}"))
		saved.written[name] = asOf.Add(time.Duration(i) * time.Second)
	}
	for _, other := range []string{plan.SegmentName(id("dddddddd"), 1), plan.AppliedName(third), "plans/sha256-eeeeeeee/plan.json", "plans/readme.txt"} {
		saved.put(other, nil) // no record that completes a plan
		saved.written[other] = asOf.Add(time.Hour)
	}
	delete(saved.records, "plans/sha256-eeeeeeee/plan.json")
	twice := newMemory()
	twice.put(plan.Name(first), nil)
	twice.put(plan.Name(third), nil)
	tests := []struct {
		name, reference string
		store           *memory
		want            string
		fails           string
	}{
		{"whole", third, saved, third, ""},
		{"whole, never saved", id("f"), saved, id("f"), ""}, // the caller reads it
		{"whole without its prefix", third[7:], saved, third, ""},
		{"eight digits", "sha256:bbbbbbbb", saved, third, ""},
		{"eight digits without the prefix", "bbbbbbbb", saved, third, ""},
		{"more digits", "aaaaaaaa2", saved, second, ""},
		{"a plan without media", "cccccccc", saved, empty, ""},
		{"ambiguous", "aaaaaaaa", saved, "", "several plans: give the whole ID of one: " + first + ", " + second},
		{"no such plan", "12345678", saved, "", "not found"},
		{"an incomplete plan", "dddddddd", saved, "", "not found"},
		{"latest", "latest", saved, second, ""},
		{"latest of none", "latest", newMemory(), "", "not found"},
		{"latest of two at one time", "latest", twice, "", "several plans"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got, err := FindPlan(t.Context(), test.store, test.reference)
			if got != test.want || (err == nil) != (test.fails == "") {
				t.Fatalf("%q, %v; want %q", got, err, test.want)
			}
			if err != nil && test.fails != "not found" && !strings.Contains(err.Error(), test.fails) || errors.Is(err, state.ErrNotFound) != (test.fails == "not found") {
				t.Errorf("error %v, want %s", err, test.fails)
			}
		})
	}
	down := newMemory()
	down.down, down.of = "list", "plans/"
	for _, reference := range []string{"latest", "aaaaaaaa"} {
		if got, err := FindPlan(t.Context(), down, reference); !errors.Is(err, errDown) {
			t.Errorf("%s: %q, %v, want the store's error", reference, got, err)
		}
	}
}
