package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/mediasweep/mediasweep/internal/account"
	"github.com/mediasweep/mediasweep/internal/emulator"
	"github.com/mediasweep/mediasweep/internal/policy"
	"github.com/mediasweep/mediasweep/internal/service"
	"github.com/mediasweep/mediasweep/internal/text"
)

// maxSeeded is the size of a library above which the emulator makes it up as it is asked.
const maxSeeded = 100_000

func (c *Command) emulate() *cobra.Command {
	var config emulator.Config
	var faults []string
	var permissions string
	cmd := &cobra.Command{
		Use:   "emulate",
		Short: "Emulate MPS and OSS on loopback, with a seeded library",
		Long: `emulate serves MPS and OSS on a loopback address until it is interrupted. It
prints export lines with which any client finds it, and shows its library, the
calls it took and what was wrong with them at /_emulator/. Chat robots that take
digests are emulated too: /_emulator/digests shows what arrived.

A fault is OPERATION:KIND, with options as in
  --fault DeleteMedia:drop-after:count=3 --fault '*:latency:delay=30ms'
Options are after, every, count, p (a probability), seed and, of latency, delay.
The kinds: ` + strings.Trim(fmt.Sprint(emulator.FaultKinds()), "[]"),
		Example: "  mediasweep emulate --media 500 --fault '*:latency:delay=30ms'",
		Args:    takes(0, 0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := c.readEmulation(cmd.Context(), &config, faults, permissions); err != nil {
				return err
			}
			e, err := emulator.Start(config)
			if err != nil {
				return exitError{exitUsage, err}
			}
			env := e.Env()
			for _, name := range slices.Sorted(maps.Keys(env)) {
				fmt.Fprintf(c.Stdout, "export %s='%s'\n", name, env[name]) //nolint:errcheck // the reader has gone
			}
			fmt.Fprintf(c.Stdout, "export MEDIASWEEP_NOTIFY='%s'\n", strings.Join(e.Targets(), " ")) //nolint:errcheck // as above
			c.say("emulating MPS and OSS; what they saw is at %s/_emulator/", e.URL())
			<-cmd.Context().Done()
			return failed(e.Close())
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&config.Addr, "addr", "127.0.0.1:0", "loopback address to listen on")
	flags.Var(newDecimal(&config.Media, 1000), "media", "media in the library; more than 100000 are plain ones that take no memory")
	flags.Var(newDecimal(&config.Seed, 1), "seed", "seed of the library")
	flags.StringVar(&config.Region, "region", emulator.DefaultRegion, "region of library and buckets")
	flags.StringArrayVar(&faults, "fault", nil, "inject a fault; can be repeated")
	flags.StringVar(&permissions, "permissions", "", "file of a RAM policy: refuse what it does not allow")
	addBehaviours(flags, &config)
	return cmd
}

// addBehaviours adds flags for what the documents of MPS and OSS leave open. docs/emulator.md describes them.
func addBehaviours(flags *pflag.FlagSet, config *emulator.Config) {
	flags.Var(newChoice(&config.MPS.UnknownID, emulator.RefuseWhole, emulator.RefusePartial), "unknown-id", "DeleteMedia of an unknown ID: refuse-whole or refuse-partial (default accept)")
	flags.Var(newChoice(&config.MPS.DeletedView, emulator.ViewDeleted, emulator.ViewInitiated), "deleted-view", "queries show deleted media as: deleted or initiated (default not at all)")
	flags.Var(newChoice(&config.MPS.URLForm, emulator.RawSlash, emulator.EscapedSlash), "url-form", "file URLs are known with slashes: raw or escaped (default both)")
	flags.Var(duration{&config.MPS.DeletionDelay}, "deletion-delay", "how long queries still show a deleted medium")
	flags.BoolVar(&config.MPS.DeleteNothing, "delete-nothing", false, "DeleteMedia succeeds and deletes nothing")
	flags.BoolVar(&config.MPS.EmptyNonExist, "empty-nonexist", false, "send the list of what does not exist even when it is empty")
	flags.StringVar(&config.MPS.ThrottleCode, "throttle-code", "", "code of a call beyond the quota (default Throttling.User)")
	flags.Var(newDecimal(&config.MPS.ThrottleStatus, 0), "throttle-status", "HTTP status of a call beyond the quota (default 400)")
	flags.Var(duration{&config.MPS.RetryAfter}, "retry-after", "delay that a call beyond the quota is told to wait for (default none)")
	flags.BoolVar(&config.OSS.TokensGoRound, "tokens-go-round", false, "a listing of more than one page never ends")
	flags.Var(duration{&config.OSS.ListingDelay}, "listing-delay", "how long listings do not show a new object")
	flags.BoolVar(&config.OSS.HidesMissing, "hide-missing", false, "with --permissions: status 403 for a missing object whose whole bucket may not be listed (default 404)")
}

// readEmulation reads the faults and the file of a RAM policy, and makes a large library up.
func (c *Command) readEmulation(ctx context.Context, config *emulator.Config, faults []string, permissions string) error {
	for _, given := range faults {
		fault, err := emulator.ParseFault(given)
		if err != nil {
			return err
		}
		config.Faults = append(config.Faults, fault)
	}
	if !account.IsRegion(config.Region) {
		return errors.New("--region is not a region ID such as cn-shanghai")
	}
	if status := config.MPS.ThrottleStatus; status != 0 && (status < 400 || status > 599) {
		return fmt.Errorf("--throttle-status %d: a refusal has an HTTP status from 400 to 599", status)
	}
	if permissions != "" {
		document, err := c.read(ctx, permissions)
		if err == nil {
			config.Permissions, err = emulator.ParseRAMPolicy(document)
		}
		if err != nil {
			return fmt.Errorf("--permissions %s: %w", text.Name(permissions), account.WithoutPath(err))
		}
	}
	if config.Media > maxSeeded {
		config.MadeUp, config.Media = emulator.MadeUp{Objects: config.Media, DueEvery: 200, NewEvery: 100}, 0
	}
	return nil
}

// isShipped reports whether an emulated command goes by the policy that the program ships with: the user has none.
func (c *Command) isShipped(emulate bool, args []string) bool {
	_, err := os.Stat(service.PolicyFile())
	return emulate && len(args) == 0 && err != nil && c.Getenv("MEDIASWEEP_POLICY") == ""
}

// shipped returns the policy that the program ships with.
func (c *Command) shipped() (*policy.Policy, error) { return policy.Parse(policyFile, c.Policy) }

// addEmulate adds the flag of the commands that can run against the embedded emulator.
func addEmulate(cmd *cobra.Command, emulate *bool) {
	cmd.Flags().BoolVar(emulate, "emulate", false, "run against the embedded emulator, with a state that ends with the command unless MEDIASWEEP_STATE names one")
}

// useEmulator lets the command run against the embedded emulator until stop is called.
func (c *Command) useEmulator(emulate bool) (stop func(), err error) {
	if !emulate {
		return func() {}, nil
	}
	getenv, _, stop, err := c.emulated(c.Getenv)
	if err != nil {
		return nil, exitError{exitFailed, err}
	}
	c.Getenv = overlay(getenv, map[string]string{profileVariable: ""}) // the emulator has keys of its own
	return stop, nil
}

// emulated starts an emulator with a seeded library, and returns an environment
// in which the other commands find it: its own variables before the outer ones.
// State is a folder that goes with the emulator, unless the outer ones name it.
func (c *Command) emulated(outer func(string) string) (getenv func(string) string, e *emulator.Emulator, stop func(), err error) {
	e, err = emulator.Start(emulator.Config{Region: c.region, Media: 1000, Seed: 1})
	if err != nil {
		return nil, nil, nil, fmt.Errorf("start the emulator: %w", err)
	}
	folder, err := os.MkdirTemp("", "mediasweep-emulated-")
	if err != nil {
		_ = e.Close() // the folder is what went wrong
		return nil, nil, nil, fmt.Errorf("make a folder for state: %w", err)
	}
	env := e.Env()
	if outer("MEDIASWEEP_STATE") == "" {
		env["MEDIASWEEP_STATE"] = "file://" + folder
	}
	getenv = func(name string) string { return cmp.Or(env[name], outer(name)) }
	stop = func() {
		_ = e.Close()            // nothing follows from it
		_ = os.RemoveAll(folder) // a temporary folder
	}
	return getenv, e, stop, nil
}
