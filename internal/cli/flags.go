package cli

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/mediasweep/mediasweep/internal/account"
	"github.com/mediasweep/mediasweep/internal/credentials"
	"github.com/mediasweep/mediasweep/internal/emulator"
	"github.com/mediasweep/mediasweep/internal/state"
)

const profileVariable = "ALIBABA_CLOUD_PROFILE"

// settings are the flags of every command that stand for a variable of the environment.
var settings = [...]struct{ flag, variable, usage string }{
	{"policy", "MEDIASWEEP_POLICY", "the policy: a file, or oss://bucket/key"},
	{"state", "MEDIASWEEP_STATE", "where the state is: oss://bucket/prefix/ or file:///folder"},
	{"region", "MEDIASWEEP_REGION", "region of library and buckets, such as cn-shanghai"},
	{"profile", profileVariable, "a profile of the aliyun CLI, for a machine without ALIBABA_CLOUD_ACCESS_KEY_ID"},
}

// setting is the value of a flag. It keeps all that a command line gives, for readSettings to refuse the
// second.
type setting []string

func (s *setting) Set(value string) error {
	*s = append(*s, value)
	return nil
}

func (s *setting) String() string { return strings.Join(*s, " ") }

// Type returns the type that the help shows.
func (*setting) Type() string { return "string" }

// readSettings lets the flags of a command line win over the environment.
func (c *Command) readSettings(cmd *cobra.Command) error {
	given := map[string]string{}
	for _, s := range settings {
		flag := cmd.Root().PersistentFlags().Lookup(s.flag)
		if !flag.Changed {
			continue
		}
		if values, ok := flag.Value.(*setting); ok && len(*values) > 1 {
			return exitError{exitUsage, fmt.Errorf("%s takes one --%s", cmd.Name(), s.flag)}
		}
		given[s.variable] = flag.Value.String()
	}
	if given[profileVariable] != "" && account.InFC(c.Getenv) {
		return exitError{exitUsage, errors.New("--profile is for use outside Function Compute, where the function's role gives the credentials")}
	}
	if region := given["MEDIASWEEP_REGION"]; region != "" && !account.IsRegion(region) {
		return exitError{exitUsage, errors.New("--region is not a region ID such as cn-shanghai")}
	}
	if place := given["MEDIASWEEP_STATE"]; place != "" {
		if _, err := state.ParseLocation(place, c.Getenv); err != nil {
			return exitError{exitUsage, fmt.Errorf("--state: %w", err)}
		}
	}
	c.Getenv = overlay(c.Getenv, given)
	c.credentials = sync.OnceValue(c.newCredentials)
	c.region = given["MEDIASWEEP_REGION"]
	if flag := cmd.Flags().Lookup("emulate"); flag != nil && flag.Value.String() == "true" {
		return checkEmulated(cmd, cmp.Or(c.region, emulator.DefaultRegion))
	}
	if given[profileVariable] != "" && c.hasKey() {
		if err := credentials.CheckProfile(c.Getenv); err != nil {
			return exitError{exitUsage, fmt.Errorf("--profile: %w", err)}
		}
	}
	return nil
}

// checkEmulated refuses a store of another region than the emulator's.
func checkEmulated(cmd *cobra.Command, region string) error {
	places, _ := cmd.Flags().Lookup("state").Value.(pflag.SliceValue)
	if places == nil {
		return nil
	}
	for _, place := range places.GetSlice() {
		if found := regional.FindStringSubmatch(place); found != nil && found[1] != region {
			return exitError{exitUsage, fmt.Errorf("--state: the emulator of --emulate is in %s, and not in %s: name its region by --region", region, found[1])}
		}
	}
	return nil
}

// newCredentials returns the source of credentials beside the environment. It warns if the environment
// makes it useless.
func (c *Command) newCredentials() account.Source {
	if !account.InFC(c.Getenv) && c.Getenv(profileVariable) != "" && c.hasKey() {
		c.say("the profile is not used: ALIBABA_CLOUD_ACCESS_KEY_ID and ALIBABA_CLOUD_ACCESS_KEY_SECRET come first: unset them to use it")
	}
	return credentials.New(c.Getenv)
}

// hasKey reports whether the environment has a whole access key, which comes before a profile.
func (c *Command) hasKey() bool { return account.NewKeyring(c.Getenv).HasKey() }

// refuseEmpty refuses an argument or a flag that is empty, as a variable of a script may be: most commands
// would do more without it.
func refuseEmpty(cmd *cobra.Command, args []string) error {
	if at := slices.Index(args, ""); at >= 0 && !cmd.Hidden { // completion completes an empty word
		return exitError{exitUsage, fmt.Errorf("%s: argument %d is empty: %s", cmd.Name(), at+1, usage(cmd))}
	}
	var err error
	cmd.Flags().Visit(func(flag *pflag.Flag) {
		values := []string{flag.Value.String()}
		if list, ok := flag.Value.(pflag.SliceValue); ok {
			values = list.GetSlice()
		}
		if len(values) == 0 || slices.Contains(values, "") {
			err = exitError{exitUsage, fmt.Errorf("--%s is empty: give a value, or leave the flag out (%s)", flag.Name, flag.Usage)}
		}
	})
	return err
}

// overlay returns an environment in which the given variables win.
func overlay(getenv func(string) string, given map[string]string) func(string) string {
	return func(name string) string {
		if value, ok := given[name]; ok {
			return value
		}
		return getenv(name)
	}
}
