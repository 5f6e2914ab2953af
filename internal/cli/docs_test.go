package cli_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/mediasweep/mediasweep/internal/emulator"
	"github.com/mediasweep/mediasweep/internal/policy"
)

// snippet is one fenced block of a page, with the line before its fence.
type snippet struct {
	line                   int
	before, language, text string
}

// TestDocs runs every shell block of the pages, and parses every policy and JSON
// document. A comment <!-- not run: why --> before a block excepts it; text is a picture.
// With -short nothing is run.
func TestDocs(t *testing.T) {
	var pages []string
	for _, pattern := range []string{"../../README*.md", "../../docs/*.md", "../../docs/*/*.md"} {
		found, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		pages = append(pages, found...)
	}
	tests := testNames(t)
	for _, page := range pages {
		t.Run(strings.TrimPrefix(page, "../../"), func(t *testing.T) {
			t.Parallel()
			data, err := os.ReadFile(page)
			if err != nil {
				t.Fatal(err)
			}
			checkLinks(t, page, string(data))
			for _, name := range regexp.MustCompile("`(Test[A-Z]\\w+)`").FindAllSubmatch(data, -1) {
				if !slices.Contains(tests, string(name[1])) {
					t.Errorf("there is no %s", name[1])
				}
			}
			checkSnippets(t, snippets(string(data)))
		})
	}
}

// TestDesignNamesEveryPackage holds the table of docs/design.md against the tree.
func TestDesignNamesEveryPackage(t *testing.T) {
	page, err := os.ReadFile("../../docs/design.md")
	if err != nil {
		t.Fatal(err)
	}
	folders, err := os.ReadDir("..")
	if err != nil {
		t.Fatal(err)
	}
	for _, folder := range folders {
		if !regexp.MustCompile("[`/]" + folder.Name() + "`").Match(page) {
			t.Errorf("docs/design.md does not name internal/%s", folder.Name())
		}
	}
}

// TestChinesePagesHaveTheSameCommands holds each Chinese page against the English one: a page that
// falls behind lacks commands, or the keys and names of the text.
func TestChinesePagesHaveTheSameCommands(t *testing.T) {
	varies := regexp.MustCompile(`\s*#.*|"[^"]*\pL[^"]*"|别名|ALIAS|MEDIASWEEP_LANG=zh `)
	commands := func(page string) (list []string) {
		data, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range snippets(string(data)) {
			for line := range strings.Lines(s.text) {
				if line = strings.TrimSpace(varies.ReplaceAllString(line, "")); s.language == "sh" && line != "" {
					list = append(list, line)
				}
			}
		}
		return list
	}
	chinese, err := filepath.Glob("../../docs/zh/*.md")
	if err != nil || len(chinese) == 0 {
		t.Fatal(err)
	}
	pages := map[string]string{"../../README-CN.md": "../../README.md"}
	for _, page := range chinese {
		pages[page] = filepath.Join("../../docs", filepath.Base(page))
	}
	for page, english := range pages {
		if diff := cmp.Diff(commands(english), commands(page)); diff != "" {
			t.Errorf("%s has other commands than %s (-English +Chinese):\n%s", page, english, diff)
		}
		has := codeSpans(t, page)
		for _, span := range codeSpans(t, english) {
			if !slices.Contains(has, span) && !strings.HasPrefix(span, "Test") {
				t.Errorf("%s does not name `%s`, which %s names", page, span, english)
			}
		}
	}
}

// codeSpans returns what the text of a page, outside its blocks, has between backquotes.
func codeSpans(t *testing.T, page string) (spans []string) {
	t.Helper()
	data, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	text := regexp.MustCompile("(?s)```.*?```").ReplaceAll(data, nil)
	for _, span := range regexp.MustCompile("`([^`\n]+)`").FindAllSubmatch(text, -1) {
		spans = append(spans, string(span[1]))
	}
	return spans
}

// checkLinks looks up the pages and headings that a page links to.
func checkLinks(t *testing.T, page, text string) {
	t.Helper()
	for _, link := range regexp.MustCompile(`\]\(([^)#:]*)(?:#([^):]*))?\)`).FindAllStringSubmatch(text, -1) {
		target := text
		if link[1] != "" {
			data, err := os.ReadFile(filepath.Join(filepath.Dir(page), link[1]))
			if err != nil && !strings.Contains(err.Error(), "is a directory") {
				t.Errorf("broken link: %v", err)
			}
			target = string(data)
		}
		found := link[2] == ""
		for _, heading := range regexp.MustCompile(`(?m)^#+ (.*)$`).FindAllStringSubmatch(target, -1) {
			anchor := regexp.MustCompile(`[^\pL\pN _-]`).ReplaceAllString(strings.ToLower(heading[1]), "")
			found = found || strings.ReplaceAll(anchor, " ", "-") == link[2]
		}
		if !found {
			t.Errorf("broken link: no heading %s#%s", link[1], link[2])
		}
	}
}

func checkSnippets(t *testing.T, all []snippet) {
	t.Helper()
	var shell func(string) error
	for _, s := range all {
		var err error
		switch {
		case strings.HasPrefix(s.before, "<!-- not run: ") || s.language == "text":
		case s.language == "sh" && testing.Short():
		case s.language == "sh":
			if shell == nil {
				shell = newShell(t)
			}
			err = shell(s.text)
		case s.language == "yaml":
			_, err = policy.Parse("policy", []byte("version: 1\n"+strings.TrimPrefix(s.text, "version: 1\n")))
		case s.language == "json" && json.Valid([]byte(s.text)):
		default:
			err = fmt.Errorf("a block of %q is neither run nor parsed: mark it <!-- not run: why -->", s.language)
		}
		if err != nil {
			t.Errorf("line %d: %v", s.line, err)
		}
	}
}

func snippets(page string) []snippet {
	var all []snippet
	before, open := "", false
	for i, line := range strings.Split(page, "\n") {
		switch language, fence := strings.CutPrefix(line, "```"); {
		case fence && !open:
			all = append(all, snippet{line: i + 1, before: before, language: language})
			open = true
		case fence:
			open = false
		case open:
			all[len(all)-1].text += line + "\n"
		}
		before = line
	}
	return all
}

// newShell returns a shell in a folder with an enforcing policy and an emulator.
// $MEDIUM is a medium that has expired, and $RUN deleted others.
func newShell(t *testing.T) func(script string) error {
	t.Helper()
	e, err := emulator.Start(emulator.Config{Media: 120, Seed: 1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = e.Close() })
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_ = free.Close()
	folder := t.TempDir()
	shipped, err := os.ReadFile("../../retention.yaml")
	if err != nil {
		t.Fatal(err)
	}
	rules := strings.NewReplacer("mode: dry-run\n", "mode: enforce\n", "share: 0.5", "share: 1", "maxPercent: 10", "maxPercent: 100").Replace(string(shipped))
	files := map[string]string{
		"retention.yaml": rules, "stricter.yaml": strings.Replace(rules, "180d", "90d", 1),
		"media.csv": "object\noss://media-in/drafts/editor-8/take-0038.mov\n",
	}
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(folder, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.CopyFS(filepath.Join(folder, "events"), os.DirFS("../../events")); err != nil {
		t.Fatal(err)
	}
	env := append(os.Environ(), "SHIPPED_POLICY="+filepath.Join(folder, "retention.yaml"), "MEDIASWEEP_STATE=file://"+filepath.Join(folder, "state"))
	for name, value := range e.Env() {
		env = append(env, name+"="+value)
	}
	run := func(script string) (string, error) {
		// A file and no pipe: a server that a failed script left would hold the pipe open.
		out, err := os.CreateTemp(folder, "out-")
		if err != nil {
			return "", err
		}
		defer func() { _ = out.Close() }()
		cmd := exec.Command("sh", "-euc", strings.ReplaceAll(script, "127.0.0.1:9000", free.Addr().String()))
		cmd.Dir, cmd.Env, cmd.Stdout, cmd.Stderr = folder, env, out, out
		cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
		failed := cmd.Run()
		if cmd.Process != nil {
			_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) // such a server
		}
		text, err := os.ReadFile(out.Name())
		if err := errors.Join(failed, err); err != nil {
			return "", fmt.Errorf("%w:\n%s", err, text)
		}
		return string(text), nil
	}
	out, err := run(`{ mediasweep plan oss://media-in/series/; mediasweep apply latest; mediasweep plan oss://media-in/drafts/; } >log 2>&1
		mediasweep runs -o csv --trigger cli | sed -n '/,enforce,/{s/,.*//p;q}'
		mediasweep plans latest -o csv | sed -n '2s/,.*//p'`)
	names := strings.Fields(out)
	if err != nil || len(names) != 2 {
		t.Fatalf("a run and a medium are missing: %q, %v", out, err)
	}
	env = append(env, "RUN="+names[0], "MEDIUM="+names[1])
	return func(script string) error {
		_, err := run(script)
		return err
	}
}

// testNames returns the names of all tests of the module.
func testNames(t *testing.T) []string {
	t.Helper()
	var names []string
	for _, pattern := range []string{"../../handler/*_test.go", "../../internal/*/*_test.go"} {
		files, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range files {
			data, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			for _, match := range regexp.MustCompile(`(?m)^func (Test\w+)\(`).FindAllSubmatch(data, -1) {
				names = append(names, string(match[1]))
			}
		}
	}
	return names
}
