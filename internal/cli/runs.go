package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/mediasweep/mediasweep/internal/render"
	"github.com/mediasweep/mediasweep/internal/report"
	"github.com/mediasweep/mediasweep/internal/runlog"
	"github.com/mediasweep/mediasweep/internal/service"
	"github.com/mediasweep/mediasweep/internal/state"
	"github.com/mediasweep/mediasweep/internal/text"
	"github.com/mediasweep/mediasweep/internal/trigger"
)

func (c *Command) runs() *cobra.Command {
	var flags functionFlags
	var filter service.RunFilter
	var places *[]string
	cmd := &cobra.Command{
		Use:   "runs [RUN]",
		Short: "List the latest runs, or tell what one did",
		Long: `runs lists runs, the one that ended last first, also those that were blocked, busy
or failed. A note on stderr has the --before of the next page. Refused requests of
people are not runs, and are in the log only. Runs of several stores are in one list,
with the place of each: a store that cannot be read is in a note, and the exit code is 3.
RUN is the ID of a run, or at least eight characters of its start that no other has.`,
		Example: `  mediasweep runs --trigger timer --since 7d
  mediasweep runs --status blocked --since 2026-11-01 -o csv`,
		Args: takes(0, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 1 && filter != (service.RunFilter{Limit: service.DefaultRuns}) {
				return exitError{exitUsage, errors.New("a run has one report: leave the other flags out")}
			}
			if len(args) == 0 && flags.output == "html" {
				return exitError{exitUsage, errors.New("-o html is for one run: name it")}
			}
			stores, err := c.stores(*places, nil)
			switch {
			case err != nil:
				return err
			case len(args) == 1:
				return showRun(cmd, &flags, stores, args[0])
			case len(stores) > 1 && filter.Before != "" && !runlog.IsCursor(filter.Before):
				return exitError{exitUsage, errors.New("--before takes the value that the page before gives, where there are several stores")}
			}
			return c.listRuns(cmd, &flags, stores, filter)
		},
	}
	places = addStates(cmd)
	flags.add(cmd, "table", "json", "csv", "html")
	cmd.Flags().Var(newChoice(&filter.Trigger, trigger.Kinds()...), "trigger", "only runs of timer, oss, http, invoke or cli")
	cmd.Flags().Var(newChoice(&filter.Status, report.Statuses()...), "status", "only runs that ended done, partial, incomplete, blocked, busy or failed")
	cmd.Flags().StringVar(&filter.Since, "since", "", "only runs that ended since a day (2026-11-25), a time, or for a period (7d)")
	cmd.Flags().StringVar(&filter.Before, "before", "", "only runs that ended before this one: the next page")
	cmd.Flags().Var(newDecimal(&filter.Limit, service.DefaultRuns), "limit", fmt.Sprintf("at most this many runs, and at most %d", service.MaxRuns))
	return cmd
}

func (c *Command) listRuns(cmd *cobra.Command, flags *functionFlags, stores []store, filter service.RunFilter) error {
	list, next, failures := c.collectRuns(cmd, flags, stores, filter)
	if len(failures) == len(stores) {
		return failures[0]
	}
	if next != "" {
		c.note("there are earlier runs: add --before " + next)
	}
	if len(list) == 0 && len(failures) == 0 && flags.output == "table" {
		none := "no such run: leave flags out for more runs, and --state names another store"
		if filter == (service.RunFilter{Limit: filter.Limit}) {
			none = "no run yet: mediasweep plan makes the first, and --state names another store"
		}
		c.note(none)
	}
	var b strings.Builder
	if err := write(flags, &b, list, render.WriteRuns, render.WriteRunsCSV); err != nil {
		return exitError{exitFailed, err}
	}
	if err := c.print(&b); err != nil {
		return err
	}
	if len(failures) > 0 {
		return exitError{exitPartial, fmt.Errorf("%d of %d stores could not be read", len(failures), len(stores))}
	}
	return nil
}

// collectRuns returns a page of the runs of all stores, and the cursor of the next page. failures has an error of each
// store that could not be read.
func (c *Command) collectRuns(cmd *cobra.Command, flags *functionFlags, stores []store, filter service.RunFilter) (list []render.Run, next string, failures []error) {
	list = []render.Run{} // not nil: JSON has [] for none
	var end string        // the newest of the pages' ends: the lists of other stores may go on before it
	for _, one := range stores {
		err := flags.with(cmd, one.command, func(ctx context.Context, s *service.Service) error {
			page, err := s.Runs(ctx, localCall(), filter)
			c.note(one.of(page.Notes...)...)
			if page.Next != "" && (end == "" || runlog.CompareCursors(page.Next, end) < 0) {
				end = page.Next
			}
			for _, r := range page.Reports {
				list = append(list, render.Run{Store: one.place, Report: r})
			}
			return err
		})
		if err != nil {
			failures = append(failures, err)
			if len(stores) > 1 {
				c.note(one.of("not read: " + text.Bound(err.Error()))...)
			}
		}
	}
	list, next = page(list, end, filter.Limit)
	return list, next, failures
}

// page sorts runs, newest first, and cuts them where the list of a store ends before its last run, and at
// a limit. It returns the cursor of the next page.
func page(list []render.Run, end string, limit int) (shown []render.Run, next string) {
	slices.SortStableFunc(list, func(a, b render.Run) int {
		return runlog.CompareCursors(runlog.Cursor(a.Report), runlog.Cursor(b.Report))
	})
	if end != "" {
		list = slices.DeleteFunc(list, func(l render.Run) bool { return runlog.CompareCursors(runlog.Cursor(l.Report), end) > 0 })
	}
	if len(list) > limit {
		return list[:limit], runlog.Cursor(list[limit-1].Report)
	}
	return list, end
}

// showRun writes the report of a run from the first store that has it.
func showRun(cmd *cobra.Command, flags *functionFlags, stores []store, id string) error {
	var absent, failure error
	for _, one := range stores {
		err := flags.show(cmd, one.command, func(ctx context.Context, s *service.Service, b *strings.Builder) error {
			return one.command.writeRun(ctx, s, b, id, flags)
		})
		switch {
		case err == nil:
			return nil
		case errors.Is(err, state.ErrNotFound):
			absent = missing("runs", id, err)
		case failure == nil:
			failure = err
		}
	}
	return cmp.Or(failure, absent)
}

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
			contents, items, err := s.Decisions(ctx, localCall(), run)
			if err != nil {
				return err
			}
			return render.Plan{Contents: contents, Items: items}.CSV(flags.csv(b))
		}
		results, err := s.RestoredBy(ctx, localCall(), run)
		if err != nil {
			return err
		}
		return render.WriteRestoredCSV(flags.csv(b), results)
	case "html":
		return render.ReportDocument(c.edition(ctx, s), run).WriteHTML(b)
	}
	if run.Due != nil {
		run.Zone, _ = s.Zone(ctx, localCall())
	}
	return render.WriteReport(b, run)
}
