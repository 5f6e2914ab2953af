package handler

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"unicode"

	"github.com/mediasweep/mediasweep/internal/text"
)

// access says who may use the HTTP routes.
type access struct {
	// token must come in X-Mediasweep-Token; empty for none.
	token string
	// trigger names the authentication of the HTTP trigger; empty for unknown.
	trigger authentication
	// broken is the reason why nobody may use the routes, or nil.
	broken error
}

// authentication is a value of MEDIASWEEP_HTTP_AUTH.
type authentication string

const (
	byFunction authentication = "function" // a signature of Alibaba Cloud
	byJWT      authentication = "jwt"
	byBasic    authentication = "basic"
	anonymous  authentication = "anonymous" // everybody passes; event calls are then off
)

// minToken is the least length of a token, in bytes: a shorter one can be guessed.
const minToken = 16

// readAccess reads MEDIASWEEP_HTTP_TOKEN and MEDIASWEEP_HTTP_AUTH. The reason in broken quotes neither:
// a secret may stand in the wrong one.
func readAccess(getenv func(string) string) access {
	a := access{token: getenv("MEDIASWEEP_HTTP_TOKEN")}
	switch {
	case a.token == "":
	case strings.TrimSpace(a.token) != a.token:
		return access{broken: errors.New("MEDIASWEEP_HTTP_TOKEN has white space around it: remove it")}
	case strings.ContainsFunc(a.token, unicode.IsControl):
		return access{broken: errors.New("MEDIASWEEP_HTTP_TOKEN has a line break or another control character, and no header can carry one: remove it")}
	case len(a.token) < minToken:
		return access{broken: fmt.Errorf("MEDIASWEEP_HTTP_TOKEN is too short: it needs at least %d characters", minToken)}
	}
	switch a.trigger = authentication(getenv("MEDIASWEEP_HTTP_AUTH")); a.trigger {
	case "", byFunction, byJWT, byBasic:
	case anonymous:
		if a.token == "" {
			return access{broken: errors.New("MEDIASWEEP_HTTP_AUTH=anonymous needs MEDIASWEEP_HTTP_TOKEN: without it anybody could delete media")}
		}
	default:
		return access{broken: errors.New("MEDIASWEEP_HTTP_AUTH must be function, jwt, basic or anonymous")}
	}
	return a
}

// check returns the status with which a request is turned away, and why; 0 lets
// it through.
func (a access) check(r *http.Request) (status int, reason string) {
	switch {
	case a.broken != nil:
		return http.StatusForbidden, a.broken.Error()
	case a.token != "":
		if !text.SameSecret(strings.Join(r.Header.Values("X-Mediasweep-Token"), ","), a.token) {
			return http.StatusUnauthorized, "X-Mediasweep-Token is missing or wrong"
		}
	case a.trigger == "":
		return http.StatusForbidden, "nothing authenticates callers: set MEDIASWEEP_HTTP_AUTH to what the HTTP trigger does (function, jwt or basic), or MEDIASWEEP_HTTP_TOKEN to at least 16 characters without white space around them"
	}
	return 0, ""
}

// caller says who sent a request that passed the access check. Only what the HTTP trigger verified
// names a person: a client may write anything else.
func (a access) caller(h http.Header) string {
	name := ""
	switch scheme, value := authorization(h); {
	case a.trigger == byJWT && scheme == "bearer":
		name = jwtSubject(value)
	case a.trigger == byBasic && scheme == "basic":
		if pair, err := base64.StdEncoding.DecodeString(value); err == nil { // the go1 runtime joins several headers by commas
			name, _, _ = strings.Cut(string(pair), ":")
		}
	}
	switch {
	case name != "":
		return text.Name(name)
	case a.trigger == byFunction:
		return "a signed request" // an AccessKey ID must not be shown
	case a.trigger == byJWT || a.trigger == byBasic:
		return "a caller that the HTTP trigger authenticated"
	}
	return "a holder of MEDIASWEEP_HTTP_TOKEN"
}

// authorization returns the scheme and the value of the Authorization header. It returns nothing for
// several headers: the trigger may have verified another one.
func authorization(h http.Header) (scheme, value string) {
	headers := h.Values("Authorization")
	if len(headers) != 1 {
		return "", ""
	}
	scheme, value, _ = strings.Cut(headers[0], " ")
	return strings.ToLower(scheme), strings.TrimSpace(value)
}

// jwtSubject returns the subject of a token without verifying it, or nothing.
func jwtSubject(token string) string {
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return ""
	}
	var claims struct {
		Subject string `json:"sub"`
	}
	payload, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil || json.Unmarshal(payload, &claims) != nil {
		return ""
	}
	return claims.Subject
}
