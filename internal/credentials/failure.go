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

// code finds the code of a service's error.
var code = regexp.MustCompile(`"(?:Error)?Code"\s*:\s*"([A-Z][A-Za-z]{1,40}(?:\.[A-Z][A-Za-z]{1,40}){0,3})"`)

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
	case errors.As(err, &name):
		return "the name of its host is unknown"
	case errors.As(err, &late) && late.Timeout():
		return "no answer in time"
	case errors.As(err, &errno):
		return "no connection: " + errno.Error()
	}
	message := err.Error()
	if match := code.FindStringSubmatch(message[:min(len(message), maxFile)]); match != nil {
		return "the service refuses: " + match[1]
	}
	return "the answer has no credentials"
}
