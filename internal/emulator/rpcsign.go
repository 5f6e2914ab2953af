package emulator

import (
	"crypto/hmac"
	"encoding/hex"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

const acs3Algorithm = "ACS3-HMAC-SHA256"

// rpcSignature is the signature of a call of MPS: RPC signature 1.0 in the
// parameters, or ACS3 in the headers.
type rpcSignature struct {
	id, token string
	nonce     string
	timestamp string
	sent      string
	toSign    string
	acs3      bool
}

func (s rpcSignature) sign(secret string) string {
	if s.acs3 {
		return hex.EncodeToString(hmacSHA256([]byte(secret), s.toSign))
	}
	return signSHA1(secret+"&", s.toSign)
}

func isACS3(r *http.Request) bool {
	return strings.HasPrefix(r.Header.Get("Authorization"), acs3Algorithm)
}

func readSignature(r *http.Request, p url.Values, body string) (rpcSignature, *failure) {
	if isACS3(r) {
		return readACS3(r, body)
	}
	for _, name := range []string{"Action", "Version", "AccessKeyId", "Signature", "SignatureMethod", "SignatureVersion", "SignatureNonce", "Timestamp"} {
		if p.Get(name) == "" {
			return rpcSignature{}, missing(name)
		}
	}
	if p.Get("SignatureMethod") != "HMAC-SHA1" || p.Get("SignatureVersion") != "1.0" {
		return rpcSignature{}, mistake(http.StatusBadRequest, "InvalidSignatureMethod", "Specified signature method is not supported.")
	}
	return rpcSignature{
		id: p.Get("AccessKeyId"), token: p.Get("SecurityToken"), nonce: p.Get("SignatureNonce"), timestamp: p.Get("Timestamp"),
		sent: p.Get("Signature"), toSign: rpcStringToSign(r.Method, p),
	}, nil
}

// readACS3 reads a signature in the headers, which has to cover the host and all headers x-acs-*.
// Which codes the gateway uses here is not documented.
func readACS3(r *http.Request, body string) (rpcSignature, *failure) {
	for _, name := range []string{"Action", "Version", "Date", "Signature-Nonce", "Content-Sha256"} {
		if r.Header.Get("X-Acs-"+name) == "" {
			return rpcSignature{}, missing("x-acs-" + strings.ToLower(name))
		}
	}
	fields := signatureFields(strings.TrimPrefix(r.Header.Get("Authorization"), acs3Algorithm+" "))
	signed := strings.Split(fields["SignedHeaders"], ";")
	if !slices.Contains(signed, "host") {
		return rpcSignature{}, incomplete("host")
	}
	for name := range r.Header {
		if name = strings.ToLower(name); strings.HasPrefix(name, "x-acs-") && !slices.Contains(signed, name) {
			return rpcSignature{}, incomplete(name)
		}
	}
	if r.Header.Get("X-Acs-Content-Sha256") != hexSHA256(body) {
		return rpcSignature{}, mistake(http.StatusBadRequest, "SignatureDoesNotMatch", "x-acs-content-sha256 is not the hash of the body.")
	}
	query := r.URL.Query()
	var pairs []string
	for _, name := range slices.Sorted(maps.Keys(query)) {
		pairs = append(pairs, percentEncode(name)+"="+percentEncode(query.Get(name)))
	}
	var headers strings.Builder
	for _, name := range signed {
		value := strings.TrimSpace(strings.Join(r.Header.Values(name), ","))
		if name == "host" {
			value = r.Host
		}
		headers.WriteString(name + ":" + value + "\n")
	}
	canonical := strings.Join([]string{
		r.Method, "/", strings.Join(pairs, "&"), headers.String(), fields["SignedHeaders"], hexSHA256(body),
	}, "\n")
	return rpcSignature{
		id: fields["Credential"], token: r.Header.Get("X-Acs-Security-Token"), nonce: r.Header.Get("X-Acs-Signature-Nonce"),
		timestamp: r.Header.Get("X-Acs-Date"), sent: fields["Signature"], toSign: acs3Algorithm + "\n" + hexSHA256(canonical), acs3: true,
	}, nil
}

func incomplete(header string) *failure {
	return mistake(http.StatusBadRequest, "IncompleteSignature",
		"The request signature does not conform to Aliyun standards: the header "+header+" is not signed.")
}

// authenticateRPC checks signature, time, token and nonce. None of these is a
// violation: clocks and credentials are not the program's to choose.
func (e *Emulator) authenticateRPC(s rpcSignature) *failure {
	c, expired, ok := e.access.find(s.id)
	if !ok {
		return refusal(http.StatusNotFound, "InvalidAccessKeyId.NotFound", "Specified access key is not found.")
	}
	at, err := time.Parse(timeFormat, s.timestamp)
	if err != nil {
		return refusal(http.StatusBadRequest, "InvalidTimeStamp.Format", "Specified time stamp or date value is not well formatted.")
	}
	if e.now().Sub(at).Abs() >= maxSkew {
		return refusal(http.StatusBadRequest, "InvalidTimeStamp.Expired", "Specified time stamp or date value is expired.")
	}
	if !hmac.Equal([]byte(s.sign(c.secret)), []byte(s.sent)) {
		return refusal(http.StatusBadRequest, "SignatureDoesNotMatch",
			"Specified signature is not matched with our calculation. server string to sign is:"+s.toSign)
	}
	switch {
	case s.token == "":
		return refusal(http.StatusForbidden, "MissingSecurityToken", "SecurityToken is mandatory for this action.")
	case s.token != c.token:
		return refusal(http.StatusForbidden, "InvalidSecurityToken.MismatchWithAccessKey", "Specified SecurityToken mismatches with the AccessKey.")
	case expired:
		return tokenExpired(mps)
	}
	if !e.access.use(s.nonce, e.now()) {
		return nonceUsed()
	}
	return nil
}

func nonceUsed() *failure {
	return refusal(http.StatusBadRequest, "SignatureNonceUsed", "Specified signature nonce was used already.")
}

// rpcStringToSign follows RPC signature 1.0: all parameters but the signature,
// empty ones too, sorted, and encoded twice.
func rpcStringToSign(method string, p url.Values) string {
	var pairs []string
	for _, name := range slices.Sorted(maps.Keys(p)) {
		if name != "Signature" {
			pairs = append(pairs, percentEncode(name)+"="+percentEncode(p.Get(name)))
		}
	}
	return method + "&%2F&" + percentEncode(strings.Join(pairs, "&"))
}

// percentEncode escapes all but the unreserved characters of RFC 3986.
func percentEncode(s string) string {
	return strings.ReplaceAll(url.QueryEscape(s), "+", "%20")
}
