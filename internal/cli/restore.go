package cli

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/mediasweep/mediasweep/internal/render"
	"github.com/mediasweep/mediasweep/internal/report"
	"github.com/mediasweep/mediasweep/internal/service"
	"github.com/mediasweep/mediasweep/internal/trigger"
)

const restoreWarning = `What a restore brings back: the media, from their objects, with title, tags, category, description and cover.
What it does not: their IDs and creation times, publish and censor states, media details and workflow outputs. It
starts no workflow. Restored media are kept for 30 days.
`

func (c *Command) restore() *cobra.Command {
	var flags functionFlags
	request := trigger.Request{Trigger: trigger.CLI}
	var yes bool
	cmd := &cobra.Command{
		Use:   "restore RUN|PLAN",
		Short: "Bring back the media that a run deleted",
		Long: `restore adds the media again that a run deleted, from the records of its plan and
the objects that stayed. It says what would come back, and asks; without a terminal
it needs --yes. Media whose objects are gone, or have a medium again, are skipped;
so restoring twice adds nothing twice. For a plan, restore adds all its media that are
gone, whichever run deleted them. So it does for a run that was killed, until a
scheduled run has finished its plan. At least eight characters of the start of an ID
are enough, if the ID of no other run or plan starts so.

` + restoreWarning,
		Example: `  mediasweep restore RUN --dry-run
  mediasweep restore RUN --only 0319dd3b9680d28a4e16ae79898c1d24 --yes`,
		Args: takes(1, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			request.Restore = args[0]
			if !yes && !request.DryRun && !isTerminal(c.Stdin) {
				return exitError{exitUsage, errors.New("restore asks before it adds media: without a terminal add --yes, or --dry-run to see what would come back")}
			}
			return flags.with(cmd, c, func(ctx context.Context, s *service.Service) error {
				fmt.Fprint(c.Stderr, restoreWarning) //nolint:errcheck // there is no other place to say it
				if !yes && !request.DryRun {
					if goOn, err := c.confirmRestore(ctx, s, &request); !goOn {
						return err
					}
				}
				return c.writeReport(s.Sweep(ctx, localCall(), &request), flags.output)
			})
		},
	}
	flags.add(cmd, "table", "json")
	cmd.Flags().StringSliceVar(&request.Only, "only", nil, "only these media IDs; can be repeated")
	cmd.Flags().BoolVar(&request.DryRun, "dry-run", false, "say what would come back, and change nothing")
	cmd.Flags().BoolVar(&yes, "yes", false, "do not ask")
	return cmd
}

// maxPreview bounds the media that a question lists.
const maxPreview = 10

// confirmRestore shows what would come back, and asks whether to go on.
func (c *Command) confirmRestore(ctx context.Context, s *service.Service, request *trigger.Request) (goOn bool, err error) {
	r := s.PreviewRestore(ctx, localCall(), request)
	if r.Status != report.Done && r.Status != report.Partial || r.Restore.Restored == 0 {
		return false, c.writeReport(r, "table")
	}
	r.Next = ""
	r.Restore.Media = r.Restore.Media[:min(len(r.Restore.Media), maxPreview)]
	if err := render.WriteReport(c.Stderr, r); err != nil {
		return false, err
	}
	switch strings.ToLower(c.ask(ctx, "\nRestore %d media? [y/N] ", r.Restore.Restored)) {
	case "y", "yes":
		return true, nil
	}
	return false, errors.New("nothing was restored")
}
