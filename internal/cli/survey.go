package cli

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/mediasweep/mediasweep/internal/policy"
	"github.com/mediasweep/mediasweep/internal/render"
	"github.com/mediasweep/mediasweep/internal/report"
	"github.com/mediasweep/mediasweep/internal/retention"
	"github.com/mediasweep/mediasweep/internal/service"
	"github.com/mediasweep/mediasweep/internal/trigger"
)

// exitDiffers is the exit code of diff --exit-code when decisions change.
const exitDiffers = 7

func (c *Command) explain() *cobra.Command {
	var flags functionFlags
	cmd := &cobra.Command{
		Use:   "explain ID|OBJECT",
		Short: "Explain why a medium stays or goes, and what would change that",
		Long: `explain reads a medium, by its ID or as the one behind oss://bucket/key, and tells
what a sweep of the inventory would decide: the rule, each of its conditions, when
the medium falls due, and what would turn the decision. If an object has several
media, JSON is an array. The verdict on a name that MPS does not know is absent, and
the exit code 0.`,
		Example: "  mediasweep explain oss://media-in/drafts/editor-8/take-0038.mov",
		Args:    takes(1, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			request, err := trigger.Named(trigger.CLI, args[0])
			if err != nil {
				return exitError{exitUsage, err}
			}
			return flags.with(cmd, c, func(ctx context.Context, s *service.Service) error {
				list, r := s.Explain(ctx, localCall(), request)
				return c.surveyed(r, true, func(b *strings.Builder) error { return writeExplanations(b, list, flags.output) })
			})
		},
	}
	flags.add(cmd, "table", "json")
	flags.addClock(cmd)
	return cmd
}

func writeExplanations(b *strings.Builder, list []*retention.Explanation, output string) error {
	switch {
	case output == "json" && len(list) == 1:
		return writeJSON(b, list[0])
	case output == "json":
		return writeJSON(b, list)
	}
	for i, e := range list {
		if i > 0 {
			b.WriteByte('\n')
		}
		render.WriteExplanation(b, e)
	}
	return nil
}

func (c *Command) forecast() *cobra.Command {
	var flags functionFlags
	var days int
	cmd := &cobra.Command{
		Use:   "forecast --days N",
		Short: "Tell how many media will expire on each of the coming days",
		Long: `forecast looks at the policy's inventory and tells what falls due on each of the
coming days, by rule, if nothing but time passes. Bytes are of the inputs and
hours of their video, where the records have them.`,
		Example: "  mediasweep forecast --days 90",
		Args:    takes(0, 0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return flags.with(cmd, c, func(ctx context.Context, s *service.Service) error {
				forecast, r := s.Forecast(ctx, localCall(), trigger.CLI, days)
				return c.surveyed(r, forecast != nil, func(b *strings.Builder) error {
					result := report.NewForecast(forecast, r)
					if flags.output == "html" {
						return render.ForecastDocument(c.edition(ctx, s), result).WriteHTML(b)
					}
					return write(&flags, b, result, render.WriteForecast, render.WriteForecastCSV)
				})
			})
		},
	}
	flags.add(cmd, "table", "json", "csv", "html")
	flags.addClock(cmd)
	cmd.Flags().Var(newDecimal(&days, 30), "days", "how many days, today included")
	return cmd
}

func (c *Command) diff() *cobra.Command {
	var flags functionFlags
	var exitCode bool
	cmd := &cobra.Command{
		Use:   "diff OLD NEW",
		Short: "Tell what another policy would delete, keep or move in time",
		Long: `diff compares two policies over the media of the inventory: which of them the new
one newly deletes, newly keeps, or takes sooner or later. OLD and NEW are files, or
oss://bucket/key. A policy without an inventory uses the other's.`,
		Example: "  mediasweep diff retention.yaml stricter.yaml",
		Args:    takes(2, 2),
		RunE: func(cmd *cobra.Command, args []string) error {
			stop, err := c.useEmulator(flags.emulate) // the policies may be in its OSS
			if err != nil {
				return err
			}
			defer stop()
			flags.emulate = false
			ctx, cancel, _ := c.inTime(cmd.Context())
			defer cancel()
			var policies [2]*policy.Policy
			var errs [2]error
			for i, name := range args {
				policies[i], errs[i] = service.ReadPolicy(ctx, c.Getenv, c.credentials(), name)
			}
			if err := errors.Join(errs[:]...); err != nil {
				return failed(err)
			}
			flags.policy = policies[0]
			return flags.with(cmd, c, func(ctx context.Context, s *service.Service) error {
				differ, err := c.writeDiff(ctx, s, policies[1], &flags)
				if differ && exitCode {
					return exitError{code: exitDiffers}
				}
				return err
			})
		},
	}
	flags.add(cmd, "table", "json", "csv")
	flags.addClock(cmd)
	cmd.Flags().BoolVar(&exitCode, "exit-code", false, "exit with 7 when decisions change")
	return cmd
}

// writeDiff holds another policy against the one of the flags. It reports whether their decisions differ.
func (c *Command) writeDiff(ctx context.Context, s *service.Service, other *policy.Policy, flags *functionFlags) (differ bool, err error) {
	var rows strings.Builder // in the order in which they are found
	table := flags.csv(&rows)
	each := func(retention.Difference) {}
	if flags.output == "csv" {
		each = render.Differences(table)
	}
	diff, r := s.Diff(ctx, localCall(), other, each)
	err = c.surveyed(r, diff != nil, func(b *strings.Builder) error {
		switch flags.output {
		case "json":
			return writeJSON(b, diff)
		case "csv":
			err := table.Flush()
			b.WriteString(rows.String())
			return err
		}
		render.WriteDiff(b, diff)
		return nil
	})
	return err == nil && len(diff.Changes) > 0, err
}

// surveyed writes what a survey found, unless it failed or did not begin, and returns what the
// program is to exit with. What could not be looked at comes first: a long result hides it.
func (c *Command) surveyed(r *report.Report, began bool, write func(*strings.Builder) error) error {
	if r.Status == report.Failed || !began {
		return exitError{r.ExitCode(), errors.New(r.Error)}
	}
	var b strings.Builder
	if err := write(&b); err != nil {
		return err
	}
	if r.Status != report.Done {
		c.complain(fmt.Errorf("not everything could be looked at: %s", r.Problem()))
	}
	if err := c.print(&b); err != nil {
		return err
	}
	return ending(r)
}
