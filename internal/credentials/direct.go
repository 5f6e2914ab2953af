package credentials

import (
	"net/http"
	"net/url"
)

// metadataHost is where the metadata service of ECS listens, on each instance.
// Source: ECS "Instance metadata".
const metadataHost = "100.100.100.200"

// KeepDirect makes a transport ask the metadata service of ECS without a proxy, which could hand out another
// account's credentials. credentials-go copies http.DefaultTransport for each request, and has no setting for it.
func KeepDirect(transport *http.Transport) {
	proxy := transport.Proxy
	if proxy == nil {
		return
	}
	transport.Proxy = func(r *http.Request) (*url.URL, error) {
		if r.URL.Hostname() == metadataHost {
			return nil, nil //nolint:nilnil // as http.Transport has it: no proxy
		}
		return proxy(r)
	}
}
