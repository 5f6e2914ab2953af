// Package cli is the command line. Output rules: stdout carries the result only;
// logs and messages go to stderr, and a message starts with the program's name
// and ends without a full stop. A terminal gets nothing that it would act on; see shown.
package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"runtime/debug"
	"strings"

	"github.com/spf13/cobra"

	"github.com/mediasweep/mediasweep/internal/account"
	"github.com/mediasweep/mediasweep/internal/fc"
	"github.com/mediasweep/mediasweep/internal/text"
)

// Exit codes. A command that ends with a report exits as the report says; see
// report.Report.ExitCode. docs/requests.md lists them all.
const (
	exitOK      = 0
	exitFailed  = 1 // nothing could be done
	exitPartial = 3
	exitBusy    = 6 // another run holds the lease
	exitUsage   = 2 // a bad command line, request, policy or environment
)

// Command is the program with what it takes from its process.
type Command struct {
	Stdin  io.Reader
	Stdout io.Writer
	Stderr io.Writer
	Getenv func(string) string
	// Policy is the text of the policy that the program ships with.
	Policy []byte
	// Version is that of a release, else empty.
	Version string

	// credentials returns the source beside the environment, one for all stores. readSettings sets it.
	credentials func() account.Source
	// region is that of --region, for an emulator. readSettings sets it.
	region string
}

// Main runs the program with its arguments, the program's name not included, and
// returns its exit code. Without arguments it serves the runtime of Function Compute
// that started it, if one did.
func (c *Command) Main(ctx context.Context, args []string) int {
	own := *c
	own.Stdout = shown(c.Stdout)
	return own.main(ctx, args)
}

func (c *Command) main(ctx context.Context, args []string) int {
	var err error
	switch {
	case len(args) == 0 && c.Getenv(fc.RuntimeAPI) != "":
		err = c.serveGo1(ctx)
	case len(args) == 0 && account.InFC(c.Getenv):
		err = c.execute(ctx, []string{"serve"})
	default:
		err = c.execute(ctx, args)
	}
	var exit exitError
	switch {
	case err == nil:
		return exitOK
	case errors.As(err, &exit):
		if exit.err != nil {
			c.complain(exit.err)
		}
		return exit.code
	}
	// An error without a code is one of usage. Cobra indents its suggestions by tabs.
	c.complain(errors.New(strings.TrimSpace(strings.ReplaceAll(err.Error(), "\t", "  "))))
	return exitUsage
}

func (c *Command) execute(ctx context.Context, args []string) error {
	texts := &ownTexts{out: c.Stdout}
	root := c.root(texts)
	if len(args) > 0 && strings.HasPrefix(args[0], cobra.ShellCompRequestCmd) { // a shell asks for completions
		if err := c.complete(root); err != nil {
			return err
		}
	} else if err := checkCommand(root, args); err != nil {
		return err
	}
	root.SetArgs(args)
	err := root.ExecuteContext(ctx)
	if texts.err != nil {
		return exitError{exitFailed, texts.err}
	}
	return err
}

// ownTexts writes cobra's own texts: help, version and completions. It keeps the first error: cobra drops some, and takes the
// others for errors of usage.
type ownTexts struct {
	out io.Writer
	err error
}

func (t *ownTexts) Write(p []byte) (int, error) {
	n, err := t.out.Write(p)
	t.err = cmp.Or(t.err, err)
	return n, err
}

// checkCommand returns an error if arguments name an unknown command. It says what to do, unless cobra suggests a command.
func checkCommand(root *cobra.Command, args []string) error {
	_, rest, err := root.Find(args)
	if err == nil || len(rest) > 0 && len(root.SuggestionsFor(rest[0])) > 0 {
		return err
	}
	return fmt.Errorf("%w: %s help lists the commands", err, root.Name())
}

// exitError ends the program with a code. It prints err, if any.
type exitError struct {
	code int
	err  error
}

func (e exitError) Error() string {
	if e.err == nil {
		return fmt.Sprintf("exit %d", e.code)
	}
	return e.err.Error()
}

func (e exitError) Unwrap() error { return e.err }

// Root returns the tree of commands.
func (c *Command) Root() *cobra.Command { return c.root(c.Stdout) }

// root returns the tree of commands, which write help and the like to texts.
func (c *Command) root(texts io.Writer) *cobra.Command {
	root := &cobra.Command{
		Use:   "mediasweep",
		Short: "Keeps an ApsaraVideo Media Processing library within its retention policy",
		Long: `mediasweep deletes the records of expired media from ApsaraVideo Media
Processing, by a retention policy. Source objects in OSS are never touched.

Exit codes: 0 done, 1 nothing could be done, 2 bad usage, request, policy or
environment, 3 partial, 4 blocked by a guard, 5 stopped before the deadline,
6 another run is under way, 7 diff --exit-code found a difference.`,
		SilenceErrors: true,
		SilenceUsage:  true,
		Version:       c.version(),
		PersistentPreRunE: func(cmd *cobra.Command, args []string) error {
			return cmp.Or(refuseEmpty(cmd, args), errors.Join(c.readSettings(cmd), account.CheckEnvironment(c.Getenv)))
		},
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	root.SetIn(c.Stdin)
	root.SetOut(texts)
	root.SetErr(shown(c.Stderr))
	root.SetVersionTemplate("mediasweep {{.Version}}\n")
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return exitError{exitUsage, fmt.Errorf("%w: %s --help lists the flags", err, cmd.CommandPath())}
	})
	for _, s := range settings {
		root.PersistentFlags().Var(new(setting), s.flag, s.usage+" ($"+s.variable+")")
	}
	root.AddCommand(c.demo(), c.check(), c.explain(), c.history(), c.forecast(), c.diff(), c.plan(), c.plans(), c.apply(), c.runs(), c.stats(), c.restore(), c.hold(), c.holds(), c.release(), c.invoke(), c.serve(), c.emulate(), c.console(), c.permissions())
	mendDefaults(root)
	return root
}

// mendDefaults adds what cobra's own commands lack: examples, and errors for an unknown topic and shell.
func mendDefaults(root *cobra.Command) {
	root.InitDefaultHelpCmd()
	root.InitDefaultCompletionCmd()
	for _, cmd := range root.Commands() {
		switch cmd.Name() {
		case "help":
			cmd.Example = "  mediasweep help plan"
			show := cmd.Run
			cmd.RunE = func(cmd *cobra.Command, args []string) error {
				if err := checkCommand(root, args); err != nil {
					return err
				}
				show(cmd, args)
				return nil
			}
		case "completion":
			cmd.Example = "  source <(mediasweep completion bash)"
			cmd.RunE = func(cmd *cobra.Command, _ []string) error { return cmd.Help() }
		}
	}
}

// takes checks the number of a command's arguments. Their names are the first words after the command's in Use.
func takes(least, most int) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		switch {
		case len(args) < least:
			names := strings.Fields(cmd.Use)[1+len(args) : 1+least]
			return fmt.Errorf("%s lacks %s: %s", cmd.Name(), strings.Join(names, " and "), usage(cmd))
		case len(args) > most:
			return fmt.Errorf("%s: %s is one argument too many: %s", cmd.Name(), text.Quote(args[most]), usage(cmd))
		}
		return nil
	}
}

func usage(cmd *cobra.Command) string { return "usage: " + cmd.UseLine() }

// version is the release's, else the one that the go command gave the program.
func (c *Command) version() string {
	if c.Version != "" {
		return c.Version
	}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	return info.Main.Version
}
