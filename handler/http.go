package handler

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"path"
	"strings"

	"github.com/mediasweep/mediasweep/internal/account"
	"github.com/mediasweep/mediasweep/internal/deadline"
	"github.com/mediasweep/mediasweep/internal/report"
	"github.com/mediasweep/mediasweep/internal/text"
)

// CallFromHeader reads what the custom runtime says about a call. On Debian 11 it leaves the token out, and a temporary key
// opens nothing without one. Source: FC custom runtime, "Common headers".
func CallFromHeader(h http.Header) Call {
	call := Call{RequestID: h.Get("X-Fc-Request-Id"), Credentials: account.Credentials{
		AccessKeyID:     h.Get("X-Fc-Access-Key-Id"),
		AccessKeySecret: h.Get("X-Fc-Access-Key-Secret"),
		SecurityToken:   h.Get("X-Fc-Security-Token"),
	}}
	if call.Credentials.SecurityToken == "" && strings.HasPrefix(call.Credentials.AccessKeyID, "STS.") {
		call.Credentials = account.Credentials{}
	}
	return call
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
	if isForeign(r) {
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
	if f.pages != nil && !strings.HasPrefix(r.URL.Path+"/", "/v1/") {
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

// isForeign reports whether a page of another origin sent a request. One with an origin may not even GET: FC lets every origin
// read the answer, with the reader's credentials. A link sends no origin.
// Source: FC, "HTTP trigger overview", cross-origin requests.
func isForeign(r *http.Request) bool {
	asked := r.WithContext(r.Context()) // a copy
	if r.Header.Get("Origin") != "" {
		asked.Method = http.MethodPost // the check lets GET pass
	}
	// Without a Host the check takes the origin "null" of a sandboxed page for our own.
	return http.NewCrossOriginProtection().Check(asked) != nil || r.Host == "" && r.Header.Get("Origin") != ""
}

type callKey struct{}

// CallOf returns the call of a request that a route, or a handler of SetPages, serves.
func CallOf(r *http.Request) Call {
	call, _ := r.Context().Value(callKey{}).(Call)
	return call
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
		writeFailure(w, http.StatusMethodNotAllowed, "this route takes GET, HEAD")
	case f.Broken(r.Context()) != nil:
		writeFailure(w, http.StatusServiceUnavailable, "the function is not configured: its log and its answers to event calls say why")
	default:
		writeJSON(w, http.StatusOK, map[string]string{"status": "ok"})
	}
}

type failure struct {
	Error string `json:"error"`
}

func writeFailure(w http.ResponseWriter, status int, problem string) {
	writeJSON(w, status, failure{text.Bound(problem)})
}

func writeReport(w http.ResponseWriter, r *report.Report) { writeJSON(w, r.HTTPStatus(), r) }

func writeJSON(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body) // the caller has gone
}
