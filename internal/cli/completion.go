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
	"github.com/spf13/pflag"

	"github.com/mediasweep/mediasweep/internal/report"
	"github.com/mediasweep/mediasweep/internal/service"
	"github.com/mediasweep/mediasweep/internal/task"
	"github.com/mediasweep/mediasweep/internal/text"
	"github.com/mediasweep/mediasweep/internal/trigger"
)

// complete lets a shell complete the values of flags and arguments. A value that is neither in a list, nor a file, nor
// a record of the state store has no completion.
func (c *Command) complete(root *cobra.Command) error {
	records := map[string]lister{
		"plans": plansToName, "apply": plansToName, "release": holdsToName,
		"runs":    runsToName(func(*report.Report) bool { return true }),
		"restore": runsToName(func(r *report.Report) bool { return r.Restore == nil && r.Counts.Deleted > 0 }),
	}
	var errs []error
	for _, cmd := range append(root.Commands(), root) {
		if list := records[cmd.Name()]; list != nil {
			cmd.ValidArgsFunction = c.completeRecord(list)
		}
		if takesFile := []string{"check", "diff", "permissions"}; cmd.ValidArgsFunction == nil && !slices.Contains(takesFile, cmd.Name()) {
			cmd.ValidArgsFunction = cobra.NoFileCompletions
		}
		cmd.LocalFlags().VisitAll(func(flag *pflag.Flag) { errs = append(errs, completeFlag(cmd, flag)) })
	}
	return errors.Join(errs...)
}

// completionTime bounds the wait for the state store: a person waits at a prompt.
const completionTime = 2 * time.Second

// lister names records of the state store for what is typed.
type lister func(ctx context.Context, s *service.Service, typed string) []string

// completeRecord completes the first argument by the records of the state store. It says nothing if they cannot be
// read in time: the command itself says why.
func (c *Command) completeRecord(list lister) cobra.CompletionFunc {
	return func(cmd *cobra.Command, args []string, typed string) ([]string, cobra.ShellCompDirective) {
		if len(args) > 0 || c.readSettings(cmd) != nil {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		var places []string
		if repeated, ok := cmd.Flags().Lookup("state").Value.(pflag.SliceValue); ok {
			places = repeated.GetSlice()
		}
		stores, err := c.stores(places, nil)
		if err != nil {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		ctx, cancel := context.WithTimeout(cmd.Context(), completionTime)
		defer cancel()
		names, err := task.Within(ctx, func() (names []string, err error) {
			for _, one := range stores {
				names = append(names, list(ctx, service.New(service.Options{Getenv: one.command.Getenv, Log: io.Discard, Credentials: c.credentials()}), typed)...)
			}
			return names, nil
		})
		if err != nil { // no answer is the answer to a defect too
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		return names, cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveKeepOrder
	}
}

// maxNamed bounds the records that a completion offers: the latest ones.
const maxNamed = 20

// plansToName names plans by their first digits. A whole ID has a colon, at which bash divides words.
func plansToName(ctx context.Context, s *service.Service, typed string) (names []string) {
	list, err := s.Plans(ctx, localCall(), "")
	if err != nil || len(list.Plans) == 0 {
		return nil
	}
	names = append(names, cobra.CompletionWithDesc(trigger.LatestPlan, "the plan that was made last"))
	for _, p := range list.Plans[:min(len(list.Plans), maxNamed)] {
		name := trigger.ShortPlan(p.ID)
		if strings.HasPrefix(typed, "s") {
			name = p.ID
		}
		names = append(names, cobra.CompletionWithDesc(name, fmt.Sprintf("%d media, %s", p.Entries, p.Head.AsOf.Format(time.RFC3339))))
	}
	return names
}

// runsToName names the latest runs of a kind.
func runsToName(has func(*report.Report) bool) lister {
	return func(ctx context.Context, s *service.Service, _ string) (names []string) {
		list, err := s.Runs(ctx, localCall(), service.RunFilter{Limit: service.DefaultRuns})
		if err != nil {
			return nil
		}
		for _, r := range list.Reports {
			if has(r) && len(names) < maxNamed {
				names = append(names, cobra.CompletionWithDesc(r.Run, fmt.Sprintf("%s, %s, %d deleted, %s", r.Trigger, r.Status, r.Counts.Deleted, r.FinishedAt.Format(time.RFC3339))))
			}
		}
		return names
	}
}

func holdsToName(ctx context.Context, s *service.Service, _ string) (names []string) {
	list, _, err := s.Holds(ctx, localCall())
	if err != nil {
		return nil
	}
	for _, hold := range list[max(0, len(list)-maxNamed):] {
		names = append(names, cobra.CompletionWithDesc(hold.ID, text.Printable(hold.On())))
	}
	return names
}

func completeFlag(cmd *cobra.Command, flag *pflag.Flag) error {
	if slices.Contains([]string{"policy", "manifest", "file", "permissions"}, flag.Name) {
		return nil // a shell completes files
	}
	var listed []string
	if chosen, ok := flag.Value.(interface{ texts() []string }); ok {
		listed = chosen.texts()
	}
	return cmd.RegisterFlagCompletionFunc(flag.Name, cobra.FixedCompletions(listed, cobra.ShellCompDirectiveNoFileComp))
}
