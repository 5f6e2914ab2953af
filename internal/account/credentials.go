package account

import (
	"errors"
	"maps"
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
	return redact(text, append(p.sources(), p.keyring.allRefused()...)...)
}

func (k *Keyring) allRefused() []Credentials {
	k.mu.Lock()
	defer k.mu.Unlock()
	return slices.Collect(maps.Keys(k.refused))
}

// Source says where the current credentials come from, without any of them.
func (p *Provider) Source() string {
	c, err := p.Current()
	switch {
	case err != nil:
		return "none: " + strings.TrimPrefix(err.Error(), "no credentials: ")
	case c == p.call:
		return "the call"
	case c.SecurityToken == "":
		return "ALIBABA_CLOUD_ACCESS_KEY_ID and ALIBABA_CLOUD_ACCESS_KEY_SECRET, without a token"
	}
	return "ALIBABA_CLOUD_ACCESS_KEY_ID, ALIBABA_CLOUD_ACCESS_KEY_SECRET and ALIBABA_CLOUD_SECURITY_TOKEN"
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
