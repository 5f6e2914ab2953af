// Package objects calls OSS through the official SDK, and contains the SDK's traps. It reads, lists, and
// creates objects. It has no call that deletes or overwrites an object.
package objects

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"hash/crc64"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/aliyun/alibabacloud-oss-go-sdk-v2/oss"
	osscredentials "github.com/aliyun/alibabacloud-oss-go-sdk-v2/oss/credentials"

	"github.com/mediasweep/mediasweep/internal/account"
	"github.com/mediasweep/mediasweep/internal/media"
	"github.com/mediasweep/mediasweep/internal/text"
)

// callTimeout bounds one call, including its retries.
const callTimeout = 30 * time.Second

// ErrExists means that an object of this name exists. It was not changed.
var ErrExists = errors.New("the object exists already")

// Error is a failed call. Its text carries no key, token, signature or URL.
type Error struct {
	Op      string
	Code    string // the service's code; empty without an answer
	Status  int    // the HTTP status; 0 without an answer
	Message string
	// RequestID is empty without an answer.
	RequestID string
}

func (e *Error) Error() string {
	message := e.Op + ": "
	if e.Code != "" {
		message += e.Code + ": "
	}
	message += e.Message
	if e.RequestID != "" {
		message += " (request " + e.RequestID + ")"
	}
	return message
}

// Client calls OSS in one account and region. A process should have one, because it holds the
// connections. It is safe for concurrent use.
type Client struct {
	sdk *oss.Client
	// lists is for listings, whose pages take longer than other calls.
	lists *oss.Client
}

// New returns a client. It makes no call.
func New(a account.Account) *Client {
	return &Client{sdk: newSDK(a, 10*time.Second), lists: newSDK(a, pageWait)}
}

// newSDK returns an SDK client. wait bounds the time until an answer starts. Its calls use the
// credentials in their context; see renewing.
func newSDK(a account.Account, wait time.Duration) *oss.Client {
	config := oss.NewConfig().
		WithRegion(a.Region).
		WithHttpClient(&http.Client{
			Transport: &http.Transport{
				DialContext:           a.Dialer(),
				TLSHandshakeTimeout:   5 * time.Second,
				ResponseHeaderTimeout: wait,
				MaxIdleConnsPerHost:   16,
				IdleConnTimeout:       50 * time.Second,
				// A compressed answer of OSS has no ETag.
				DisableCompression: true,
			},
			// A redirect would send a signed request to another host.
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		}).
		WithUserAgent("mediasweep").
		WithLogLevel(oss.LogOff).
		WithCredentialsProvider(osscredentials.CredentialsProviderFunc(func(ctx context.Context) (osscredentials.Credentials, error) {
			current, ok := ctx.Value(credentialsKey{}).(account.Credentials)
			if !ok {
				return osscredentials.Credentials{}, account.ErrNoCredentials
			}
			return osscredentials.Credentials{
				AccessKeyID: current.AccessKeyID, AccessKeySecret: current.AccessKeySecret, SecurityToken: current.SecurityToken,
			}, nil
		}))
	if endpoint := a.OSS; !endpoint.IsZero() {
		// OSS refuses path style. A server on loopback has no bucket hosts.
		config.WithEndpoint(endpoint.URL()).WithUsePathStyle(endpoint.Plain)
	} else {
		config.WithUseInternalEndpoint(a.InFC)
	}
	return oss.NewClient(config)
}

// Session holds the credentials of one run.
type Session struct {
	client      *Client
	credentials *account.Provider
}

// Session returns a session for a run.
func (c *Client) Session(credentials *account.Provider) *Session { return &Session{c, credentials} }

// credentialsKey is the key of a call's credentials in its context.
type credentialsKey struct{}

// renewing makes a call with the current credentials. If OSS rejects them as expired or invalid and
// there are others, it repeats the call once.
func renewing[T any](ctx context.Context, credentials *account.Provider, call func(context.Context) (T, error)) (T, error) {
	for renewed := false; ; renewed = true {
		current, err := credentials.Current()
		if err != nil {
			var none T
			return none, err
		}
		result, err := call(context.WithValue(ctx, credentialsKey{}, current))
		if !credentialsAtFault(err) || !credentials.Refuse(current) || renewed {
			return result, err
		}
	}
}

// credentialsAtFault reports whether the call may succeed with other credentials.
// Source: OSS "HTTP status code 403".
func credentialsAtFault(err error) bool {
	var service *oss.ServiceError
	if !errors.As(err, &service) {
		return false
	}
	switch service.Code {
	case "SecurityTokenExpired", "InvalidSecurityToken", "InvalidAccessKeyId":
		return true
	}
	return false
}

// Create creates an object. It returns ErrExists if the object exists, possibly from an earlier try of
// this call: the SDK repeats a call whose answer was lost. A bucket with versioning overwrites
// the object instead.
func (s *Session) Create(ctx context.Context, object media.Object, body []byte) error {
	call, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	result, err := renewing(call, s.credentials, func(ctx context.Context) (*oss.PutObjectResult, error) {
		return s.client.sdk.PutObject(ctx, &oss.PutObjectRequest{
			Bucket: oss.Ptr(object.Bucket), Key: oss.Ptr(object.Key), ForbidOverwrite: oss.Ptr("true"), Body: bytes.NewReader(body),
		})
	})
	var service *oss.ServiceError
	switch {
	case errors.As(err, &service) && service.Code == "FileAlreadyExists":
		return fmt.Errorf("create %s: %w", object, ErrExists)
	case err != nil:
		return fmt.Errorf("create %s: %w", object, s.plain(ctx, "PutObject", err))
	case result.ETag == nil && result.HashCRC64 == nil:
		// Every answer of OSS has both. A gateway may have answered and stored nothing.
		there, err := s.Read(ctx, object, int64(len(body)))
		if err == nil && !bytes.Equal(there, body) {
			err = errors.New("the object has other content")
		}
		if err != nil {
			return fmt.Errorf("create %s: the answer is not from OSS: %w", object, err)
		}
	}
	return nil
}

// ErrNotFound means that the object does not exist.
var ErrNotFound = errors.New("there is no such object")

// ErrTooLarge means that the object has more bytes than the caller takes.
var ErrTooLarge = errors.New("the object is too large")

// ErrUnchanged means that the object still has the version that the caller knows.
var ErrUnchanged = errors.New("the object has not changed")

// Read returns the content of an object, or ErrTooLarge for more than most bytes.
func (s *Session) Read(ctx context.Context, object media.Object, most int64) ([]byte, error) {
	body, _, err := s.ReadChanged(ctx, object, most, "")
	return body, err
}

// ReadChanged is Read with the version (ETag) of the content. It returns ErrUnchanged, without a
// transfer, for a version that is not empty and still current.
func (s *Session) ReadChanged(ctx context.Context, object media.Object, most int64, version string) ([]byte, string, error) {
	call, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	content := &stream{session: s, ctx: call, object: object, known: version}
	body, err := content.readAll(most)
	if err != nil && ctx.Err() == nil && call.Err() != nil { // callTimeout has passed
		err = fmt.Errorf("read %s: %w", object, &Error{Op: "GetObject", Message: fmt.Sprintf("no answer within %s", callTimeout)})
	}
	return body, oss.ToString(content.etag), err
}

func (s *stream) readAll(most int64) ([]byte, error) {
	if err := s.open(); err != nil {
		return nil, err
	}
	defer s.Close() //nolint:errcheck // only read
	if s.size > most {
		return nil, fmt.Errorf("read %s: %w: it has %d bytes: the limit is %d", s.object, ErrTooLarge, s.size, most)
	}
	body := bytes.NewBuffer(make([]byte, 0, max(0, s.size)+bytes.MinRead))
	_, err := body.ReadFrom(io.LimitReader(s, most+1))
	if err == nil && int64(body.Len()) > most {
		err = fmt.Errorf("read %s: %w: it has more than %d bytes", s.object, ErrTooLarge, most)
	}
	return body.Bytes(), err
}

// Open returns the content of an object as a stream, and its version (ETag). If version is not empty,
// another version is an error. The stream returns an error if the CRC-64 differs, or if the answer
// has neither a CRC-64 nor a length. After a broken connection it continues at the same place, in
// the same version.
func (s *Session) Open(ctx context.Context, object media.Object, version string) (io.ReadCloser, string, error) {
	stream := &stream{session: s, ctx: ctx, object: object}
	if version != "" {
		stream.etag = &version
	}
	if err := stream.open(); err != nil {
		return nil, "", err
	}
	return stream, oss.ToString(stream.etag), nil
}

func (s *Session) get(ctx context.Context, request *oss.GetObjectRequest) (*oss.GetObjectResult, error) {
	return renewing(ctx, s.credentials, func(ctx context.Context) (*oss.GetObjectResult, error) { return s.client.sdk.GetObject(ctx, request) })
}

// streamTries bounds the consecutive reconnections without data. streamIdle bounds the wait for data.
const (
	streamTries = 3
	streamIdle  = 10 * time.Second
)

type stream struct {
	session *Session
	ctx     context.Context //nolint:containedctx // of one read
	object  media.Object
	known   string // open returns ErrUnchanged for this version
	body    io.ReadCloser
	cancel  context.CancelFunc // ends the call of body
	etag    *string
	size    int64  // -1 if unknown
	crc     string // CRC-64 of the object; empty if unknown
	read    int64
	sum     uint64 // CRC-64 of the bytes read
	tries   int    // reconnections since the last data
}

var crcTable = crc64.MakeTable(crc64.ECMA)

// open requests the rest of the object.
func (s *stream) open() error {
	request := &oss.GetObjectRequest{Bucket: oss.Ptr(s.object.Bucket), Key: oss.Ptr(s.object.Key)}
	if request.IfMatch = s.etag; s.etag == nil && s.known != "" {
		request.IfNoneMatch = &s.known
	}
	if s.read > 0 {
		request.Range, request.RangeBehavior = oss.Ptr(fmt.Sprintf("bytes=%d-", s.read)), oss.Ptr("standard")
	}
	ctx, cancel := context.WithCancel(s.ctx)
	waiting := time.AfterFunc(callTimeout, cancel)
	result, err := s.session.get(ctx, request)
	waiting.Stop()
	if err != nil {
		cancel()
	}
	var service *oss.ServiceError
	switch {
	case errors.As(err, &service) && service.Code == "NoSuchKey":
		return fmt.Errorf("read %s: %w", s.object, ErrNotFound)
	case errors.As(err, &service) && service.StatusCode == http.StatusNotModified && request.IfNoneMatch != nil:
		return fmt.Errorf("read %s: %w", s.object, ErrUnchanged)
	case errors.As(err, &service) && service.StatusCode == http.StatusPreconditionFailed:
		return fmt.Errorf("read %s: it has changed while it was read", s.object)
	case err != nil:
		return fmt.Errorf("read %s: %w", s.object, s.session.plain(s.ctx, "GetObject", err))
	case s.read > 0 && result.StatusCode != http.StatusPartialContent, s.etag != nil && oss.ToString(result.ETag) != *s.etag:
		cancel()
		_ = result.Body.Close() // not read
		return fmt.Errorf("read %s: it has changed while it was read", s.object)
	}
	if s.read == 0 {
		s.etag, s.size, s.crc = result.ETag, result.ContentLength, oss.ToString(result.HashCRC64)
		if result.Headers.Get("Content-Length") == "" {
			s.size = -1
		}
	}
	s.body, s.cancel = result.Body, cancel
	return nil
}

// Read reads; see Open.
func (s *stream) Read(p []byte) (int, error) {
	for {
		idle := time.AfterFunc(streamIdle, s.cancel)
		n, err := s.body.Read(p)
		idle.Stop()
		if s.read += int64(n); n > 0 {
			s.sum = crc64.Update(s.sum, crcTable, p[:n])
			s.tries = 0
			return n, nil
		}
		ended := errors.Is(err, io.EOF)
		switch {
		case err == nil:
			return 0, nil
		case ended && s.read >= s.size:
			return 0, s.end()
		case s.ctx.Err() != nil:
			return 0, fmt.Errorf("read %s: %w", s.object, s.ctx.Err())
		case s.tries == streamTries || s.read > 0 && s.etag == nil:
			return 0, fmt.Errorf("read %s: the connection broke after %d bytes", s.object, s.read)
		}
		s.tries++
		_ = s.Close() // the connection is broken
		if err := s.open(); err != nil {
			return 0, err
		}
	}
}

// end returns io.EOF if the stream is verified to be complete.
func (s *stream) end() error {
	switch sum := strconv.FormatUint(s.sum, 10); {
	case s.crc == "" && s.size < 0:
		return fmt.Errorf("read %s: the answer has neither a length nor a CRC-64, and may be cut off: connect to OSS without a proxy", s.object)
	case s.crc != "" && s.crc != sum:
		return fmt.Errorf("read %s: the %d bytes read have the CRC-64 %s, the object has %s: the answer is cut off or damaged", s.object, s.read, sum, text.Quote(s.crc))
	}
	return io.EOF
}

// Close ends the stream.
func (s *stream) Close() error {
	s.cancel()
	return s.body.Close()
}

// Exists reports whether an object exists. It returns false only for the code NoSuchKey of OSS: a proxy
// can answer with status 404 too.
func (s *Session) Exists(ctx context.Context, object media.Object) (bool, error) {
	call, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	op := "HeadObject"
	_, err := renewing(call, s.credentials, func(ctx context.Context) (*oss.HeadObjectResult, error) {
		return s.client.sdk.HeadObject(ctx, &oss.HeadObjectRequest{Bucket: oss.Ptr(object.Bucket), Key: oss.Ptr(object.Key)})
	})
	var service *oss.ServiceError
	if errors.As(err, &service) && (service.StatusCode == http.StatusNotFound && service.Code != "NoSuchKey" ||
		service.StatusCode == http.StatusForbidden && withoutCode(service)) {
		// The answer to HEAD has no body with a code. That to GET has one.
		op = "GetObject"
		var result *oss.GetObjectResult
		result, err = s.get(call, &oss.GetObjectRequest{Bucket: oss.Ptr(object.Bucket), Key: oss.Ptr(object.Key), Range: oss.Ptr("bytes=0-0")})
		if err == nil {
			_ = result.Body.Close() // not read
		}
	}
	switch {
	case errors.As(err, &service) && service.StatusCode == http.StatusNotFound && service.Code == "NoSuchKey":
		return false, nil
	case err != nil:
		return false, fmt.Errorf("check whether %s exists: %w", object, s.plain(ctx, op, err))
	}
	return true, nil
}

// Versioned reports whether versioning of a bucket is or was enabled. OSS then ignores the condition of
// Create.
func (s *Session) Versioned(ctx context.Context, bucket string) (bool, error) {
	call, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	result, err := renewing(call, s.credentials, func(ctx context.Context) (*oss.GetBucketVersioningResult, error) {
		return s.client.sdk.GetBucketVersioning(ctx, &oss.GetBucketVersioningRequest{Bucket: oss.Ptr(bucket)})
	})
	if err != nil {
		return false, fmt.Errorf("check the versioning of %s: %w", bucket, s.plain(ctx, "GetBucketVersioning", err))
	}
	return oss.ToString(result.VersionStatus) != "", nil
}

// withoutCode reports whether an answer is not from OSS. The SDK then quotes its body.
func withoutCode(e *oss.ServiceError) bool { return e.Code == "" || e.Code == "BadErrorResponse" }

// plain converts an error of the SDK into one without secrets. It wraps the error of ctx, which must be
// the caller's, if that has ended.
func (s *Session) plain(ctx context.Context, op string, err error) error {
	if ctx.Err() != nil {
		return fmt.Errorf("%s: %w", op, ctx.Err())
	}
	if errors.Is(err, account.ErrNoCredentials) {
		return err
	}
	var service *oss.ServiceError
	if errors.As(err, &service) {
		if withoutCode(service) {
			return &Error{Op: op, Status: service.StatusCode, Message: fmt.Sprintf("the answer (status %d) is not from OSS", service.StatusCode)}
		}
		return &Error{Op: op, Code: s.credentials.Redact(service.Code), Status: service.StatusCode,
			Message: s.credentials.Redact(service.Message), RequestID: s.credentials.Redact(service.RequestID)}
	}
	var wrapped *url.Error
	if errors.As(err, &wrapped) {
		err = wrapped.Err
	}
	return &Error{Op: op, Message: s.credentials.Redact(err.Error())}
}
