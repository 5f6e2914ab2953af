package cli

import (
	"context"
	"errors"
	"strings"

	"github.com/spf13/cobra"

	"github.com/mediasweep/mediasweep/internal/render"
	"github.com/mediasweep/mediasweep/internal/service"
	"github.com/mediasweep/mediasweep/internal/text"
)

func (c *Command) history() *cobra.Command {
	var flags functionFlags
	cmd := &cobra.Command{
		Use:   "history ID|OBJECT",
		Short: "List every decision to delete a medium, and its outcome",
		Long: `history lists every decision of a run to delete a medium, newest first: when, with
which outcome, by which run, plan, rule and policy, how to get the medium back, and
the text of the latest policy (JSON has all).
It takes a media ID, or oss://bucket/key for all media of an object. Outcomes are
deleted, gone (somebody else deleted it), failed, unverified (MPS still showed it),
lost (gone after a run was killed) and restored. A restore names the run or plan that
it undid; mediasweep runs lists the restore itself.`,
		Example: "  mediasweep history oss://media-in/drafts/editor-8/take-0038.mov",
		Args:    takes(1, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return flags.with(cmd, c, func(ctx context.Context, s *service.Service) error {
				found, err := s.History(ctx, localCall(), args[0])
				if err != nil {
					return err
				}
				var b strings.Builder
				if flags.output == "html" {
					err = render.HistoryDocument(c.edition(ctx, s), found).WriteHTML(&b)
				} else {
					err = write(&flags, &b, found, render.WriteHistory, render.WriteHistoryCSV)
				}
				if err == nil {
					err = c.print(&b)
				}
				if err != nil {
					return err
				}
				c.note(found.Notes...)
				if len(found.Unread) > 0 {
					return exitError{exitPartial, errors.New("history incomplete: " + strings.Join(text.First(found.Unread, "records"), "; "))}
				}
				return nil
			})
		},
	}
	flags.add(cmd, "table", "json", "csv", "html")
	return cmd
}
