package mps

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/aliyun/alibaba-cloud-sdk-go/services/mts"

	"github.com/mediasweep/mediasweep/internal/account"
)

func TestEndpointIsPinnedAndHTTPS(t *testing.T) {
	tests := []struct {
		name    string
		account account.Account
		domain  string
		scheme  string
	}{
		{"the region's", account.Account{Region: "cn-shanghai"}, "mts.cn-shanghai.aliyuncs.com", "HTTPS"},
		{"a region without an endpoint of its own", account.Account{Region: "us-east-1"}, "mts.aliyuncs.com", "HTTPS"},
		{"named", account.Account{Region: "cn-shanghai", MPS: account.Endpoint{Host: "mts-vpc.cn-shanghai.aliyuncs.com"}}, "mts-vpc.cn-shanghai.aliyuncs.com", "HTTPS"},
		{"loopback", account.Account{Region: "cn-shanghai", MPS: account.Endpoint{Host: "127.0.0.1:1", Plain: true}}, "127.0.0.1:1", "HTTP"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			c, err := newCaller(test.account)
			if err != nil {
				t.Fatal(err)
			}
			w, err := c.take()
			if err != nil {
				t.Fatal(err)
			}
			if config := w.sdk.GetConfig(); w.sdk.Domain != test.domain || config.Scheme != test.scheme || config.AutoRetry {
				t.Errorf("domain %s, scheme %s, auto-retry %v", w.sdk.Domain, config.Scheme, config.AutoRetry)
			}
		})
	}
}

func TestRetryAfter(t *testing.T) {
	for header, want := range map[string]time.Duration{
		"": 0, "0": 0, "1500": 1500 * time.Millisecond, "30000": MaxRetryAfter, "86400000": MaxRetryAfter, "9223372036854775807": MaxRetryAfter,
		"-1": 0, "1.5": 0, "010": 0, "soon": 0, "99999999999999999999": 0,
	} {
		if got := parseRetryAfter(header); got != want {
			t.Errorf("%q asks for %v, want %v", header, got, want)
		}
	}
}

type transport func(*http.Request) (*http.Response, error)

func (t transport) RoundTrip(r *http.Request) (*http.Response, error) { return t(r) }

// attempt makes a call whose request is not sent. It returns the request, if the SDK made one.
func attempt(t *testing.T) (request *http.Request, answer httpAnswer) {
	t.Helper()
	c, err := newCaller(account.Account{Region: "cn-shanghai"})
	if err != nil {
		t.Fatal(err)
	}
	w, err := c.take()
	if err != nil {
		t.Fatal(err)
	}
	w.sdk.SetTransport(transport(func(r *http.Request) (*http.Response, error) {
		request = r
		return nil, errors.New("not sent")
	}))
	sent := make(chan httpAnswer)
	go w.send(mts.CreateDeleteMediaRequest(), sent)
	answer = <-sent
	return request, answer
}

// The SDK parses the proxies of the environment, which nothing uses. One that it cannot parse costs no call.
func TestProxiesOfTheEnvironmentAreIgnored(t *testing.T) {
	for name, value := range map[string]string{"HTTPS_PROXY": "10.0.0.1:3128", "https_proxy": "http://user:50%@proxy:3128", "NO_PROXY": "**.corp", "no_proxy": "("} {
		t.Run(name, func(t *testing.T) {
			t.Setenv(name, value)
			if request, came := attempt(t); request == nil {
				t.Error(came.err)
			}
		})
	}
}

// The SDK adds no timeout: net/http would start goroutines for it.
func TestCallsHaveNoTimeoutOfTheSDK(t *testing.T) {
	request, came := attempt(t)
	if came.status != 0 || came.err == nil {
		t.Errorf("an answer without a call: %+v", came)
	}
	if deadline, ok := request.Context().Deadline(); ok {
		t.Errorf("the call ends %v", deadline)
	}
}

// A call leaves when its request has been written, which is long after its permit if its connection takes long.
func TestDeparture(t *testing.T) {
	left := make(chan struct{})
	service := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		select {
		case <-left:
		case <-time.After(10 * time.Second):
			t.Error("the request has arrived, and has not left")
		}
	}))
	defer service.Close()
	c, err := newCaller(account.Account{Region: "cn-shanghai", MPS: account.Endpoint{Host: service.Listener.Addr().String(), Plain: true}})
	if err != nil {
		t.Fatal(err)
	}
	if answer := c.do(t.Context(), account.Credentials{}, mts.CreateDeleteMediaRequest(), func() { close(left) }); answer.status != http.StatusOK {
		t.Error(answer)
	}
}
