package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// newChanges returns a folder with a changelog and fragments.
func newChanges(t *testing.T, fragments map[string]string) string {
	t.Helper()
	root := t.TempDir()
	if err := os.MkdirAll(filepath.Join(root, "docs/changes"), 0o700); err != nil {
		t.Fatal(err)
	}
	files := map[string]string{changelogFile: "# Changelog\n\nAbout.\n"}
	for name, text := range fragments {
		files["docs/changes/"+name] = text
	}
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(root, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return root
}

func TestChangelog(t *testing.T) {
	root := newChanges(t, map[string]string{"fixed-b.md": "B is right.\n", "added-a.md": "A is new,\nand long.\n"})
	read := func() string {
		text, err := os.ReadFile(filepath.Join(root, changelogFile))
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	write := func(version string) {
		t.Helper()
		if err := writeChangelog(root, version, at); err != nil {
			t.Fatal(err)
		}
	}
	changes := "\n### Added\n\n- A is new,\n  and long.\n\n### Fixed\n\n- B is right.\n"
	write("")
	write("") // the section is replaced
	if want := "# Changelog\n\nAbout.\n\n## Unreleased\n" + changes; read() != want {
		t.Errorf("unreleased:\n%s\nwant:\n%s", read(), want)
	}
	write("v1.0.0")
	first := "\n## v1.0.0 (2026-11-26)\n" + changes
	if want := "# Changelog\n\nAbout.\n" + first; read() != want {
		t.Errorf("released:\n%s\nwant:\n%s", read(), want)
	}
	if err := writeChangelog(root, "v1.0.1", at); err == nil || !strings.Contains(err.Error(), "no fragments") {
		t.Errorf("a release without changes: %v", err)
	}
	if err := os.WriteFile(filepath.Join(root, "docs/changes/security-c.md"), []byte("C is safe."), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := writeChangelog(root, "v1.0.0", at); err == nil || !strings.Contains(err.Error(), "already has v1.0.0") {
		t.Errorf("a second v1.0.0: %v", err)
	}
	write("")
	write("v1.1.0")
	if want := "# Changelog\n\nAbout.\n\n## v1.1.0 (2026-11-26)\n\n### Security\n\n- C is safe.\n" + first; read() != want {
		t.Errorf("second release:\n%s\nwant:\n%s", read(), want)
	}
	if notes, err := section(read(), "v1.1.0"); err != nil || notes != "### Security\n\n- C is safe.\n" {
		t.Errorf("notes: %q, %v", notes, err)
	}
	if _, err := section(read(), "v1.1"); err == nil {
		t.Error("v1.1 is taken for v1.1.0")
	}
}

func TestChangelogRefuses(t *testing.T) {
	for name, fragment := range map[string][2]string{
		"an unknown kind": {"news-a.md", "A."},
		"no kind":         {"a.md", "A."},
		"no text":         {"added-a.md", " \n"},
		"two paragraphs":  {"added-a.md", "A.\n\n## v9.9.9\n"},
	} {
		t.Run(name, func(t *testing.T) {
			root := newChanges(t, map[string]string{fragment[0]: fragment[1]})
			if err := writeChangelog(root, "v1.0.0", at); err == nil || !strings.Contains(err.Error(), fragment[0]) {
				t.Errorf("error %v, want one that names %s", err, fragment[0])
			}
		})
	}
}

// TestChangelogIsCurrent compares CHANGELOG.md with the fragments in docs/changes.
func TestChangelogIsCurrent(t *testing.T) {
	fragments, err := filepath.Glob("docs/changes/*.md")
	if err != nil {
		t.Fatal(err)
	}
	changes, err := assemble(fragments)
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(changelogFile)
	if err != nil {
		t.Fatal(err)
	}
	if insert(string(text), unreleased, changes) != string(text) {
		t.Error("CHANGELOG.md does not have the fragments of docs/changes: run `go run ./internal/dist changelog`")
	}
}
