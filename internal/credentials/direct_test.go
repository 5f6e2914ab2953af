package credentials

import (
	"net/http"
	"net/url"
	"os"
	"testing"
)

func TestMetadataServiceIsAskedWithoutAProxy(t *testing.T) {
	c := newCloud(t)
	transport := http.DefaultTransport.(*http.Transport)
	KeepDirect(transport)
	for address, want := range map[string]bool{"http://100.100.100.200/latest/api/token": false, "https://sts.aliyuncs.com/": true} {
		u, err := url.Parse(address)
		if err != nil {
			t.Fatal(err)
		}
		if proxy, err := transport.Proxy(&http.Request{URL: u}); err != nil || (proxy != nil) != want {
			t.Errorf("%s: proxy %s, %v", address, proxy, err)
		}
	}
	configure(t, machine(t), byRole)
	if current(t, New(os.Getenv)); c.requests() == "" {
		t.Error("STS was not asked through the proxy")
	}
}
