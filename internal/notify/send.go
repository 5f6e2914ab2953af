package notify

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/mediasweep/mediasweep/internal/task"
)

const (
	// maxAnswer bounds what is read of an answer, in bytes.
	maxAnswer = 16 << 10
	// pause is the time before a busy target is tried again, unless it names one.
	pause = time.Second
)

// newClient returns a client for targets. It follows no redirect and uses no proxy: either would
// carry a URL, which is a secret, elsewhere.
func newClient(dial func(ctx context.Context, network, address string) (net.Conn, error)) *http.Client {
	return &http.Client{
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Transport: &http.Transport{
			DialContext: dial, DisableKeepAlives: true, DisableCompression: true,
			TLSClientConfig: &tls.Config{MinVersion: tls.VersionTLS12}, MaxResponseHeaderBytes: maxAnswer,
		},
	}
}

// busyError is an answer of a target that took no message and may take it later.
type busyError struct {
	error
	after time.Duration
}

// send sends a message to a target within the context's time. A busy target is asked again. Whatever
// may have arrived is not sent again.
func (n *Notifier) send(ctx context.Context, t target, m Message) error {
	for {
		err := n.try(ctx, t, m)
		busy, ok := errors.AsType[busyError](err)
		if !ok {
			return err
		}
		if end, ok := ctx.Deadline(); ok && time.Until(end) <= busy.after {
			return err
		}
		if task.Sleep(ctx, busy.after) != nil {
			return err
		}
	}
}

func (n *Notifier) try(ctx context.Context, t target, m Message) error {
	post, err := t.newRequest(ctx, m, time.Now())
	if err != nil {
		return err
	}
	response, err := n.client.Do(post)
	if err != nil {
		return withoutURL(ctx, err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer))
	if err != nil {
		return withoutURL(ctx, err)
	}
	return t.accepted(response, body)
}

// withoutURL names the kind of a transport error. The error itself shows the URL, and may show what
// the other side sent.
func withoutURL(ctx context.Context, err error) error {
	var name *net.DNSError
	var dial *net.OpError
	var certificate *tls.CertificateVerificationError
	switch {
	case ctx.Err() != nil || errors.Is(err, context.DeadlineExceeded):
		return errors.New("no answer in time: the message may have arrived")
	case errors.As(err, &name):
		return errors.New("the host name cannot be resolved")
	case errors.As(err, &certificate):
		return errors.New("the certificate of the host is not valid")
	case errors.As(err, &dial) && dial.Op == "dial":
		return errors.New("the host cannot be reached")
	}
	return errors.New("the answer was lost: the message may have arrived")
}

// accepted returns nil if an answer says that the message was taken. Status 200 alone proves nothing
// for most targets. The answer's own text is not passed on: it may repeat the request.
func (t target) accepted(response *http.Response, body []byte) error {
	status := response.StatusCode
	switch {
	case status == http.StatusTooManyRequests || status == http.StatusServiceUnavailable:
		return busyError{fmt.Errorf("busy: HTTP status %d", status), retryAfter(response.Header.Get("Retry-After"))}
	case status/100 == 3:
		return fmt.Errorf("HTTP status %d: redirects are not followed", status)
	case status/100 != 2:
		return fmt.Errorf("HTTP status %d", status)
	}
	switch t.kind {
	case slack:
		if strings.TrimSpace(string(body)) != "ok" {
			return errors.New("the answer is not ok")
		}
		return nil
	case dingtalk, wecom:
		return t.codeIn(body, "errcode")
	case feishu:
		return t.codeIn(body, "code", "StatusCode")
	case plain:
	}
	return nil
}

// codeIn reads the code of a JSON answer from the first of several fields that it has. It returns nil for code zero, and
// else says what the code means.
func (t target) codeIn(body []byte, fields ...string) error {
	var answer map[string]json.RawMessage
	if json.Unmarshal(body, &answer) != nil {
		return errors.New("the answer is not JSON: is the URL that of a robot?")
	}
	for _, field := range fields {
		value, ok := answer[field]
		if !ok {
			continue
		}
		code, err := strconv.ParseInt(string(value), 10, 32)
		if err != nil {
			break
		}
		switch known, ok := t.codes()[code]; {
		case code == 0:
			return nil
		case !ok:
			return fmt.Errorf("%s %d", field, code)
		case known.busy:
			return busyError{fmt.Errorf("%s %d: %s", field, code, known.words), pause}
		default:
			return fmt.Errorf("%s %d: %s", field, code, known.words)
		}
	}
	return fmt.Errorf("the answer has no %s", fields[0])
}

// code is a documented code of a target.
type code struct {
	words string
	busy  bool // the message was not taken, and may be later
}

func (t target) codes() map[int64]code {
	switch t.kind {
	case dingtalk:
		return map[int64]code{
			-1: {"busy", true}, 130101: {"too many messages", true}, 310000: {words: "the signature, a keyword or the IP address was refused"},
			300001: {words: "the token was refused"}, 300005: {words: "the token was refused"}, 460101: {words: "too large"},
		}
	case feishu:
		return map[int64]code{11232: {"too many messages", true}, 19021: {words: "the signature or the time was refused"}}
	case wecom:
		return map[int64]code{
			-1: {"busy", true}, 45009: {"too many messages", true}, 93000: {words: "the key was refused"}, 40058: {words: "an argument was refused"},
		}
	case slack, plain:
	}
	return nil
}

// retryAfter reads the seconds of a Retry-After header. Another form is the usual pause.
func retryAfter(value string) time.Duration {
	seconds, err := strconv.ParseUint(value, 10, 16)
	if err != nil {
		return pause
	}
	return max(time.Duration(seconds)*time.Second, 100*time.Millisecond)
}
