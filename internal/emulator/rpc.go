package emulator

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

const (
	rpcVersion = "2014-06-18"
	// timeFormat is the format of MPS for times, always in UTC.
	timeFormat = "2006-01-02T15:04:05Z"
	jsonType   = "application/json;charset=utf-8"
)

// object is a JSON object that is answered.
type object = map[string]any

type rpcOperation struct {
	quota int // documented calls a second for each account
	run   func(*Emulator, url.Values) (object, *failure)
}

// rpcOperations has the emulated operations of MPS, by name.
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

func (e *Emulator) rpc(r *http.Request) exchange {
	// ACS3 signs all of it, and net/http notices that a client has gone only once it is read.
	body, readErr := io.ReadAll(r.Body)
	r.Body = io.NopCloser(bytes.NewReader(body))
	parseErr := errors.Join(readErr, r.ParseForm())
	p := r.Form
	if isACS3(r) {
		p.Set("Action", r.Header.Get("X-Acs-Action"))
		p.Set("Version", r.Header.Get("X-Acs-Version"))
	}
	call := Call{Operation: p.Get("Action")}
	if e.library.madeUp == nil { // set once, at the start
		call.MediaIDs, call.URLs = split(p.Get("MediaIds")+p.Get("MediaId")), split(p.Get("FileURLs")+p.Get("FileURL"))
	}
	return exchange{
		service: mps,
		call:    call,
		admit: func() *failure {
			if !isMPS(r.Host, e.region) {
				return mistake(http.StatusNotFound, "InvalidHost", "The Host is neither of MPS in "+e.region+", nor a bucket's, nor this machine's.")
			}
			if parseErr != nil {
				return mistake(http.StatusBadRequest, "InvalidParameter", "The parameters cannot be decoded.")
			}
			return e.admitRPC(r, p, string(body))
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
			if e.options.Shuffled {
				return jsonReply(http.StatusOK, e.shuffled(answer)), nil
			}
			return jsonReply(http.StatusOK, answer), nil
		},
		refuse: func(f *failure) reply {
			answer := object{
				"RequestId": e.requestID(),
				"HostId":    "mts." + e.region + ".aliyuncs.com",
				"Code":      f.code,
				"Message":   f.message,
				"Recommend": "https://api.aliyun.com/troubleshoot?q=" + url.QueryEscape(f.code) + "&product=Mts",
			}
			if f.code == "Forbidden.RAM" {
				answer["AccessDeniedDetail"] = object{"AuthAction": "mts:" + call.Operation, "NoPermissionType": "ImplicitDeny"}
			}
			rep := jsonReply(f.status, answer)
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

// shuffled returns a value as JSON whose objects have their members in any order.
func (e *Emulator) shuffled(v any) json.RawMessage {
	var b bytes.Buffer
	switch v := v.(type) {
	case object:
		names := slices.Sorted(maps.Keys(v)) // else the order would not follow from the seed
		e.random.Shuffle(len(names), func(i, j int) { names[i], names[j] = names[j], names[i] })
		for i, name := range names {
			fmt.Fprintf(&b, "%c%q:%s", "{,"[min(i, 1)], name, e.shuffled(v[name]))
		}
		if len(names) == 0 {
			b.WriteByte('{')
		}
		b.WriteByte('}')
	case []object:
		return e.shuffledList(len(v), func(i int) any { return v[i] })
	case []any:
		return e.shuffledList(len(v), func(i int) any { return v[i] })
	default:
		text, _ := json.Marshal(v) // texts, numbers and lists of them
		return text
	}
	return b.Bytes()
}

func (e *Emulator) shuffledList(length int, at func(int) any) json.RawMessage {
	elements := make([]json.RawMessage, length)
	for i := range elements {
		elements[i] = e.shuffled(at(i))
	}
	list, _ := json.Marshal(elements)
	return list
}

// admitRPC checks what all operations have in common, in the gateway's order:
// the call itself, then the caller.
func (e *Emulator) admitRPC(r *http.Request, p url.Values, body string) *failure {
	if r.Method != http.MethodGet && r.Method != http.MethodPost {
		return mistake(http.StatusBadRequest, "UnsupportedHTTPMethod", "This http method is not supported.")
	}
	signature, refused := readSignature(r, p, body)
	if refused != nil {
		return refused
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
	// The code is not documented for this API: an endpoint serves its own region.
	if r := p.Get("RegionId"); r != "" && r != e.region {
		return mistake(http.StatusNotFound, "InvalidOperation.NotSupportedEndpoint", "The specified endpoint cannot operate this region.")
	}
	return e.authenticateRPC(signature)
}

func missing(name string) *failure {
	return mistake(http.StatusBadRequest, "Missing"+name, name+" is mandatory for this action.")
}
