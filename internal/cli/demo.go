package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/mediasweep/mediasweep/internal/console"
	"github.com/mediasweep/mediasweep/internal/emulator"
	"github.com/mediasweep/mediasweep/internal/mps"
	"github.com/mediasweep/mediasweep/internal/policy"
	"github.com/mediasweep/mediasweep/internal/render"
	"github.com/mediasweep/mediasweep/internal/report"
	"github.com/mediasweep/mediasweep/internal/service"
	"github.com/mediasweep/mediasweep/internal/trigger"
)

func (c *Command) demo() *cobra.Command {
	var inConsole bool
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "Sweep an emulated library: a dry run, the real run, and undo",
		Long: `demo needs no account and touches nothing but loopback: it starts the embedded
emulator with a library of 1000 media and applies the policy that ships with the
program. The policy's mode is raised for the emulator only.`,
		Example: `  mediasweep demo
  mediasweep demo --console`,
		Args: takes(0, 0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if inConsole {
				return c.demoConsole(cmd.Context())
			}
			return c.demoRuns(cmd.Context())
		},
	}
	cmd.Flags().BoolVar(&inConsole, "console", false, "open the emulated library in the console, with a plan to review")
	return cmd
}

// demoRuns shows a dry run, the real run, what the emulator saw, and undo.
func (c *Command) demoRuns(ctx context.Context) error {
	now := time.Now()
	s, e, stop, err := c.demoService(service.Options{Now: func() time.Time { return now }})
	if err != nil {
		return err
	}
	defer stop()
	before := e.Objects(emulator.InputBucket)
	var b strings.Builder
	say := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	say("An emulated library: what a nightly timer sweeps, by the policy that ships with mediasweep.")
	say("\n1. Dry run: decide, plan and report, and delete nothing\n")
	dry := s.Sweep(ctx, localCall(), &trigger.Request{Trigger: trigger.Timer, Mode: policy.DryRun, Inventory: true})
	if dry.Status == report.Done {
		contents, items, err := s.Items(ctx, localCall(), dry.Plan)
		if err != nil {
			return exitError{exitFailed, err}
		}
		say("%d media have expired, such as:\n", contents.Entries)
		if err := render.WriteSample(&b, render.Plan{Contents: contents, Items: items, Zone: time.UTC}, 2); err != nil {
			return exitError{exitFailed, err}
		}
		say("")
	}
	dry.Next = "" // step 2
	if err := finished(dry, &b); err != nil {
		return err
	}
	say("\n2. Enforced: the same code, the same plan, and then the deletion\n")
	real := s.Sweep(ctx, localCall(), &trigger.Request{Trigger: trigger.Timer, Inventory: true})
	say("It looks at %d media and not at %d: the dry run saw the others a moment ago. They are unchanged and not due, so no call is spent on them.\n", real.Counts.Looked, dry.Counts.Looked)
	if err := finished(real, &b); err != nil {
		return err
	}
	say("\n3. What the emulator saw\n")
	if err := witness(&b, e, before, dry, real); err != nil {
		return exitError{exitFailed, err}
	}
	say("\n4. Undone: the media are added again, from the records of the plan\n")
	undone := s.Sweep(ctx, localCall(), &trigger.Request{Trigger: trigger.CLI, Restore: real.Run})
	if undone.Status != report.Done || undone.Restore.Restored != real.Counts.Deleted {
		return exitError{exitFailed, fmt.Errorf("the restore of %d media ended %s: %s", real.Counts.Deleted, undone.Status, undone.Problem())}
	}
	say("%d media restored, with new IDs; they are kept for 30 days", undone.Restore.Restored)
	return c.print(&b)
}

// demoService returns the service of an emulated library, with the policy that the program ships with in
// mode enforce. The library is there until stop is called.
func (c *Command) demoService(o service.Options) (s *service.Service, e *emulator.Emulator, stop func(), err error) {
	if o.Policy, err = c.shipped(); err != nil {
		return nil, nil, nil, exitError{exitUsage, err}
	}
	o.Policy.Mode, o.Log = policy.Enforce, io.Discard
	state := overlay(func(string) string { return "" }, map[string]string{"MEDIASWEEP_STATE": "oss://ops/retention/state/"})
	if o.Getenv, e, stop, err = c.emulated(state); err != nil {
		return nil, nil, nil, exitError{exitFailed, err}
	}
	return service.New(o), e, stop, nil
}

// demoConsole serves the console over an emulated library that was swept in a dry run.
func (c *Command) demoConsole(ctx context.Context) error {
	runs := console.NewRuns(ctx, 0)
	s, _, stop, err := c.demoService(service.Options{Progress: runs.Show})
	if err != nil {
		return err
	}
	defer stop()
	s.Sweep(ctx, localCall(), &trigger.Request{Trigger: trigger.Timer, Mode: policy.DryRun, Inventory: true})
	return c.serveConsole(ctx, []console.Options{c.pages("", s, runs)}, "127.0.0.1:0")
}

func finished(r *report.Report, w io.Writer) error {
	if r.Status != report.Done {
		return exitError{r.ExitCode(), fmt.Errorf("the %s run ended %s: %s%s", r.Mode, r.Status, r.Error, r.Guard.Reason)}
	}
	return failed(render.WriteReport(w, r))
}

// witness holds the reports against what the emulator recorded.
func witness(b *strings.Builder, e *emulator.Emulator, before []emulator.Object, dry, real *report.Report) error {
	var sent []string
	for _, call := range e.Calls() {
		if call.Operation == string(mps.DeleteMedia) {
			sent = append(sent, call.MediaIDs...)
		}
	}
	slices.Sort(sent)
	after := e.Objects(emulator.InputBucket)
	same := func(a, b emulator.Object) bool { return a.Key == b.Key && a.Modified.Equal(b.Modified) }
	switch {
	case dry.Plan != real.Plan:
		return errors.New("the two runs made different plans")
	case len(sent) != real.Counts.Expired || real.Counts.Deleted != real.Counts.Expired:
		return fmt.Errorf("%d media expired, %d were sent and %d deleted", real.Counts.Expired, len(sent), real.Counts.Deleted)
	case len(slices.Compact(sent)) != real.Counts.Expired:
		return errors.New("an ID was sent twice")
	case !slices.EqualFunc(before, after, same):
		return fmt.Errorf("the source objects are not what they were: %d before, %d after", len(before), len(after))
	case len(e.Violations()) > 0:
		return fmt.Errorf("a call broke a rule of the service: %s", e.Violations()[0])
	}
	fmt.Fprintf(b, "%d media deleted in %d calls of up to %d, none twice and none beyond the plan\n", len(sent), real.Calls.DeleteMedia, mps.MaxBatch)
	fmt.Fprintf(b, "%d of %d source objects are still in oss://%s/\n", len(after), len(before), emulator.InputBucket)
	fmt.Fprintf(b, "both runs made the plan %s\n", real.Plan)
	return nil
}
