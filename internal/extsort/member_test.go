package extsort

import (
	"errors"
	"testing"
)

// Names are asked for in order, some of them several times. After an error there is no answer.
func TestMembership(t *testing.T) {
	var s Sorter
	defer s.Close()
	for _, name := range []string{"c", "a", "e"} {
		if err := s.Add(name, nil); err != nil {
			t.Fatal(err)
		}
	}
	has, stop := Membership(s.Names())
	defer stop()
	for _, one := range []struct {
		name string
		want bool
	}{{"", false}, {"a", true}, {"a", true}, {"b", false}, {"e", true}, {"f", false}, {"g", false}} {
		if got, err := has(one.name); got != one.want || err != nil {
			t.Errorf("%q: %v, %v", one.name, got, err)
		}
	}
	broken := errors.New("broken")
	has, stop = Membership(func(yield func(string, error) bool) { _ = yield("a", nil) && yield("", broken) })
	defer stop()
	if got, err := has("a"); !got || err != nil {
		t.Errorf("before the error: %v, %v", got, err)
	}
	if got, err := has("b"); got || !errors.Is(err, broken) {
		t.Errorf("after the error: %v, %v", got, err)
	}
}
