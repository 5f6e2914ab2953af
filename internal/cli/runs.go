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
)

func (c *Command) runs() *cobra.Command {
	var flags functionFlags
	var filter service.RunFilter
	cmd := &cobra.Command{
		Use:   "runs [RUN]",
		Short: "List the latest runs, or tell what one did",
		Long: `runs lists runs, the one that ended last first, also those that were blocked, busy
or failed. A note on stderr has the --before of the next page. Refused requests of
people are not runs, and are in the log only.`,
		Example: `  mediasweep runs --trigger timer --since 7d
  mediasweep runs --status blocked --since 2026-11-01 -o csv`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 1 && filter != (service.RunFilter{Limit: service.DefaultRuns}) {
				return exitError{exitUsage, errors.New("a run has one report: leave the other flags out")}
			}
			if len(args) == 0 && flags.output == "html" {
				return exitError{exitUsage, errors.New("-o html is for one run: name it")}
			}
			return c.kept(cmd, &flags, args, func(ctx context.Context, s *service.Service, b *strings.Builder) error {
				if len(args) == 1 {
					return c.writeRun(ctx, s, b, args[0], &flags)
				}
				list, err := s.Runs(ctx, localCall(), filter)
				c.note(list.Notes)
				if list.Next != "" {
					c.note([]string{"there are earlier runs: add --before " + list.Next})
				}
				switch {
				case err != nil:
					return err
				case flags.output == "json":
					return writeJSON(b, list.Reports)
				case flags.output == "csv":
					return render.WriteRunsCSV(flags.csv(b), list.Reports)
				}
				render.WriteRuns(b, list.Reports)
				return nil
			})
		},
	}
	flags.add(cmd, "table", "json", "csv", "html")
	cmd.Flags().StringVar(&filter.Trigger, "trigger", "", "only runs of timer, oss, http, invoke or cli")
	cmd.Flags().StringVar(&filter.Status, "status", "", "only runs that ended done, partial, incomplete, blocked, busy or failed")
	cmd.Flags().StringVar(&filter.Since, "since", "", "only runs that ended since a day (2026-11-25), a time, or for a period (7d)")
	cmd.Flags().StringVar(&filter.Before, "before", "", "only runs that ended before this one: the next page")
	cmd.Flags().Var(newDecimal(&filter.Limit, service.DefaultRuns), "limit", fmt.Sprintf("at most this many runs, and at most %d", service.MaxRuns))
	return cmd
}

// writeRun writes the report of one run.
func (c *Command) writeRun(ctx context.Context, s *service.Service, b *strings.Builder, id string, flags *functionFlags) error {
	run, err := s.Run(ctx, localCall(), id)
	if err != nil {
		return err
	}
	switch flags.output {
	case "json":
		return writeJSON(b, run)
	case "csv":
		if run.Restore == nil {
			return render.WriteRunsCSV(flags.csv(b), []*report.Report{run})
		}
		results, err := s.RestoredBy(ctx, localCall(), run)
		if err != nil {
			return err
		}
		return render.WriteRestoredCSV(flags.csv(b), results)
	case "html":
		lang, origin, zone := c.placeOf(ctx, s)
		return render.ReportDocument(lang, origin, zone, run).WriteHTML(b)
	}
	return render.WriteReport(b, run)
}
