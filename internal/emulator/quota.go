package emulator

import (
	"cmp"
	"net/http"
	"strconv"
	"time"
)

// A window holds the arrivals of one operation in the last second. The quota of
// MPS is per account and operation, so it knows nothing of clients.
type window struct {
	arrivals []time.Time // accepted ones, oldest first
}

// admit reports whether one more call is within limit calls a second. A refused
// call does not count, so a client that keeps to the quota from now on gets
// through at once.
func (w *window) admit(now time.Time, limit int) bool {
	for len(w.arrivals) > 0 && now.Sub(w.arrivals[0]) >= time.Second {
		w.arrivals = w.arrivals[1:]
	}
	if len(w.arrivals) >= limit {
		return false
	}
	w.arrivals = append(w.arrivals, now)
	return true
}

// throttle counts a call into its operation's quota and refuses it when the
// quota is used up; OSS has none. e.mu is held.
func (e *Emulator) throttle(call *Call) *failure {
	op, ok := rpcOperations[call.Operation]
	if !ok {
		return nil
	}
	limit := cmp.Or(e.options.Quota[call.Operation], op.quota)
	w := e.quotas[call.Operation]
	if w == nil {
		w = &window{}
		e.quotas[call.Operation] = w
	}
	if w.admit(call.Time, limit) {
		return nil
	}
	e.violation("%s: more than %d calls in a second", call.Operation, limit)
	return e.throttled()
}

// throttled is the answer of MPS to a call beyond the quota; e.mu is held.
func (e *Emulator) throttled() *failure {
	f := refusal(cmp.Or(e.options.ThrottleStatus, http.StatusBadRequest), cmp.Or(e.options.ThrottleCode, "Throttling.User"),
		"Request was denied due to user flow control.")
	if delay := e.options.RetryAfter; delay > 0 {
		f.header = http.Header{"X-Acs-Retry-After": {strconv.FormatInt(delay.Milliseconds(), 10)}}
	}
	return f
}
