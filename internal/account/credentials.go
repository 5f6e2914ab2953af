package account

import (
	"errors"
	"maps"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"sync"
)

// Credentials are one access key, with a token where it is a temporary one. A
// key and a token belong together: they are never mixed from two sources.
type Credentials struct {
	AccessKeyID     string
	AccessKeySecret string
	SecurityToken   string
}

// ErrNoCredentials says that neither the environment nor the call has any.
var ErrNoCredentials = errors.New("no credentials: set ALIBABA_CLOUD_ACCESS_KEY_ID and ALIBABA_CLOUD_ACCESS_KEY_SECRET, or give the function a role")

// Keyring holds the credentials of one process. It remembers which of them a service
// refused. It is safe for concurrent use.
type Keyring struct {
	getenv func(string) string

	mu      sync.Mutex
	refused map[Credentials]bool
}

// NewKeyring returns a keyring over an environment, which is read at every call:
// Function Compute renews its role's credentials.
func NewKeyring(getenv func(string) string) *Keyring {
	return &Keyring{getenv: getenv, refused: map[Credentials]bool{}}
}

// Or returns a provider of the environment's credentials, where Function Compute puts
// its role's in every runtime. It hands out those of the call where the environment
// has none, or has only those that a service refused.
func (k *Keyring) Or(call Credentials) *Provider { return &Provider{k, call} }

// FromEnvironmentOr returns the provider of a keyring of its own; see Keyring.Or.
func FromEnvironmentOr(getenv func(string) string, call Credentials) *Provider {
	return NewKeyring(getenv).Or(call)
}

// Provider hands out the credentials of one call, each of its two sources whole.
type Provider struct {
	keyring *Keyring
	call    Credentials
}

// Current returns the credentials to use now. Ask at every call, and keep none.
func (p *Provider) Current() (Credentials, error) {
	sources := p.sources()
	if len(sources) == 0 {
		return Credentials{}, ErrNoCredentials
	}
	p.keyring.mu.Lock()
	defer p.keyring.mu.Unlock()
	for _, c := range sources {
		if !p.keyring.refused[c] {
			return c, nil
		}
	}
	return sources[0], nil
}

// maxRefused bounds what a keyring remembers: a role has one set of credentials at a
// time, and an instance lives for hours.
const maxRefused = 16

// Refuse notes that a service called these credentials expired or invalid. It reports
// whether there are others to use now.
func (p *Provider) Refuse(c Credentials) bool {
	k := p.keyring
	k.mu.Lock()
	if len(k.refused) >= maxRefused {
		clear(k.refused)
	}
	k.refused[c] = true
	k.mu.Unlock()
	current, err := p.Current()
	return err == nil && current != c
}

// Redact removes the credentials of both sources, and those that a service refused, from
// a text; see Credentials.Redact.
func (p *Provider) Redact(text string) string {
	for _, c := range append(p.sources(), p.keyring.allRefused()...) {
		text = c.Redact(text)
	}
	return text
}

func (k *Keyring) allRefused() []Credentials {
	k.mu.Lock()
	defer k.mu.Unlock()
	return slices.Collect(maps.Keys(k.refused))
}

// sources returns the environment's and the call's credentials, those that are whole.
func (p *Provider) sources() []Credentials {
	environment := Credentials{
		AccessKeyID:     p.keyring.getenv("ALIBABA_CLOUD_ACCESS_KEY_ID"),
		AccessKeySecret: p.keyring.getenv("ALIBABA_CLOUD_ACCESS_KEY_SECRET"),
		SecurityToken:   p.keyring.getenv("ALIBABA_CLOUD_SECURITY_TOKEN"),
	}
	return slices.DeleteFunc([]Credentials{environment, p.call}, func(c Credentials) bool {
		return c.AccessKeyID == "" || c.AccessKeySecret == ""
	})
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
