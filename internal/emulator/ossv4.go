package emulator

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"
)

const (
	v4Algorithm = "OSS4-HMAC-SHA256"
	v4Scope     = "oss/aliyun_v4_request" // after day and region
	v4Date      = "20060102T150405Z"
	v4Day       = "20060102"
)

// authenticateOSS checks a V4 header signature: key, region, time, signature and
// token, in this order. e.mu is held.
func (e *Emulator) authenticateOSS(q *ossRequest) *failure {
	denied := func(code, message string) *failure { return refusal(http.StatusForbidden, code, message) }
	authorization, ok := strings.CutPrefix(q.Header.Get("Authorization"), v4Algorithm+" ")
	if !ok {
		return mistake(http.StatusForbidden, "AccessDenied", "The request is not signed with "+v4Algorithm+".")
	}
	fields := map[string]string{}
	for field := range strings.SplitSeq(authorization, ",") {
		name, value, _ := strings.Cut(strings.TrimSpace(field), "=")
		fields[name] = value
	}
	id, scope, _ := strings.Cut(fields["Credential"], "/")
	c, expired, ok := e.access.find(id)
	if !ok {
		return denied("InvalidAccessKeyId", "The OSS Access Key Id you provided does not exist in our records.")
	}
	date := q.Header.Get("X-Oss-Date")
	at, err := time.Parse(v4Date, date)
	if err != nil {
		return denied("AccessDenied", "OSS authentication requires a valid x-oss-date.")
	}
	if e.now().Sub(at).Abs() >= maxSkew {
		return denied("RequestTimeTooSkewed", "The difference between the request time and the current time is too large.")
	}
	if want := at.Format(v4Day) + "/" + e.region + "/" + v4Scope; scope != want {
		return refusal(http.StatusBadRequest, "InvalidArgument", fmt.Sprintf("Invalid signing scope %q, not %q.", scope, want))
	}
	canonical := q.canonical(strings.Split(fields["AdditionalHeaders"], ";"))
	toSign := strings.Join([]string{v4Algorithm, date, scope, hexSHA256(canonical)}, "\n")
	key := []byte("aliyun_v4" + c.secret)
	for part := range strings.SplitSeq(scope, "/") {
		key = hmacSHA256(key, part)
	}
	if want := hex.EncodeToString(hmacSHA256(key, toSign)); !hmac.Equal([]byte(want), []byte(fields["Signature"])) {
		return denied("SignatureDoesNotMatch", "The request signature we calculated does not match the signature you provided.").
			with("StringToSign", toSign).with("CanonicalRequest", canonical)
	}
	switch token := q.Header.Get("X-Oss-Security-Token"); {
	case token != c.token:
		return denied("InvalidSecurityToken", "The security token you provided is invalid.")
	case expired:
		return tokenExpired(oss)
	}
	return nil
}

// canonical is the request in the form that is signed. additional names the
// headers that are signed beside those that always are.
func (q *ossRequest) canonical(additional []string) string {
	path := strings.ReplaceAll(percentEncode("/"+q.bucket+"/"+q.key), "%2F", "/")
	var pairs []string
	for name, values := range q.query {
		pair := percentEncode(name)
		if values[0] != "" {
			pair += "=" + percentEncode(values[0])
		}
		pairs = append(pairs, pair)
	}
	slices.Sort(pairs)

	headers := map[string]string{}
	for name, values := range q.Header {
		name = strings.ToLower(name)
		if strings.HasPrefix(name, "x-oss-") || name == "content-type" || name == "content-md5" || slices.Contains(additional, name) {
			headers[name] = strings.TrimSpace(strings.Join(values, ","))
		}
	}
	var lines strings.Builder
	for _, name := range slices.Sorted(maps.Keys(headers)) {
		lines.WriteString(name + ":" + headers[name] + "\n")
	}
	return strings.Join([]string{
		q.Method, path, strings.Join(pairs, "&"), lines.String(),
		strings.Join(additional, ";"), q.Header.Get("X-Oss-Content-Sha256"),
	}, "\n")
}

func hmacSHA256(key []byte, text string) []byte {
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte(text))
	return mac.Sum(nil)
}

func hexSHA256(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:])
}
