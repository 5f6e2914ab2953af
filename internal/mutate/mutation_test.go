package mutate

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A mutation whose text the file no longer has once, or whose code does not compile, would break nothing, and nobody would
// see it.
func TestMutationsApply(t *testing.T) {
	list, err := parse(mutations)
	if err != nil {
		t.Fatal(err)
	}
	compiler, reasons := newChecker(t), map[string]bool{}
	for _, m := range list {
		source, err := os.ReadFile(filepath.Join(root, m.file))
		if err != nil {
			t.Fatal(err)
		}
		broken, err := m.apply(string(source))
		if err == nil {
			err = compiler.check(m.file, broken)
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

// The check sees what a compiler refuses in the file, and nothing else.
func TestChecker(t *testing.T) {
	const file = "internal/purge/readback.go"
	source, err := os.ReadFile(filepath.Join(root, file))
	if err != nil {
		t.Fatal(err)
	}
	compiler := newChecker(t)
	if err := compiler.check(file, string(source)); err != nil {
		t.Error(err)
	}
	for name, text := range map[string]string{
		"a variable that is not used": "func unused() { unused := 1 }",
		"an unknown name":             "func unknown() int { return w }",
		"a wrong type":                "func (w *worker) wrong() []plan.Line { return w.free }",
		"another worker":              "type worker struct{}",
		"no return":                   "func none() int {}",
		"no code":                     "func {",
	} {
		if err := compiler.check(file, string(source)+text+"\n"); err == nil {
			t.Errorf("%s is seen by nobody", name)
		}
	}
	if err := compiler.check(file, strings.Replace(string(source), "plan.Line", "plan.Permit", 1)); err == nil {
		t.Error("a name that another package lacks is seen by nobody")
	}
	if err := compiler.check("internal/purge/none.go", "package purge\n"); err == nil {
		t.Error("a file that is not built is checked")
	}
}
