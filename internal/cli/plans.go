package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/mediasweep/mediasweep/internal/media"
	"github.com/mediasweep/mediasweep/internal/policy"
	"github.com/mediasweep/mediasweep/internal/render"
	"github.com/mediasweep/mediasweep/internal/report"
	"github.com/mediasweep/mediasweep/internal/service"
	"github.com/mediasweep/mediasweep/internal/state"
	"github.com/mediasweep/mediasweep/internal/text"
	"github.com/mediasweep/mediasweep/internal/trigger"
	"github.com/mediasweep/mediasweep/internal/words"
)

func (c *Command) plan() *cobra.Command {
	var flags functionFlags
	var list string
	cmd := &cobra.Command{
		Use:   "plan [ID...|OBJECT...|PREFIX...]",
		Short: "Plan a deletion and keep the plan for review; nothing is deleted",
		Long: `plan looks at the policy's inventory, or at the media IDs or oss://bucket/key
objects that are named, and keeps what has expired as a plan. It is a dry run: the
same code as a deletion, up to the deletion.

A name that ends in / or /** is a prefix: oss://bucket/drafts/ names every object
below it. With --manifest, plan looks at the media of a list: CSV with a column
mediaId or object, or JSON Lines, in a file or at oss://bucket/key.`,
		Example: `  mediasweep plan
  mediasweep plan oss://media-in/drafts/
  mediasweep plan --manifest media.csv -o html > plan.html`,
		RunE: func(cmd *cobra.Command, args []string) error {
			request, err := planRequest(args, list)
			if err != nil {
				return exitError{exitUsage, err}
			}
			return c.request(cmd, &flags, request)
		},
	}
	cmd.Flags().StringVar(&list, "manifest", "", "look at the media of this list: a file, or oss://bucket/key")
	flags.add(cmd, "table", "json", "csv", "html")
	flags.addClock(cmd)
	return cmd
}

// planRequest asks for a plan of what is named: a list, prefixes and objects, media, or
// else the policy's inventory.
func planRequest(names []string, list string) (*trigger.Request, error) {
	keys := map[string]any{"mode": policy.DryRun}
	switch {
	case list != "" && len(names) > 0:
		return nil, errors.New("--manifest and names are two scopes: give one of them")
	case list != "" && strings.HasPrefix(list, "oss://"):
		keys["manifest"] = list
		return trigger.NewRequest(keys, trigger.CLI)
	case list != "":
		switch info, err := os.Stat(list); {
		case err != nil:
			return nil, fmt.Errorf("--manifest: %w", err)
		case info.IsDir():
			return nil, fmt.Errorf("--manifest: %s is a folder: name a file", text.Quote(list))
		}
		return &trigger.Request{Trigger: trigger.CLI, Mode: policy.DryRun, Files: []string{list}}, nil
	case len(names) == 0:
		keys["inventory"] = true
		return trigger.NewRequest(keys, trigger.CLI)
	}
	var prefixes []media.Object
	var others []string
	isObject := strings.HasPrefix(names[0], "oss://")
	for _, name := range names {
		if strings.HasPrefix(name, "oss://") != isObject {
			return nil, errors.New("media IDs and objects are two scopes: give one of them")
		}
		if !isObject && media.CheckID(name) != nil {
			return nil, fmt.Errorf("%s is neither a media ID nor oss://bucket/key; give a list with --manifest", text.Quote(name))
		}
		prefix := strings.TrimSuffix(name, "**")
		if !isObject || !strings.HasSuffix(prefix, "/") {
			others = append(others, name)
			continue
		}
		parsed, err := media.ParsePrefix(prefix)
		if err != nil {
			return nil, err
		}
		prefixes = append(prefixes, parsed)
	}
	request := &trigger.Request{Trigger: trigger.CLI, Mode: policy.DryRun}
	if len(others) > 0 {
		scope, values := trigger.Names(others...)
		keys[scope] = values
		var err error
		if request, err = trigger.NewRequest(keys, trigger.CLI); err != nil {
			return nil, err
		}
	}
	request.Prefixes = prefixes
	return request, nil
}

// request runs a request as the function does and writes its report, or its plan.
func (c *Command) request(cmd *cobra.Command, flags *functionFlags, request *trigger.Request) error {
	return flags.with(cmd, c, func(ctx context.Context, s *service.Service) error {
		r := s.Sweep(ctx, localCall(), request)
		c.note(prefixNote(request.Objects, r.Counts)...)
		if ids := len(request.MediaIDs); ids > 0 && r.Counts.Absent == ids && r.Plan != "" {
			c.note("MPS has none of these media: write an object as oss://bucket/key, and what is below a prefix as oss://bucket/prefix/**")
		}
		if flags.output != "csv" && flags.output != "html" {
			return c.writeReport(r, flags.output)
		}
		problem := fmt.Errorf("the run is %s: %s", r.Status, cmp.Or(r.Problem(), r.Guard.Reason))
		if r.Plan == "" { // a file of media is no place for a report
			return exitError{r.ExitCode(), problem}
		}
		if r.Status != report.Done {
			c.complain(problem)
		}
		contents, items, err := s.Decisions(ctx, localCall(), r)
		if err == nil {
			err = c.writePlan(ctx, s, c.Stdout, flags, render.Plan{Contents: contents, Items: items}, r)
		}
		if err != nil {
			return exitError{exitFailed, err}
		}
		return ending(r)
	})
}

// prefixNote explains prefixes if no named object has a medium, and one has no extension: it may be a folder.
func prefixNote(objects []media.Object, counts report.Counts) []string {
	folder := slices.IndexFunc(objects, func(o media.Object) bool { return path.Ext(o.Key) == "" })
	if folder < 0 || counts.Looked > 0 || counts.ObjectsWithoutMedia != len(objects) {
		return nil
	}
	name := objects[folder].String()
	above, _, _ := strings.Cut(name, "*")
	return []string{fmt.Sprintf("%s is one object, and has no medium: for what is below it, write %s/**", name, strings.TrimRight(above, "/"))}
}

// writePlan writes the media of a plan. The report is that of the run that made it, or nil.
func (c *Command) writePlan(ctx context.Context, s *service.Service, w io.Writer, flags *functionFlags, p render.Plan, r *report.Report) error {
	if flags.output == "csv" {
		return p.CSV(flags.csv(w))
	}
	edition := c.edition(ctx, s)
	if p.Zone = edition.Zone; flags.output == "table" {
		return render.WritePlan(w, p)
	}
	document, err := p.Document(edition, r)
	if err != nil {
		return err
	}
	return document.WriteHTML(w)
}

func (c *Command) edition(ctx context.Context, s *service.Service) render.Edition {
	zone, notes := s.Zone(ctx, localCall())
	c.note(notes...)
	lang, _ := words.Parse(c.Getenv("MEDIASWEEP_LANG")) // the service refuses a wrong one
	return render.Edition{Lang: lang, Zone: zone, Origin: render.Origin(s.Origin())}
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
		return c.writePlan(ctx, s, b, flags, render.Plan{Contents: contents, Items: items}, nil)
	}
	contents, entries, err := s.Entries(ctx, localCall(), reference)
	if err != nil {
		return err
	}
	return render.WritePlanJSON(b, contents, entries)
}

// listPlans writes the plans that were saved before one, or the latest ones.
func (c *Command) listPlans(ctx context.Context, s *service.Service, b *strings.Builder, before string, flags *functionFlags) error {
	list, err := s.Plans(ctx, localCall(), before)
	c.note(list.Notes...)
	if list.Next != "" {
		c.note("there are earlier plans: add --before " + list.Next)
	}
	switch {
	case err != nil:
		return err
	case flags.output == "json":
		return writeJSON(b, list.Plans)
	case flags.output == "csv":
		return render.WritePlansCSV(flags.csv(b), list.Plans)
	}
	if len(list.Plans) == 0 && before == "" {
		c.note("no plan is in the state store: mediasweep plan makes one, and --state names another store")
	}
	render.WritePlans(b, list.Plans)
	return nil
}

// missing says that the state store has no record of a name in a list (runs or plans), if that is the error.
func missing(list, name string, err error) error {
	if !errors.Is(err, state.ErrNotFound) {
		return err
	}
	return exitError{exitUsage, fmt.Errorf("there is no %s %s in the state store: mediasweep %s lists the latest, and --state names another store",
		strings.TrimSuffix(list, "s"), text.Quote(name), list)}
}
