package cli

import (
	"errors"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/mediasweep/mediasweep/internal/credentials"
	"github.com/mediasweep/mediasweep/internal/emulator"
	"github.com/mediasweep/mediasweep/internal/policy"
	"github.com/mediasweep/mediasweep/internal/report"
	"github.com/mediasweep/mediasweep/internal/trigger"
)

// choices annotates a flag with its values, for completion.
const choices = "mediasweep_choices"

// choose notes the values that -o has.
func choose(cmd *cobra.Command, outputs ...string) {
	cmd.Flags().Lookup("output").Annotations = map[string][]string{choices: outputs}
}

// complete lets a shell complete the values of flags and arguments. A value that is neither in a list nor a file has
// no completion.
func (c *Command) complete(root *cobra.Command) error {
	values := map[string][]string{
		"for": {"function", "operator"}, "mode": {string(policy.DryRun), string(policy.Enforce)}, "by": report.StatsBy(),
		"unknown-id": {string(emulator.RefuseWhole), string(emulator.RefusePartial)}, "deleted-view": {"deleted", "initiated"}, "url-form": {"raw", "escaped"},
		"profile": credentials.Profiles(c.Getenv),
	}
	for _, kind := range trigger.Kinds() {
		values["trigger"] = append(values["trigger"], string(kind))
	}
	for _, status := range report.Statuses() {
		values["status"] = append(values["status"], string(status))
	}
	var errs []error
	for _, cmd := range append(root.Commands(), root) {
		if takesFile := []string{"check", "diff", "permissions"}; cmd.ValidArgsFunction == nil && !slices.Contains(takesFile, cmd.Name()) {
			cmd.ValidArgsFunction = cobra.NoFileCompletions
		}
		cmd.LocalNonPersistentFlags().VisitAll(func(flag *pflag.Flag) { errs = append(errs, completeFlag(cmd, flag, values)) })
		cmd.PersistentFlags().VisitAll(func(flag *pflag.Flag) { errs = append(errs, completeFlag(cmd, flag, values)) })
	}
	return errors.Join(errs...)
}

func completeFlag(cmd *cobra.Command, flag *pflag.Flag, values map[string][]string) error {
	if slices.Contains([]string{"policy", "manifest", "file", "permissions"}, flag.Name) {
		return nil // a shell completes files
	}
	listed := slices.Concat(flag.Annotations[choices], values[flag.Name])
	return cmd.RegisterFlagCompletionFunc(flag.Name, cobra.FixedCompletions(listed, cobra.ShellCompDirectiveNoFileComp))
}

// isCompletion reports whether a shell asks for completions.
func isCompletion(args []string) bool {
	return len(args) > 0 && strings.HasPrefix(args[0], cobra.ShellCompRequestCmd)
}
