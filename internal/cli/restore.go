package cli

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/mediasweep/mediasweep/internal/restore"
	"github.com/mediasweep/mediasweep/internal/service"
	"github.com/mediasweep/mediasweep/internal/state"
	"github.com/mediasweep/mediasweep/internal/text"
)

const restoreWarning = `What a restore brings back: the media, from their objects, with title, tags, category, description and cover.
What it does not: their IDs and creation times, publish and censor states, media details and workflow outputs. It
starts no workflow. Restored media are held for 30 days.
`

func (c *Command) restore() *cobra.Command {
	var flags functionFlags
	var only []string
	cmd := &cobra.Command{
		Use:   "restore RUN|PLAN",
		Short: "Bring back the media that a run deleted",
		Long: `restore adds the media again that a run deleted, from the records of its plan and
the objects that stayed. Media whose objects are gone, or have a medium again, are
skipped; so restoring twice adds nothing twice. Of a run that was killed, or of a
plan, what has gone is brought back, whoever deleted it.

` + restoreWarning,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return flags.with(cmd, c, nil, func(ctx context.Context, s *service.Service) error {
				fmt.Fprint(c.Stderr, restoreWarning) //nolint:errcheck // there is no other place to say it
				done, err := s.Restore(ctx, localCall(), args[0], only)
				if done == nil {
					code := exitFailed
					switch {
					case errors.Is(err, state.ErrNotFound), service.IsRefusal(err):
						code = exitUsage
					case errors.Is(err, state.ErrBusy):
						code = exitBusy
					}
					return exitError{code, err}
				}
				var b strings.Builder
				if flags.output == "json" {
					if err := writeJSON(&b, done); err != nil {
						return exitError{exitFailed, err}
					}
				} else {
					writeRestoration(&b, done)
				}
				if err := c.print(&b); err != nil {
					return err
				}
				switch {
				case err != nil && len(done.Restored) == 0:
					return exitError{exitFailed, err}
				case err != nil || len(done.Failed) > 0:
					return exitError{exitPartial, err}
				}
				return nil
			})
		},
	}
	flags.add(cmd, "table", "json")
	cmd.Flags().StringSliceVar(&only, "only", nil, "only these media IDs; can be repeated")
	return cmd
}

func writeRestoration(b *strings.Builder, done *restore.Report) {
	t := tabwriter.NewWriter(b, 0, 0, 2, ' ', 0)
	line := func(cells ...string) {
		for i, cell := range cells {
			cells[i] = text.Line(cell)
		}
		fmt.Fprintln(t, strings.Join(cells, "\t")) //nolint:errcheck // a Builder takes everything
	}
	for _, one := range done.Restored {
		line("restored", one.OldID, "as "+one.NewID, one.Object)
	}
	for _, one := range done.Skipped {
		line("skipped", one.MediaID, one.Reason, one.Object)
	}
	for _, one := range done.Failed {
		line("failed", one.MediaID, one.Reason, one.Object)
	}
	_ = t.Flush() // as above
	fmt.Fprintf(b, "%d restored, %d skipped, %d failed\n", len(done.Restored), len(done.Skipped), len(done.Failed))
}
