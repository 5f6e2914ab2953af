package cli

import (
	"cmp"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/mediasweep/mediasweep/internal/media"
	"github.com/mediasweep/mediasweep/internal/permissions"
	"github.com/mediasweep/mediasweep/internal/policy"
	"github.com/mediasweep/mediasweep/internal/service"
	"github.com/mediasweep/mediasweep/internal/state"
)

func (c *Command) permissions() *cobra.Command {
	who, output := "function", "json"
	var mode policy.Mode
	var emulate bool
	cmd := &cobra.Command{
		Use:   "permissions [FILE]",
		Short: "Print the RAM policy that this policy and environment need",
		Long: `permissions prints the policy of Resource Access Management for the role of the
function, or for an operator: a person who reviews, holds, applies and restores. It
allows what the retention policy and the environment need, and no more. Set
MEDIASWEEP_STATE, MEDIASWEEP_HTTP_AUTH and MEDIASWEEP_POLICY as the function has them.
MEDIASWEEP_MEDIA_BUCKET adds a bucket of source objects that the policy does not name.
FILE is a retention policy to read in place of what MEDIASWEEP_POLICY names.`,
		Example: `  mediasweep permissions --state oss://ops/mediasweep/ --mode enforce > permissions.json
  mediasweep permissions --for operator -o text`,
		Args: takes(0, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			stop, err := c.useEmulator(emulate)
			if err != nil {
				return err
			}
			defer stop()
			d, err := c.permitted(cmd, args, emulate)
			if err != nil {
				return err
			}
			d.Operator, d.Mode = who == "operator", cmp.Or(mode, d.Policy.Mode)
			document, notes := permissions.For(d)
			c.note(notes...)
			var b strings.Builder
			if output == "text" {
				b.WriteString(document.Text())
			} else {
				b.WriteString(document.JSON())
			}
			if n := len(document.JSON()); n > permissions.MaxBytes {
				c.note(fmt.Sprintf("this policy has %d bytes, and RAM takes %d: divide its statements among several policies", n, permissions.MaxBytes))
			}
			return c.print(&b)
		},
	}
	cmd.Flags().Var(newChoice(&who, "function", "operator"), "for", "function: its role; operator: a person with the command line or the console")
	cmd.Flags().Var(newChoice(&mode, policy.DryRun, policy.Enforce), "mode", "dry-run or enforce, in place of the policy's mode")
	cmd.Flags().VarP(newChoice(&output, "json", "text"), "output", "o", "json, or text that says what each statement is for")
	addEmulate(cmd, &emulate)
	return cmd
}

func (c *Command) permitted(cmd *cobra.Command, args []string, emulate bool) (d permissions.Deployment, err error) {
	named := c.Getenv("MEDIASWEEP_POLICY")
	name := cmp.Or(strings.Join(args, ""), named, service.PolicyFile())
	ctx, cancel, _ := c.inTime(cmd.Context())
	defer cancel()
	if c.isShipped(emulate, args) {
		d.Policy, err = c.shipped()
	} else {
		d.Policy, err = service.ReadPolicy(ctx, c.Getenv, c.credentials(), name)
	}
	if err != nil {
		return d, c.aboutPolicy(args, failed(err))
	}
	d.HTTP = c.Getenv("MEDIASWEEP_HTTP_AUTH")+c.Getenv("MEDIASWEEP_HTTP_TOKEN") != ""
	location, err := state.ParseLocation(c.Getenv("MEDIASWEEP_STATE"), c.Getenv)
	if err != nil {
		return d, exitError{exitUsage, fmt.Errorf("MEDIASWEEP_STATE: %w", err)}
	}
	d.State = location.Prefix
	if service.InOSS(named) {
		if d.Object, err = media.ParseObject(named); err != nil {
			return d, exitError{exitUsage, errors.New("MEDIASWEEP_POLICY is not a bucket and a key that OSS allows: write oss://bucket/retention.yaml")}
		}
	}
	if d.Bucket = c.Getenv("MEDIASWEEP_MEDIA_BUCKET"); d.Bucket != "" {
		if _, err := media.ParsePrefix("oss://" + d.Bucket); err != nil || strings.Contains(d.Bucket, "/") {
			return d, exitError{exitUsage, errors.New("MEDIASWEEP_MEDIA_BUCKET is not the name of a bucket")}
		}
	}
	return d, nil
}
