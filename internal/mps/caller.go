package mps

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"os"
	"runtime"
	"sync"
	"time"

	"github.com/aliyun/alibaba-cloud-sdk-go/sdk"
	sdkcredentials "github.com/aliyun/alibaba-cloud-sdk-go/sdk/auth/credentials"
	"github.com/aliyun/alibaba-cloud-sdk-go/sdk/requests"
	"github.com/aliyun/alibaba-cloud-sdk-go/sdk/responses"
	"github.com/aliyun/alibaba-cloud-sdk-go/services/mts"

	"github.com/mediasweep/mediasweep/internal/account"
	"github.com/mediasweep/mediasweep/internal/text"
)

const (
	// callTimeout bounds one try, including its connection. It is the SDK's default.
	callTimeout = 10 * time.Second
	// maxAnswer bounds an answer, in bytes. Ten records with outputs have tens of kilobytes.
	maxAnswer = 2 << 20
	// MaxRetryAfter bounds the delay that the service may request. The quotas of MPS are per second,
	// and a function has minutes.
	MaxRetryAfter = 30 * time.Second
	// idleConnections is the number of calls in flight of two operations at 100 calls a second and a
	// latency above a second. With the default of two, most calls would open a new connection.
	idleConnections = 256
)

// caller sends requests through SDK clients. Concurrent calls of one SDK client are a data race in the
// SDK, so each call has its own client. All clients share the transport and its connections.
type caller struct {
	account   account.Account
	transport *http.Transport
	idle      sync.Pool // of workers
}

func newCaller(a account.Account) (*caller, error) {
	c := &caller{account: a, transport: &http.Transport{
		DialContext:         a.Dialer(),
		TLSHandshakeTimeout: 5 * time.Second,
		MaxIdleConnsPerHost: idleConnections,
		IdleConnTimeout:     30 * time.Second,
	}}
	w, err := c.newWorker()
	if err != nil {
		return nil, err
	}
	c.idle.Put(w)
	return c, nil
}

// httpAnswer holds the used parts of an HTTP response, or why there is none.
type httpAnswer struct {
	status     int // 0 without a response
	body       []byte
	retryAfter time.Duration // the requested delay, at most MaxRetryAfter; 0 for none
	err        error         // of the SDK, which has one for some responses too
}

// do sends one request, and calls leave when it has left.
func (c *caller) do(ctx context.Context, credentials account.Credentials, request requests.AcsRequest, leave func()) httpAnswer {
	w, err := c.take()
	if err != nil {
		return httpAnswer{err: err}
	}
	defer c.giveBack(w)
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	w.ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{WroteRequest: func(httptrace.WroteRequestInfo) { leave() }})
	w.credentials, w.retryAfter = credentials, 0
	// For each call's nonce the SDK prints the stack of its goroutine: that of a new one is short.
	sent := make(chan httpAnswer)
	go w.send(request, sent)
	return <-sent
}

// growStack makes the stack of a new goroutine as large as the SDK needs it. Left alone, the stack grows in steps, and each
// step walks and moves all frames. It is for calls that leave at once: hundreds may wait for a permit.
//
//go:noinline
func growStack() {
	var room [12 << 10]byte
	runtime.KeepAlive(&room)
}

func (c *caller) take() (*worker, error) {
	if w, ok := c.idle.Get().(*worker); ok {
		return w, nil
	}
	return c.newWorker()
}

func (c *caller) giveBack(w *worker) {
	w.ctx, w.credentials = nil, account.Credentials{}
	c.idle.Put(w)
}

// worker is one SDK client. It implements the transport and the credentials provider of the client.
type worker struct {
	caller      *caller
	sdk         *mts.Client
	ctx         context.Context //nolint:containedctx // the SDK has no parameter for it
	credentials account.Credentials
	retryAfter  time.Duration // of the latest response
}

// unusedProxy is a URL and a regular expression that the SDK can parse.
const unusedProxy = "-"

// makeClients guards the creation of SDK clients, which writes to a global map of the SDK.
var makeClients sync.Mutex

func (c *caller) newWorker() (*worker, error) {
	makeClients.Lock()
	defer makeClients.Unlock()
	w := &worker{caller: c}
	config := sdk.NewConfig().WithScheme("HTTPS").WithAutoRetry(false)
	config.Transport = w
	client, err := mts.NewClientWithOptions(c.account.Region, config, w)
	if err != nil {
		return nil, fmt.Errorf("make an MPS client: %w", err)
	}
	client.Domain = cmp.Or(c.account.MPS.Host, mts.GetEndpointMap()[c.account.Region], "mts."+c.account.Region+".aliyuncs.com")
	if c.account.MPS.Plain {
		config.Scheme = "HTTP"
	}
	// The context bounds the call. With a timeout of the SDK, net/http would start two goroutines for each call.
	client.SetReadTimeout(-1)
	// The transport uses no proxy. The SDK parses those of the environment nevertheless, and fails each call if it cannot.
	client.SetHttpProxy(unusedProxy)
	client.SetHttpsProxy(unusedProxy)
	if os.Getenv("NO_PROXY")+os.Getenv("no_proxy") != "" { // regular expressions: to parse one costs each call a microsecond
		client.SetNoProxy(unusedProxy)
	}
	w.sdk = client
	return w, nil
}

// send calls the SDK, which panics on undocumented error bodies.
func (w *worker) send(request requests.AcsRequest, sent chan<- httpAnswer) {
	growStack()
	// A CommonResponse keeps the body unchanged: plans need the complete record.
	response := responses.NewCommonResponse()
	var err error
	defer func() {
		if recovered := recover(); recovered != nil {
			err = fmt.Errorf("the SDK panicked: %v", recovered)
		}
		sent <- httpAnswer{response.GetHttpStatus(), response.GetHttpContentBytes(), w.retryAfter, err}
	}()
	err = w.sdk.DoAction(request, response)
}

// RoundTrip sends the SDK's request with the caller's context, which the SDK cannot pass on.
func (w *worker) RoundTrip(r *http.Request) (*http.Response, error) {
	response, err := w.caller.transport.RoundTrip(r.WithContext(w.ctx))
	if err != nil {
		return nil, err
	}
	w.retryAfter = parseRetryAfter(response.Header.Get("X-Acs-Retry-After"))
	// The SDK's client would follow a redirect, and send the signed URL to the new host as the
	// referrer. Without a Location it does not.
	response.Header.Del("Location")
	response.Body = struct {
		io.Reader
		io.Closer
	}{io.LimitReader(response.Body, maxAnswer), response.Body}
	return response, nil
}

// parseRetryAfter parses a delay in milliseconds. A delay that is missing, or invalid, is 0.
func parseRetryAfter(header string) time.Duration {
	milliseconds, _ := text.Decimal(header) // 0 with an error
	return time.Duration(min(milliseconds, MaxRetryAfter.Milliseconds())) * time.Millisecond
}

// GetCredentials returns the credentials of the call to the SDK.
func (w *worker) GetCredentials() (*sdkcredentials.Credentials, error) {
	return &sdkcredentials.Credentials{
		AccessKeyId:     w.credentials.AccessKeyID,
		AccessKeySecret: w.credentials.AccessKeySecret,
		SecurityToken:   w.credentials.SecurityToken,
	}, nil
}

// GetProviderName returns the name of the provider, which the SDK sends to the service.
func (w *worker) GetProviderName() string { return "static_sts" }
