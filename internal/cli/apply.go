package cli

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/mediasweep/mediasweep/internal/plan"
	"github.com/mediasweep/mediasweep/internal/policy"
	"github.com/mediasweep/mediasweep/internal/service"
	"github.com/mediasweep/mediasweep/internal/text"
	"github.com/mediasweep/mediasweep/internal/trigger"
)

func (c *Command) apply() *cobra.Command {
	var flags functionFlags
	var anyway, yes bool
	cmd := &cobra.Command{
		Use:   "apply PLAN|latest",
		Short: "Delete the media of a plan that are still expired",
		Long: `apply reads every medium of a plan again and deletes those that are still expired
under today's policy. It keeps and counts the others. Applying a plan that
a guard has blocked clears the guard for it, once. The policy must say enforce.
At a terminal apply asks for the number of the plan's media, unless --yes is given.

PLAN is a plan's ID, or at least 8 of its first digits; latest is the plan with
media that was made last, by a run that is neither an apply nor of an OSS event.
A later run may make another one than you reviewed: prefer the ID.`,
		Example: "  mediasweep apply latest",
		Args:    takes(1, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			request := &trigger.Request{Trigger: trigger.CLI, Mode: policy.Enforce, Plan: args[0], Anyway: anyway}
			return flags.with(cmd, c, func(ctx context.Context, s *service.Service) error {
				asks := !yes && isTerminal(c.Stdin)
				if asks || !trigger.IsPlanID(request.Plan) {
					contents, _, err := s.Entries(ctx, localCall(), request.Plan)
					if err != nil {
						return missing("plans", request.Plan, err)
					}
					request.Plan = contents.ID
					c.say("applying plan %s of %s with %d media", contents.ID, contents.Head.AsOf.Format(time.RFC3339), contents.Entries)
					if asks && !c.confirmApply(ctx, s, contents) {
						return fmt.Errorf("nothing was deleted: %d was not typed", contents.Entries)
					}
				}
				return c.writeReport(s.Sweep(ctx, localCall(), request), flags.output)
			})
		},
	}
	flags.add(cmd, "table", "json")
	cmd.Flags().BoolVar(&anyway, "anyway", false, "also a plan that is older than guard.planMaxAge, or of other rules: then also media outside the inventory")
	cmd.Flags().BoolVar(&yes, "yes", false, "do not ask")
	return cmd
}

// confirmApply says what an apply overrides, and asks for the number of the plan's media, as the console does.
func (c *Command) confirmApply(ctx context.Context, s *service.Service, contents plan.Contents) bool {
	if contents.Run != "" {
		c.say("run %s applies this plan, or has applied it", text.Name(contents.Run))
	}
	switch {
	case contents.Blocked != "" && contents.Run != "":
		c.say("a guard blocks what is left of this plan: a blocked plan can be applied once")
	case contents.Blocked != "":
		c.say("a guard blocked this plan, and to apply it overrides the guard: %s", contents.Blocked)
	}
	if p, err := s.Policy(ctx, localCall()); err == nil && !p.Notice.IsZero() {
		c.say("the plan's media go at once, without the policy's notice of %s", p.Notice)
	}
	// A policy of the working folder need not be the function's.
	if last, err := s.Runs(ctx, localCall(), service.RunFilter{Trigger: trigger.Timer, Limit: 1}); err == nil && len(last.Reports) > 0 {
		if r := last.Reports[0]; r.Policy != "" && r.Policy != contents.Head.Policy {
			c.say("the plan goes by another policy than the latest scheduled run, %s", text.Name(r.Run))
		}
	}
	return c.ask(ctx, "Type %d to delete these media: ", contents.Entries) == strconv.Itoa(contents.Entries)
}
