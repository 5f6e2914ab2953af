package fc

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strconv"
	"time"

	"github.com/mediasweep/mediasweep/internal/task"
	"github.com/mediasweep/mediasweep/internal/trigger"
)

const (
	// maxCalls bounds the calls in hand. FC sends go1 one call at a time; the custom
	// runtime takes as many as this (instanceConcurrency in s.yaml).
	maxCalls = 20
	// A failed request for the next call is repeated after minPause, later maxPause.
	minPause = 250 * time.Millisecond
	maxPause = time.Second
)

// gate stands between the go1 SDK and the runtime API. The SDK asks for calls without
// pause or limit, and never answers a call whose headers it cannot parse.
type gate struct {
	api     string
	timeout time.Duration
	logger  *slog.Logger
	base    http.RoundTripper
	slots   chan struct{}   // one for each call in hand, and for the request for the next
	ending  context.Context //nolint:containedctx // the SDK's requests have no context
}

// RoundTrip carries out one request of the SDK: GET for the next call, POST for the
// answer to one.
func (g *gate) RoundTrip(r *http.Request) (*http.Response, error) {
	switch {
	case r.URL.Host != g.api:
		return g.base.RoundTrip(r)
	case r.Method == http.MethodGet:
		return g.next(r)
	}
	defer func() { <-g.slots }()
	return g.base.RoundTrip(r)
}

// next waits for a free slot, and then asks until there is a call. It takes the slot
// along; the answer to the call frees it.
func (g *gate) next(r *http.Request) (*http.Response, error) {
	g.slots <- struct{}{}
	r = r.WithContext(g.ending)
	pause := minPause
	for failures := 0; ; pause = min(2*pause, maxPause) {
		call, err := g.ask(r)
		switch {
		case g.ending.Err() != nil:
			<-g.slots
			select {} // the process is about to exit, and the SDK would ask again
		case err == nil:
			return call, nil
		}
		failures++
		if failures&(failures-1) == 0 { // 1, 2, 4, 8 …: an outage of a day is seventeen lines
			g.logger.Warn("no next call from the runtime API", "error", err.Error(), "failures", failures)
		}
		_ = task.Sleep(g.ending, pause) // the loop sees the end
	}
}

// ask sends one request for the next call, and returns a call that the SDK can parse.
func (g *gate) ask(r *http.Request) (*http.Response, error) {
	response, err := g.base.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	// One byte more than is allowed, so that the function sees and refuses an oversize payload.
	payload, err := io.ReadAll(io.LimitReader(response.Body, trigger.MaxBytes+1))
	switch {
	case response.StatusCode != http.StatusOK:
		return nil, fmt.Errorf("status %d", response.StatusCode)
	case err != nil:
		return nil, fmt.Errorf("read the payload: %w", err)
	case response.Header.Get(headerRequestID) == "":
		return nil, errors.New("a call without a request ID cannot be answered")
	}
	response.Body = io.NopCloser(bytes.NewReader(payload))
	response.ContentLength = int64(len(payload))
	completeHeader(response.Header, time.Now(), g.timeout)
	return response, nil
}

func (g *gate) drain(most time.Duration) error {
	late := time.After(most)
	for range cap(g.slots) {
		select {
		case g.slots <- struct{}{}:
		case <-late:
			return errors.New("stop: calls were still under way")
		}
	}
	return nil
}

// Headers of a call that the SDK insists on, or parses if they are there.
const (
	headerDeadline   = "X-Fc-Function-Deadline" // Unix milliseconds
	headerRetryCount = "X-Fc-Retry-Count"
	headerBaggage    = "X-Fc-Tracing-Opentracing-Span-Baggages" // a JSON object in base64
)

// completeHeader replaces headers that the SDK could not parse: the time of a call by
// what the others say, else by timeout; what is optional by nothing.
func completeHeader(h http.Header, now time.Time, timeout time.Duration) {
	own, given := timeoutOf(h)
	if given {
		timeout = own
	}
	milliseconds, err := strconv.ParseInt(h.Get(headerDeadline), 10, 64)
	switch latest := now.Add(maxTimeout * time.Second).UnixMilli(); {
	case err != nil, milliseconds <= 0, milliseconds > latest:
		h.Set(headerDeadline, strconv.FormatInt(now.Add(timeout).UnixMilli(), 10))
	case !given:
		timeout = time.UnixMilli(milliseconds).Sub(now)
	}
	h.Set(headerTimeout, strconv.Itoa(max(1, int(timeout.Seconds()))))
	if _, err := strconv.Atoi(h.Get(headerRetryCount)); err != nil {
		h.Del(headerRetryCount)
	}
	baggage, err := base64.StdEncoding.DecodeString(h.Get(headerBaggage))
	if err != nil || json.Unmarshal(baggage, &map[string]string{}) != nil {
		h.Del(headerBaggage)
	}
}
