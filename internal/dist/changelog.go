package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

const (
	changelogFile = "CHANGELOG.md"
	unreleased    = "Unreleased"
)

// kinds are the headings of Keep a Changelog, in their order there.
var kinds = []string{"Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"}

// writeChangelog writes the fragments below a module's root into its CHANGELOG.md. With a
// version they become its section, and are removed; else they become the unreleased one.
func writeChangelog(root, version string, today time.Time) error {
	name := filepath.Join(root, changelogFile)
	fragments, err := filepath.Glob(filepath.Join(root, "docs/changes/*.md"))
	if err != nil {
		return err
	}
	text, err := os.ReadFile(name)
	if err != nil {
		return err
	}
	changes, err := assemble(fragments)
	if err != nil {
		return err
	}
	heading := unreleased
	if version != "" {
		if changes == "" {
			return errors.New("docs/changes has no fragments: nothing changed since the last release")
		}
		if _, err := section(string(text), version); err == nil {
			return fmt.Errorf("%s already has %s", changelogFile, version)
		}
		heading = version + " (" + today.Format(time.DateOnly) + ")"
	}
	if err := os.WriteFile(name, []byte(insert(string(text), heading, changes)), 0o644); err != nil { //nolint:gosec // it is public
		return err
	}
	if version == "" {
		return nil
	}
	for _, fragment := range fragments {
		if err := os.Remove(fragment); err != nil {
			return err
		}
	}
	return nil
}

// assemble returns the fragments by kind. A fragment is one paragraph in a file KIND-NAME.md.
func assemble(fragments []string) (string, error) {
	items := map[string][]string{}
	for _, name := range fragments {
		base := filepath.Base(name)
		before, _, ok := strings.Cut(base, "-")
		i := slices.IndexFunc(kinds, func(kind string) bool { return strings.ToLower(kind) == before })
		text, err := os.ReadFile(name)
		paragraph := strings.TrimSpace(string(text))
		switch {
		case err != nil:
			return "", err
		case !ok || i < 0:
			return "", fmt.Errorf("%s is not named KIND-NAME.md, KIND one of %s", base, strings.ToLower(strings.Join(kinds, ", ")))
		case paragraph == "" || strings.Contains(paragraph, "\n\n"):
			return "", fmt.Errorf("%s is not one paragraph", base)
		}
		items[kinds[i]] = append(items[kinds[i]], "- "+strings.ReplaceAll(paragraph, "\n", "\n  ")+"\n")
	}
	var b strings.Builder
	for _, kind := range kinds {
		if len(items[kind]) > 0 {
			fmt.Fprintf(&b, "\n### %s\n\n%s", kind, strings.Join(items[kind], ""))
		}
	}
	return b.String(), nil
}

// insert puts a section before the others, in place of the unreleased one.
func insert(changelog, heading, changes string) string {
	head, rest, _ := strings.Cut(changelog, "\n## ")
	if after, ok := strings.CutPrefix(rest, unreleased+"\n"); ok {
		_, rest, _ = strings.Cut(after, "\n## ")
	}
	sections := []string{strings.TrimRight(head, "\n") + "\n"}
	if changes != "" {
		sections = append(sections, heading+"\n"+changes)
	}
	if rest != "" {
		sections = append(sections, rest)
	}
	return strings.Join(sections, "\n## ")
}

// section returns the text below the heading of a version, or of what is unreleased.
func section(changelog, version string) (string, error) {
	for part := range strings.SplitSeq(changelog, "\n## ") {
		heading, text, _ := strings.Cut(part, "\n")
		if heading == version || strings.HasPrefix(heading, version+" ") {
			return strings.TrimSpace(text) + "\n", nil
		}
	}
	return "", fmt.Errorf("%s has no section %s: run `go run ./internal/dist changelog %s` before the tag", changelogFile, version, version)
}
