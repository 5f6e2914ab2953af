package objects

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"hash/crc64"
	"io"
	"net/http"
	"strconv"
	"time"

	"github.com/aliyun/alibabacloud-oss-go-sdk-v2/oss"

	"github.com/mediasweep/mediasweep/internal/media"
	"github.com/mediasweep/mediasweep/internal/text"
)

// damaged is the error of an answer that is not, or not all of, the object.
type damaged struct{ message string }

func (d *damaged) Error() string { return d.message }

// readAll reads the object, and again after a damaged answer.
func (s *stream) readAll(most int64) (body []byte, err error) {
	for try := 1; ; try++ {
		body, err = s.readOnce(most)
		if _, again := errors.AsType[*damaged](err); !again || try == streamTries || s.ctx.Err() != nil {
			return body, err
		}
		s.progress = progress{}
	}
}

func (s *stream) readOnce(most int64) ([]byte, error) {
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
	progress
}

// progress is the version of the object that is read, and the part of it that was read.
type progress struct {
	body   io.ReadCloser
	cancel context.CancelFunc // ends the call of body
	etag   *string
	size   int64  // -1 if unknown
	crc    string // CRC-64 of the object; empty if unknown
	read   int64
	sum    uint64 // CRC-64 of the bytes read
	tries  int    // reconnections since the last data
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
	switch answer := answerOf(err); {
	case answer.Code == "NoSuchKey", answer.Code == codeDenied && s.session.isMissing(s.ctx, s.object):
		return fmt.Errorf("read %s: %w", s.object, ErrNotFound)
	case answer.StatusCode == http.StatusNotModified && request.IfNoneMatch != nil:
		return fmt.Errorf("read %s: %w", s.object, ErrUnchanged)
	case answer.StatusCode == http.StatusPreconditionFailed:
		return fmt.Errorf("read %s: it has changed while it was read", s.object)
	case err != nil:
		return fmt.Errorf("read %s: %w", s.object, s.session.plain(s.ctx, "GetObject", err))
	case s.read > 0 && result.StatusCode != http.StatusPartialContent, s.etag != nil && oss.ToString(result.ETag) != *s.etag:
		err = fmt.Errorf("read %s: it has changed while it was read", s.object)
	case result.ETag == nil && result.HashCRC64 == nil:
		err = &damaged{fmt.Sprintf("read %s: the answer is not from OSS: it has neither an ETag nor a CRC-64: connect to OSS without a proxy", s.object)}
	}
	if err != nil {
		cancel()
		_ = result.Body.Close() // not read
		return err
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
		return &damaged{fmt.Sprintf("read %s: the %d bytes read have the CRC-64 %s, the object has %s: the answer is cut off or damaged", s.object, s.read, sum, text.Quote(s.crc))}
	}
	return io.EOF
}

// Close ends the stream.
func (s *stream) Close() error {
	s.cancel()
	return s.body.Close()
}
