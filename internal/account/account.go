// Package account holds what the clients of both cloud services share: the
// region, the endpoints and credentials of the account, and keeping the latter
// out of everything that a person or a log can read.
package account

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/url"
	"regexp"
	"strings"
	"time"

	"github.com/mediasweep/mediasweep/internal/text"
)

// Account is the environment's part of a deployment.
type Account struct {
	// Region is the region of the media library and of its buckets.
	Region string
	// MPS and OSS are zero where the region's own endpoint is meant.
	MPS Endpoint
	OSS Endpoint
	// InFC says that Function Compute runs the program.
	InFC bool
	// Dial opens connections to the services; nil means through the network.
	Dial Dial
}

// Dial opens a connection, as net.Dialer.DialContext does.
type Dial func(ctx context.Context, network, address string) (net.Conn, error)

// Dialer returns what opens connections to the services.
func (a Account) Dialer() Dial {
	if a.Dial != nil {
		return a.Dial
	}
	return (&net.Dialer{Timeout: 5 * time.Second, KeepAlive: 15 * time.Second}).DialContext
}

var (
	regionName = regexp.MustCompile(`^[a-z]+(-[a-z0-9]+)+$`)
	hostName   = regexp.MustCompile(`^[a-z0-9-]+(\.[a-z0-9-]+)+$`)
)

// FromEnvironment reads MEDIASWEEP_REGION (else FC_REGION),
// MEDIASWEEP_MPS_ENDPOINT and MEDIASWEEP_OSS_ENDPOINT. Its errors quote no value: a secret may
// stand in the wrong variable.
func FromEnvironment(getenv func(string) string) (Account, error) {
	a := Account{InFC: InFC(getenv), Region: cmp.Or(getenv("MEDIASWEEP_REGION"), getenv("FC_REGION"))}
	if a.Region == "" {
		return a, errors.New("no region: set MEDIASWEEP_REGION, or --region, to the region of the library, such as cn-shanghai")
	}
	if !IsRegion(a.Region) {
		return a, errors.New("MEDIASWEEP_REGION, else FC_REGION, is not a region ID such as cn-shanghai")
	}
	var err error
	if a.MPS, err = parseEndpoint(getenv("MEDIASWEEP_MPS_ENDPOINT")); err != nil {
		return a, fmt.Errorf("MEDIASWEEP_MPS_ENDPOINT: %w", err)
	}
	if a.OSS, err = parseEndpoint(getenv("MEDIASWEEP_OSS_ENDPOINT")); err != nil {
		return a, fmt.Errorf("MEDIASWEEP_OSS_ENDPOINT: %w", err)
	}
	return a, nil
}

// IsRegion reports whether a text has the form of a region ID.
func IsRegion(s string) bool { return regionName.MatchString(s) && !strings.HasPrefix(s, "oss-") }

// InFC reports whether Function Compute runs the program. It sets FC_FUNCTION_NAME
// in every runtime, and users cannot set names that start with FC_.
func InFC(getenv func(string) string) bool { return getenv("FC_FUNCTION_NAME") != "" }

// Endpoint is where a service listens. The zero value is the region's own.
type Endpoint struct {
	Host  string // with the port, if any
	Plain bool   // http instead of https; loopback only
}

// URL returns the endpoint as scheme and host.
func (e Endpoint) URL() string {
	if e.Plain {
		return "http://" + e.Host
	}
	return "https://" + e.Host
}

// parseEndpoint reads a host or a URL. Plain HTTP would send keys and tokens in
// the clear, so it is accepted for this machine only.
func parseEndpoint(s string) (Endpoint, error) {
	if s == "" {
		return Endpoint{}, nil
	}
	address := s
	if !strings.Contains(s, "://") {
		address = "https://" + s
	}
	u, err := url.Parse(address)
	switch {
	case err != nil || u.Hostname() == "":
		return Endpoint{}, errors.New("not a host or a URL")
	case !HasPort(u):
		return Endpoint{}, ErrPort
	case u.User != nil || u.RawQuery != "" || u.Fragment != "" || u.Path != "" && u.Path != "/":
		return Endpoint{}, errors.New("an endpoint is a scheme and a host, nothing more")
	case u.Scheme != "https" && u.Scheme != "http":
		return Endpoint{}, errors.New("the scheme is neither https nor http")
	case !hostName.MatchString(u.Hostname()) && !IsLoopback(u.Hostname()) && net.ParseIP(u.Hostname()) == nil:
		return Endpoint{}, errors.New("the host is neither a domain name in lower case, such as mts.cn-shanghai.aliyuncs.com, nor an IP address")
	case u.Scheme == "http" && !IsLoopback(u.Hostname()):
		return Endpoint{}, errors.New("http is accepted for loopback addresses only: use https")
	}
	return Endpoint{Host: u.Host, Plain: u.Scheme == "http"}, nil
}

// ErrPort refuses an address with a port at which nothing can listen.
var ErrPort = errors.New("the port is not a plain decimal number from 1 to 65535: correct it, or leave it out with its colon")

// HasPort reports whether something can listen at the port of an address: its scheme's, or one that it names.
func HasPort(u *url.URL) bool {
	port, err := text.Decimal(u.Port())
	return !strings.HasSuffix(u.Host, ":") && (u.Port() == "" || err == nil && port >= 1 && port <= 65535)
}

// IsLoopback reports whether a host, without a port, is this machine's own: localhost, an
// address of 127.0.0.0/8, or ::1.
func IsLoopback(host string) bool {
	ip := net.ParseIP(host)
	return strings.EqualFold(host, "localhost") || ip != nil && ip.IsLoopback()
}

// WithoutPath returns what is wrong with a file, without the file's name: an environment variable
// that should name a file may hold a secret.
func WithoutPath(err error) error {
	if about, ok := errors.AsType[*fs.PathError](err); ok {
		return about.Err
	}
	return err
}

// CheckEnvironment refuses an environment in which the MPS SDK or credentials-go would print
// requests, keys and tokens included: they do so wherever DEBUG names "sdk" or "credential".
func CheckEnvironment(getenv func(string) string) error {
	for _, name := range []string{"sdk", "credential"} {
		if strings.Contains(getenv("DEBUG"), name) {
			return fmt.Errorf("DEBUG names %q, which makes the Alibaba Cloud SDKs print keys and tokens: unset it", name)
		}
	}
	return nil
}
