package extsort

import (
	"errors"
	"testing"
)

// Names are asked for in order, some of them several times. After an error there is no answer.
func TestFinder(t *testing.T) {
	var s Sorter
	defer s.Close()
	for _, name := range []string{"c", "a", "e"} {
		if err := s.Add(name, []byte("rest of "+name)); err != nil {
			t.Fatal(err)
		}
	}
	find, stop := Finder(s.All())
	defer stop()
	for _, one := range []struct {
		name string
		want bool
	}{{"", false}, {"a", true}, {"a", true}, {"b", false}, {"e", true}, {"f", false}, {"g", false}} {
		if got, ok, err := find(one.name); ok != one.want || ok && string(got.Rest) != "rest of "+one.name || err != nil {
			t.Errorf("%q: %+v, %v, %v", one.name, got, ok, err)
		}
	}
	broken := errors.New("broken")
	find, stop = Finder(func(yield func(Record, error) bool) { _ = yield(Record{Name: "a"}, nil) && yield(Record{}, broken) })
	defer stop()
	if _, ok, err := find("a"); !ok || err != nil {
		t.Errorf("before the error: %v, %v", ok, err)
	}
	if _, ok, err := find("b"); ok || !errors.Is(err, broken) {
		t.Errorf("after the error: %v, %v", ok, err)
	}
}
