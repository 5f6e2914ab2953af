package mps

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"
	"time"

	"github.com/aliyun/alibaba-cloud-sdk-go/sdk/requests"

	"github.com/mediasweep/mediasweep/internal/account"
	"github.com/mediasweep/mediasweep/internal/task"
)

// MaxTries bounds the tries of a call.
const MaxTries = 6

// Backoff uses decorrelated jitter between these bounds, so that workers do not return in step.
const (
	firstBackoff = 200 * time.Millisecond
	lastBackoff  = 3 * time.Second
)

// spareRetries is the number of retries that a session may have beyond the number of its calls. It
// limits the calls to a service that always fails.
const spareRetries = 100

// callNow sends a request, and repeats it after throttled and ambiguous tries. build makes the request of each try, and
// into reads each answer. callNow never repeats DeleteMedia or AddMedia, which may have taken effect: the caller must
// read back first. The departure is of the first try.
func (s *Session) callNow(ctx context.Context, d *departure, op Operation, build func() requests.AcsRequest, into reader) error {
	s.first.Add(1)
	var pause time.Duration
	renewed := false
	for try := 1; ; try++ {
		err := s.once(ctx, d, op, build(), into)
		failure, failed := errors.AsType[*Error](err)
		switch {
		case !failed:
			return err
		case failure.credentialsAtFault() && !renewed:
			renewed = true // the next try uses other credentials
			s.retried.Add(1)
		case try < MaxTries && op != DeleteMedia && op != AddMedia && (failure.Kind == Throttled || failure.Kind == Ambiguous):
			next, stop := s.Backoff(ctx, pause)
			if stop != nil {
				failure.Cause = stop
				return err
			}
			pause = next
		default:
			return err
		}
		if d, err = s.acquire(ctx, op); err != nil {
			return err
		}
	}
}

// errEnough: the session has no retries left.
var errEnough = errors.New("too many retries in this run")

// Backoff waits before a retry, and counts the retry. previous is the pause before the last try, or 0.
// It returns the new pause. It returns an error at once if the context would end during the pause,
// or if the session has no retries left.
func (s *Session) Backoff(ctx context.Context, previous time.Duration) (time.Duration, error) {
	if s.retried.Load() >= s.first.Load()+spareRetries {
		return 0, errEnough
	}
	pause := min(lastBackoff, firstBackoff+rand.N(max(firstBackoff, 3*previous-firstBackoff)))
	if deadline, ok := ctx.Deadline(); ok && time.Until(deadline) <= pause {
		return 0, context.DeadlineExceeded
	}
	if err := task.Sleep(ctx, pause); err != nil {
		return 0, err
	}
	s.retried.Add(1)
	return pause, nil
}

// maxWaiting bounds the calls of an operation that wait for the pace in one session. It is small, so
// that the calls of an event do not wait behind all calls of a sweep.
const maxWaiting = 2

// acquire waits until the pace allows a call of the session.
func (s *Session) acquire(ctx context.Context, op Operation) (d *departure, err error) {
	if err = s.lines[op].Acquire(ctx, 1); err == nil {
		defer s.lines[op].Release(1)
		d, err = s.client.pace[op].wait(ctx, s.line)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: waiting for the quota: %w", op, err)
	}
	return d, nil
}

func (s *Session) once(ctx context.Context, d *departure, op Operation, request requests.AcsRequest, into reader) error {
	credentials, err := s.credentials.Current(ctx)
	switch {
	case err != nil && ctx.Err() != nil:
		return fmt.Errorf("%s: waiting for credentials: %w", op, ctx.Err())
	case err != nil:
		return &Error{Op: op, Kind: Unauthorized, Message: err.Error()}
	}
	s.calls[op].Add(1)
	err = read(op, credentials, s.client.caller.do(ctx, credentials, request, d.leave), into)
	failure, failed := errors.AsType[*Error](err)
	if failed {
		failure.Message += s.credentials.Blame(failure.Code)
	}
	switch {
	case err == nil:
		s.answered.Store(true)
	case !failed:
	case failure.credentialsAtFault():
		s.credentials.Refuse(credentials)
	case failure.Kind == Throttled:
		s.throttled.Add(1)
		s.client.pace[op].throttled(failure.RetryAfter)
	case failure.Kind == Ambiguous:
		failure.Cause = ctx.Err()
	}
	return err
}

// read classifies an answer. A success must have a RequestId. A rejection must have a Code, or be a
// throttling. All other answers are Ambiguous.
func read(op Operation, credentials account.Credentials, a httpAnswer, into reader) error {
	status, body := a.status, a.body
	if status == 0 {
		return &Error{Op: op, Kind: Ambiguous, Message: credentials.Redact(plainly(a.err))}
	}
	m, err := members(body)
	var is envelope
	err = cmp.Or(err, is.read(m), into(m))
	switch {
	case is.Code != "" && (err == nil || status >= 300):
		return &Error{Op: op, Kind: kindOf(is.Code, a), Code: credentials.Redact(is.Code), RetryAfter: a.retryAfter,
			RequestID: credentials.Redact(is.RequestID), Message: credentials.Redact(is.Message)}
	case a.throttled():
		return &Error{Op: op, Kind: Throttled, RetryAfter: a.retryAfter, RequestID: credentials.Redact(is.RequestID),
			Message: fmt.Sprintf("too many calls (status %d)", status)}
	case status == http.StatusRequestURITooLong: // how long a call may be is not documented: fewer names are shorter
		return &Error{Op: op, Kind: Rejected, Message: "the call is too long (status 414)"}
	case status >= 300 || is.RequestID == "" || len(body) == 0:
		return &Error{Op: op, Kind: Ambiguous, Message: fmt.Sprintf("the answer (status %d, %d bytes) is not one of MPS", status, len(body))}
	case err != nil:
		return &Error{Op: op, Kind: Ambiguous, RequestID: credentials.Redact(is.RequestID), Message: "the answer has an unexpected form"}
	}
	return nil
}

// plainly removes the signed URL that net/http adds to an error.
func plainly(err error) string {
	if wrapped, ok := errors.AsType[*url.Error](err); ok {
		err = wrapped.Err
	}
	if err == nil {
		return "no answer"
	}
	return err.Error()
}
