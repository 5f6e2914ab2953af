package mps

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/url"
	"time"

	"github.com/aliyun/alibaba-cloud-sdk-go/sdk/requests"

	"github.com/mediasweep/mediasweep/internal/account"
)

// MaxTries is how often a call is tried at most.
const MaxTries = 6

// Backoff uses decorrelated jitter between these bounds, so that workers do not return in step.
const (
	firstBackoff = 200 * time.Millisecond
	lastBackoff  = 3 * time.Second
)

// spareRetries is how many calls a session may repeat beyond the number of those
// that it sent for the first time: a service that fails throughout is not asked
// six times for everything.
const spareRetries = 100

// callNow sends a request until the library has answered it, or says why not; each
// try has a request and a place for its answer of its own. A deletion or an addition that
// may have taken effect is not repeated here: the caller reads that back.
func (s *Session) callNow(ctx context.Context, op Operation, build func() requests.AcsRequest, into func() answer) error {
	s.first.Add(1)
	var pause time.Duration
	renewed := false
	for try := 1; ; try++ {
		err := s.once(ctx, op, build(), into())
		var failure *Error
		switch {
		case !errors.As(err, &failure):
			return err
		case failure.credentialsAtFault() && !renewed:
			renewed = true // each try asks for its credentials
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
		if err := s.acquire(ctx, op); err != nil {
			return err
		}
	}
}

// errEnough says that a session has repeated as many calls as it may.
var errEnough = errors.New("too many calls of this run had to be repeated")

// Backoff waits before a call is repeated, and counts it as such. It takes the pause
// before the last try, or 0, and returns this one. An error is returned at once:
// the context's if it would end meanwhile, or that the session has repeated enough.
func (s *Session) Backoff(ctx context.Context, previous time.Duration) (time.Duration, error) {
	if s.retried.Load() >= s.first.Load()+spareRetries {
		return 0, errEnough
	}
	pause := min(lastBackoff, firstBackoff+rand.N(max(firstBackoff, 3*previous-firstBackoff)))
	if deadline, ok := ctx.Deadline(); ok && time.Until(deadline) <= pause {
		return 0, context.DeadlineExceeded
	}
	if err := sleep(ctx, pause); err != nil {
		return 0, err
	}
	s.retried.Add(1)
	return pause, nil
}

// maxWaiting is how many calls of an operation a session has waiting for the pace. It
// is small so that sessions take turns: an event is not kept waiting by all that a
// sweep of the inventory has to ask.
const maxWaiting = 2

// acquire waits until the pace lets a call of the session leave.
func (s *Session) acquire(ctx context.Context, op Operation) error {
	line := s.lines[op]
	select {
	case line <- struct{}{}:
		defer func() { <-line }()
	case <-ctx.Done():
		return fmt.Errorf("%s: waiting for the quota: %w", op, ctx.Err())
	}
	if err := s.client.pace[op].wait(ctx, s.line); err != nil {
		return fmt.Errorf("%s: waiting for the quota: %w", op, err)
	}
	return nil
}

// once sends one request and reads its answer.
func (s *Session) once(ctx context.Context, op Operation, request requests.AcsRequest, into answer) error {
	credentials, err := s.credentials.Current()
	if err != nil {
		return &Error{Op: op, Kind: Unauthorized, Message: err.Error()}
	}
	s.calls[op].Add(1)
	came, err := s.client.caller.do(ctx, credentials, request)
	err = read(op, credentials, came, err, into)
	var failure *Error
	switch {
	case err == nil:
		s.answered.Store(true)
	case !errors.As(err, &failure):
	case failure.credentialsAtFault():
		s.credentials.Refuse(credentials)
	case failure.Kind == Throttled:
		s.throttled.Add(1)
		s.client.pace[op].throttled(failure.RetryAfter)
	case failure.Kind == Ambiguous:
		failure.Cause = ctx.Err() // if that is what cut it off
	}
	return err
}

// read decides what an answer means. Only a success with a RequestId is one, and
// only a refusal with a Code, or for want of quota, is one: whatever else came says
// nothing about what the service did.
func read(op Operation, credentials account.Credentials, a httpAnswer, sdkErr error, into answer) error {
	status, body := a.status, a.body
	if status == 0 {
		return &Error{Op: op, Kind: Ambiguous, Message: credentials.Redact(plainly(sdkErr))}
	}
	err := json.Unmarshal(body, into)
	is := into.is()
	switch {
	case is.Code != "" && (err == nil || status >= 300):
		return &Error{Op: op, Kind: kindOf(is.Code, a), Code: credentials.Redact(is.Code), Status: status, RetryAfter: a.retryAfter,
			RequestID: credentials.Redact(is.RequestID), Message: credentials.Redact(is.Message)}
	case a.throttled():
		return &Error{Op: op, Kind: Throttled, Status: status, RetryAfter: a.retryAfter, RequestID: credentials.Redact(is.RequestID),
			Message: fmt.Sprintf("too many calls (status %d)", status)}
	case status >= 300 || is.RequestID == "" || len(body) == 0:
		return &Error{Op: op, Kind: Ambiguous, Status: status, Message: fmt.Sprintf("the answer (status %d, %d bytes) is not one of MPS", status, len(body))}
	case err != nil:
		return &Error{Op: op, Kind: Ambiguous, Status: status, RequestID: credentials.Redact(is.RequestID), Message: "the answer has an unexpected form"}
	}
	return nil
}

// answer is what every answer has.
type answer interface{ is() *envelope }

// envelope is a refusal if it has a Code, and else a success if it has a RequestId.
type envelope struct {
	RequestID string `json:"RequestId"`
	Code      string
	Message   string
}

func (e *envelope) is() *envelope { return e }

// plainly drops the URL that net/http puts around an error: it is signed.
func plainly(err error) string {
	var wrapped *url.Error
	if errors.As(err, &wrapped) {
		err = wrapped.Err
	}
	if err == nil {
		return "no answer"
	}
	return err.Error()
}
