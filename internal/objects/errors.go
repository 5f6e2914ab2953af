package objects

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"

	"github.com/aliyun/alibabacloud-oss-go-sdk-v2/oss"

	"github.com/mediasweep/mediasweep/internal/account"
)

// ErrExists means that an object of this name exists. It was not changed.
var ErrExists = errors.New("the object exists already")

// Error is a failed call. Its text carries no key, token, signature or URL.
type Error struct {
	Op      string
	Code    string // the service's code; empty without an answer
	Message string
	// RequestID is empty without an answer.
	RequestID string
}

func (e *Error) Error() string {
	return account.ErrorText(e.Op, e.Code, e.Message, e.RequestID, e.advice())
}

// Denied reports whether OSS refused the call for want of a permission.
func Denied(err error) bool {
	failed, ok := errors.AsType[*Error](err)
	return ok && failed.Code == codeDenied
}

const (
	codeDenied = "AccessDenied"
	opHead     = "HeadObject"
)

// advice returns what the operator should do about an error, or nothing. Source: OSS "HTTP status code 403" and "404", and
// "Regions and endpoints".
func (e *Error) advice() string {
	const grant = "grant the oss actions that mediasweep permissions prints, and check the bucket's own policy"
	switch isElsewhere := e.Code == codeDenied && strings.Contains(e.Message, "specified endpoint"); {
	case isElsewhere, e.Code == "PermanentRedirect":
		return "the bucket is in another region: name one in the region of the library"
	case e.Code == codeDenied && e.Op == opHead:
		return grant + "; if both allow the call, the object may be missing: grant oss:ListObjects on its bucket, without a condition"
	}
	switch e.Code {
	case "PublicEndpointForbidden":
		return "OSS refuses its public endpoint to newer accounts in mainland China: run this in the region, and set MEDIASWEEP_OSS_ENDPOINT to the internal endpoint, such as oss-cn-shanghai-internal.aliyuncs.com"
	case "InvalidObjectState":
		return "the object is archived: restore it in OSS, and keep lists and records in the storage class Standard or IA"
	case codeDenied:
		return grant
	case "NoSuchBucket":
		return "name a bucket of this region that exists"
	case "UserDisable":
		return "OSS is not active for the account, or the account is in arrears"
	}
	return account.Advice(e.Code)
}

// credentialsAtFault reports whether the call may succeed with other credentials.
// Source: OSS "HTTP status code 403".
func credentialsAtFault(err error) bool {
	switch answerOf(err).Code {
	case "SecurityTokenExpired", "InvalidSecurityToken", "InvalidAccessKeyId":
		return true
	}
	return false
}

// answerOf returns the answer of OSS that an error is; an empty one for another error.
func answerOf(err error) *oss.ServiceError {
	if answer, ok := errors.AsType[*oss.ServiceError](err); ok {
		return answer
	}
	return &oss.ServiceError{}
}

// ErrNotFound means that the object does not exist.
var ErrNotFound = errors.New("there is no such object")

// ErrTooLarge means that the object has more bytes than the caller takes.
var ErrTooLarge = errors.New("the object is too large")

// ErrUnchanged means that the object still has the version that the caller knows.
var ErrUnchanged = errors.New("the object has not changed")

// withoutCode reports whether an answer is not from OSS. The SDK then quotes its body.
func withoutCode(e *oss.ServiceError) bool { return e.Code == "" || e.Code == "BadErrorResponse" }

// plain converts an error of the SDK into one without secrets. It wraps the error of ctx, which must be
// the caller's, if that has ended.
func (s *Session) plain(ctx context.Context, op string, err error) error {
	if ctx.Err() != nil {
		return fmt.Errorf("%s: %w", op, ctx.Err())
	}
	if errors.Is(err, account.ErrNoCredentials) {
		return err
	}
	if service, ok := errors.AsType[*oss.ServiceError](err); ok {
		if withoutCode(service) {
			return &Error{Op: op, Message: fmt.Sprintf("the answer (status %d) is not from OSS", service.StatusCode)}
		}
		return &Error{Op: op, Code: s.credentials.Redact(service.Code),
			Message: s.credentials.Redact(service.Message) + s.credentials.Blame(service.Code), RequestID: s.credentials.Redact(service.RequestID)}
	}
	if wrapped, ok := errors.AsType[*url.Error](err); ok {
		err = wrapped.Err
	}
	return &Error{Op: op, Message: s.credentials.Redact(err.Error())}
}
