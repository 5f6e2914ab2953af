package objects

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"iter"
	"net/http"
	"strconv"
	"time"

	"github.com/aliyun/alibabacloud-oss-go-sdk-v2/oss"

	"github.com/mediasweep/mediasweep/internal/media"
	"github.com/mediasweep/mediasweep/internal/task"
)

// pageSize is the largest page of one call; the default is 100.
// Source: OSS ListObjectsV2, max-keys.
const pageSize = 1000

// A page of a bucket with many delete markers is slow. pageWait bounds the time until an answer
// starts. pageTimeout bounds a page with its retries.
const (
	pageWait    = 20 * time.Second
	pageTimeout = 60 * time.Second
	pageTries   = 3 // of a page whose answer is no complete listing
	pagePause   = 200 * time.Millisecond
)

// Entry is one object of a listing.
type Entry struct {
	Object   media.Object
	Modified time.Time
	// Listed is the time of the answer, by the clock of OSS.
	Listed time.Time
}

// Entries yields the objects below a prefix whose keys come after another one, in the order of OSS. An
// error is the last value.
func (s *Session) Entries(ctx context.Context, prefix media.Object, after string) iter.Seq2[Entry, error] {
	return func(yield func(Entry, error) bool) {
		// The SDK sends the call. It is not used to decode the XML: that takes 10 µs for each object.
		input := &oss.OperationInput{OpName: "ListObjectsV2", Method: http.MethodGet, Bucket: oss.Ptr(prefix.Bucket), Parameters: map[string]string{
			"list-type": "2", "encoding-type": "url", "max-keys": strconv.Itoa(pageSize)}}
		if prefix.Key != "" {
			input.Parameters["prefix"] = prefix.Key
		}
		if after != "" {
			input.Parameters["start-after"] = after
		}
		last := ""
		var body bytes.Buffer // reused for each page
		var tokens, firstKeys circle
		for number := 1; ; number++ {
			p, err := s.listPage(ctx, input, &body)
			if failed, ok := errors.AsType[*Error](err); ok && failed.Code == "InvalidArgument" && last != "" && input.Parameters["continuation-token"] != "" {
				// How long a token is valid is not documented, and a page may wait for hours to be used.
				delete(input.Parameters, "continuation-token")
				input.Parameters["start-after"] = last
				p, err = s.listPage(ctx, input, &body)
			}
			if err == nil {
				err = p.check(input.Parameters)
			}
			if err == nil && (tokens.closes(p.NextContinuationToken) || len(p.Contents) > 0 && firstKeys.closes(p.Contents[0].Key)) {
				err = p.fault("the continuation tokens repeat: an earlier page is listed again")
			}
			if err != nil {
				yield(Entry{}, fmt.Errorf("list %s: page %d: %w", prefix, number, err))
				return
			}
			for _, content := range p.Contents {
				if content.Key == last {
					continue // the page repeats it
				}
				last = content.Key
				entry := Entry{Object: media.Object{Bucket: prefix.Bucket, Key: content.Key}, Modified: content.LastModified, Listed: p.listed}
				if !yield(entry, nil) {
					return
				}
			}
			if p.NextContinuationToken == "" {
				return
			}
			input.Parameters["continuation-token"] = p.NextContinuationToken
			delete(input.Parameters, "start-after") // which of the two wins is not documented
		}
	}
}

// isMissing reports whether a listing lacks an object that OSS refuses to read. Whether OSS refuses to read an object
// that is missing, if the caller may not list the whole bucket, is not documented.
func (s *Session) isMissing(ctx context.Context, object media.Object) bool {
	for entry, err := range s.Entries(ctx, object, "") {
		if err != nil || entry.Object == object {
			return false
		}
	}
	return true
}

// circle detects a cycle in a sequence of positions in constant memory, by Brent's algorithm.
type circle struct {
	met, next int
	mark      string
}

// closes adds a position, and reports whether a cycle is detected, at the latest after a few rounds. It
// ignores an empty position.
func (c *circle) closes(position string) bool {
	if position == "" {
		return false
	}
	if position == c.mark {
		return true
	}
	if c.met++; c.met >= c.next {
		c.mark, c.next = position, 2*c.met
	}
	return false
}

// listPage reads a page. It repeats a call whose answer is no complete listing.
func (s *Session) listPage(ctx context.Context, input *oss.OperationInput, body *bytes.Buffer) (page, error) {
	call, cancel := context.WithTimeout(ctx, pageTimeout)
	defer cancel()
	for try := 1; ; try++ {
		output, err := renewing(call, s.credentials, func(ctx context.Context) (*oss.OperationOutput, error) {
			return s.client.lists.InvokeOperation(ctx, input)
		})
		switch {
		case err != nil && ctx.Err() == nil && call.Err() != nil:
			return page{}, &Error{Op: "ListObjectsV2", Message: fmt.Sprintf("no answer within %s", pageTimeout)}
		case err != nil: // after the retries of the SDK
			return page{}, s.plain(ctx, "ListObjectsV2", err)
		}
		p, err := readPage(output, body)
		switch {
		case err == nil:
			return p, nil
		case ctx.Err() != nil:
			return page{}, s.plain(ctx, "ListObjectsV2", err)
		case try == pageTries || call.Err() != nil:
			return page{}, p.fault("the answer is not a complete listing: " + s.credentials.Redact(err.Error()))
		}
		_ = task.Sleep(call, time.Duration(try)*pagePause) // the next call returns the error
	}
}
