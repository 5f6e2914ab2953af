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

// The pause before a call is repeated grows from the first to the last, at
// random, so that workers do not return in step.
const (
	firstPause = 100 * time.Millisecond
	lastPause  = 3 * time.Second
)

// call sends one request until the library has answered it, or says why not. A
// deletion whose answer was lost is not repeated blindly: whether it took effect
// is for the caller to read back.
func (s *Session) call(ctx context.Context, op Operation, build func() requests.AcsRequest, into any) error {
	for try := 1; ; try++ {
		err := s.once(ctx, op, build(), into)
		var failure *Error
		if !errors.As(err, &failure) {
			return err
		}
		again := failure.Kind == Throttled || failure.Kind == Lost && op != DeleteMedia
		if !again || try == MaxTries {
			return err
		}
		if !s.PauseBefore(ctx, try+1) {
			failure.Cause = ctx.Err()
			return err
		}
	}
}

// PauseBefore waits until a call may be tried for the given time, from the second
// on, and counts it as retried. It reports whether the context lasted that long.
func (s *Session) PauseBefore(ctx context.Context, try int) bool {
	longest := min(lastPause, firstPause<<min(try, 10))
	timer := time.NewTimer(firstPause + rand.N(longest-firstPause))
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		s.retried.Add(1)
		return true
	}
}

// once sends one request when the pace allows it and reads its answer.
func (s *Session) once(ctx context.Context, op Operation, request requests.AcsRequest, into any) error {
	credentials, err := s.credentials()
	if err != nil {
		return &Error{Op: op, Kind: Denied, Message: err.Error()}
	}
	if err := s.client.pace[op].wait(ctx); err != nil {
		return fmt.Errorf("%s: waiting for the quota: %w", op, err)
	}
	s.mu.Lock()
	s.calls[op]++
	s.mu.Unlock()
	status, body, err := s.client.caller.do(ctx, credentials, request)
	err = read(op, credentials, status, body, err, into)
	var failure *Error
	switch {
	case err == nil:
		s.answered.Store(true)
	case !errors.As(err, &failure):
	case failure.Kind == Throttled:
		s.throttled.Add(1)
	case failure.Kind == Lost:
		failure.Cause = ctx.Err() // if that is what cut it off
	}
	return err
}

// read decides what an answer means. Only a success with a RequestId is one, and
// only a refusal with a Code is one: whatever else came says nothing about what
// the service did.
func read(op Operation, credentials account.Credentials, status int, body []byte, sdkErr error, into any) error {
	if status == 0 {
		return &Error{Op: op, Kind: Lost, Message: credentials.Redact(plainly(sdkErr))}
	}
	var envelope struct {
		RequestID string `json:"RequestId"`
		Code      string
		Message   string
	}
	if err := json.Unmarshal(body, &envelope); err != nil || envelope.Code == "" && (status >= 300 || envelope.RequestID == "") {
		return &Error{Op: op, Kind: Lost, Status: status, Message: fmt.Sprintf("the answer (status %d, %d bytes) is not one of MPS", status, len(body))}
	}
	if envelope.Code != "" {
		return &Error{Op: op, Kind: kindOf(envelope.Code, status), Code: credentials.Redact(envelope.Code), Status: status,
			RequestID: credentials.Redact(envelope.RequestID), Message: credentials.Redact(envelope.Message)}
	}
	if err := json.Unmarshal(body, into); err != nil {
		return &Error{Op: op, Kind: Lost, Status: status, RequestID: envelope.RequestID, Message: "the answer has an unexpected form"}
	}
	return nil
}

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
