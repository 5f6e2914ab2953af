// Package fc serves the function on both runtimes of Function Compute. Custom is the
// HTTP contract of the custom runtime; Go1 is the built-in go1 runtime through its SDK.
package fc

import (
	"context"
	"encoding/json"
	"net/http"
	"strconv"
	"time"

	"github.com/mediasweep/mediasweep/handler"
)

// Invoker answers event calls. An error means that the call failed; the body is the
// answer either way.
type Invoker interface {
	Invoke(ctx context.Context, call handler.Call, payload []byte) (json.RawMessage, error)
}

// Function answers event calls, and the requests of HTTP triggers.
type Function interface {
	Invoker
	http.Handler
}

// maxTimeout is the longest time that a runtime's header may give a call. FC's own
// limit is 86400 s; larger numbers are errors, and could overflow.
const maxTimeout = 7 * 86400 // seconds

func timeoutOf(h http.Header) (timeout time.Duration, given bool) {
	seconds, err := strconv.Atoi(h.Get(headerTimeout))
	if err != nil || seconds <= 0 || seconds > maxTimeout {
		return 0, false
	}
	return time.Duration(seconds) * time.Second, true
}

// internalError answers a call that panicked. The log has the details.
const internalError = "internal error: see the function's log"
