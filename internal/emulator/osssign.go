package emulator

import (
	"crypto/hmac"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

const (
	v4Algorithm = "OSS4-HMAC-SHA256"
	v4Scope     = "oss/aliyun_v4_request" // after day and region
	v4Date      = "20060102T150405Z"
	v4Day       = "20060102"
	v4Longest   = 7 * 24 * 60 * 60 // seconds for which a presigned URL may be valid
)

// ossSignature is the signature of a request to OSS: V1 or V4, in the headers or
// in the query of a presigned URL.
type ossSignature struct {
	id, token string
	sent      string
	toSign    string
	date      time.Time // of signing; zero in a URL of V1
	expires   time.Time // of a URL; zero in headers
	v4        bool
	scope     string // of V4
	canonical string // of V4
}

// authenticateOSS checks key, time, region, signature and token, in this order.
// e.mu is held.
func (e *Emulator) authenticateOSS(q *ossRequest) *failure {
	s, refused := q.signature()
	if refused != nil {
		return refused
	}
	c, expired, ok := e.access.find(s.id)
	now := e.now()
	switch {
	case !ok:
		return denied("InvalidAccessKeyId", "The OSS Access Key Id you provided does not exist in our records.")
	case s.expires.IsZero() && now.Sub(s.date).Abs() >= maxSkew, s.date.Sub(now) >= maxSkew:
		return denied("RequestTimeTooSkewed", "The difference between the request time and the current time is too large.")
	case !s.expires.IsZero() && !now.Before(s.expires):
		return denied("AccessDenied", "Request has expired.")
	}
	if want := s.date.Format(v4Day) + "/" + e.region + "/" + v4Scope; s.v4 && s.scope != want {
		return refusal(http.StatusBadRequest, "InvalidArgument", fmt.Sprintf("Invalid signing scope %q, not %q.", s.scope, want))
	}
	if !hmac.Equal([]byte(s.sign(c.secret)), []byte(s.sent)) {
		f := denied("SignatureDoesNotMatch", "The request signature we calculated does not match the signature you provided.").
			with("StringToSign", s.toSign)
		if s.v4 {
			f.with("CanonicalRequest", s.canonical)
		}
		return f
	}
	switch {
	case s.token != c.token:
		return denied("InvalidSecurityToken", "The security token you provided is invalid.")
	case expired:
		return tokenExpired(oss)
	}
	return nil
}

func denied(code, message string) *failure { return refusal(http.StatusForbidden, code, message) }

func (s ossSignature) sign(secret string) string {
	if !s.v4 {
		return signSHA1(secret, s.toSign)
	}
	key := []byte("aliyun_v4" + secret)
	for part := range strings.SplitSeq(s.scope, "/") {
		key = hmacSHA256(key, part)
	}
	return hex.EncodeToString(hmacSHA256(key, s.toSign))
}

// signature reads the signature of a request. Headers win over the query.
func (q *ossRequest) signature() (ossSignature, *failure) {
	authorization := q.Header.Get("Authorization")
	v4, isV4 := strings.CutPrefix(authorization, v4Algorithm+" ")
	v1, isV1 := strings.CutPrefix(authorization, "OSS ")
	token := q.Header.Get("X-Oss-Security-Token")
	switch {
	case isV4:
		fields := signatureFields(v4)
		return q.signatureV4(q.Header.Get("X-Oss-Date"), fields["Credential"], token, fields["AdditionalHeaders"], fields["Signature"])
	case isV1:
		id, sent, _ := strings.Cut(v1, ":")
		date := q.Header.Get("X-Oss-Date")
		if date == "" {
			date = q.Header.Get("Date")
		}
		at, err := http.ParseTime(date)
		if err != nil {
			return ossSignature{}, denied("AccessDenied", "OSS authentication requires a valid Date.")
		}
		return ossSignature{id: id, token: token, sent: sent, date: at, toSign: q.toSignV1(date)}, nil
	case authorization == "" && q.query.Get("x-oss-signature-version") == v4Algorithm:
		s, refused := q.signatureV4(q.query.Get("x-oss-date"), q.query.Get("x-oss-credential"), q.query.Get("x-oss-security-token"),
			q.query.Get("x-oss-additional-headers"), q.query.Get("x-oss-signature"))
		sent := q.query.Get("x-oss-expires")
		seconds, err := strconv.Atoi(sent)
		if err != nil || sent[0] == '+' || seconds < 1 || seconds > v4Longest {
			return s, denied("AccessDenied", fmt.Sprintf("x-oss-expires is not within 1 and %d seconds.", v4Longest))
		}
		s.expires = s.date.Add(time.Duration(seconds) * time.Second)
		return s, refused
	case authorization == "" && q.query.Has("OSSAccessKeyId"):
		expires := q.query.Get("Expires")
		seconds, err := strconv.ParseInt(expires, 10, 64)
		if err != nil {
			return ossSignature{}, denied("AccessDenied", "Invalid date (should be seconds since epoch).")
		}
		return ossSignature{
			id: q.query.Get("OSSAccessKeyId"), token: q.query.Get("security-token"), sent: q.query.Get("Signature"),
			expires: time.Unix(seconds, 0), toSign: q.toSignV1(expires),
		}, nil
	default:
		return ossSignature{}, mistake(http.StatusForbidden, "AccessDenied", "The request is signed neither with "+v4Algorithm+" nor with V1.")
	}
}

// signatureFields are the parts NAME=VALUE of an Authorization.
func signatureFields(authorization string) map[string]string {
	fields := map[string]string{}
	for field := range strings.SplitSeq(authorization, ",") {
		name, value, _ := strings.Cut(strings.TrimSpace(field), "=")
		fields[name] = value
	}
	return fields
}

func (q *ossRequest) signatureV4(date, credential, token, additional, sent string) (ossSignature, *failure) {
	at, err := time.Parse(v4Date, date)
	if err != nil {
		return ossSignature{}, denied("AccessDenied", "OSS authentication requires a valid x-oss-date.")
	}
	id, scope, _ := strings.Cut(credential, "/")
	canonical := q.canonicalV4(strings.Split(additional, ";"))
	return ossSignature{
		id: id, token: token, sent: sent, date: at, v4: true, scope: scope, canonical: canonical,
		toSign: strings.Join([]string{v4Algorithm, date, scope, hexSHA256(canonical)}, "\n"),
	}, nil
}

// resource is the path of bucket and key, wherever the request names them.
func (q *ossRequest) resource() string {
	if q.bucket == "" {
		return "/"
	}
	return "/" + q.bucket + "/" + q.key
}

// signedHeaders are the lines NAME:VALUE of the headers x-oss-* and of others.
func (q *ossRequest) signedHeaders(others ...string) string {
	headers := map[string]string{}
	for name, values := range q.Header {
		name = strings.ToLower(name)
		if strings.HasPrefix(name, "x-oss-") || slices.Contains(others, name) {
			headers[name] = strings.TrimSpace(strings.Join(values, ","))
		}
	}
	var lines strings.Builder
	for _, name := range slices.Sorted(maps.Keys(headers)) {
		lines.WriteString(name + ":" + headers[name] + "\n")
	}
	return lines.String()
}

// canonicalV4 is the request in the form that V4 signs. additional names the
// headers that are signed beside those that always are.
func (q *ossRequest) canonicalV4(additional []string) string {
	path := strings.ReplaceAll(percentEncode(q.resource()), "%2F", "/")
	var pairs []string
	for name, values := range q.query {
		pair := percentEncode(name)
		if values[0] != "" {
			pair += "=" + percentEncode(values[0])
		}
		if name != "x-oss-signature" {
			pairs = append(pairs, pair)
		}
	}
	slices.Sort(pairs)
	payload := q.Header.Get("X-Oss-Content-Sha256")
	if payload == "" {
		payload = "UNSIGNED-PAYLOAD"
	}
	return strings.Join([]string{
		q.Method, path, strings.Join(pairs, "&"), q.signedHeaders(append(additional, "content-type", "content-md5")...),
		strings.Join(additional, ";"), payload,
	}, "\n")
}

// toSignV1 is the text that V1 signs, with the date of the signature or the expiry of a URL.
func (q *ossRequest) toSignV1(date string) string {
	var pairs []string
	for name, values := range q.query {
		if !isSubresource(name) {
			continue
		}
		if values[0] != "" {
			name += "=" + values[0]
		}
		pairs = append(pairs, name)
	}
	resource := q.resource()
	if len(pairs) > 0 {
		slices.Sort(pairs)
		resource += "?" + strings.Join(pairs, "&")
	}
	return strings.Join([]string{
		q.Method, q.Header.Get("Content-Md5"), q.Header.Get("Content-Type"), date, q.signedHeaders() + resource,
	}, "\n")
}

// isSubresource reports whether V1 signs a parameter: it names a part of a bucket or object, or
// changes an answer.
func isSubresource(name string) bool {
	return strings.HasPrefix(name, "x-oss-") || strings.HasPrefix(name, "response-") || slices.Contains([]string{
		"acl", "append", "bucketInfo", "callback", "callback-var", "comp", "continuation-token", "cors", "delete", "encryption",
		"img", "inventory", "inventoryId", "lifecycle", "live", "location", "logging", "objectMeta", "partNumber", "policy",
		"position", "qos", "referer", "replication", "requestPayment", "restore", "security-token", "sequential", "stat",
		"status", "style", "symlink", "tagging", "uploadId", "uploads", "versionId", "versioning", "versions", "website", "worm",
	}, name)
}

// signSHA1 returns a signature of the older kinds.
func signSHA1(key, text string) string {
	mac := hmac.New(sha1.New, []byte(key))
	mac.Write([]byte(text))
	return base64.StdEncoding.EncodeToString(mac.Sum(nil))
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
