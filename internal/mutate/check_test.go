package mutate

import (
	"errors"
	"fmt"
	"go/ast"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"io"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"strings"
	"testing"
)

// root is the folder of the module.
const root = "../.."

// checker finds what a compiler refuses in a changed file of the module. It is much faster than a build: it takes other packages
// from the build cache, and looks into no function of the package's other files.
type checker struct {
	positions *token.FileSet
	others    types.Importer
	files     map[string][]string  // the files of each folder of the module
	parsed    map[string]*ast.File // without the bodies of functions
}

func newChecker(t *testing.T) *checker {
	t.Helper()
	list := exec.CommandContext(t.Context(), "go", "list", "-export", "-deps", "-f", `{{.ImportPath}}|{{.Export}}|{{.Dir}}|{{join .GoFiles " "}}`, "./...")
	list.Dir, list.Stderr = root, os.Stderr
	out, err := list.Output()
	if err != nil {
		t.Fatal(err)
	}
	from, err := filepath.Abs(root)
	if err != nil {
		t.Fatal(err)
	}
	c := &checker{positions: token.NewFileSet(), files: map[string][]string{}, parsed: map[string]*ast.File{}}
	exports := map[string]string{}
	for line := range strings.Lines(string(out)) {
		fields := strings.Split(strings.TrimSuffix(line, "\n"), "|")
		exports[fields[0]] = fields[1]
		if folder, err := filepath.Rel(from, fields[2]); err == nil && filepath.IsLocal(folder) {
			folder = filepath.ToSlash(folder)
			for _, file := range strings.Fields(fields[3]) {
				c.files[folder] = append(c.files[folder], path.Join(folder, file))
			}
		}
	}
	c.others = importer.ForCompiler(c.positions, "gc", func(name string) (io.ReadCloser, error) { return os.Open(exports[name]) })
	return c
}

// check returns the errors of a file with another text.
func (c *checker) check(file, text string) error {
	broken, err := parser.ParseFile(c.positions, file, text, parser.SkipObjectResolution)
	if err != nil {
		return err
	}
	var all []*ast.File
	found := false
	for _, name := range c.files[path.Dir(file)] {
		if name == file {
			found = true
			continue
		}
		other, err := c.parse(name)
		if err != nil {
			return err
		}
		all = append(all, other)
	}
	if !found {
		return fmt.Errorf("%s is not built here", file)
	}
	var wrong []error
	config := types.Config{Importer: c.others, Error: func(err error) {
		problem, typed := errors.AsType[types.Error](err)
		if !typed || c.positions.Position(problem.Pos).Filename == file || !lacksBodies(problem.Msg) {
			wrong = append(wrong, err)
		}
	}}
	_, _ = config.Check(path.Dir(file), c.positions, append(all, broken), nil) // its error is the first one
	return errors.Join(wrong...)
}

// lacksBodies reports whether a problem of a file is due to the functions without bodies.
func lacksBodies(problem string) bool {
	return strings.HasSuffix(problem, "and not used") || strings.Contains(problem, "missing function body")
}

// parse returns a file without the bodies of its functions.
func (c *checker) parse(name string) (*ast.File, error) {
	if c.parsed[name] == nil {
		file, err := parser.ParseFile(c.positions, filepath.Join(root, name), nil, parser.SkipObjectResolution)
		if err != nil {
			return nil, err
		}
		for _, declared := range file.Decls {
			if function, ok := declared.(*ast.FuncDecl); ok {
				function.Body = nil
			}
		}
		c.parsed[name] = file
	}
	return c.parsed[name], nil
}
