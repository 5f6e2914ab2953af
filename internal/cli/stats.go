package cli

import (
	"context"
	"strings"

	"github.com/spf13/cobra"

	"github.com/mediasweep/mediasweep/internal/render"
	"github.com/mediasweep/mediasweep/internal/report"
	"github.com/mediasweep/mediasweep/internal/service"
)

func (c *Command) stats() *cobra.Command {
	var flags functionFlags
	by, since := report.ByMonth, ""
	cmd := &cobra.Command{
		Use:   "stats",
		Short: "Total the deletions by month, week or rule",
		Long: `stats totals the deletions that reports have, in whole days of the policy's
timezone, or of UTC if the policy cannot be read. Weeks are those of ISO 8601. A
killed run is counted once a scheduled run has finished its plan: with what it had
recorded, on the day of the plan. Media that it may have deleted before it recorded
that count as lost, in the run that finishes the plan.`,
		Example: `  mediasweep stats --by month
  mediasweep stats --by rule --since 2026-11-01 -o csv`,
		Args: takes(0, 0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return flags.show(cmd, c, func(ctx context.Context, s *service.Service, b *strings.Builder) error {
				stats, err := s.Stats(ctx, localCall(), by, since)
				if err != nil {
					return err
				}
				c.note(stats.Notes...)
				return write(&flags, b, stats, render.WriteStats, render.WriteStatsCSV)
			})
		},
	}
	flags.add(cmd, "table", "json", "csv")
	cmd.Flags().Var(newChoice(&by, report.StatsBy()...), "by", strings.Join(report.StatsBy(), ", "))
	cmd.Flags().StringVar(&since, "since", "", "only from this day on (2026-11-01), or for a period (1y)")
	return cmd
}
