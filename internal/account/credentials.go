package account

import (
	"errors"
	"net/url"
	"regexp"
	"strings"
)

// Credentials are one access key, with a token where it is a temporary one. A
// key and a token belong together: they are never mixed from two sources.
type Credentials struct {
	AccessKeyID     string
	AccessKeySecret string
	SecurityToken   string
}

// Provider returns the credentials as they are now. Function Compute renews its
// role's, so they are asked for at every call and never kept.
type Provider func() (Credentials, error)

// ErrNoCredentials says that neither the environment nor the call has any.
var ErrNoCredentials = errors.New("no credentials: set ALIBABA_CLOUD_ACCESS_KEY_ID and ALIBABA_CLOUD_ACCESS_KEY_SECRET, or give the function a role")

// FromEnvironmentOr returns a provider that reads the environment first, where
// Function Compute puts its role's credentials in every runtime, and takes those
// that came with the call only if it has none.
func FromEnvironmentOr(getenv func(string) string, call Credentials) Provider {
	return func() (Credentials, error) {
		c := Credentials{
			AccessKeyID:     getenv("ALIBABA_CLOUD_ACCESS_KEY_ID"),
			AccessKeySecret: getenv("ALIBABA_CLOUD_ACCESS_KEY_SECRET"),
			SecurityToken:   getenv("ALIBABA_CLOUD_SECURITY_TOKEN"),
		}
		if c.AccessKeyID == "" || c.AccessKeySecret == "" {
			c = call
		}
		if c.AccessKeyID == "" || c.AccessKeySecret == "" {
			return Credentials{}, ErrNoCredentials
		}
		return c, nil
	}
}

// maxMessage bounds what is passed on of a service's message.
const maxMessage = 400

var (
	httpAddress = regexp.MustCompile(`(?i)https?(://|%3A%2F%2F|%253A%252F%252F)[^\s"'<>]*`)
	query       = regexp.MustCompile(`[\w.-]+=[^\s&]*(&[\w.-]+=[^\s&]*)+`)
	parameter   = regexp.MustCompile(`(?i)(signature|token|accesskeyid|credential)([^\s:=]*|[ \w]{0,30})(=|%3D|%253D|:\s?)[^\s&"',]+`)
	digest      = regexp.MustCompile(`\b[0-9A-Fa-f]{40,}\b`)           // a signature; a media ID has 32
	signature   = regexp.MustCompile(`[A-Za-z0-9+/]{27}(=|%3D|%253D)`) // of HMAC-SHA1, in base64
	toSign      = regexp.MustCompile(`(?is)(server )?string to sign is:.*`)
)

// Redact returns text that may be shown: without the credentials in any form in
// which they travel (as they are, or escaped once or twice), without signatures,
// and without addresses, since a signed address is a credential itself.
func (c Credentials) Redact(text string) string {
	text = toSign.ReplaceAllString(text, "(string to sign removed)")
	var forms []string
	for _, secret := range []string{c.SecurityToken, c.AccessKeySecret, c.AccessKeyID} {
		if secret == "" {
			continue
		}
		escaped := url.QueryEscape(secret)
		for _, form := range []string{url.QueryEscape(escaped), escaped, url.PathEscape(secret), strings.ReplaceAll(secret, "/", `\/`), secret} {
			forms = append(forms, form, "(redacted)")
		}
	}
	text = strings.NewReplacer(forms...).Replace(text)
	text = httpAddress.ReplaceAllString(text, "(address removed)")
	text = query.ReplaceAllString(text, "(query removed)")
	text = parameter.ReplaceAllString(text, "$1$2$3(redacted)")
	text = digest.ReplaceAllString(text, "(redacted)")
	text = signature.ReplaceAllString(text, "(redacted)")
	if len(text) > maxMessage {
		text = strings.ToValidUTF8(text[:maxMessage], "") + "…"
	}
	return text
}
