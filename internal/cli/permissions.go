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
	"github.com/mediasweep/mediasweep/internal/text"
)

func (c *Command) permissions() *cobra.Command {
	var who, mode, output string
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
			for _, flag := range []struct {
				name, value string
				allowed     [2]string
			}{{"for", who, [2]string{"function", "operator"}}, {"output", output, [2]string{"json", "text"}}, {"mode", cmp.Or(mode, string(policy.DryRun)), [2]string{string(policy.DryRun), string(policy.Enforce)}}} {
				if flag.value != flag.allowed[0] && flag.value != flag.allowed[1] {
					return exitError{exitUsage, fmt.Errorf("--%s %s is neither %s nor %s", flag.name, text.Quote(flag.value), flag.allowed[0], flag.allowed[1])}
				}
			}
			stop, err := c.useEmulator(emulate)
			if err != nil {
				return err
			}
			defer stop()
			d, err := c.permitted(cmd, args)
			if err != nil {
				return err
			}
			d.Operator, d.Mode = who == "operator", policy.Mode(cmp.Or(mode, string(d.Policy.Mode)))
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
	cmd.Flags().StringVar(&who, "for", "function", "function: its role; operator: a person with the command line or the console")
	cmd.Flags().StringVar(&mode, "mode", "", "dry-run or enforce, in place of the policy's mode")
	cmd.Flags().StringVarP(&output, "output", "o", "json", "json, or text that says what each statement is for")
	choose(cmd, "json", "text")
	addEmulate(cmd, &emulate)
	return cmd
}

// permitted reads what permissions depend on, from the policy and the environment.
func (c *Command) permitted(cmd *cobra.Command, args []string) (d permissions.Deployment, err error) {
	named := c.Getenv("MEDIASWEEP_POLICY")
	name := cmp.Or(strings.Join(args, ""), named, service.PolicyFile())
	if d.Policy, err = service.ReadPolicy(cmd.Context(), c.Getenv, c.credentials(), name); err != nil {
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
