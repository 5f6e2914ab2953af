package fc

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"

	"github.com/mediasweep/mediasweep/internal/account"
)

// ErrNotLoopback means that other machines reach an address without a token.
var ErrNotLoopback = errors.New("listen: other machines reach this address, and nothing authenticates them: set MEDIASWEEP_HTTP_TOKEN, or listen on 127.0.0.1")

// Listen listens on an address. Outside Function Compute, which authenticates nobody there, an
// address that other machines reach needs a token.
func Listen(address string, inFC, hasToken bool) (net.Listener, error) {
	resolved, err := net.ResolveTCPAddr("tcp", address)
	if err != nil {
		return nil, fmt.Errorf("listen: %w", err)
	}
	if !inFC && !hasToken && !resolved.IP.IsLoopback() {
		return nil, ErrNotLoopback
	}
	return net.ListenTCP("tcp", resolved)
}

// refuseForeign says why a request outside Function Compute is refused, or nothing.
//
// A browser on this machine sends requests for any web page. A page whose name is made to resolve
// to this machine (DNS rebinding) sends its own name as Host, so names are refused but localhost;
// an address is right if the connection came in at it. Requests of other sites' pages carry Origin or
// Sec-Fetch-Site. Event calls need no token, so only this machine's programs make them.
func refuseForeign(r *http.Request, event bool) string {
	at, _ := r.Context().Value(http.LocalAddrContextKey).(net.Addr)
	switch host := hostOf(r.Host); {
	case !account.IsLoopback(host) && (at == nil || host != hostOf(at.String())):
		return "Host must be localhost, a loopback address, or the address that was connected to"
	case event && !account.IsLoopback(hostOf(r.RemoteAddr)):
		return "event calls are accepted from this machine only: POST the request to /v1/sweeps"
	}
	for _, origin := range r.Header.Values("Origin") {
		if origin != "http://"+r.Host {
			return "requests of another site's pages are refused"
		}
	}
	for _, site := range r.Header.Values("Sec-Fetch-Site") {
		if site != "same-origin" && site != "none" {
			return "requests of another site's pages are refused"
		}
	}
	return ""
}

// hostOf returns the host of "host:port" or of "host", without the brackets of IPv6.
func hostOf(address string) string { return (&url.URL{Host: address}).Hostname() }

// endsConnection reports whether a visitor's connection ends with this request. It prevents request
// smuggling: with both Content-Length and Transfer-Encoding, a proxy and the server may see different
// ends of the request. net/http hides one of the two headers, so every chunked request ends its
// connection, and every request of HTTP/1.0. Source: RFC 9112, section 6.1.
func endsConnection(r *http.Request) bool {
	return len(r.TransferEncoding) > 0 || !r.ProtoAtLeast(1, 1)
}
