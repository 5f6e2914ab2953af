package handler

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"unicode/utf8"

	"github.com/mediasweep/mediasweep/internal/trigger"
)

// serveHTTPCall answers an HTTP request that came as an event of the go1 runtime,
// by the same routes and checks.
func (f *Function) serveHTTPCall(ctx context.Context, call Call, event *trigger.HTTPCall) (json.RawMessage, error) {
	target, err := url.ParseRequestURI(event.Path)
	if err != nil || target.Host != "" || target.RawQuery != "" || target.ForceQuery { // a query that is lost may have dryRun=true
		return answer(f.Refuse(ctx, call, trigger.HTTP, errors.New("HTTP event: rawPath must be a path: the query belongs in queryParameters")))
	}
	query := url.Values{}
	for name, value := range event.Query {
		query.Set(name, value)
	}
	target.RawQuery = query.Encode()
	request, err := http.NewRequestWithContext(ctx, event.Method, "", bytes.NewReader(event.Body))
	if err != nil {
		return answer(f.Refuse(ctx, call, trigger.HTTP, errors.New("HTTP event: the method is not one")))
	}
	request.URL, request.Host = target, event.Host
	for name, value := range event.Header {
		request.Header.Add(name, value) // two spellings of a name are two headers
	}
	response := f.respond(request, call)
	if event.Method == http.MethodHead {
		response.body.Reset() // the custom runtime's server sends none either
	}
	return response.event()
}

// respond collects the response to a request. A response that breaks off becomes an error.
func (f *Function) respond(request *http.Request, call Call) (collected *response) {
	collected = &response{header: http.Header{}, status: http.StatusOK}
	defer func() {
		switch recovered := recover(); recovered {
		case nil:
		case http.ErrAbortHandler:
			collected = &response{header: http.Header{}}
			writeJSON(collected, http.StatusBadGateway, failure{"the answer broke off: a record cannot be read, and the log says which"})
		default:
			panic(recovered)
		}
	}()
	f.serve(collected, request, call)
	return collected
}

// response collects an HTTP response to be returned as an event's answer.
type response struct {
	header http.Header
	status int
	body   bytes.Buffer
}

func (r *response) Header() http.Header            { return r.header }
func (r *response) WriteHeader(status int)         { r.status = status }
func (r *response) Write(data []byte) (int, error) { return r.body.Write(data) }

// event returns the form in which the go1 runtime expects a response.
func (r *response) event() (json.RawMessage, error) {
	r.header.Del("Content-Length") // FC takes it from no function, and counts itself
	headers := make(map[string]string, len(r.header))
	for name := range r.header {
		headers[name] = r.header.Get(name)
	}
	body, encoded := r.body.String(), false
	if !utf8.ValidString(body) {
		body, encoded = base64.StdEncoding.EncodeToString(r.body.Bytes()), true
	}
	return json.Marshal(struct {
		StatusCode      int               `json:"statusCode"`
		Headers         map[string]string `json:"headers"`
		IsBase64Encoded bool              `json:"isBase64Encoded"`
		Body            string            `json:"body"`
	}{r.status, headers, encoded, body})
}
