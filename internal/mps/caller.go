package mps

import (
	"context"
	"fmt"
	"io"
	"net/http"
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
	// callTimeout is for one try, its connection included; the SDK's own default.
	callTimeout = 10 * time.Second
	// maxAnswer bounds what is read of an answer: ten records with their outputs
	// have some tens of kilobytes.
	maxAnswer = 2 << 20
	// MaxRetryAfter bounds the delay that the service may ask for: no quota of MPS is
	// counted over more than a second, and a function has minutes.
	MaxRetryAfter = 30 * time.Second
	// idleConnections is what two operations keep in flight at 100 calls a second
	// and a latency of over a second; with the default of two, most paced calls
	// would open a connection of their own.
	idleConnections = 256
)

// caller sends requests through SDK clients. One SDK client used by two
// goroutines is a data race in the SDK, so each call has one to itself, and all
// of them share the transport and its connections.
type caller struct {
	account   account.Account
	transport *http.Transport

	mu   sync.Mutex
	idle []*worker
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
	c.idle = append(c.idle, w)
	return c, nil
}

// httpAnswer holds what matters of an HTTP response.
type httpAnswer struct {
	status     int // 0 without a response
	body       []byte
	retryAfter time.Duration // as the service asks for, at most MaxRetryAfter; 0 if it does not
}

// do sends one request and returns its answer, or an answer with status 0 and an error
// when there was none.
func (c *caller) do(ctx context.Context, credentials account.Credentials, request requests.AcsRequest) (httpAnswer, error) {
	w, err := c.take()
	if err != nil {
		return httpAnswer{}, err
	}
	defer c.giveBack(w)
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	w.ctx, w.credentials, w.retryAfter = ctx, credentials, 0
	return w.send(request)
}

func (c *caller) take() (*worker, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if last := len(c.idle) - 1; last >= 0 {
		w := c.idle[last]
		c.idle = c.idle[:last]
		return w, nil
	}
	return c.newWorker()
}

func (c *caller) giveBack(w *worker) {
	w.ctx, w.credentials = nil, account.Credentials{}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.idle = append(c.idle, w)
}

// worker is one SDK client and what the SDK asks of it during a call: it is the
// client's transport and its source of credentials.
type worker struct {
	caller      *caller
	sdk         *mts.Client
	ctx         context.Context //nolint:containedctx // the SDK has no parameter for it
	credentials account.Credentials
	retryAfter  time.Duration // of the latest response
}

// makeClients guards the making of SDK clients, which fills a map of the SDK's
// package without a lock.
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
	switch endpoint := c.account.MPS; {
	case !endpoint.IsZero():
		client.Domain = endpoint.Host
		if endpoint.Plain {
			config.Scheme = "HTTP"
		}
	default:
		client.Domain = mts.GetEndpointMap()[c.account.Region]
		if client.Domain == "" {
			client.Domain = "mts." + c.account.Region + ".aliyuncs.com"
		}
	}
	// The SDK's timeout would end calls by a clock of its own; ctx does that.
	client.SetReadTimeout(24 * time.Hour)
	w.sdk = client
	return w, nil
}

// send calls the SDK, which panics on error bodies that are not as documented.
func (w *worker) send(request requests.AcsRequest) (a httpAnswer, err error) {
	// A CommonResponse keeps the body as it came: the whole record is needed.
	response := responses.NewCommonResponse()
	defer func() {
		a = httpAnswer{response.GetHttpStatus(), response.GetHttpContentBytes(), w.retryAfter}
		if recovered := recover(); recovered != nil {
			err = fmt.Errorf("the SDK panicked: %v", recovered)
		}
	}()
	return httpAnswer{}, w.sdk.DoAction(request, response)
}

// RoundTrip sends the SDK's request under the caller's context, which the SDK
// has no way to pass on.
func (w *worker) RoundTrip(r *http.Request) (*http.Response, error) {
	response, err := w.caller.transport.RoundTrip(r.WithContext(w.ctx))
	if err != nil {
		return nil, err
	}
	w.retryAfter = parseRetryAfter(response.Header.Get("X-Acs-Retry-After"))
	// The SDK's client would follow a redirect with the signed request, and name
	// it to the new host as the referrer. Without a place to go it does not.
	response.Header.Del("Location")
	response.Body = struct {
		io.Reader
		io.Closer
	}{io.LimitReader(response.Body, maxAnswer), response.Body}
	return response, nil
}

// parseRetryAfter reads a delay in milliseconds. Whatever is none asks for nothing.
func parseRetryAfter(header string) time.Duration {
	milliseconds, err := text.Decimal(header)
	if err != nil {
		return 0
	}
	return time.Duration(min(milliseconds, MaxRetryAfter.Milliseconds())) * time.Millisecond
}

// GetCredentials hands the SDK the credentials of the call.
func (w *worker) GetCredentials() (*sdkcredentials.Credentials, error) {
	return &sdkcredentials.Credentials{
		AccessKeyId:     w.credentials.AccessKeyID,
		AccessKeySecret: w.credentials.AccessKeySecret,
		SecurityToken:   w.credentials.SecurityToken,
	}, nil
}

// GetProviderName is what the SDK tells the service about GetCredentials.
func (w *worker) GetProviderName() string { return "static_sts" }
