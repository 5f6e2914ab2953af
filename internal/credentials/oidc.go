package credentials

import (
	"strings"

	"github.com/aliyun/credentials-go/credentials/providers"
)

// withToken assumes a role with the OIDC token of a file. credentials-go would prefer the token of the environment,
// which may be another account's, and reads whatever the file is, without a limit.
type withToken struct {
	file  string
	build func(token string) (providers.CredentialsProvider, error)

	token   string
	current providers.CredentialsProvider // for the token
}

// GetProviderName returns the name that credentials-go has for it.
func (w *withToken) GetProviderName() string { return "oidc_role_arn" }

// GetCredentials returns an error if the file is not a regular one with a token. The file is read at each call:
// others renew it.
func (w *withToken) GetCredentials() (*providers.Credentials, error) {
	data, err := readFile(w.file)
	token := string(data)
	switch {
	case err != nil:
		return nil, failure("its token file: " + err.Error())
	case strings.TrimSpace(token) == "":
		return nil, failure("its token file: empty")
	case token == w.token:
		return w.current.GetCredentials()
	}
	current, err := w.build(token)
	if err != nil {
		return nil, failure(err.Error())
	}
	w.token, w.current = token, current
	return current.GetCredentials()
}

func tokenOfEnvironment(getenv func(string) string) (providers.CredentialsProvider, error) {
	build := func(token string) (providers.CredentialsProvider, error) {
		return accepted(providers.NewOIDCCredentialsProviderBuilder().WithOIDCToken(token).Build())
	}
	if token := getenv("ALIBABA_CLOUD_OIDC_TOKEN"); token != "" {
		return build(token)
	}
	return &withToken{file: getenv("ALIBABA_CLOUD_OIDC_TOKEN_FILE"), build: build}, nil
}

func (p profile) withToken() providers.CredentialsProvider {
	return &withToken{file: p.OIDCTokenFile, build: func(token string) (providers.CredentialsProvider, error) {
		return accepted(providers.NewOIDCCredentialsProviderBuilder().WithOIDCToken(token).WithOIDCProviderARN(p.OIDCProviderARN).
			WithRoleArn(p.RoleARN).WithRoleSessionName(p.session()).WithDurationSeconds(p.Seconds).WithPolicy(p.Policy).
			WithStsRegionId(p.STSRegion).WithEnableVpc(p.VPC).Build())
	}}
}
