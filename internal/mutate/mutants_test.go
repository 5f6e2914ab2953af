// Package mutate breaks the program in one place at a time, by the list in mutations.txt, and runs the tests that must
// fail then. It changes no file: the compiler reads the broken one in its place. `make mutants` does so.
package mutate

import (
	"bytes"
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var selected = flag.String("mutants", "", "a regular expression that selects mutations by their file and text")

func TestMutants(t *testing.T) {
	if *selected == "" {
		t.Skip("-mutants selects none")
	}
	pattern, err := regexp.Compile(*selected)
	if err != nil {
		t.Fatal(err)
	}
	list, err := parse(mutations)
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range list {
		if !pattern.MatchString(m.file + " " + m.why) {
			continue
		}
		t.Run(m.String(), func(t *testing.T) {
			by, err := m.try(t.Context(), t.TempDir())
			if err != nil {
				t.Fatal(err)
			}
			t.Log("killed by", by)
		})
	}
}

// mutations is the list. A mutation has lines that start so:
//
//	#     what the program does wrong then
//	@     the file
//	-     a line of its text, which it has once; several in a row
//	+     a line of the text in its place; none removes the text
//	test  arguments of go test, where the tests of the file's package do not see it
//
//go:embed mutations.txt
var mutations string

type mutation struct {
	why, file string
	old, text []string
	tests     [][]string
}

func (m *mutation) String() string { return m.file + ": " + m.why }

// parse reads the list.
func parse(list string) (all []*mutation, err error) {
	for block := range strings.SplitSeq(strings.TrimSpace(list), "\n\n") {
		m := &mutation{}
		for line := range strings.Lines(block) {
			kind, rest, _ := strings.Cut(strings.TrimSuffix(line, "\n"), " ")
			switch kind {
			case "#":
				m.why = rest
			case "@":
				m.file = rest
			case "-":
				m.old = append(m.old, rest)
			case "+":
				m.text = append(m.text, rest)
			case "test":
				m.tests = append(m.tests, strings.Fields(rest))
			default:
				return nil, fmt.Errorf("mutation %q: line %q starts with none of # @ - + test", m.why, line)
			}
		}
		if m.why == "" || m.file == "" || len(m.old) == 0 {
			return nil, fmt.Errorf("mutation %q of file %q: it lacks a reason, a file or a line to replace", m.why, m.file)
		}
		all = append(all, m)
	}
	return all, nil
}

// apply returns the broken text of the file.
func (m *mutation) apply(source string) (string, error) {
	old, text := strings.Join(m.old, "\n"), strings.Join(m.text, "\n")
	if n := strings.Count(source, old); n != 1 {
		return "", fmt.Errorf("the file has %d times: %s", n, old)
	}
	return strings.Replace(source, old, text, 1), nil
}

var errLived = errors.New("LIVED: no test fails")

// try runs the tests with the broken file, first those beside it. by is the test that failed.
func (m *mutation) try(ctx context.Context, folder string) (by string, err error) {
	file := filepath.Join(root, m.file)
	source, err := os.ReadFile(file)
	if err != nil {
		return "", err
	}
	text, err := m.apply(string(source))
	if err != nil {
		return "", err
	}
	env, err := overlay(folder, file, text)
	if err != nil {
		return "", err
	}
	tests := m.tests
	if len(tests) == 0 {
		tests = [][]string{{"./" + path.Dir(m.file)}}
	}
	for _, arguments := range tests {
		out, err := run(ctx, env, append([]string{"test", "-vet=off", "-failfast", "-timeout", "3m"}, arguments...)...)
		var exit *exec.ExitError
		switch {
		case errors.As(err, &exit) && bytes.Contains(out, []byte("[build failed]")):
			return "", fmt.Errorf("it does not compile: %s", out)
		case errors.As(err, &exit):
			return failing(out), nil
		case err != nil:
			return "", err
		case bytes.Contains(out, []byte("[no test")):
			return "", fmt.Errorf("go test %s runs no test", strings.Join(arguments, " "))
		}
	}
	return "", errLived
}

// overlay returns an environment in which the compiler reads text in place of a file.
func overlay(folder, file, text string) (env []string, err error) {
	source, err := filepath.Abs(file)
	if err != nil {
		return nil, err
	}
	mutant, list := filepath.Join(folder, "mutant.go"), filepath.Join(folder, "overlay.json")
	replace, err := json.Marshal(map[string]map[string]string{"Replace": {source: mutant}})
	if err != nil {
		return nil, err
	}
	err = errors.Join(os.WriteFile(mutant, []byte(text), 0o600), os.WriteFile(list, replace, 0o600))
	return append(os.Environ(), "GOFLAGS=-overlay="+list), err // also for what a test builds
}

// run runs a go command in the module's root, and returns what it says.
func run(ctx context.Context, env []string, arguments ...string) ([]byte, error) {
	command := exec.CommandContext(ctx, "go", arguments...)
	command.Dir, command.Env = root, env
	return command.CombinedOutput()
}

var failed = regexp.MustCompile(`(?m)^\s*--- FAIL: (\S+)|^panic: .*|^.*DATA RACE.*`)

// failing returns the test that failed, the innermost one.
func failing(out []byte) string {
	all := failed.FindAllSubmatch(out, -1)
	if len(all) == 0 {
		return ""
	}
	last := all[len(all)-1]
	if last[1] != nil {
		return string(last[1])
	}
	return string(last[0])
}
