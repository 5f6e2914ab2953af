package credentials

import (
	"errors"
	"net"
	"regexp"
	"syscall"

	"github.com/mediasweep/mediasweep/internal/account"
)

// failure says why there are no credentials. It has no secret.
type failure string

func (f failure) Error() string { return "no credentials: " + string(f) }

// Is makes a failure an account.ErrNoCredentials.
func (failure) Is(target error) bool { return target == account.ErrNoCredentials }

// code finds the code of a service's error. known has those that are shown: another one may be a secret.
var (
	code  = regexp.MustCompile(`"(?:Error)?Code"\s*:\s*"([^"]+)"`)
	known = regexp.MustCompile(`^(?:NoPermission|Forbidden|Unauthorized|EntityNotExist|InvalidParameter|MissingParameter|MissingSecurityToken|` +
		`InvalidAccessKeyId|InvalidSecurityToken|SignatureDoesNotMatch|IncompleteSignature|InvalidTimeStamp|SignatureNonceUsed|AuthenticationFail|` +
		`Throttling|ServiceUnavailable|InternalError|InternalFailure)` +
		`(?:\.(?:NoPermission|RAM|Role|User|Api|Action|Provider|OIDCProvider|OIDCToken|RoleArn|RoleSessionName|DurationSeconds|PolicyGrammar|PolicySize|` +
		`ExternalId|AccessKeyId|SecurityToken|NotFound|Inactive|Expired|Invalid|Malformed|MismatchWithAccessKey)){0,2}$`)
)

// ofService finds the hosts of Alibaba Cloud. Another host may be a misplaced secret.
var ofService = regexp.MustCompile(`^[a-z0-9-]{1,60}(?:\.[a-z0-9-]{1,60}){0,2}\.aliyuncs\.com$`)

// status finds the HTTP status of an answer of the metadata service.
var status = regexp.MustCompile(`^(?:refresh Ecs sts token err, httpStatus: |get role name failed: GET \S{1,100} )([1-5][0-9]{2})\b`)

// reason says why a lookup failed, and what to do next.
func (o *origin) reason(err error) string {
	if own, ok := errors.AsType[failure](err); ok {
		return string(own)
	}
	return reason(err) + ": " + o.next
}

// reason says in words why a lookup failed. No text of credentials-go is shown: it quotes addresses, answers
// and files with their secrets.
func reason(err error) string {
	var (
		own   failure
		name  *net.DNSError
		late  net.Error
		errno syscall.Errno
	)
	switch {
	case errors.As(err, &own):
		return string(own)
	case errors.Is(err, errForm), errors.Is(err, errNoKey):
		return err.Error()
	case errors.As(err, &name) && ofService.MatchString(name.Name):
		return "the name of its host, " + name.Name + ", is unknown"
	case errors.As(err, &name):
		return "the name of its host is unknown"
	case errors.As(err, &late) && late.Timeout():
		return "no answer in time"
	case errors.As(err, &errno):
		return "no connection: " + errno.Error()
	}
	message := err.Error()
	if match := status.FindStringSubmatch(message); match != nil {
		return "the metadata service of ECS answers with status " + match[1]
	}
	match := code.FindStringSubmatch(message[:min(len(message), maxFile)])
	switch {
	case match == nil || match[1] == "Success":
		return "the answer has no credentials"
	case known.MatchString(match[1]):
		return "the service refuses: " + match[1]
	}
	return "the service refuses with an unknown code"
}

const answerOfURI = "status 200 and JSON that has AccessKeyId, AccessKeySecret, SecurityToken and Expiration"

// next says what a person does if a service gives no credentials for the profile.
func (p profile) next(otherwise string) string {
	switch p.Mode {
	case "EcsRamRole":
		return "this machine must be an ECS instance with that RAM role"
	case "CredentialsURI":
		return "credentials_uri must answer with " + answerOfURI
	}
	return otherwise
}
