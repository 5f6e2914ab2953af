package emulator

import (
	"fmt"
	"net/http"
	"time"
)

// maxSkew bounds the error of a client's clock. A nonce is remembered as long: 15 minutes for both services.
const maxSkew = 15 * time.Minute

// A service is one of the three that the emulator serves.
type service int

const (
	mps service = iota
	oss
	chat // robots of chats
)

// credentials are temporary, as a function's are: key, secret and token.
type credentials struct{ id, secret, token string }

// access holds the credentials and the used nonces.
type access struct {
	current credentials
	expired map[string]credentials // by access key ID
	nonces  map[string]bool        // used within maxSkew
	used    []usedNonce            // the same, in order of use
}

type usedNonce struct {
	nonce string
	at    time.Time
}

func newAccess() access {
	return access{current: newCredentials(1), expired: map[string]credentials{}, nonces: map[string]bool{}}
}

// newCredentials are the n-th of an emulator. They open nothing but itself.
func newCredentials(n int) credentials {
	return credentials{
		id:     fmt.Sprintf("STS.EMULATOR%04d", n),
		secret: fmt.Sprintf("emulator-secret-%04d", n),
		token:  fmt.Sprintf("emulator-security-token-%04d/+==", n), // what has to be escaped, as in real ones
	}
}

// ExpireToken ends the validity of the current credentials; [Emulator.Env]
// returns new ones from now on.
func (e *Emulator) ExpireToken() {
	e.mu.Lock()
	defer e.mu.Unlock()
	a := &e.access
	a.expired[a.current.id] = a.current
	a.current = newCredentials(len(a.expired) + 1)
}

// find is the credential with an access key ID, valid or expired.
func (a *access) find(id string) (c credentials, expired, ok bool) {
	if id == a.current.id {
		return a.current, false, true
	}
	c, ok = a.expired[id]
	return c, true, ok
}

// use remembers a nonce; false means that it was used before.
func (a *access) use(nonce string, now time.Time) bool {
	for len(a.used) > 0 && now.Sub(a.used[0].at) > maxSkew {
		delete(a.nonces, a.used[0].nonce)
		a.used = a.used[1:]
	}
	if a.nonces[nonce] {
		return false
	}
	a.nonces[nonce] = true
	a.used = append(a.used, usedNonce{nonce, now})
	return true
}

// tokenExpired is a refusal that new credentials cure.
func tokenExpired(s service) *failure {
	code := "InvalidSecurityToken.Expired"
	if s == oss {
		code = "SecurityTokenExpired"
	}
	return refusal(http.StatusForbidden, code, "Specified SecurityToken is expired.")
}
