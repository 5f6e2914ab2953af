package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
	"unicode"

	"github.com/spf13/cobra"

	"github.com/mediasweep/mediasweep/handler"
	"github.com/mediasweep/mediasweep/internal/account"
	"github.com/mediasweep/mediasweep/internal/policy"
	"github.com/mediasweep/mediasweep/internal/service"
	"github.com/mediasweep/mediasweep/internal/state"
	"github.com/mediasweep/mediasweep/internal/text"
	"github.com/mediasweep/mediasweep/internal/words"
)

const policyFile = "retention.yaml"

func (c *Command) check() *cobra.Command {
	output := "text"
	var start, emulate bool
	cmd := &cobra.Command{
		Use:   "check [FILE]",
		Short: "Check a policy, and restate it in plain English",
		Long: `check reads a policy: FILE or oss://bucket/key, else what MEDIASWEEP_POLICY names,
else retention.yaml in the working folder or beside the program. It shows every mistake
with its place, and exits with 2. Of a policy without a mistake it says what seems
unmeant, what each rule does, where policy, region, credentials and state come from,
and why a run in this environment is refused.`,
		Example: `  mediasweep check
  mediasweep check --init library.yaml`,
		Args: takes(0, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			stop, err := c.useEmulator(emulate)
			if err != nil {
				return err
			}
			defer stop()
			if flag := cmd.Flag("policy"); flag.Changed {
				if len(args) > 0 {
					return exitError{exitUsage, errors.New("FILE and --policy name two policies: give one of them")}
				}
				args = []string{flag.Value.String()}
			}
			name := cmp.Or(strings.Join(args, ""), c.Getenv("MEDIASWEEP_POLICY"))
			switch {
			case start && service.InOSS(name):
				return exitError{exitUsage, errors.New("--init writes a file: name one, and upload it to OSS")}
			case start:
				return c.starter(cmp.Or(name, policyFile), args)
			}
			name = cmp.Or(name, service.PolicyFile())
			ctx, cancel, _ := c.inTime(cmd.Context())
			defer cancel()
			from := c.sourcesOf(name, args)
			if c.isShipped(emulate, args) {
				from.Policy = "the one that the program ships with"
				return c.writeCheck(ctx, from, c.Policy, nil, output)
			}
			data, err := service.PolicyText(ctx, c.Getenv, c.credentials(), name)
			if service.InOSS(name) && err != nil {
				return failed(err)
			}
			return c.aboutPolicy(args, c.writeCheck(ctx, from, data, err, output))
		},
	}
	cmd.Flags().VarP(newChoice(&output, "text", "json"), "output", "o", "text, or json for editors")
	addEmulate(cmd, &emulate)
	cmd.Flags().BoolVar(&start, "init", false, "write a commented policy to start from")
	return cmd
}

// aboutPolicy keeps an error from quoting the environment, if that named the policy.
func (c *Command) aboutPolicy(args []string, err error) error {
	exit, _ := errors.AsType[exitError](err)
	if !c.policyOfEnvironment(args) || exit.err == nil {
		return err
	}
	return exitError{exit.code, fmt.Errorf("the file of MEDIASWEEP_POLICY: %w", account.WithoutPath(err))}
}

// policyOfEnvironment reports whether the environment names the policy, which no message may quote.
func (c *Command) policyOfEnvironment(args []string) bool {
	return len(args) == 0 && c.Getenv("MEDIASWEEP_POLICY") != ""
}

// sources says where the parts of a deployment come from. It has no secret.
type sources struct {
	Policy      string `json:"policy"`
	Region      string `json:"region"`
	Credentials string `json:"credentials"`
	State       string `json:"state"`

	name string // of the policy
}

func (c *Command) sourcesOf(name string, args []string) sources {
	from := sources{name: name, Policy: "the argument", Region: "none", State: "MEDIASWEEP_STATE"}
	if a, err := account.FromEnvironment(c.Getenv); err == nil {
		from.Region = a.Region
	}
	switch {
	case len(args) > 0:
	case c.policyOfEnvironment(args):
		from.Policy = "MEDIASWEEP_POLICY"
	case name == policyFile:
		from.Policy = "the working folder"
	default:
		from.Policy = "the folder of the program"
	}
	from.Policy = name + ", from " + from.Policy
	from.Credentials = account.NewKeyringWith(c.Getenv, c.credentials()).Or(account.Credentials{}).Source()
	value := c.Getenv("MEDIASWEEP_STATE")
	location, err := state.ParseLocation(value, c.Getenv)
	switch {
	case err != nil:
		from.State = "none: MEDIASWEEP_STATE: " + err.Error()
	case value == "":
		from.State = location.String() + ", the default"
	default:
		from.State = location.String() + ", from MEDIASWEEP_STATE"
	}
	return from
}

// checked is the result of a check as editors read it.
type checked struct {
	File     string           `json:"file"`
	Errors   []policy.Error   `json:"errors"`
	Warnings []policy.Warning `json:"warnings"`
	Rules    []string         `json:"rules"`
	Digest   string           `json:"digest,omitempty"`
	From     sources          `json:"from"`
}

// writeCheck writes what there is to say of a policy's text, or of why it was not read.
func (c *Command) writeCheck(ctx context.Context, from sources, data []byte, err error, output string) error {
	result := checked{File: from.name, From: from, Errors: []policy.Error{}, Warnings: []policy.Warning{}, Rules: []string{}}
	var p *policy.Policy
	if err == nil {
		p, err = policy.Parse(from.name, data)
	}
	var mistakes policy.Errors
	switch {
	case errors.As(err, &mistakes):
		result.Errors = mistakes
	case err != nil:
		return exitError{exitUsage, err}
	default:
		result.Warnings = append(append(result.Warnings, p.Lint()...), c.refusals(ctx, p)...)
		result.Rules, result.Digest = p.Describe(words.English), p.Digest()
	}
	var b strings.Builder
	if output == "text" {
		result.writeText(&b, data)
	} else if err := writeJSON(&b, result); err != nil {
		return exitError{exitFailed, err}
	}
	if err := c.print(&b); err != nil {
		return err
	}
	if len(mistakes) > 0 {
		return exitError{code: exitUsage}
	}
	return nil
}

// refusals returns a warning for each mistake of the environment that makes runs refuse it.
func (c *Command) refusals(ctx context.Context, p *policy.Policy) (list []policy.Warning) {
	_, noTimeout := c.timeLimit(defaultTimeout)
	if err := handler.New(handler.Options{Getenv: c.Getenv, Log: io.Discard, Policy: p, Broken: noTimeout}).Broken(ctx); err != nil {
		for line := range strings.Lines(err.Error()) {
			list = append(list, policy.Warning{Message: "a run in this environment is refused: " + strings.TrimSpace(line)})
		}
	}
	return list
}

// writeText shows each mistake with its line, and a caret below its place.
func (r *checked) writeText(b *strings.Builder, data []byte) {
	print := func(format string, args ...any) { fmt.Fprintf(b, format, args...) }
	lines := strings.Split(string(data), "\n")
	var line []rune // of the latest mistake: a long one is split once
	for i, mistake := range r.Errors {
		print("%s\n", text.Line(mistake.Error()))
		if mistake.Line > len(lines) {
			continue
		}
		if i == 0 || mistake.Line != r.Errors[i-1].Line {
			line = []rune(strings.ToValidUTF8(strings.TrimSuffix(lines[mistake.Line-1], "\r"), string(unicode.ReplacementChar)))
		}
		print("%s\n", caret(line, mistake.Column))
	}
	for _, warning := range r.Warnings {
		place := ""
		if warning.Line > 0 {
			place = fmt.Sprintf(":%d:%d", warning.Line, warning.Column)
		}
		print("%s%s: warning: %s\n", text.Line(r.File), place, text.Line(warning.Message))
	}
	if len(r.Rules) > 0 {
		print("%s is right. It says:\n", text.Line(r.File))
		for _, sentence := range r.Rules {
			print("  %s\n", text.Line(sentence))
		}
		print("policy: %s\nregion: %s\ncredentials: %s\nstate: %s\n", text.Line(r.From.Policy), text.Line(r.From.Region), r.From.Credentials, text.Line(r.From.State))
	}
}

// caret shows a line with a caret below one of its columns: of a long line what
// stands around it, a tab as a space, and what would move a terminal's cursor as a replacement.
func caret(line []rune, column int) string {
	const around = 60
	at := min(max(column-1, 0), len(line))
	from, to := max(0, at-around), min(len(line), at+around)
	shown, indent := strings.Map(func(r rune) rune {
		switch {
		case r == '\t':
			return ' '
		case !unicode.IsPrint(r):
			return unicode.ReplacementChar
		}
		return r
	}, string(line[from:to])), 2+at-from
	if from > 0 {
		shown, indent = "…"+shown, indent+1
	}
	if to < len(line) {
		shown += "…"
	}
	return "  " + shown + "\n" + strings.Repeat(" ", indent) + "^"
}

// starter writes the policy that the program ships with, where there is none.
func (c *Command) starter(name string, args []string) error {
	shown := text.Line(name)
	if c.policyOfEnvironment(args) {
		shown = "the file of MEDIASWEEP_POLICY"
	}
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644) //nolint:gosec // a policy holds no secret
	switch {
	case errors.Is(err, fs.ErrExist):
		return exitError{exitUsage, fmt.Errorf("%s exists already: --init overwrites nothing: check it without --init, or name another file", shown)}
	case err != nil:
		return exitError{exitUsage, fmt.Errorf("write %s: %w", shown, account.WithoutPath(err))}
	}
	_, err = f.Write(c.Policy)
	if err = errors.Join(err, f.Close()); err != nil {
		return exitError{exitFailed, fmt.Errorf("write %s: %w", shown, account.WithoutPath(err))}
	}
	c.say("%s is written: edit it, then run mediasweep check", shown)
	return nil
}
