package credentials

import (
	"cmp"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/aliyun/credentials-go/credentials/providers"

	"github.com/mediasweep/mediasweep/internal/account"
	"github.com/mediasweep/mediasweep/internal/text"
)

// config is the configuration file of the aliyun CLI. The reader of credentials-go is not used: it quotes
// a malformed file in its error, and takes missing fields from the environment. It also writes new tokens
// into the file, and drops the fields that it does not know.
type config struct {
	Current  string    `json:"current"`
	Profiles []profile `json:"profiles"`
}

// profile has the fields of a profile that credentials need.
type profile struct {
	Name            string `json:"name"`
	Mode            string `json:"mode"`
	AccessKeyID     string `json:"access_key_id"`
	AccessKeySecret string `json:"access_key_secret"`
	SecurityToken   string `json:"sts_token"`

	// Roles.
	RoleARN         string `json:"ram_role_arn"`
	RoleName        string `json:"ram_role_name"`
	RoleSessionName string `json:"ram_session_name"`
	ExternalID      string `json:"external_id"`
	Policy          string `json:"policy"`
	SourceProfile   string `json:"source_profile"`
	Seconds         int    `json:"expired_seconds"`
	STSRegion       string `json:"sts_region"`
	VPC             bool   `json:"enable_vpc"`
	OIDCProviderARN string `json:"oidc_provider_arn"`
	OIDCTokenFile   string `json:"oidc_token_file"`

	// Sign-ins and programs.
	CloudSSO       string `json:"cloud_sso_sign_in_url"`
	AccountID      string `json:"cloud_sso_account_id"`
	AccessConfig   string `json:"cloud_sso_access_config"`
	SSOToken       string `json:"access_token"`
	SSOExpire      int64  `json:"cloud_sso_access_token_expire"`
	OAuthSite      string `json:"oauth_site_type"`
	OAuthToken     string `json:"oauth_access_token"`
	OAuthExpire    int64  `json:"oauth_access_token_expire"`
	ProcessCommand string `json:"process_command"`
	URI            string `json:"credentials_uri"`
}

// isConfigured reports whether someone configured the current profile, or a profile where none is current.
func (c config) isConfigured() bool {
	p, err := c.profile(c.Current)
	switch {
	case err == nil:
		return p.isConfigured()
	case c.Current == "":
		return slices.ContainsFunc(c.Profiles, profile.isConfigured)
	}
	return len(c.Profiles) > 0
}

// isConfigured reports whether a profile has more than its name and settings: the CLI writes an empty one.
func (p profile) isConfigured() bool {
	if p.Mode == "AK" {
		return p.AccessKeyID+p.AccessKeySecret != ""
	}
	p.Name, p.Seconds, p.STSRegion, p.VPC, p.OAuthSite = "", 0, "", false, ""
	return p != profile{}
}

func (c config) profile(name string) (profile, error) {
	var (
		found []profile
		names []string
	)
	for _, p := range c.Profiles {
		if p.Name == name {
			found = append(found, p)
		}
		names = append(names, text.Quote(p.Name))
	}
	slices.Sort(names)
	switch {
	case len(found) == 1:
		return found[0], nil
	case len(found) > 1:
		return profile{}, fmt.Errorf("%d profiles are named %s: rename or remove the others", len(found), text.Quote(name))
	case len(names) == 0:
		return profile{}, fmt.Errorf("no profile %s, nor any other: run `aliyun configure`", text.Quote(name))
	case name == "":
		return profile{}, fmt.Errorf("current is empty: name a profile with --profile, there are %s", strings.Join(text.First(names, "profiles"), ", "))
	}
	return profile{}, fmt.Errorf("no profile %s: there are %s", text.Quote(name), strings.Join(text.First(names, "profiles"), ", "))
}

func (p profile) name() string { return "profile " + text.Quote(p.Name) }

// maxRoles bounds the roles that are assumed one from another.
const maxRoles = 5

var errCircle = errors.New("its source_profile leads through too many roles, or in a circle")

// provider returns the provider of a profile. It makes no call. Its errors have no part of the file but
// names of profiles.
func (c config) provider(p profile, now func() time.Time, roles int) (providers.CredentialsProvider, error) {
	if err := p.check(now()); err != nil {
		return nil, err
	}
	switch p.Mode {
	case "AK":
		p.SecurityToken = ""
		return p.static()
	case "StsToken":
		return p.static()
	case "RamRoleArn":
		return p.role(p.static())
	case "EcsRamRole":
		return p.machine()
	case "RamRoleArnWithRoleName":
		return p.role(p.machine())
	case "ChainableRamRoleArn":
		if roles == 0 {
			return nil, errCircle
		}
		from, err := c.profile(p.SourceProfile)
		if err != nil {
			return nil, fmt.Errorf("its source_profile: %w", err)
		}
		previous, err := c.provider(from, now, roles-1)
		if errors.Is(err, errCircle) {
			return nil, err
		}
		if err != nil {
			return nil, fmt.Errorf("its source, %s: %w", from.name(), err)
		}
		return p.role(previous, nil)
	case "OIDC":
		return p.withToken(), nil
	case "CloudSSO":
		return accepted(providers.NewCloudSSOCredentialsProviderBuilder().WithSignInUrl(p.CloudSSO).WithAccountId(p.AccountID).
			WithAccessConfig(p.AccessConfig).WithAccessToken(p.SSOToken).WithAccessTokenExpire(p.SSOExpire).Build())
	case "OAuth":
		// Without the refresh token, which works once: the CLI's own copy stays good.
		return accepted(providers.NewOAuthCredentialsProviderBuilder().WithSignInUrl(oauthSite(p.OAuthSite)).WithClientId("unused").
			WithAccessToken(p.OAuthToken).WithAccessTokenExpire(p.OAuthExpire).Build())
	case "External":
		return &external{command: p.ProcessCommand, now: now}, nil
	case "CredentialsURI":
		return accepted(providers.NewURLCredentialsProviderBuilder().WithUrl(p.URI).Build())
	}
	return nil, errors.New("its mode is none of AK, StsToken, RamRoleArn, EcsRamRole, RamRoleArnWithRoleName, ChainableRamRoleArn, " +
		"OIDC, CloudSSO, OAuth, External and CredentialsURI")
}

func (p profile) static() (providers.CredentialsProvider, error) {
	if p.SecurityToken == "" {
		return accepted(providers.NewStaticAKCredentialsProviderBuilder().WithAccessKeyId(p.AccessKeyID).WithAccessKeySecret(p.AccessKeySecret).Build())
	}
	return accepted(providers.NewStaticSTSCredentialsProviderBuilder().WithAccessKeyId(p.AccessKeyID).WithAccessKeySecret(p.AccessKeySecret).
		WithSecurityToken(p.SecurityToken).Build())
}

func (p profile) machine() (providers.CredentialsProvider, error) {
	return accepted(providers.NewECSRAMRoleCredentialsProviderBuilder().WithRoleName(p.RoleName).Build())
}

func (p profile) role(previous providers.CredentialsProvider, err error) (providers.CredentialsProvider, error) {
	if err != nil {
		return nil, err
	}
	return accepted(providers.NewRAMRoleARNCredentialsProviderBuilder().WithCredentialsProvider(previous).WithRoleArn(p.RoleARN).
		WithRoleSessionName(p.session()).WithDurationSeconds(p.Seconds).WithPolicy(p.Policy).WithExternalId(p.ExternalID).
		WithStsRegionId(p.STSRegion).WithEnableVpc(p.VPC).Build())
}

func (p profile) session() string { return cmp.Or(p.RoleSessionName, "mediasweep") }

// accepted replaces the error of a builder, which nobody checked for secrets.
func accepted[P providers.CredentialsProvider](p P, err error) (providers.CredentialsProvider, error) {
	if err != nil {
		return nil, errors.New("credentials-go does not accept its settings: run `aliyun configure`")
	}
	return p, nil
}

func oauthSite(site string) string {
	if strings.EqualFold(site, "CN") {
		return "https://oauth.aliyun.com"
	}
	return "https://oauth.alibabacloud.com"
}

// check refuses a profile that lacks a field: credentials-go would take it from the environment.
func (p profile) check(now time.Time) error {
	if missing := p.missing(); len(missing) > 0 {
		return fmt.Errorf("%s is empty: run `aliyun configure`", strings.Join(missing, ", "))
	}
	switch {
	case p.STSRegion != "" && !account.IsRegion(p.STSRegion):
		return errors.New("sts_region is not a region ID such as cn-shanghai")
	case p.Seconds != 0 && p.Seconds < 900:
		return errors.New("expired_seconds is below 900, the least that STS grants")
	case p.Mode == "CloudSSO" && p.SSOExpire <= now.Unix():
		return errors.New("its sign-in has ended: run `aliyun configure --mode CloudSSO` for it")
	case p.Mode == "CloudSSO" && !isPrivate(p.CloudSSO):
		return errors.New("cloud_sso_sign_in_url is not an https address")
	case p.Mode == "CredentialsURI" && !isAddress(p.URI):
		return errors.New("credentials_uri is not an http or https address")
	case p.Mode == "OAuth" && p.OAuthExpire <= now.Unix():
		return errors.New("its sign-in has ended: run `aliyun sts GetCallerIdentity` with it, which renews it")
	}
	return nil
}

func isAddress(address string) bool {
	u, err := url.Parse(address)
	return err == nil && u.Hostname() != "" && account.HasPort(u) && (u.Scheme == "https" || u.Scheme == "http")
}

// isPrivate reports whether nobody on the way reads what is sent to an address.
func isPrivate(address string) bool {
	u, err := url.Parse(address)
	return err == nil && isAddress(address) && (u.Scheme == "https" || account.IsLoopback(u.Hostname()))
}

// missing returns the names of the empty fields that the mode needs.
func (p profile) missing() (names []string) {
	type field struct{ name, value string }
	key := []field{{"access_key_id", p.AccessKeyID}, {"access_key_secret", p.AccessKeySecret}}
	role := field{"ram_role_arn", p.RoleARN}
	var needs []field
	switch p.Mode {
	case "":
		needs = []field{{"mode", p.Mode}}
	case "AK":
		needs = key
	case "StsToken":
		needs = append(key, field{"sts_token", p.SecurityToken})
	case "RamRoleArn":
		needs = append(key, role)
	case "RamRoleArnWithRoleName":
		needs = []field{role}
	case "ChainableRamRoleArn":
		needs = []field{role, {"source_profile", p.SourceProfile}}
	case "OIDC":
		needs = []field{role, {"oidc_provider_arn", p.OIDCProviderARN}, {"oidc_token_file", p.OIDCTokenFile}}
	case "CloudSSO":
		needs = []field{{"cloud_sso_sign_in_url", p.CloudSSO}, {"cloud_sso_account_id", p.AccountID}, {"cloud_sso_access_config", p.AccessConfig}, {"access_token", p.SSOToken}}
	case "OAuth":
		needs = []field{{"oauth_access_token", p.OAuthToken}}
	case "External":
		needs = []field{{"process_command", p.ProcessCommand}}
	case "CredentialsURI":
		needs = []field{{"credentials_uri", p.URI}}
	}
	for _, f := range needs {
		if f.value == "" {
			names = append(names, f.name)
		}
	}
	return names
}
