package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
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
	"github.com/mediasweep/mediasweep/internal/text"
	"github.com/mediasweep/mediasweep/internal/trigger"
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
			return c.makePlan(cmd, &flags, request)
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
	switch {
	case list != "" && len(names) > 0:
		return nil, errors.New("--manifest and names are two scopes: give one of them")
	case list != "":
		return requestOfList(list)
	case len(names) > 0:
		return requestOfNames(names)
	}
	return &trigger.Request{Trigger: trigger.CLI, Mode: policy.DryRun, Inventory: true}, nil
}

func requestOfList(list string) (*trigger.Request, error) {
	if strings.HasPrefix(list, "oss://") {
		return trigger.NewRequest(map[string]any{"mode": policy.DryRun, "manifest": list}, trigger.CLI)
	}
	switch info, err := os.Stat(list); {
	case list == "-":
		return nil, errors.New("--manifest: - stands for stdin, and a list is read twice: name a file")
	case err != nil:
		return nil, fmt.Errorf("--manifest: %w", err)
	case info.IsDir():
		return nil, fmt.Errorf("--manifest: %s is a folder: name a file", text.Quote(list))
	case !info.Mode().IsRegular():
		return nil, fmt.Errorf("--manifest: %s is a pipe or a device: a list is read twice, so name a file", text.Quote(list))
	}
	return &trigger.Request{Trigger: trigger.CLI, Mode: policy.DryRun, Files: []string{list}}, nil
}

func requestOfNames(names []string) (*trigger.Request, error) {
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
		if bucket, found := strings.CutPrefix(name, "oss://"); found && media.CheckBucket(bucket) == nil {
			return nil, fmt.Errorf("%s names no object: write %s for all of the bucket", text.Quote(name), text.Quote(name+"/"))
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
	request := &trigger.Request{Trigger: trigger.CLI}
	if len(others) > 0 {
		var err error
		if request, err = trigger.Named(trigger.CLI, others...); err != nil {
			return nil, err
		}
	}
	request.Mode, request.Prefixes = policy.DryRun, prefixes
	return request, nil
}

// makePlan runs a request as the function does and writes its report, or its plan.
func (c *Command) makePlan(cmd *cobra.Command, flags *functionFlags, request *trigger.Request) error {
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
			err = c.writePlan(ctx, s, c.Stdout, flags, render.Plan{Contents: contents, Items: items, Report: r})
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
