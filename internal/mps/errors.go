package mps

import (
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/mediasweep/mediasweep/internal/account"
)

// Kind is the meaning of a failed call.
type Kind int

// The kinds.
const (
	// Rejected: a retry cannot succeed.
	Rejected Kind = iota
	// Throttled: the account's quota is exhausted for the moment.
	Throttled
	// Ambiguous: without an answer, or with one that does not show whether the call took effect.
	Ambiguous
	// Unauthorized: no call of this run can succeed until a person removes the cause.
	Unauthorized
)

// Error is a failed call. Its text carries no key, token, signature or URL.
type Error struct {
	Op        Operation
	Kind      Kind
	Code      string // the service's code; empty if the answer has none
	Message   string
	RequestID string
	Cause     error // the context's error, if that ended the call
	// RetryAfter is the delay that the service requests; see MaxRetryAfter.
	RetryAfter time.Duration
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Cause }

func (e *Error) Error() string {
	return account.ErrorText(string(e.Op), e.Code, e.Message, e.RequestID, advice(e.Code))
}

// CodeOf returns the service's code of an error, or nothing.
func CodeOf(err error) string {
	if failed, ok := errors.AsType[*Error](err); ok {
		return failed.Code
	}
	return ""
}

// Is reports whether an error is a failed call of one of some kinds.
func Is(err error, kinds ...Kind) bool {
	failed, ok := errors.AsType[*Error](err)
	return ok && slices.Contains(kinds, failed.Kind)
}

// Unknown reports whether the service has no such medium. The code is in the table of common errors.
// The calls that return it are not documented.
func (e *Error) Unknown() bool { return e.Code == "InvalidParameter.ResourceNotFound" }

// kindOf classifies an error by its code, since sources document different statuses for one code.
// Status 429 and a requested delay come before the code, as in the vendor's newer SDKs.
// Source: MPS "Error codes", the common codes of the API gateway, and the cores of the
// vendor's SDKs (darabonba-openapi).
func kindOf(code string, a httpAnswer) Kind {
	if a.throttled() {
		return Throttled
	}
	switch head, _, _ := strings.Cut(code, "."); head {
	case "Throttling", "QpsLimitExceeded", "FlowControl", "ServiceBusy", "LastTokenProcessing", "OperationConflict", "TooManyRequests":
		return Throttled
	case "InvalidParameter", "MissingParameter":
		return Rejected
	case "Forbidden", "NoPermission", "InvalidAccessKeyId", "InvalidSecurityToken", "MissingSecurityToken", "SecurityTokenExpired", "SignatureDoesNotMatch",
		"IncompleteSignature", "InvalidTimeStamp", "InvalidIdentity", "InvalidApi", "InvalidAction", "InvalidVersion", "NoSuchVersion", "InvalidProtocol":
		return Unauthorized
	case "SignatureNonceUsed", "ServiceUnavailable", "ServiceUnAvailable", "InternalError":
		return Ambiguous
	}
	if a.status >= 500 {
		return Ambiguous
	}
	return Rejected
}

// throttled reports whether an answer is a throttling, independent of its code.
func (a httpAnswer) throttled() bool {
	return a.status == http.StatusTooManyRequests || a.status >= 400 && a.retryAfter > 0
}

// credentialsAtFault reports whether the call may succeed with other credentials.
func (e *Error) credentialsAtFault() bool {
	switch head, _, _ := strings.Cut(e.Code, "."); head {
	case "InvalidSecurityToken", "MissingSecurityToken", "SecurityTokenExpired", "InvalidAccessKeyId":
		return e.Kind == Unauthorized
	}
	return false
}

// advice returns what the operator should do about a code, or nothing.
func advice(code string) string {
	switch head, _, _ := strings.Cut(code, "."); head {
	case "Forbidden", "NoPermission":
		return "grant the mts actions that mediasweep permissions prints"
	case "InvalidIdentity":
		return "MPS is not activated for the account, or the account is in arrears"
	case "InvalidProtocol":
		return "use an https endpoint"
	}
	return account.Advice(code)
}
