package handler

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"path"
	"strings"
	"unicode/utf8"

	"github.com/mediasweep/mediasweep/internal/deadline"
	"github.com/mediasweep/mediasweep/internal/report"
	"github.com/mediasweep/mediasweep/internal/text"
	"github.com/mediasweep/mediasweep/internal/trigger"
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

// CallFromHeader reads what the custom runtime says about a call.
func CallFromHeader(h http.Header) Call {
	return Call{
		RequestID:       h.Get("X-Fc-Request-Id"),
		AccessKeyID:     h.Get("X-Fc-Access-Key-Id"),
		AccessKeySecret: h.Get("X-Fc-Access-Key-Secret"),
		SecurityToken:   h.Get("X-Fc-Security-Token"),
	}
}

// ServeHTTP answers what comes through an HTTP trigger of the custom runtime.
func (f *Function) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f.serve(w, r, CallFromHeader(r.Header))
}

const noRoute = "there is no such route: docs/http.md lists them"

func (f *Function) serve(w http.ResponseWriter, r *http.Request, call Call) {
	w.Header().Set("X-Content-Type-Options", "nosniff")
	if r.URL.Path == "/healthz" {
		f.health(w, r)
		return
	}
	if status, reason := f.access.check(r); status != 0 {
		writeFailure(w, status, reason)
		return
	}
	// Without a Host the check takes the origin "null" of a sandboxed page for our own.
	if http.NewCrossOriginProtection().Check(r) != nil || r.Host == "" && r.Header.Get("Origin") != "" {
		writeFailure(w, http.StatusForbidden, "a page of another origin may not send this request: its browser would add the credentials of the reader")
		return
	}
	if _, err := url.ParseQuery(r.URL.RawQuery); err != nil { // Query would drop what it cannot read
		writeFailure(w, http.StatusBadRequest, text.Bound("the query cannot be read: "+err.Error()+": separate parameters by &, and escape other characters"))
		return
	}
	// The mux redirects from a path that is not clean, and says so in HTML.
	if escaped := r.URL.EscapedPath(); path.Clean("/"+escaped) != escaped {
		writeFailure(w, http.StatusNotFound, noRoute)
		return
	}
	call.Caller = f.access.caller(r.Header)
	r = r.WithContext(context.WithValue(r.Context(), callKey{}, call))
	if f.pages != nil && !strings.HasPrefix(r.URL.Path, "/v1/") {
		inTime(f.pages.ServeHTTP)(w, r)
		return
	}
	if h, pattern := f.routes.Handler(r); pattern == "" {
		// What the mux says itself is not JSON.
		plain := response{header: http.Header{}, status: http.StatusOK}
		h.ServeHTTP(&plain, r)
		problem := noRoute
		if allow := plain.header.Get("Allow"); allow != "" {
			w.Header().Set("Allow", allow)
			problem = "this route takes " + allow
		}
		writeFailure(w, plain.status, problem)
		return
	}
	f.routes.ServeHTTP(w, r)
}

// callKey finds the Call of an HTTP request in its context.
type callKey struct{}

// CallOf returns the call of a request that a handler of SetPages serves.
func CallOf(r *http.Request) Call { return callOf(r) }

func callOf(r *http.Request) Call {
	call, _ := r.Context().Value(callKey{}).(Call)
	return call
}

// newRoutes returns what is behind the access check.
func (f *Function) newRoutes() *http.ServeMux {
	mux := http.NewServeMux()
	format, excel := []string{"json", "csv"}, yesOrNo()
	run := func(p parameters, route http.HandlerFunc) http.HandlerFunc { return checked(p, f.refuseRun, route) }
	mux.HandleFunc("POST /v1/sweeps", run(nil, f.postSweep))
	mux.HandleFunc("POST /v1/plans", run(nil, f.postPlan))
	mux.HandleFunc("POST /v1/plans/{id}/apply", run(parameters{"anyway": yesOrNo()}, bodiless(f.refuseRun, f.postApply)))
	mux.HandleFunc("POST /v1/runs/{run}/restore", run(parameters{"dryRun": yesOrNo(), "only": nil}, bodiless(f.refuseRun, f.postRestore)))
	records := func(p parameters, route http.HandlerFunc) http.HandlerFunc { return checked(p, refuse, inTime(route)) }
	mux.HandleFunc("GET /v1/runs", records(parameters{"trigger": nil, "status": nil, "since": nil, "before": nil, "limit": nil, "format": format, "excel": excel}, f.getRuns))
	mux.HandleFunc("GET /v1/runs/{run}", records(parameters{"format": format, "excel": excel}, f.getRun))
	mux.HandleFunc("GET /v1/plans", records(parameters{"before": nil}, f.getPlans))
	mux.HandleFunc("GET /v1/plans/{id}", records(parameters{"format": format, "excel": excel}, f.getPlan))
	mux.HandleFunc("GET /v1/media/{id}/history", records(nil, f.getHistory))
	mux.HandleFunc("GET /v1/holds", records(nil, f.getHolds))
	mux.HandleFunc("POST /v1/holds", records(nil, f.postHold))
	mux.HandleFunc("DELETE /v1/holds/{id}", records(nil, bodiless(refuse, f.deleteHold)))
	mux.HandleFunc("GET /v1/media/{id}/explain", checked(nil, refuse, f.getExplain))
	mux.HandleFunc("GET /v1/forecast", checked(parameters{"days": nil}, refuse, f.getForecast))
	return mux
}

// inTime makes a route that reads records, or a page, end early enough for its answer.
func inTime(route http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := deadline.New(r.Context()).Work(r.Context())
		defer cancel()
		route(w, r.WithContext(ctx))
	}
}

// health reports whether the function could serve a call. The route is open to everybody,
// so the answer has nothing else.
func (f *Function) health(w http.ResponseWriter, r *http.Request) {
	switch {
	case r.Method != http.MethodGet && r.Method != http.MethodHead:
		w.Header().Set("Allow", "GET, HEAD")
		writeFailure(w, http.StatusMethodNotAllowed, "GET /healthz")
	case f.Broken() != nil:
		writeFailure(w, http.StatusServiceUnavailable, "the function is not configured: its log and its answers to event calls say why")
	default:
		writeJSON(w, http.StatusOK, map[string]string{"status": "ok"})
	}
}

type failure struct {
	Error string `json:"error"`
}

// writeFailure answers with a problem, of a bounded length.
func writeFailure(w http.ResponseWriter, status int, problem string) {
	writeJSON(w, status, failure{text.Bound(problem)})
}

func writeReport(w http.ResponseWriter, r *report.Report) { writeJSON(w, r.HTTPStatus(), r) }

func writeJSON(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body) // the caller has gone
}

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
