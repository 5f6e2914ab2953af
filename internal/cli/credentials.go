package cli

import (
	"fmt"

	"github.com/mediasweep/mediasweep/internal/account"
	"github.com/mediasweep/mediasweep/internal/credentials"
)

const profileVariable = "ALIBABA_CLOUD_PROFILE"

// newCredentials returns the source of credentials beside the environment. It warns if the environment
// makes it useless.
func (c *Command) newCredentials() account.Source {
	if !account.InFC(c.Getenv) && c.Getenv(profileVariable) != "" && c.hasKey() {
		fmt.Fprintln(c.Stderr, "mediasweep: the profile is not used: ALIBABA_CLOUD_ACCESS_KEY_ID and ALIBABA_CLOUD_ACCESS_KEY_SECRET come first: unset them to use it") //nolint:errcheck // there is no other place to say it
	}
	return credentials.New(c.Getenv)
}

// hasKey reports whether the environment has a whole access key, which comes before a profile.
func (c *Command) hasKey() bool { return account.NewKeyring(c.Getenv).HasKey() }
