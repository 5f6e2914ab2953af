package emulator

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha1"
	"encoding/base64"
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

const (
	rpcVersion = "2014-06-18"
	// timeFormat is how MPS writes a moment, always in UTC.
	timeFormat = "2006-01-02T15:04:05Z"
	jsonType   = "application/json;charset=utf-8"
)

// object is a JSON object that is answered.
type object = map[string]any

// rpcOperation is one operation of MPS.
type rpcOperation struct {
	quota int // documented calls a second for each account
	run   func(*Emulator, url.Values) (object, *failure)
}

// rpcOperations are those of MPS that are emulated, by name.
var rpcOperations = map[string]rpcOperation{
	"AddMedia":                    {100, (*Emulator).addMedia},
	"AddMediaTag":                 {100, (*Emulator).addMediaTag},
	"DeleteMedia":                 {100, (*Emulator).deleteMedia},
	"ListAllMediaBucket":          {10, (*Emulator).listAllMediaBucket},
	"ListMediaWorkflowExecutions": {100, (*Emulator).listMediaWorkflowExecutions},
	"QueryMediaList":              {100, (*Emulator).queryMediaList},
	"QueryMediaListByURL":         {100, (*Emulator).queryMediaListByURL},
	"UpdateMediaPublishState":     {100, (*Emulator).updateMediaPublishState},
}

// rpc decodes a call of MPS.
func (e *Emulator) rpc(r *http.Request) exchange {
	parseErr := r.ParseForm()
	// net/http notices that a client has gone only once the body is read.
	_, _ = io.Copy(io.Discard, r.Body)
	p := r.Form
	return exchange{
		service: mps,
		call: Call{
			Operation: p.Get("Action"),
			MediaIDs:  split(p.Get("MediaIds") + p.Get("MediaId")),
			URLs:      split(p.Get("FileURLs") + p.Get("FileURL")),
		},
		admit: func() *failure {
			if parseErr != nil {
				return mistake(http.StatusBadRequest, "InvalidParameter", "The parameters cannot be decoded.")
			}
			return e.admitRPC(r.Method, p)
		},
		execute: func() (reply, *failure) {
			answer, refused := rpcOperations[p.Get("Action")].run(e, p)
			if refused != nil {
				return reply{}, refused
			}
			if answer == nil {
				answer = object{}
			}
			answer["RequestId"] = e.requestID()
			return jsonReply(http.StatusOK, answer), nil
		},
		refuse: func(f *failure) reply {
			rep := jsonReply(f.status, object{
				"RequestId": e.requestID(),
				"HostId":    "mts." + e.region + ".aliyuncs.com",
				"Code":      f.code,
				"Message":   f.message,
				"Recommend": "https://api.aliyun.com/troubleshoot?q=" + url.QueryEscape(f.code) + "&product=Mts",
			})
			rep.code = f.code
			maps.Copy(rep.header, f.header)
			return rep
		},
	}
}

// split is a comma-separated parameter in parts.
func split(s string) []string {
	if s == "" {
		return nil
	}
	return strings.Split(s, ",")
}

// requestID is an upper-case UUID; e.mu is held.
func (e *Emulator) requestID() string {
	h := e.newID()
	return strings.Join([]string{h[:8], h[8:12], h[12:16], h[16:20], h[20:]}, "-")
}

func newReply(status int, contentType string, body []byte) reply {
	return reply{
		status: status,
		header: http.Header{"Content-Type": {contentType}},
		body:   bytes.NewReader(body),
		size:   int64(len(body)),
	}
}

func jsonReply(status int, v any) reply {
	body, err := json.MarshalIndent(v, "", "  ")
	if err != nil { // not for strings, numbers, and maps and slices of them
		return newReply(http.StatusInternalServerError, "text/plain", []byte(err.Error()))
	}
	return newReply(status, jsonType, body)
}

// admitRPC checks what all operations have in common, in the gateway's order:
// the call itself, then the caller.
func (e *Emulator) admitRPC(method string, p url.Values) *failure {
	if method != http.MethodGet && method != http.MethodPost {
		return mistake(http.StatusBadRequest, "UnsupportedHTTPMethod", "This http method is not supported.")
	}
	for _, name := range []string{"Action", "Version", "AccessKeyId", "Signature", "SignatureMethod", "SignatureVersion", "SignatureNonce", "Timestamp"} {
		if p.Get(name) == "" {
			return missing(name)
		}
	}
	if _, ok := rpcOperations[p.Get("Action")]; !ok {
		return mistake(http.StatusNotFound, "InvalidAction.NotFound", "Specified api is not found, please check your url and method.")
	}
	if p.Get("Version") != rpcVersion {
		return mistake(http.StatusBadRequest, "InvalidVersion", "Specified parameter Version is not valid.")
	}
	if f := p.Get("Format"); f != "" && !strings.EqualFold(f, "JSON") {
		return mistake(http.StatusBadRequest, "InvalidParameter.Format", "Of the formats, only JSON is emulated.")
	}
	if p.Get("SignatureMethod") != "HMAC-SHA1" || p.Get("SignatureVersion") != "1.0" {
		return mistake(http.StatusBadRequest, "InvalidSignatureMethod", "Specified signature method is not supported.")
	}
	// The code is not documented for this API: an endpoint serves its own region.
	if r := p.Get("RegionId"); r != "" && r != e.region {
		return mistake(http.StatusNotFound, "InvalidOperation.NotSupportedEndpoint", "The specified endpoint cannot operate this region.")
	}
	return e.authenticateRPC(method, p)
}

// authenticateRPC checks signature, time, token and nonce. None of these is a
// violation: clocks and credentials are not the program's to choose.
func (e *Emulator) authenticateRPC(method string, p url.Values) *failure {
	c, expired, ok := e.access.find(p.Get("AccessKeyId"))
	if !ok {
		return refusal(http.StatusNotFound, "InvalidAccessKeyId.NotFound", "Specified access key is not found.")
	}
	at, err := time.Parse(timeFormat, p.Get("Timestamp"))
	if err != nil {
		return refusal(http.StatusBadRequest, "InvalidTimeStamp.Format", "Specified time stamp or date value is not well formatted.")
	}
	if e.now().Sub(at).Abs() >= maxSkew {
		return refusal(http.StatusBadRequest, "InvalidTimeStamp.Expired", "Specified time stamp or date value is expired.")
	}
	toSign := rpcStringToSign(method, p)
	mac := hmac.New(sha1.New, []byte(c.secret+"&"))
	mac.Write([]byte(toSign))
	if want := base64.StdEncoding.EncodeToString(mac.Sum(nil)); !hmac.Equal([]byte(want), []byte(p.Get("Signature"))) {
		return refusal(http.StatusBadRequest, "SignatureDoesNotMatch",
			"Specified signature is not matched with our calculation. server string to sign is:"+toSign)
	}
	switch token := p.Get("SecurityToken"); {
	case token == "":
		return refusal(http.StatusForbidden, "MissingSecurityToken", "SecurityToken is mandatory for this action.")
	case token != c.token:
		return refusal(http.StatusForbidden, "InvalidSecurityToken.MismatchWithAccessKey", "Specified SecurityToken mismatches with the AccessKey.")
	case expired:
		return tokenExpired(mps)
	}
	if !e.access.use(p.Get("SignatureNonce"), e.now()) {
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

func missing(name string) *failure {
	return mistake(http.StatusBadRequest, "Missing"+name, name+" is mandatory for this action.")
}
