package credentials

import (
	"errors"
	"io/fs"
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

// reason says in words why a lookup failed. No text of credentials-go is shown: it quotes addresses, answers
// and files with their secrets.
func reason(err error) string {
	var (
		own   failure
		file  *fs.PathError
		name  *net.DNSError
		late  net.Error
		errno syscall.Errno
	)
	switch {
	case errors.As(err, &own):
		return string(own)
	case errors.As(err, &file):
		return "its token file: " + file.Err.Error()
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
	match := code.FindStringSubmatch(message[:min(len(message), maxFile)])
	switch {
	case match == nil || match[1] == "Success":
		return "the answer has no credentials"
	case known.MatchString(match[1]):
		return "the service refuses: " + match[1]
	}
	return "the service refuses with an unknown code"
}
