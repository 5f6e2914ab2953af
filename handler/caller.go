package handler

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"strings"

	"github.com/mediasweep/mediasweep/internal/text"
)

// caller says who sent a request that passed the access check. Only what the HTTP trigger verified
// names a person: a client may write anything else.
func (a access) caller(h http.Header) string {
	name := ""
	switch scheme, value := authorization(h); {
	case a.trigger == byJWT && scheme == "bearer":
		name = jwtSubject(value)
	case a.trigger == byBasic && scheme == "basic":
		user, _ := base64.StdEncoding.DecodeString(value) // the trigger has accepted it
		name, _, _ = strings.Cut(string(user), ":")
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
