package trigger

import (
	"cmp"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
)

// HTTPCall is an HTTP request that the go1 runtime delivered as an event.
type HTTPCall struct {
	Method string
	// Host is the address that the client called.
	Host string
	// Path is as in the request line, escaped.
	Path   string
	Query  map[string]string
	Header map[string]string
	Body   []byte
}

// parseHTTPCall reads the go1 runtime's HTTP event, version v1. A request
// without a body comes as an empty text that is marked base64.
func parseHTTPCall(payload []byte) (*HTTPCall, error) {
	var event struct {
		Version         string            `json:"version"`
		RawPath         string            `json:"rawPath"`
		Body            string            `json:"body"`
		IsBase64Encoded bool              `json:"isBase64Encoded"`
		Headers         map[string]string `json:"headers"`
		QueryParameters map[string]string `json:"queryParameters"`
		RequestContext  struct {
			DomainName string `json:"domainName"`
			HTTP       struct {
				Method string `json:"method"`
			} `json:"http"`
		} `json:"requestContext"`
	}
	err := json.Unmarshal(payload, &event)
	if wrong, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		return nil, fmt.Errorf("HTTP event: %s must not be a JSON %s", wrong.Field, wrong.Value)
	}
	if err != nil {
		return nil, fmt.Errorf("HTTP event: %w", err)
	}
	context := event.RequestContext
	if event.Version != "v1" || context.HTTP.Method == "" {
		return nil, errors.New("HTTP event: version v1 with requestContext.http.method is expected")
	}
	call := &HTTPCall{
		Method: context.HTTP.Method, Host: cmp.Or(event.Headers["Host"], context.DomainName), Path: event.RawPath,
		Query: event.QueryParameters, Header: event.Headers, Body: []byte(event.Body),
	}
	if event.IsBase64Encoded {
		body, err := base64.StdEncoding.DecodeString(event.Body)
		if err != nil {
			return nil, fmt.Errorf("HTTP event: body: %w", err)
		}
		call.Body = body
	}
	return call, nil
}
