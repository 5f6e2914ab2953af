package main

import (
	"bytes"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/cobra/doc"

	"github.com/mediasweep/mediasweep/internal/cli"
)

// documents returns the completions of four shells, and a man page for each command.
func documents(version string, at time.Time) ([]file, error) {
	command := cli.Command{Getenv: func(string) string { return "" }, Version: version}
	root := command.Root()
	var files []file
	for _, shell := range []struct {
		name  string
		write func(io.Writer) error
	}{
		{"mediasweep.bash", func(w io.Writer) error { return root.GenBashCompletionV2(w, true) }},
		{"_mediasweep", root.GenZshCompletion},
		{"mediasweep.fish", func(w io.Writer) error { return root.GenFishCompletion(w, true) }},
		{"mediasweep.ps1", root.GenPowerShellCompletionWithDesc},
	} {
		var text bytes.Buffer
		if err := shell.write(&text); err != nil {
			return nil, err
		}
		files = append(files, file{"completions/" + shell.name, 0o644, text.Bytes()})
	}
	root.InitDefaultCompletionCmd()
	root.DisableAutoGenTag = true // it has the day on which the page was made
	pages, err := manPages(root, doc.GenManHeader{Section: "1", Date: &at, Source: "mediasweep " + version, Manual: "mediasweep"})
	return append(files, pages...), err
}

// manPages returns the pages of a command and of those below it.
func manPages(command *cobra.Command, header doc.GenManHeader) ([]file, error) {
	own := header // GenMan fills it in
	var text bytes.Buffer
	if err := doc.GenMan(command, &own, &text); err != nil {
		return nil, err
	}
	pages := []file{{"man/man1/" + strings.ReplaceAll(command.CommandPath(), " ", "-") + ".1", 0o644, text.Bytes()}}
	for _, child := range command.Commands() {
		if !child.IsAvailableCommand() || child.IsAdditionalHelpTopicCommand() {
			continue
		}
		below, err := manPages(child, header)
		if err != nil {
			return nil, err
		}
		pages = append(pages, below...)
	}
	return pages, nil
}
