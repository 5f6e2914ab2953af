package fc

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/mediasweep/mediasweep/handler"
	"github.com/mediasweep/mediasweep/internal/deadline"
	"github.com/mediasweep/mediasweep/internal/text"
	"github.com/mediasweep/mediasweep/internal/trigger"
)

// Custom serves a function on the custom runtime. It is an http.Handler.
type Custom struct {
	Function Function
	// Timeout is a call's time where the platform does not say.
	Timeout time.Duration
	// Local says that the platform is absent, so that others than it can connect.
	Local bool
	// Log receives FC's lines around each call, and Logger what else there is to
	// say; both belong on one stream, so that they stay in order.
	Log    io.Writer
	Logger *slog.Logger

	ending context.Context // ends when Serve is told to stop; nil before
}

// visitorPath is the control path of requests that come through an HTTP trigger.
const visitorPath = "/http-invoke"

// Names of FC's headers. Source: FC custom runtime, "Common headers" and "Event
// requests".
const (
	headerControlPath = "X-Fc-Control-Path"
	headerTimeout     = "X-Fc-Function-Timeout"
	headerRequestID   = "X-Fc-Request-Id"
	headerStatus      = "X-Fc-Status"
)

// ServeHTTP routes on method, path and control path. Only FC sets the last one
// to a path of its own: what comes through an HTTP trigger carries /http-invoke,
// and one that carries the header twice was tampered with.
func (rt *Custom) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	control := r.Header.Values(headerControlPath)
	platform := len(control) == 1 && control[0] == r.URL.Path && control[0] != visitorPath
	if !platform && endsConnection(r) {
		w.Header().Set("Connection", "close")
	}
	if rt.Local {
		if reason := refuseForeign(r, platform); reason != "" {
			answer(w, http.StatusForbidden, message(reason))
			return
		}
	}
	// A run is not given up because a connection was: what is under way would
	// stay unverified.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), rt.timeout(r))
	defer cancel()
	if rt.ending != nil {
		defer context.AfterFunc(rt.ending, cancel)()
	}
	r = r.WithContext(ctx)
	limitBody(w, r, deadline.New(ctx).WorkEnd())
	switch path := r.URL.Path; {
	case platform && path == "/invoke" && r.Method == http.MethodPost:
		rt.around(w, r, "Invoke", rt.invoke)
	case platform && path == "/initialize" && r.Method == http.MethodPost:
		rt.around(w, r, "Initialize", ready)
	case platform && path == "/pre-stop" && r.Method == http.MethodGet:
		rt.around(w, r, "PreStop", ready)
	case path == "/invoke", path == "/initialize", path == "/pre-stop",
		len(control) > 1, len(control) == 1 && control[0] != visitorPath:
		answer(w, http.StatusNotFound, message("this path is the platform's"))
	default:
		rt.around(w, r, "Invoke", rt.visit)
	}
}

// around writes FC's lines around a call: its console assigns log lines to calls by them. It turns a
// panic into a failure. It passes http.ErrAbortHandler on to the server, which closes the connection
// of an answer that was broken off.
func (rt *Custom) around(w http.ResponseWriter, r *http.Request, phase string, serve func(http.ResponseWriter, *http.Request) (failed bool)) {
	id := plainID(r.Header.Get(headerRequestID))
	rt.mark(phase, "Start", id, "")
	failed := true
	defer func() {
		recovered := recover()
		brokenOff := recovered == http.ErrAbortHandler //nolint:errorlint // a panic's value, as net/http compares it
		switch {
		case brokenOff:
			rt.Logger.Warn("answer broken off", "request", id)
		case recovered != nil:
			logPanic(rt.Logger, id, recovered)
			if phase == "Invoke" && r.URL.Path == "/invoke" {
				w.Header().Set(headerStatus, "404")
				answer(w, http.StatusNotFound, message(internalError))
			} else {
				answer(w, http.StatusInternalServerError, message(internalError))
			}
		}
		suffix := ""
		if failed {
			suffix = ", Error: Unhandled function error"
		}
		rt.mark(phase, "End", id, suffix)
		if brokenOff {
			panic(http.ErrAbortHandler)
		}
	}()
	failed = serve(w, r)
}

// mark writes FC's line about a call. A request without an ID is not FC's, and gets none.
func (rt *Custom) mark(phase, edge, id, suffix string) {
	if id != "" {
		fmt.Fprintf(rt.Log, "FC %s %s RequestId: %s%s\n", phase, edge, id, suffix) //nolint:errcheck // there is no other place to say it
	}
}

// invoke answers an event call. FC drops the status code and looks at
// x-fc-status; both are set, as its documents advise.
func (rt *Custom) invoke(w http.ResponseWriter, r *http.Request) (failed bool) {
	payload, err := io.ReadAll(io.LimitReader(r.Body, trigger.MaxBytes+1))
	if err == nil { // the function refuses what is larger; FC reads the answer after it has sent all
		_, err = io.CopyN(io.Discard, r.Body, maxBody)
	}
	if err != nil && !errors.Is(err, io.EOF) {
		w.Header().Set(headerStatus, "404")
		answer(w, http.StatusNotFound, message("read the payload: "+err.Error()))
		return true
	}
	body, err := rt.Function.Invoke(r.Context(), handler.CallFromHeader(r.Header), payload)
	if err != nil {
		w.Header().Set(headerStatus, "404")
		answer(w, http.StatusNotFound, body)
		return true
	}
	w.Header().Set(headerStatus, "200")
	answer(w, http.StatusOK, body)
	return false
}

// visit answers a request of an HTTP trigger; its headers must not be FC's.
func (rt *Custom) visit(w http.ResponseWriter, r *http.Request) (failed bool) {
	rt.Function.ServeHTTP(w, r)
	return false
}

// ready answers a lifecycle hook: each call finishes its work before it answers,
// so there is nothing to prepare or to clean up.
func ready(w http.ResponseWriter, _ *http.Request) (failed bool) {
	w.WriteHeader(http.StatusOK)
	return false
}

// maxBody is FC's limit for the body of a call. Source: FC, "Limits".
const maxBody = 32 << 20

func (rt *Custom) timeout(r *http.Request) time.Duration {
	if timeout, given := timeoutOf(r.Header); given {
		return timeout
	}
	return rt.Timeout
}

// plainID keeps a request ID from breaking out of its log line.
func plainID(id string) string {
	if end := strings.IndexFunc(id, func(c rune) bool { return c <= ' ' || c > '~' }); end >= 0 {
		id = id[:end]
	}
	return id[:min(len(id), 128)]
}

func message(problem string) json.RawMessage {
	body, _ := json.Marshal(map[string]string{"error": problem}) // a text always marshals
	return body
}

func answer(w http.ResponseWriter, status int, body json.RawMessage) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	_, _ = w.Write(body) //nolint:gosec // JSON, sent as such; an error means that the caller has gone
}

// Serve listens until the context ends, then ends the runs under way and gives
// them a moment to account for what they did. FC keeps connections, and opens them before it has a call: a server
// that closes one loses the call that is sent on it. So there are no timeouts;
// nobody but FC can connect. Source: FC custom runtime, "Limits".
func (rt *Custom) Serve(ctx context.Context, listener net.Listener) error {
	server := &http.Server{ //nolint:gosec // without timeouts, as FC asks
		Handler: rt,
		// FC's own headers and 8 KB of a visitor's. Source: FC custom runtime, "Limits".
		MaxHeaderBytes: 64 << 10,
		ErrorLog:       slog.NewLogLogger(rt.Logger.Handler(), slog.LevelWarn),
	}
	rt.ending = ctx
	stopped := make(chan error, 1)
	go func() {
		<-ctx.Done()
		grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
		defer cancel()
		if err := server.Shutdown(grace); err != nil {
			stopped <- fmt.Errorf("stop: calls were still under way: %w", err)
			return
		}
		stopped <- nil
	}()
	if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serve: %w", err)
	}
	return <-stopped
}

// Address returns where the function listens: on all addresses where FC runs it
// (FC connects from outside the instance), else on loopback; on the port that FC
// names, else 9000. Source: FC custom runtime, "Principle".
func Address(getenv func(string) string, inFC bool) (string, error) {
	port := cmp.Or(getenv("FC_SERVER_PORT"), getenv("FC_CUSTOM_LISTEN_PORT"), "9000")
	if number, err := text.Decimal(port); err != nil || number > 65535 {
		return "", errors.New("FC_SERVER_PORT, else FC_CUSTOM_LISTEN_PORT, is not a port from 0 to 65535")
	}
	if inFC {
		return net.JoinHostPort("0.0.0.0", port), nil
	}
	return net.JoinHostPort("127.0.0.1", port), nil
}
