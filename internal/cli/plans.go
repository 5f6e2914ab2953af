package cli

import (
	"context"
	"errors"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/mediasweep/mediasweep/internal/render"
	"github.com/mediasweep/mediasweep/internal/service"
	"github.com/mediasweep/mediasweep/internal/words"
)

// maxListed is the number of media that a terminal gets of a plan.
const maxListed = 100

func (c *Command) writePlan(ctx context.Context, s *service.Service, w io.Writer, flags *functionFlags, p render.Plan) error {
	if flags.output == "csv" {
		return p.CSV(flags.csv(w))
	}
	edition := c.edition(ctx, s)
	if flags.output == "table" {
		p.Zone = edition.Zone
		if _, ok := c.Stdout.(*screen); ok { // the totals would scroll away
			p.Most = maxListed
		}
		return render.WritePlan(w, p)
	}
	document, err := p.Document(edition)
	if err != nil {
		return err
	}
	return document.WriteHTML(w)
}

func (c *Command) edition(ctx context.Context, s *service.Service) render.Edition {
	zone, notes := s.Zone(ctx, localCall())
	c.note(notes...)
	lang, _ := words.Parse(c.Getenv("MEDIASWEEP_LANG")) // the service refuses a wrong one
	return render.Edition{Lang: lang, Zone: zone, Origin: s.Origin()}
}

func (c *Command) plans() *cobra.Command {
	var flags functionFlags
	var before string
	cmd := &cobra.Command{
		Use:   "plans [PLAN|latest]",
		Short: "List the plans that were saved, or the media of one",
		Long: `plans lists the latest plans, or the media of one. PLAN is a plan's ID, or at least
8 of its first digits; latest is the plan with media that was made last, by a run
that is neither an apply nor of an OSS event. A note on stderr has the --before of
the next page of the list. The JSON of one plan is that of GET /v1/plans/PLAN.`,
		Example: `  mediasweep plans
  mediasweep plans latest
  mediasweep plans latest -o csv --excel > plan.csv`,
		Args: takes(0, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 && flags.output == "html" {
				return exitError{exitUsage, errors.New("-o html is for one plan: name it")}
			}
			if len(args) == 1 && before != "" {
				return exitError{exitUsage, errors.New("--before is for the list of plans: leave it or the plan out")}
			}
			return flags.show(cmd, c, func(ctx context.Context, s *service.Service, b *strings.Builder) error {
				if len(args) == 1 {
					return missing("plans", args[0], c.showPlan(ctx, s, b, args[0], &flags))
				}
				return c.listPlans(ctx, s, b, before, &flags)
			})
		},
	}
	flags.add(cmd, "table", "json", "csv", "html")
	cmd.Flags().StringVar(&before, "before", "", "only plans that were saved before this one: the next page")
	return cmd
}

func (c *Command) showPlan(ctx context.Context, s *service.Service, b *strings.Builder, reference string, flags *functionFlags) error {
	if flags.output != "json" {
		contents, items, err := s.Items(ctx, localCall(), reference)
		if err != nil {
			return err
		}
		return c.writePlan(ctx, s, b, flags, render.Plan{Contents: contents, Items: items})
	}
	contents, entries, err := s.Entries(ctx, localCall(), reference)
	if err != nil {
		return err
	}
	return render.WritePlanJSON(b, contents, entries)
}

func (c *Command) listPlans(ctx context.Context, s *service.Service, b *strings.Builder, before string, flags *functionFlags) error {
	list, err := s.Plans(ctx, localCall(), before)
	c.note(list.Notes...)
	if list.Next != "" {
		c.note("there are earlier plans: add --before " + list.Next)
	}
	if err != nil {
		return err
	}
	if len(list.Plans) == 0 && before == "" && flags.output == "table" {
		c.note("no plan is in the state store: mediasweep plan makes one, and --state names another store")
	}
	return write(flags, b, list.Plans, render.WritePlans, render.WritePlansCSV)
}
