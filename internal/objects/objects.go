// Package objects calls OSS through the official SDK, and contains the SDK's traps. It reads, lists, and
// creates objects. It has no call that deletes or overwrites an object.
package objects

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/aliyun/alibabacloud-oss-go-sdk-v2/oss"
	osscredentials "github.com/aliyun/alibabacloud-oss-go-sdk-v2/oss/credentials"

	"github.com/mediasweep/mediasweep/internal/account"
	"github.com/mediasweep/mediasweep/internal/media"
)

// callTimeout bounds one call, including its retries.
const callTimeout = 30 * time.Second

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
	if endpoint := a.OSS; endpoint.Host != "" {
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
		current, err := credentials.Current(ctx)
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
	switch code := answerOf(err).Code; {
	case code == "FileAlreadyExists", code == "FileImmutable": // the second under a retention policy of the bucket
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

// Exists reports whether an object exists. It returns false only for the code NoSuchKey of OSS: a proxy
// can answer with status 404 too.
func (s *Session) Exists(ctx context.Context, object media.Object) (bool, error) {
	call, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	op := opHead
	_, err := renewing(call, s.credentials, func(ctx context.Context) (*oss.HeadObjectResult, error) {
		return s.client.sdk.HeadObject(ctx, &oss.HeadObjectRequest{Bucket: oss.Ptr(object.Bucket), Key: oss.Ptr(object.Key)})
	})
	if answer := answerOf(err); answer.StatusCode == http.StatusNotFound && answer.Code != "NoSuchKey" ||
		answer.StatusCode == http.StatusForbidden && withoutCode(answer) {
		// The answer to HEAD has no body with a code. That to GET has one.
		op = "GetObject"
		var result *oss.GetObjectResult
		result, err = s.get(call, &oss.GetObjectRequest{Bucket: oss.Ptr(object.Bucket), Key: oss.Ptr(object.Key), Range: oss.Ptr("bytes=0-0")})
		if err == nil {
			_ = result.Body.Close() // not read
		}
	}
	switch answer := answerOf(err); {
	case answer.StatusCode == http.StatusNotFound && answer.Code == "NoSuchKey":
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
