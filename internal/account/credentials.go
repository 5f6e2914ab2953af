package account

import (
	"context"
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
var ErrNoCredentials = errors.New("no credentials: " + needed)

const needed = "set ALIBABA_CLOUD_ACCESS_KEY_ID and ALIBABA_CLOUD_ACCESS_KEY_SECRET, or give the function a role"

// Source has credentials that are neither in the environment nor in a call. It is safe for
// concurrent use.
type Source interface {
	// Current returns the credentials to use now. Its error has no secret, and is ErrNoCredentials.
	Current(ctx context.Context) (Credentials, error)
	// Refuse notes that a service called these credentials expired or invalid.
	Refuse(c Credentials)
	// String names the source, without a secret. It makes no call.
	String() string
}

// NoSource has no credentials.
type NoSource struct{}

// Current returns ErrNoCredentials.
func (NoSource) Current(context.Context) (Credentials, error) {
	return Credentials{}, ErrNoCredentials
}

// Refuse does nothing.
func (NoSource) Refuse(Credentials) {}

func (NoSource) String() string { return "none: " + needed }

// Keyring holds the credentials of one process. It remembers which of them a service
// refused. It is safe for concurrent use.
type Keyring struct {
	getenv    func(string) string
	elsewhere Source

	mu      sync.Mutex
	refused map[Credentials]bool
	found   map[Credentials]bool // what the source handed out
}

// NewKeyring returns a keyring over an environment, which is read at every call:
// Function Compute renews its role's credentials.
func NewKeyring(getenv func(string) string) *Keyring { return NewKeyringWith(getenv, NoSource{}) }

// NewKeyringWith returns a keyring that asks a source if neither the environment nor the call has
// credentials.
func NewKeyringWith(getenv func(string) string, elsewhere Source) *Keyring {
	return &Keyring{getenv: getenv, elsewhere: elsewhere, refused: map[Credentials]bool{}, found: map[Credentials]bool{}}
}

// HasKey reports whether the environment has a whole access key.
func (k *Keyring) HasKey() bool { return len(k.Or(Credentials{}).sources()) > 0 }

// Or returns a provider of the environment's credentials, where Function Compute puts
// its role's in every runtime. It hands out those of the call where the environment
// has none, or has only those that a service refused. Where both have none, it asks the source.
func (k *Keyring) Or(call Credentials) *Provider { return &Provider{k, call} }

// Provider hands out the credentials of one call, always those of one source.
type Provider struct {
	keyring *Keyring
	call    Credentials
}

// Current returns the credentials to use now. Ask at every call, and keep none.
func (p *Provider) Current(ctx context.Context) (Credentials, error) {
	c, ok := p.given()
	if !ok {
		var err error
		if c, err = p.find(ctx); err != nil {
			return Credentials{}, err
		}
	}
	if c.isOdd() {
		return Credentials{}, oddError(p.Source())
	}
	return c, nil
}

// find asks the source.
func (p *Provider) find(ctx context.Context) (Credentials, error) {
	k := p.keyring
	c, err := k.elsewhere.Current(ctx)
	if err == nil {
		k.mu.Lock()
		defer k.mu.Unlock()
		note(k.found, c) // for Redact
	}
	return c, err
}

// isOdd reports whether credentials have a character that no access key has. A file with Windows line ends leaves one, and
// the services would only say that the signature is wrong.
func (c Credentials) isOdd() bool {
	isOdd := func(r rune) bool { return r <= ' ' || r > '~' }
	return strings.ContainsFunc(c.AccessKeyID, isOdd) || strings.ContainsFunc(c.AccessKeySecret, isOdd) || strings.ContainsFunc(c.SecurityToken, isOdd)
}

// oddError names the source of odd credentials.
type oddError string

func (e oddError) Error() string {
	return "no credentials: " + string(e) + ": one of them has a space, a line break or another character that no access key has: remove it"
}

// Is makes the error an ErrNoCredentials.
func (oddError) Is(target error) bool { return target == ErrNoCredentials }

// given returns the credentials of the environment or of the call, the first that no service
// refused.
func (p *Provider) given() (c Credentials, ok bool) {
	sources := p.sources()
	if len(sources) == 0 {
		return Credentials{}, false
	}
	p.keyring.mu.Lock()
	defer p.keyring.mu.Unlock()
	for _, c := range sources {
		if !p.keyring.refused[c] {
			return c, true
		}
	}
	return sources[0], true
}

// maxNoted bounds each set of a keyring: a source has one set of credentials at a time, and a process
// lives for hours.
const maxNoted = 16

func note(set map[Credentials]bool, c Credentials) {
	if len(set) >= maxNoted {
		clear(set)
	}
	set[c] = true
}

// Refuse notes that a service called these credentials expired or invalid. It reports
// whether there may be others to use now.
func (p *Provider) Refuse(c Credentials) bool {
	k := p.keyring
	k.mu.Lock()
	again := k.refused[c]
	note(k.refused, c)
	k.mu.Unlock()
	if current, ok := p.given(); ok {
		return current != c
	}
	k.elsewhere.Refuse(c)
	return !again
}

// Redact removes the credentials of all sources, and those that a service refused, from
// a text; see Credentials.Redact.
func (p *Provider) Redact(text string) string {
	k := p.keyring
	k.mu.Lock()
	noted := slices.AppendSeq(slices.Collect(maps.Keys(k.refused)), maps.Keys(k.found))
	k.mu.Unlock()
	return redact(text, append(p.sources(), noted...)...)
}

// Source says where the current credentials come from, without any of them. It makes no call.
func (p *Provider) Source() string {
	c, ok := p.given()
	switch {
	case !ok:
		return p.keyring.elsewhere.String()
	case c == p.call:
		return "the call"
	case c.SecurityToken == "":
		return "ALIBABA_CLOUD_ACCESS_KEY_ID and ALIBABA_CLOUD_ACCESS_KEY_SECRET, without a token"
	}
	return "ALIBABA_CLOUD_ACCESS_KEY_ID, ALIBABA_CLOUD_ACCESS_KEY_SECRET and ALIBABA_CLOUD_SECURITY_TOKEN"
}

// Blame names the source of the current credentials if a service refuses them by this code, or allows them too
// little: they may be another account's. It returns nothing for other codes.
func (p *Provider) Blame(code string) string {
	switch head, _, _ := strings.Cut(code, "."); head {
	case "InvalidAccessKeyId", "SignatureDoesNotMatch", "IncompleteSignature", "InvalidSecurityToken", "MissingSecurityToken", "SecurityTokenExpired",
		"AccessDenied", "Forbidden", "NoPermission":
		return " (credentials: " + p.Source() + ")"
	}
	return ""
}

// Advice returns what the operator should do about a code with which a service refuses credentials, or nothing.
func Advice(code string) string {
	switch head, _, _ := strings.Cut(code, "."); head {
	case "InvalidAccessKeyId", "SignatureDoesNotMatch", "IncompleteSignature":
		return "check the access key and its secret"
	case "InvalidSecurityToken", "MissingSecurityToken", "SecurityTokenExpired":
		return "the role's token has expired or does not belong to the key"
	case "InvalidTimeStamp", "RequestTimeTooSkewed":
		return "set this machine's clock: it is more than 15 minutes off"
	}
	return ""
}

// ErrorText writes the error of a call. Without an answer there is no code and no request ID.
func ErrorText(operation, code, message, requestID, advice string) string {
	text := operation + ": "
	if code != "" {
		text += code + ": "
	}
	text += message
	if requestID != "" {
		text += " (request " + requestID + ")"
	}
	if advice != "" {
		text += ": " + advice
	}
	return text
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
