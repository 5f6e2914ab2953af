package cli

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/mediasweep/mediasweep/internal/render"
	"github.com/mediasweep/mediasweep/internal/retention"
	"github.com/mediasweep/mediasweep/internal/service"
	"github.com/mediasweep/mediasweep/internal/state"
	"github.com/mediasweep/mediasweep/internal/text"
	"github.com/mediasweep/mediasweep/internal/trigger"
)

func (c *Command) hold() *cobra.Command {
	var flags functionFlags
	var request trigger.HoldRequest
	cmd := &cobra.Command{
		Use:   "hold TARGET --reason TEXT",
		Short: "Keep media, whatever the policy says",
		Long: `hold keeps media until a day ends, or until its release, without a change of the
policy. TARGET is a media ID, oss://bucket/key, or a glob over objects as in the
policy: ** crosses slashes. A hold binds at once: every run that starts later, and
every call that a run under way sends more than about a second later. It binds only
runs with the same state: set MEDIASWEEP_STATE to the function's. A medium with
several holds stays until all have ended.`,
		Example: `  mediasweep hold "oss://media-in/series/x/**" --until 2099-01-31 --reason "licence dispute"
  mediasweep hold 0319dd3b9680d28a4e16ae79898c1d24 --reason "asked for by legal"`,
		Args: takes(1, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			request.Target = args[0]
			return flags.show(cmd, c, func(ctx context.Context, s *service.Service, b *strings.Builder) error {
				hold, err := s.Hold(ctx, localCall(), request)
				if err != nil {
					return err
				}
				c.note(append(s.HoldNotes(ctx, localCall(), hold), "it "+c.binds(s))...)
				if flags.output == "json" {
					return writeJSON(b, hold)
				}
				fmt.Fprintf(b, "hold %s keeps %s until %s\n", hold.ID, text.Line(hold.On()), hold.Ends())
				return nil
			})
		},
	}
	flags.add(cmd, "table", "json")
	cmd.Flags().StringVar(&request.Until, "until", "forever", "the last day of the hold, in the policy's timezone (2027-01-31), or forever")
	cmd.Flags().StringVar(&request.Reason, "reason", "", fmt.Sprintf("why, for whoever finds the hold later: at most %d characters", retention.MaxHoldReason))
	return cmd
}

// binds says which runs a hold binds: a hold in another store than the function's keeps nothing from the function.
func (c *Command) binds(s *service.Service) string {
	note := "binds only the runs whose state is in " + s.Origin().State
	if c.Getenv("MEDIASWEEP_STATE") == "" {
		note += ", the default: set MEDIASWEEP_STATE to the function's to bind the function"
	}
	return note
}

func (c *Command) holds() *cobra.Command {
	var flags functionFlags
	cmd := &cobra.Command{
		Use:   "holds",
		Short: "List the holds in force",
		Long: `holds lists the holds that people have placed in the state store, until each ends: its
number, target, last day, reason, and who placed it. A hold of many media, as the
console places one, has their number in place of a target; JSON has their IDs.`,
		Example: "  mediasweep holds -o json",
		Args:    takes(0, 0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return flags.show(cmd, c, func(ctx context.Context, s *service.Service, b *strings.Builder) error {
				holds, skipped, err := s.Holds(ctx, localCall())
				if err != nil {
					return err
				}
				c.note(skipped...)
				if len(holds) == 0 && flags.output == "table" {
					c.note("no hold is in force in " + s.Origin().State + ": --state names another store")
				}
				return write(&flags, b, holds, render.WriteHolds, nil)
			})
		},
	}
	flags.add(cmd, "table", "json")
	return cmd
}

func (c *Command) release() *cobra.Command {
	var flags functionFlags
	cmd := &cobra.Command{
		Use:   "release HOLD",
		Short: "End a hold",
		Long: `release ends a hold, by its number in mediasweep holds. The next run may delete its
media, unless another hold or a rule keeps them.`,
		Example: "  mediasweep release 1",
		Args:    takes(1, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return flags.show(cmd, c, func(ctx context.Context, s *service.Service, b *strings.Builder) error {
				hold, err := s.Release(ctx, localCall(), args[0])
				switch {
				case errors.Is(err, state.ErrNotFound):
					return exitError{exitUsage, fmt.Errorf("hold %s is not in force: mediasweep holds lists those that are, and --state names another store", text.Quote(args[0]))}
				case err != nil:
					return err
				case flags.output == "json":
					return writeJSON(b, hold)
				}
				on := ""
				if hold.On() != "" { // its record can be read
					on = " on " + text.Line(hold.On())
				}
				fmt.Fprintf(b, "hold %s%s is released\n", hold.ID, on)
				return nil
			})
		},
	}
	flags.add(cmd, "table", "json")
	return cmd
}
