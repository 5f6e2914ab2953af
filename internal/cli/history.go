package cli

import (
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/mediasweep/mediasweep/internal/history"
	"github.com/mediasweep/mediasweep/internal/service"
	"github.com/mediasweep/mediasweep/internal/text"
)

func (c *Command) history() *cobra.Command {
	var flags functionFlags
	cmd := &cobra.Command{
		Use:   "history ID|OBJECT",
		Short: "List every decision to delete a medium, and its outcome",
		Long: `history lists every decision of a run to delete a medium, newest first: when, with
which outcome, by which run, plan, rule and policy, and how to get the medium back.
It takes a media ID, or oss://bucket/key for all media of an object. Outcomes are
deleted, gone (somebody else deleted it), failed, unverified (MPS still showed it),
lost (gone after a run was killed) and restored.`,
		Example: "  mediasweep history oss://media-in/drafts/a.mp4",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return flags.with(cmd, c, nil, func(ctx context.Context, s *service.Service) error {
				found, err := s.History(ctx, localCall(), args[0])
				switch {
				case service.IsRefusal(err):
					return exitError{exitUsage, err}
				case err != nil:
					return exitError{exitFailed, err}
				}
				var b strings.Builder
				switch flags.output {
				case "json":
					err = writeJSON(&b, found)
				case "csv":
					err = writeHistoryCSV(&b, found)
				default:
					writeHistory(&b, found)
				}
				if err != nil {
					return exitError{exitFailed, err}
				}
				if err := c.print(&b); err != nil {
					return err
				}
				c.note(found.Notes)
				if len(found.Unread) > 0 {
					return exitError{exitPartial, errors.New("history incomplete: " + strings.Join(text.First(found.Unread, "records"), "; "))}
				}
				return nil
			})
		},
	}
	flags.add(cmd, "table", "json", "csv")
	return cmd
}

func writeHistory(b *strings.Builder, found *history.History) {
	if len(found.Decisions) == 0 {
		fmt.Fprintf(b, "no decision to delete %s is known\n", text.Line(found.Of))
		return
	}
	t := tabwriter.NewWriter(b, 0, 0, 2, ' ', 0)
	line := func(cells ...string) {
		for i, cell := range cells {
			cells[i] = text.Line(cell)
		}
		fmt.Fprintln(t, strings.Join(cells, "\t")) //nolint:errcheck // a Builder takes everything
	}
	line("at", "outcome", "medium", "run", "reason")
	for _, d := range found.Decisions {
		outcome := string(d.Outcome)
		if detail := d.NewID + d.Code; detail != "" {
			outcome += " (" + detail + ")"
		}
		line(d.At.Format(time.RFC3339), outcome, d.MediaID, d.Run, d.Reason)
	}
	_ = t.Flush() // as above
	// The record of a restore has no title.
	latest := found.Decisions[max(0, slices.IndexFunc(found.Decisions, func(d history.Decision) bool { return d.Outcome != history.Restored }))]
	b.WriteByte('\n')
	for _, field := range [][2]string{{"title", latest.Title}, {"object", latest.Object}, {"plan", latest.Plan}, {"policy", latest.Policy}, {"next", found.Next}} {
		if field[1] != "" {
			line(field[0], field[1])
		}
	}
	_ = t.Flush() // as above
}

func writeHistoryCSV(w io.Writer, found *history.History) error {
	table := csv.NewWriter(w)
	_ = table.Write([]string{"at", "outcome", "mediaId", "newId", "code", "run", "plan", "policy", "rule", "reason", "title", "object"})
	for _, d := range found.Decisions {
		_ = table.Write([]string{d.At.Format(time.RFC3339), string(d.Outcome), d.MediaID, d.NewID, d.Code, d.Run, d.Plan, d.Policy, d.Rule, d.Reason, d.Title, d.Object})
	}
	table.Flush()
	return table.Error() // of any of the writes
}
