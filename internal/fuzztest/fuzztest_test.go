package fuzztest

import (
	"bytes"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"
)

func TestEachKindOfMutationComes(t *testing.T) {
	m := &mutator{random: rand.New(rand.NewPCG(1, 2))}
	seed := []byte(`{"a":1}`)
	m.learn([]reflect.Value{reflect.ValueOf(seed), reflect.ValueOf("<xml/>")})
	wanted := map[string]func(b []byte) bool{
		"flipped bit": func(b []byte) bool { return string(b) == `{"a":0}` },
		"deletion":    func(b []byte) bool { return string(b) == `{"a":}` },
		"cut":         func(b []byte) bool { return string(b) == `{"a"` },
		"nothing":     func(b []byte) bool { return len(b) == 0 },
		"repetition":  func(b []byte) bool { return bytes.Contains(b, []byte(`"a""a"`)) },
		"token":       func(b []byte) bool { return bytes.Contains(b, []byte("9223372036854775807")) },
		"splice":      func(b []byte) bool { return bytes.Contains(b, []byte("xml")) },
	}
	for range 200_000 {
		b := m.mutateBytes(seed)
		for kind, is := range wanted {
			if is(b) {
				delete(wanted, kind)
			}
		}
	}
	for kind := range wanted {
		t.Errorf("no mutation is a %s", kind)
	}
	if string(seed) != `{"a":1}` {
		t.Errorf("the seed became %q", seed)
	}
}

func TestMutatedChecksAllArguments(t *testing.T) {
	calls, seen := 0, map[bool]int{}
	check := mutated(func(_ *testing.T, text string, number uint16, is bool, signed int8) {
		if calls++; calls > 1 && strings.Contains(text, "a") && number > 9 && signed < 0 {
			seen[is]++
		}
	}, 1000).(func(*testing.T, string, uint16, bool, int8))
	check(t, "aaaaaaaa", 7, true, 1)
	if calls != 1001 || seen[true] == 0 || seen[false] == 0 {
		t.Errorf("%d calls, %v", calls, seen)
	}
}
