package emulator

import (
	"context"
	"io"
	"net/http"
	"strconv"
	"time"

	"github.com/mediasweep/mediasweep/internal/task"
)

// A reply is an answer before a fault has had its way with it.
type reply struct {
	status int
	code   string // of an error, for the record
	header http.Header
	body   io.Reader
	size   int64
}

// A failure is an error answer of either service.
type failure struct {
	status        int
	code, message string
	detail        map[string]string // more elements of an OSS error, or nil
	mistake       bool              // no correct client earns it: also a violation
	header        http.Header       // more headers of an MPS error, or nil
}

// refusal is a failure that a correct client may meet.
func refusal(status int, code, message string) *failure {
	return &failure{status: status, code: code, message: message}
}

// mistake is a failure that no correct client earns.
func mistake(status int, code, message string) *failure {
	return &failure{status: status, code: code, message: message, mistake: true}
}

// with adds an element to an OSS error.
func (f *failure) with(name, value string) *failure {
	if f.detail == nil {
		f.detail = map[string]string{}
	}
	f.detail[name] = value
	return f
}

// An exchange is one request of either service, decoded.
type exchange struct {
	call    Call
	service service
	admit   func() *failure          // checks signature and parameters common to all operations; e.mu is held
	execute func() (reply, *failure) // e.mu is held
	refuse  func(*failure) reply     // an error in the format of the service; e.mu is held
}

// serve answers one request. A call counts into its quota before a fault can
// hide it, and a fault strikes only what signature and quota have let through.
func (e *Emulator) serve(w http.ResponseWriter, r *http.Request, arrived time.Time, x exchange) {
	x.call.Time = arrived
	call, fault, refused := e.arrive(x)
	if fault.Kind == Hang {
		e.hang(r.Context())
	}
	if fault.Kind == DropBefore || fault.Kind == Hang || fault.Delay > 0 && task.Sleep(r.Context(), fault.Delay) != nil {
		drop(w)
		return
	}
	rep := e.answer(x, call, fault, refused)
	if fault.Kind == HangAfter {
		e.hang(r.Context())
	}
	if fault.Kind == DropAfter || fault.Kind == HangAfter || fault.Kind == Truncate && rep.size == 0 {
		drop(w)
		return
	}
	for name, values := range rep.header {
		w.Header()[name] = values
	}
	w.Header().Set("Date", e.now().UTC().Format(http.TimeFormat))
	switch {
	case fault.Kind.withoutLength():
		w.Header().Set("Transfer-Encoding", "identity") // the end of the connection ends the body
	case rep.status != http.StatusNoContent && rep.status != http.StatusNotModified:
		w.Header().Set("Content-Length", strconv.FormatInt(rep.size, 10)) //nolint:gosec // the other case has set no length
	}
	if fault.Kind == NoChecks {
		w.Header().Del("X-Oss-Hash-Crc64ecma")
	}
	w.WriteHeader(rep.status)
	if r.Method == http.MethodHead {
		return
	}
	if fault.Kind == Truncate || fault.Kind == CutOff {
		rep.size /= 2 // less than announced makes net/http close the connection
	}
	// A client that went away is none of the emulator's business.
	_, _ = io.CopyN(w, rep.body, rep.size)
}

// arrive records a call, admits or refuses it, and chooses its fault.
func (e *Emulator) arrive(x exchange) (*Call, Fault, *failure) {
	e.mu.Lock()
	defer e.mu.Unlock()
	call := &x.call
	e.calls = append(e.calls, call)
	if refused := x.admit(); refused != nil {
		return call, Fault{}, refused
	}
	if refused := e.permit(x); refused != nil {
		return call, Fault{}, refused
	}
	if refused := e.throttle(call); refused != nil {
		return call, Fault{}, refused
	}
	fault := e.nextFault(call.Operation, x.service)
	call.Fault = fault.Kind
	return call, fault, nil
}

// answer returns the reply of the service, or of the fault, and completes the record of the call.
func (e *Emulator) answer(x exchange, call *Call, fault Fault, refused *failure) reply {
	e.mu.Lock()
	defer e.mu.Unlock()
	var rep reply
	switch faked, ok := e.faultReply(fault.Kind, x); {
	case refused != nil:
		rep = x.refuse(refused)
	case ok:
		rep = faked
	default:
		e.omit = fault.Kind == Omit
		if rep, refused = x.execute(); refused != nil {
			rep = x.refuse(refused)
		}
	}
	if refused != nil && refused.mistake {
		e.violation("%s: %s", call.Operation, refused.message)
	}
	call.Status, call.Code = rep.status, rep.code
	if x.service == oss && call.Operation != "HeadObject" {
		call.Bytes += rep.size
	}
	return rep
}

// hang waits until the client gives up.
func (e *Emulator) hang(ctx context.Context) {
	select {
	case e.hangs <- struct{}{}:
		<-ctx.Done()
	case <-ctx.Done():
	}
}

// Hangs receives from each call that begins to hang, as a fault makes it.
func (e *Emulator) Hangs() <-chan struct{} { return e.hangs }

// drop closes the connection without an answer.
func drop(w http.ResponseWriter) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err == nil {
		_ = conn.Close()
	}
}
