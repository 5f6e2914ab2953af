package emulator_test

import (
	"bytes"
	"context"
	"fmt"
	"hash/crc64"
	"io"
	"maps"
	"math/rand/v2"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	sdkoss "github.com/aliyun/alibabacloud-oss-go-sdk-v2/oss"

	"github.com/mediasweep/mediasweep/internal/emulator"
)

// awkwardKeys break careless escaping, routing or ordering.
var awkwardKeys = []string{
	"a b", "a+b", "a%2Fb", "a%b", "a,b", "a&b=c", "a?b#c", "a//b", "a/./b/../c", "a/", "~*'()!$;:@[]", "back\\slash",
	"ü", "发布会 2026.mp4", "🎬", "<tag>&\"quote\"", ".", "..", strings.Repeat("长", 341),
}

func put(ctx context.Context, c *sdkoss.Client, bucket, key, body string, set func(*sdkoss.PutObjectRequest)) (*sdkoss.PutObjectResult, error) {
	r := &sdkoss.PutObjectRequest{Bucket: &bucket, Key: &key, Body: strings.NewReader(body)}
	if set != nil {
		set(r)
	}
	return c.PutObject(ctx, r)
}

func get(ctx context.Context, c *sdkoss.Client, bucket, key string, set func(*sdkoss.GetObjectRequest)) (string, *sdkoss.GetObjectResult, error) {
	r := &sdkoss.GetObjectRequest{Bucket: &bucket, Key: &key}
	if set != nil {
		set(r)
	}
	answer, err := c.GetObject(ctx, r)
	if err != nil {
		return "", nil, err
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	return string(body), answer, err
}

func TestAwkwardKeys(t *testing.T) {
	e := start(t, emulator.Config{})
	c := ossClient(e)
	for _, key := range awkwardKeys {
		if _, err := put(t.Context(), c, "ops", key, key, nil); err != nil {
			t.Errorf("put %q: %v", key, err)
		}
		body, _, err := get(t.Context(), c, "ops", key, nil)
		if err != nil || body != key {
			t.Errorf("get %q: %q, %v", key, body, err)
		}
		if _, err := c.HeadObject(t.Context(), &sdkoss.HeadObjectRequest{Bucket: sdkoss.Ptr("ops"), Key: &key}); err != nil {
			t.Errorf("head %q: %v", key, err)
		}
	}
	var listed []string
	p := c.NewListObjectsV2Paginator(&sdkoss.ListObjectsV2Request{Bucket: sdkoss.Ptr("ops"), MaxKeys: 4})
	for p.HasNext() {
		page, err := p.NextPage(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, o := range page.Contents {
			listed = append(listed, *o.Key)
		}
	}
	want := slices.Sorted(slices.Values(awkwardKeys))
	if !slices.Equal(listed, want) {
		t.Errorf("listed %q, want %q", listed, want)
	}
	for _, key := range awkwardKeys {
		r, err := c.DeleteObject(t.Context(), &sdkoss.DeleteObjectRequest{Bucket: sdkoss.Ptr("ops"), Key: &key})
		if err != nil || r.StatusCode != http.StatusNoContent {
			t.Errorf("delete %q: %v", key, err)
		}
	}
	if left := e.Objects("ops"); len(left) > 0 {
		t.Errorf("%d objects left", len(left))
	}
	noViolations(t, e)
}

func TestListObjectsV2(t *testing.T) {
	modified := time.Date(2024, 5, 18, 5, 45, 43, 999e6, time.UTC)
	e := start(t, emulator.Config{})
	for _, key := range []string{"a", "b/", "b/1", "b/2", "b/c/3", "b+", "d"} {
		e.PutObject("ops", key, []byte("x"), modified)
	}
	c := ossClient(e)
	tests := []struct {
		name string
		set  func(*sdkoss.ListObjectsV2Request)
		want string // keys, then common prefixes
	}{
		{"all", func(*sdkoss.ListObjectsV2Request) {}, "[a b+ b/ b/1 b/2 b/c/3 d] []"},
		{"prefix", func(r *sdkoss.ListObjectsV2Request) { r.Prefix = sdkoss.Ptr("b/") }, "[b/ b/1 b/2 b/c/3] []"},
		{"prefix with plus", func(r *sdkoss.ListObjectsV2Request) { r.Prefix = sdkoss.Ptr("b+") }, "[b+] []"},
		{"start after", func(r *sdkoss.ListObjectsV2Request) { r.StartAfter = sdkoss.Ptr("b/1") }, "[b/2 b/c/3 d] []"},
		{"start after what is not there", func(r *sdkoss.ListObjectsV2Request) { r.StartAfter = sdkoss.Ptr("b/10") }, "[b/2 b/c/3 d] []"},
		{"delimiter", func(r *sdkoss.ListObjectsV2Request) { r.Delimiter = sdkoss.Ptr("/") }, "[a b+ d] [b/]"},
		{"delimiter and prefix", func(r *sdkoss.ListObjectsV2Request) { r.Delimiter, r.Prefix = sdkoss.Ptr("/"), sdkoss.Ptr("b/") }, "[b/ b/1 b/2] [b/c/]"},
		{"nothing", func(r *sdkoss.ListObjectsV2Request) { r.Prefix = sdkoss.Ptr("z") }, "[] []"},
	}
	for _, tt := range tests {
		for _, size := range []int32{1, 2, 1000} {
			t.Run(fmt.Sprintf("%s by %d", tt.name, size), func(t *testing.T) {
				r := &sdkoss.ListObjectsV2Request{Bucket: sdkoss.Ptr("ops"), MaxKeys: size}
				tt.set(r)
				keys, prefixes := []string{}, []string{}
				for p := c.NewListObjectsV2Paginator(r); p.HasNext(); {
					page, err := p.NextPage(t.Context())
					if err != nil {
						t.Fatal(err)
					}
					if page.KeyCount != len(page.Contents)+len(page.CommonPrefixes) || page.KeyCount > int(size) {
						t.Errorf("page of %d", page.KeyCount)
					}
					for _, o := range page.Contents {
						keys = append(keys, *o.Key)
						if !o.LastModified.Equal(modified.Truncate(time.Second)) || o.Size != 1 || *o.StorageClass != "Standard" || *o.Type != "Normal" ||
							*o.ETag != `"9DD4E461268C8034F5C8564E155C67A6"` {
							t.Errorf("object %+v", o)
						}
					}
					for _, p := range page.CommonPrefixes {
						prefixes = append(prefixes, *p.Prefix)
					}
				}
				if got := fmt.Sprint(keys, prefixes); got != tt.want {
					t.Errorf("%s, want %s", got, tt.want)
				}
			})
		}
	}
	t.Run("default page", func(t *testing.T) {
		for i := range 101 {
			e.PutObject("many", fmt.Sprint(i), nil, modified)
		}
		page, err := c.ListObjectsV2(t.Context(), &sdkoss.ListObjectsV2Request{Bucket: sdkoss.Ptr("many"), FetchOwner: true})
		if err != nil || page.KeyCount != 100 || !page.IsTruncated || page.Contents[0].Owner == nil {
			t.Errorf("%+v, %v", page, err)
		}
	})
	noViolations(t, e)
	for name, test := range map[string]struct {
		request sdkoss.ListObjectsV2Request
		want    string
	}{
		"page too large": {sdkoss.ListObjectsV2Request{Bucket: sdkoss.Ptr("ops"), MaxKeys: 1001}, "400 InvalidArgument"},
		"made-up token":  {sdkoss.ListObjectsV2Request{Bucket: sdkoss.Ptr("ops"), ContinuationToken: sdkoss.Ptr("?")}, "400 InvalidArgument"},
		"no such bucket": {sdkoss.ListObjectsV2Request{Bucket: sdkoss.Ptr("nowhere")}, "404 NoSuchBucket"},
	} {
		_, err := c.ListObjectsV2(t.Context(), &test.request)
		if got := ossCode(err); got != test.want {
			t.Errorf("%s: %s, want %s", name, got, test.want)
		}
	}
}

// Where upper and lower case count alike, pages and prefixes still have every key once.
func TestFoldedOrder(t *testing.T) {
	e := start(t, emulator.Config{OSS: emulator.OSSOptions{FoldedOrder: true}})
	keys := []string{"A/1", "a/1", "A/2", "a/2", "b", "B", "c/X", "C/x"}
	for _, key := range keys {
		e.PutObject("ops", key, nil, time.Now())
	}
	for prefix, want := range map[string][]string{"": {"A/1", "a/1", "A/2", "a/2", "B", "b", "C/x", "c/X"}, "a/": {"a/1", "a/2"}, "C": {"C/x"}} {
		p := ossClient(e).NewListObjectsV2Paginator(&sdkoss.ListObjectsV2Request{Bucket: sdkoss.Ptr("ops"), Prefix: &prefix, MaxKeys: 3})
		var got []string
		for p.HasNext() {
			page, err := p.NextPage(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			for _, o := range page.Contents {
				got = append(got, *o.Key)
			}
		}
		if !slices.Equal(got, want) {
			t.Errorf("%q: %q, want %q", prefix, got, want)
		}
	}
}

func TestGetObject(t *testing.T) {
	modified := time.Date(2024, 5, 18, 5, 45, 43, 0, time.UTC)
	e := start(t, emulator.Config{})
	e.PutObject("ops", "k", []byte("0123456789"), modified)
	c := ossClient(e)
	const etag, other = `"781E5E245D69B566979B86E28D23F2C7"`, `"00000000000000000000000000000000"`
	standard := sdkoss.Ptr("standard")
	tests := []struct {
		name string
		set  func(*sdkoss.GetObjectRequest)
		body string
		code string
	}{
		{"whole", func(*sdkoss.GetObjectRequest) {}, "0123456789", ""},
		{"range", func(r *sdkoss.GetObjectRequest) { r.Range = sdkoss.Ptr("bytes=2-4") }, "234", ""},
		{"open range", func(r *sdkoss.GetObjectRequest) { r.Range = sdkoss.Ptr("bytes=7-") }, "789", ""},
		{"suffix", func(r *sdkoss.GetObjectRequest) { r.Range = sdkoss.Ptr("bytes=-2") }, "89", ""},
		{"range beyond the end", func(r *sdkoss.GetObjectRequest) { r.Range = sdkoss.Ptr("bytes=20-30") }, "0123456789", ""},
		{"range over the end", func(r *sdkoss.GetObjectRequest) { r.Range = sdkoss.Ptr("bytes=8-30") }, "0123456789", ""},
		{"standard, over the end", func(r *sdkoss.GetObjectRequest) {
			r.Range, r.RangeBehavior = sdkoss.Ptr("bytes=8-30"), standard
		}, "89", ""},
		{"standard, beyond the end", func(r *sdkoss.GetObjectRequest) {
			r.Range, r.RangeBehavior = sdkoss.Ptr("bytes=10-"), standard
		}, "", "416 InvalidRange"},
		{"no range", func(r *sdkoss.GetObjectRequest) { r.Range = sdkoss.Ptr("lines=1-2") }, "0123456789", ""},
		{"match", func(r *sdkoss.GetObjectRequest) { r.IfMatch = sdkoss.Ptr(etag) }, "0123456789", ""},
		{"no match", func(r *sdkoss.GetObjectRequest) { r.IfMatch = sdkoss.Ptr(other) }, "", "412 PreconditionFailed"},
		{"changed", func(r *sdkoss.GetObjectRequest) { r.IfNoneMatch = sdkoss.Ptr(other) }, "0123456789", ""},
		{"unchanged", func(r *sdkoss.GetObjectRequest) { r.IfNoneMatch = sdkoss.Ptr(etag) }, "", "304 BadErrorResponse"},
		{"missing", func(r *sdkoss.GetObjectRequest) { r.Key = sdkoss.Ptr("none") }, "", "404 NoSuchKey"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			body, answer, err := get(t.Context(), c, "ops", "k", tt.set)
			if body != tt.body || ossCode(err) != tt.code {
				t.Errorf("%q %v, want %q %s", body, err, tt.body, tt.code)
			}
			if err == nil && (*answer.ETag != etag || !answer.LastModified.Equal(modified) || answer.Headers.Get("x-oss-request-id") == "" ||
				answer.Headers.Get("Server") != "AliyunOSS" || answer.Headers.Get("Date") == "") {
				t.Errorf("headers %v", answer.Headers)
			}
		})
	}
	t.Run("a source without its bytes", func(t *testing.T) {
		m := e.Add(emulator.Medium{Size: "1000000"})
		head, err := c.HeadObject(t.Context(), &sdkoss.HeadObjectRequest{Bucket: &m.Bucket, Key: &m.Key})
		if err != nil || head.ContentLength != 1000000 || head.HashCRC64 != nil {
			t.Errorf("%+v, %v", head, err)
		}
		if body, _, err := get(t.Context(), c, m.Bucket, m.Key, nil); err != nil || len(body) != 1000000 || strings.Trim(body, "\x00") != "" {
			t.Errorf("%d bytes, %v", len(body), err)
		}
	})
	noViolations(t, e)
}

func TestPutObject(t *testing.T) {
	e := start(t, emulator.Config{})
	c := ossClient(e)
	create := func(r *sdkoss.PutObjectRequest) { r.ForbidOverwrite = sdkoss.Ptr("true") }
	r, err := put(t.Context(), c, "ops", "k", "1", func(r *sdkoss.PutObjectRequest) {
		create(r)
		r.ContentType, r.Metadata = sdkoss.Ptr("text/plain"), map[string]string{"run": "7"}
	})
	if err != nil {
		t.Fatal(err)
	}
	crc := strconv.FormatUint(crc64.Checksum([]byte("1"), crc64.MakeTable(crc64.ECMA)), 10)
	if *r.HashCRC64 != crc || *r.ETag != `"C4CA4238A0B923820DCC509A6F75849B"` {
		t.Errorf("put %+v", r)
	}
	if _, answer, err := get(t.Context(), c, "ops", "k", nil); err != nil || *answer.ContentType != "text/plain" || answer.Metadata["run"] != "7" {
		t.Errorf("get %+v, %v", answer, err)
	}
	steps := []struct {
		name, versioning string
		set              func(*sdkoss.PutObjectRequest)
		want             string
	}{
		{"create what exists", "", create, "409 FileAlreadyExists"},
		{"overwrite", "", nil, ""},
		{"create with versioning", "Enabled", create, ""},
		{"create with versioning suspended", "Suspended", create, ""},
	}
	for _, step := range steps {
		e.PutBucket("ops", step.versioning)
		_, err := put(t.Context(), c, "ops", "k", "2", step.set)
		if got := ossCode(err); got != step.want {
			t.Errorf("%s: %s, want %s", step.name, got, step.want)
		}
	}
	noViolations(t, e)
	mistakes := []struct {
		name string
		set  func(*sdkoss.PutObjectRequest)
		want string
	}{
		{"compare and swap", func(r *sdkoss.PutObjectRequest) { r.Headers = map[string]string{"If-Match": *r.Key} }, "400 NotImplemented"},
		{"create only, as elsewhere", func(r *sdkoss.PutObjectRequest) { r.Headers = map[string]string{"If-None-Match": "*"} }, "400 NotImplemented"},
		{"neither true nor false", func(r *sdkoss.PutObjectRequest) { r.ForbidOverwrite = sdkoss.Ptr("yes") }, "400 InvalidArgument"},
		{"wrong digest", func(r *sdkoss.PutObjectRequest) { r.ContentMD5 = sdkoss.Ptr("AAAAAAAAAAAAAAAAAAAAAA==") }, "400 InvalidDigest"},
		{"slash first", func(r *sdkoss.PutObjectRequest) { r.Key = sdkoss.Ptr("/k") }, "400 InvalidObjectName"},
		{"1024 bytes", func(r *sdkoss.PutObjectRequest) { r.Key = sdkoss.Ptr(strings.Repeat("k", 1024)) }, "400 InvalidObjectName"},
	}
	for i, tt := range mistakes {
		_, err := put(t.Context(), c, "ops", "k", "3", tt.set)
		if got := ossCode(err); got != tt.want {
			t.Errorf("%s: %s, want %s", tt.name, got, tt.want)
		}
		if n := len(e.Violations()); n != i+1 {
			t.Errorf("%s: %d violations, want %d", tt.name, n, i+1)
		}
	}
}

func TestGetBucketVersioning(t *testing.T) {
	e := start(t, emulator.Config{})
	c := ossClient(e)
	for _, want := range []string{"", "Enabled", "Suspended"} {
		e.PutBucket("ops", want)
		r, err := c.GetBucketVersioning(t.Context(), &sdkoss.GetBucketVersioningRequest{Bucket: sdkoss.Ptr("ops")})
		if err != nil || sdkoss.ToString(r.VersionStatus) != want {
			t.Errorf("%+v, %v, want %q", r, err, want)
		}
	}
	noViolations(t, e)
}

func TestAppendObject(t *testing.T) {
	e := start(t, emulator.Config{})
	e.PutObject("ops", "normal", nil, time.Now())
	c := ossClient(e)
	add := func(key string, position int64, body string) (*sdkoss.AppendObjectResult, error) {
		return c.AppendObject(t.Context(), &sdkoss.AppendObjectRequest{
			Bucket: sdkoss.Ptr("ops"), Key: &key, Position: &position, Body: strings.NewReader(body), InitHashCRC64: nil,
		})
	}
	steps := []struct {
		name, key string
		position  int64
		body      string
		next      int64
		want      string
	}{
		{"create in the middle", "log", 1, "x", 0, "409 PositionNotEqualToLength"},
		{"create", "log", 0, "one\n", 4, ""},
		{"again", "log", 0, "one\n", 4, "409 PositionNotEqualToLength"},
		{"more", "log", 4, "two\n", 8, ""},
		{"nothing", "log", 8, "", 8, ""},
		{"to a normal object", "normal", 0, "x", 0, "409 ObjectNotAppendable"},
	}
	for _, step := range steps {
		r, err := add(step.key, step.position, step.body)
		if got := ossCode(err); got != step.want {
			t.Errorf("%s: %s, want %s", step.name, got, step.want)
		}
		if err == nil && r.NextPosition != step.next {
			t.Errorf("%s: next %d, want %d", step.name, r.NextPosition, step.next)
		}
	}
	body, answer, err := get(t.Context(), c, "ops", "log", nil)
	if err != nil || body != "one\ntwo\n" || answer.Headers.Get("x-oss-object-type") != "Appendable" || answer.Headers.Get("x-oss-next-append-position") != "8" {
		t.Errorf("%q, %+v, %v", body, answer, err)
	}
	noViolations(t, e)
}

func TestDeleteObject(t *testing.T) {
	e := start(t, emulator.Config{})
	c := ossClient(e)
	e.PutObject("ops", "k", nil, time.Now())
	for _, versioning := range []string{"", "Enabled"} {
		e.PutBucket("ops", versioning)
		r, err := c.DeleteObject(t.Context(), &sdkoss.DeleteObjectRequest{Bucket: sdkoss.Ptr("ops"), Key: sdkoss.Ptr("k")})
		if err != nil || r.StatusCode != http.StatusNoContent || r.DeleteMarker != (versioning == "Enabled") {
			t.Errorf("%+v, %v", r, err)
		}
	}
	noViolations(t, e)
}

// A source must stay, also after the deletion of its medium.
func TestChangesToASource(t *testing.T) {
	e := start(t, emulator.Config{})
	c := ossClient(e)
	m := e.Add(emulator.Medium{Deleted: true})
	position := int64(0)
	changes := []func() error{
		func() error { _, err := put(t.Context(), c, m.Bucket, m.Key, "x", nil); return err },
		func() error {
			_, err := c.AppendObject(t.Context(), &sdkoss.AppendObjectRequest{Bucket: &m.Bucket, Key: &m.Key, Position: &position, Body: bytes.NewReader(nil)})
			return err
		},
		func() error {
			_, err := c.DeleteObject(t.Context(), &sdkoss.DeleteObjectRequest{Bucket: &m.Bucket, Key: &m.Key})
			return err
		},
		func() error {
			_, err := c.DeleteMultipleObjects(t.Context(), &sdkoss.DeleteMultipleObjectsRequest{Bucket: &m.Bucket, Objects: []sdkoss.DeleteObject{{Key: &m.Key}}})
			return err
		},
	}
	want := []string{"", "409 ObjectNotAppendable", "", "405 MethodNotAllowed"}
	for i, change := range changes {
		if got := ossCode(change()); got != want[i] {
			t.Errorf("change %d: %s, want %s", i, got, want[i])
		}
		if n := len(e.Violations()); n != i+1 {
			t.Errorf("after change %d: violations %q", i, e.Violations())
		}
	}
}

func TestOSSAuthentication(t *testing.T) {
	e := start(t, emulator.Config{})
	env := e.Env()
	list := func(env map[string]string) string {
		_, err := ossClientWith(env, 1).ListObjectsV2(t.Context(), &sdkoss.ListObjectsV2Request{Bucket: sdkoss.Ptr("ops")})
		return ossCode(err)
	}
	for _, tt := range []struct{ name, value, want string }{
		{"ALIBABA_CLOUD_ACCESS_KEY_ID", "STS.nobody", "403 InvalidAccessKeyId"},
		{"ALIBABA_CLOUD_ACCESS_KEY_SECRET", "x", "403 SignatureDoesNotMatch"},
		{"ALIBABA_CLOUD_SECURITY_TOKEN", "x", "403 InvalidSecurityToken"},
		{"ALIBABA_CLOUD_SECURITY_TOKEN", "", "403 InvalidSecurityToken"},
		{"MEDIASWEEP_REGION", "cn-beijing", "400 InvalidArgument"},
	} {
		t.Run(tt.name+"="+tt.value, func(t *testing.T) {
			changed := e.Env()
			changed[tt.name] = tt.value
			if got := list(changed); got != tt.want {
				t.Errorf("%s, want %s", got, tt.want)
			}
		})
	}
	noViolations(t, e)
	t.Run("expired token", func(t *testing.T) {
		e.ExpireToken()
		if got := list(env); got != "403 SecurityTokenExpired" {
			t.Error(got)
		}
		if got := list(e.Env()); got != "" {
			t.Error(got)
		}
	})
	t.Run("unsigned", func(t *testing.T) {
		r, err := http.Get(e.URL() + "/ops/k")
		if err != nil {
			t.Fatal(err)
		}
		defer r.Body.Close()
		if r.StatusCode != http.StatusForbidden || len(e.Violations()) != 1 {
			t.Errorf("%s, violations %q", r.Status, e.Violations())
		}
	})
	t.Run("skewed clock", func(t *testing.T) {
		e := start(t, emulator.Config{Now: func() time.Time { return time.Now().Add(-20 * time.Minute) }})
		if got := list(e.Env()); got != "403 RequestTimeTooSkewed" {
			t.Error(got)
		}
		// The SDK corrects its clock by the header Date, and tries again.
		if _, _, err := get(t.Context(), ossClientWith(e.Env(), 2), "ops", "none", nil); ossCode(err) != "404 NoSuchKey" {
			t.Error(err)
		}
	})
	t.Run("additional headers", func(t *testing.T) {
		e := start(t, emulator.Config{})
		env := e.Env()
		c := sdkoss.NewClient(sdkoss.LoadDefaultConfig().WithRegion(env["MEDIASWEEP_REGION"]).WithEndpoint(e.URL()).
			WithCredentialsProvider(ossProvider(env)).WithRetryMaxAttempts(1).WithAdditionalHeaders([]string{"range", "if-match"}))
		e.PutObject("ops", "k", []byte("0123"), time.Now())
		body, _, err := get(t.Context(), c, "ops", "k", func(r *sdkoss.GetObjectRequest) { r.Range = sdkoss.Ptr("bytes=1-2") })
		if body != "12" || err != nil {
			t.Errorf("%q, %v", body, err)
		}
	})
}

// A bucket lists its keys in order, whatever was added and removed since the last listing.
func TestKeysStayInOrder(t *testing.T) {
	e := start(t, emulator.Config{})
	random := rand.New(rand.NewPCG(1, 2))
	written := map[string]bool{}
	for range 3000 {
		key := fmt.Sprint(random.IntN(100))
		switch random.IntN(5) {
		case 0, 1:
			e.PutObject("ops", key, nil, time.Now())
			written[key] = true
		case 2, 3:
			e.RemoveObject("ops", key)
			delete(written, key)
		default:
			var keys []string
			for _, o := range e.Objects("ops") {
				keys = append(keys, o.Key)
			}
			if want := slices.Sorted(maps.Keys(written)); !slices.Equal(keys, want) {
				t.Fatalf("%q, want %q", keys, want)
			}
		}
	}
}
