package emulator_test

import (
	"strings"
	"sync/atomic"
	"testing"
	"time"

	sdkoss "github.com/aliyun/alibabacloud-oss-go-sdk-v2/oss"

	"github.com/mediasweep/mediasweep/internal/emulator"
)

// A text loses its ETag for a client that takes gzip.
func TestGzip(t *testing.T) {
	e := start(t, emulator.Config{})
	c, text := ossClient(e), strings.Repeat("x", 1<<10)
	if _, err := put(t.Context(), c, "ops", "k", text, func(r *sdkoss.PutObjectRequest) { r.ContentType = sdkoss.Ptr("text/csv") }); err != nil {
		t.Fatal(err)
	}
	for name, headers := range map[string]map[string]string{"gzip": nil, "identity": {"Accept-Encoding": "identity"}} {
		body, answer, err := get(t.Context(), c, "ops", "k", func(r *sdkoss.GetObjectRequest) { r.Headers = headers })
		if err != nil || body != text || (answer.ETag == nil) != (headers == nil) {
			t.Errorf("%s: %d bytes, %+v, %v", name, len(body), answer, err)
		}
	}
}

// A new object can be read before listings show it.
func TestListingDelay(t *testing.T) {
	var ahead atomic.Int64
	e := start(t, emulator.Config{OSS: emulator.OSSOptions{ListingDelay: time.Minute}, Now: func() time.Time { return time.Now().Add(time.Duration(ahead.Load())) }})
	c := ossClient(e)
	if _, err := put(t.Context(), c, "ops", "k", "x", nil); err != nil {
		t.Fatal(err)
	}
	for _, shown := range []int{0, 1} {
		page, err := c.ListObjectsV2(t.Context(), &sdkoss.ListObjectsV2Request{Bucket: sdkoss.Ptr("ops")})
		if err != nil || len(page.Contents) != shown {
			t.Errorf("%d objects, %v; want %d", len(page.Contents), err, shown)
		}
		if body, _, err := get(t.Context(), c, "ops", "k", nil); body != "x" || err != nil {
			t.Errorf("%q, %v", body, err)
		}
		ahead.Store(int64(time.Minute))
	}
}

// Under a retention policy an object changes in no way.
func TestImmutable(t *testing.T) {
	e := start(t, emulator.Config{OSS: emulator.OSSOptions{Immutable: true}})
	c := ossClient(e)
	if _, err := put(t.Context(), c, "ops", "k", "1", nil); err != nil {
		t.Fatal(err)
	}
	_, putErr := put(t.Context(), c, "ops", "k", "2", nil)
	_, deleteErr := c.DeleteObject(t.Context(), &sdkoss.DeleteObjectRequest{Bucket: sdkoss.Ptr("ops"), Key: sdkoss.Ptr("k")})
	for _, err := range []error{putErr, deleteErr} {
		if got := ossCode(err); got != "409 FileImmutable" {
			t.Error(got)
		}
	}
	if o, _ := e.Object("ops", "k"); string(o.Body) != "1" {
		t.Errorf("stored %q", o.Body)
	}
}
