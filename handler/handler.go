// Package handler is the function: it reads the payload of an event or an HTTP request, calls the
// service, and returns its answer. It depends on no runtime of Function Compute.
package handler

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"

	"github.com/mediasweep/mediasweep/internal/report"
	"github.com/mediasweep/mediasweep/internal/service"
	"github.com/mediasweep/mediasweep/internal/trigger"
)

// Options configure the function's service.
type Options = service.Options

// Call holds the platform's request ID and credentials for one call, and who calls.
type Call = service.Call

// Function serves a deployment's events and HTTP requests. It is safe for concurrent use.
type Function struct {
	*service.Service
	access access
	routes *http.ServeMux
	pages  http.Handler // nil for none
}

// New wires a function from its environment, which the options must have. It makes no call. A function that cannot be wired
// answers every call with the reason: an operator reads the caller's answer first.
func New(o Options) *Function {
	allowed := readAccess(o.Getenv)
	o.Broken = errors.Join(o.Broken, allowed.broken)
	f := &Function{Service: service.New(o), access: allowed}
	f.routes = f.newRoutes()
	return f
}

// SetPages adds pages for people beside the routes, behind the same access check. It must be called
// before the first request.
func (f *Function) SetPages(pages http.Handler) { f.pages = pages }

// Invoke answers one event call. The body is the answer in every case: a report, or the response
// to an HTTP event of go1. The error of a failed run adds nothing to the body.
//
// Invoke answers before the context's deadline, which is the platform's.
func (f *Function) Invoke(ctx context.Context, call Call, payload []byte) (json.RawMessage, error) {
	event, err := trigger.Parse(payload)
	switch {
	case err != nil:
		return answer(f.Refuse(ctx, call, event.Trigger, err))
	case event.HTTP != nil:
		return f.serveHTTPCall(ctx, call, event.HTTP)
	case f.access.trigger == anonymous:
		return answer(f.Refuse(ctx, call, event.Request.Trigger, errors.New("MEDIASWEEP_HTTP_AUTH=anonymous switches event calls off: "+
			"a function whose HTTP trigger lets anybody in takes requests with a token only")))
	}
	if call.Caller == "" {
		call.Caller = string(event.Request.Trigger)
	}
	return answer(f.Sweep(ctx, call, event.Request))
}

func answer(r *report.Report) (json.RawMessage, error) {
	body, err := json.Marshal(r)
	if err != nil {
		return nil, fmt.Errorf("write the report: %w", err)
	}
	if r.Status == report.Failed {
		return body, errors.New(r.Error)
	}
	return body, nil
}
