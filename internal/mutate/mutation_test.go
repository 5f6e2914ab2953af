package main

import (
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"testing"
)

// A mutation whose text the file no longer has once would break nothing, and nobody would see it.
func TestMutationsApply(t *testing.T) {
	list, err := parse(mutations)
	if err != nil {
		t.Fatal(err)
	}
	reasons := map[string]bool{}
	for _, m := range list {
		source, err := os.ReadFile(filepath.Join("../..", m.file))
		if err != nil {
			t.Fatal(err)
		}
		broken, err := m.apply(string(source))
		if err == nil {
			_, err = parser.ParseFile(token.NewFileSet(), m.file, broken, parser.SkipObjectResolution)
		}
		if err != nil {
			t.Errorf("%s: %v", m, err)
		}
		if broken == string(source) || reasons[m.String()] {
			t.Errorf("%s: it changes nothing, or stands here twice", m)
		}
		reasons[m.String()] = true
	}
}
