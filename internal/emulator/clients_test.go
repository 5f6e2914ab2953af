package emulator_test

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/aliyun/alibaba-cloud-sdk-go/services/mts"
	sdkoss "github.com/aliyun/alibabacloud-oss-go-sdk-v2/oss"

	"github.com/mediasweep/mediasweep/internal/emulator"
)

// hostClient sends everything to an emulator, whatever host a URL names.
func hostClient(e *emulator.Emulator) *http.Client {
	return &http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, network, strings.TrimPrefix(e.URL(), "http://"))
	}}}
}

// ossForms are the ways in which a client may name a bucket and sign.
func ossForms(e *emulator.Emulator) map[string]func(*sdkoss.Config) {
	byHost := func(endpoint string) func(*sdkoss.Config) {
		return func(c *sdkoss.Config) { c.WithEndpoint(endpoint).WithHttpClient(hostClient(e)) }
	}
	v1 := func(form func(*sdkoss.Config)) func(*sdkoss.Config) {
		return func(c *sdkoss.Config) { form(c); c.WithSignatureVersion(sdkoss.SignatureVersionV1) }
	}
	path := func(*sdkoss.Config) {}
	return map[string]func(*sdkoss.Config){
		"path, V4": path, "path, V1": v1(path),
		"host, V4": byHost("http://oss-cn-shanghai.aliyuncs.com"), "host, V1": v1(byHost("http://oss-cn-shanghai.aliyuncs.com")),
		"internal host": byHost("http://oss-cn-shanghai-internal.aliyuncs.com"), "localhost": v1(byHost("http://localhost:4711")),
	}
}

func formedClient(env map[string]string, form func(*sdkoss.Config)) *sdkoss.Client {
	c := sdkoss.LoadDefaultConfig().WithRegion(env["MEDIASWEEP_REGION"]).WithEndpoint(env["MEDIASWEEP_OSS_ENDPOINT"]).
		WithCredentialsProvider(ossProvider(env)).WithRetryMaxAttempts(1)
	form(c)
	return sdkoss.NewClient(c)
}

func TestOSSForms(t *testing.T) {
	for name, form := range ossForms(start(t, emulator.Config{})) {
		t.Run(name, func(t *testing.T) {
			e := start(t, emulator.Config{})
			form = ossForms(e)[name]
			c := formedClient(e.Env(), form)
			for _, key := range awkwardKeys {
				if _, err := put(t.Context(), c, "ops", key, key, nil); err != nil {
					t.Fatalf("put %q: %v", key, err)
				}
				if body, _, err := get(t.Context(), c, "ops", key, nil); body != key || err != nil {
					t.Errorf("get %q: %q, %v", key, body, err)
				}
			}
			listed := 0
			for p := c.NewListObjectsV2Paginator(&sdkoss.ListObjectsV2Request{Bucket: sdkoss.Ptr("ops"), MaxKeys: 7}); p.HasNext(); {
				page, err := p.NextPage(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				listed += len(page.Contents)
			}
			if listed != len(awkwardKeys) {
				t.Errorf("%d objects listed of %d", listed, len(awkwardKeys))
			}
			presigned, err := c.Presign(t.Context(), &sdkoss.GetObjectRequest{Bucket: sdkoss.Ptr("ops"), Key: sdkoss.Ptr("a b")})
			if err != nil {
				t.Fatal(err)
			}
			if status, body := fetch(t, e, presigned.URL); status != http.StatusOK || body != "a b" {
				t.Errorf("presigned: %d %s", status, body)
			}
			if status, body := fetch(t, e, strings.Replace(presigned.URL, "a%20b", "a%2Bb", 1)); status != http.StatusForbidden || !strings.Contains(body, "SignatureDoesNotMatch") {
				t.Errorf("another key: %d %s", status, body)
			}
			if r, err := c.DeleteObject(t.Context(), &sdkoss.DeleteObjectRequest{Bucket: sdkoss.Ptr("ops"), Key: sdkoss.Ptr("a b")}); err != nil {
				t.Errorf("delete: %v, %v", r, err)
			}
			for variable, want := range map[string]string{
				"ALIBABA_CLOUD_ACCESS_KEY_ID": "403 InvalidAccessKeyId", "ALIBABA_CLOUD_ACCESS_KEY_SECRET": "403 SignatureDoesNotMatch",
				"ALIBABA_CLOUD_SECURITY_TOKEN": "403 InvalidSecurityToken",
			} {
				env := e.Env()
				env[variable] = "x"
				if _, _, err := get(t.Context(), formedClient(env, form), "ops", "a+b", nil); ossCode(err) != want {
					t.Errorf("wrong %s: %v, want %s", variable, err, want)
				}
			}
			noViolations(t, e)
		})
	}
}

// fetch gets a URL as a browser does.
func fetch(t *testing.T, e *emulator.Emulator, address string) (int, string) {
	t.Helper()
	r, err := hostClient(e).Get(address)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	body, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	return r.StatusCode, string(body)
}

func TestExpiredURL(t *testing.T) {
	now := time.Now()
	e := start(t, emulator.Config{Now: func() time.Time { return now.Add(2 * time.Hour) }})
	for _, form := range []string{"path, V4", "path, V1"} {
		presigned, err := formedClient(e.Env(), ossForms(e)[form]).Presign(t.Context(),
			&sdkoss.GetObjectRequest{Bucket: sdkoss.Ptr("ops"), Key: sdkoss.Ptr("k")}, sdkoss.PresignExpires(time.Hour))
		if err != nil {
			t.Fatal(err)
		}
		if status, body := fetch(t, e, presigned.URL); status != http.StatusForbidden || !strings.Contains(body, "Request has expired") {
			t.Errorf("%s: %d %s", form, status, body)
		}
	}
}

// A V4 URL is of now, and its seconds are digits.
func TestForgedURL(t *testing.T) {
	now := time.Now()
	for name, test := range map[string]struct {
		ahead time.Duration
		plus  string
		want  string
	}{
		"as it is":    {0, "", "NoSuchKey"},
		"of tomorrow": {24 * time.Hour, "", "RequestTimeTooSkewed"},
		"with a plus": {0, "%2B", "x-oss-expires is not within"},
	} {
		e := start(t, emulator.Config{Now: func() time.Time { return now.Add(-test.ahead) }})
		presigned, err := formedClient(e.Env(), ossForms(e)["path, V4"]).Presign(t.Context(), &sdkoss.GetObjectRequest{Bucket: sdkoss.Ptr("ops"), Key: sdkoss.Ptr("k")})
		if err != nil {
			t.Fatal(err)
		}
		if _, body := fetch(t, e, strings.Replace(presigned.URL, "x-oss-expires=", "x-oss-expires="+test.plus, 1)); !strings.Contains(body, test.want) {
			t.Errorf("%s: %s", name, body)
		}
	}
}

func TestListObjects(t *testing.T) {
	e := start(t, emulator.Config{})
	for _, key := range []string{"a", "b/1", "b/2", "b/c/3", "b+", "d"} {
		e.PutObject("ops", key, []byte("x"), time.Now())
	}
	for _, size := range []int32{1, 2, 3, 1000} {
		for delimiter, want := range map[string]string{"": "[a b+ b/1 b/2 b/c/3 d] []", "/": "[a b+ d] [b/]"} {
			keys, prefixes := []string{}, []string{}
			p := ossClient(e).NewListObjectsPaginator(&sdkoss.ListObjectsRequest{Bucket: sdkoss.Ptr("ops"), Delimiter: &delimiter, MaxKeys: size})
			for pages := 0; p.HasNext() && pages < 10; pages++ {
				page, err := p.NextPage(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				for _, o := range page.Contents {
					keys = append(keys, *o.Key)
				}
				for _, p := range page.CommonPrefixes {
					prefixes = append(prefixes, *p.Prefix)
				}
			}
			if got := fmt.Sprint(keys, prefixes); got != want {
				t.Errorf("delimiter %q by %d: %s, want %s", delimiter, size, got, want)
			}
		}
	}
	noViolations(t, e)
}

// What is of neither service as it is addressed is refused by the service that it is meant for.
func TestForeignAddresses(t *testing.T) {
	e := start(t, emulator.Config{})
	elsewhere := formedClient(e.Env(), func(c *sdkoss.Config) {
		c.WithEndpoint("http://oss-cn-beijing.aliyuncs.com").WithHttpClient(hostClient(e))
	})
	if _, _, err := get(t.Context(), elsewhere, "ops", "k", nil); ossCode(err) != "403 AccessDenied" {
		t.Errorf("a bucket at the endpoint of another region: %v", err)
	}
	if _, err := ossClient(e).ListBuckets(t.Context(), &sdkoss.ListBucketsRequest{}); ossCode(err) != "405 MethodNotAllowed" {
		t.Errorf("ListBuckets: %v", err)
	}
	for host, want := range map[string]string{
		"films.example.org": "InvalidHost", ".localhost": "InvalidHost", "aliyuncs.com": "InvalidHost", "mts.cn-beijing.aliyuncs.com": "InvalidHost", "127.0.0.1.example.org": "InvalidHost",
		"mts.cn-shanghai.aliyuncs.com": "MissingAction", "MTS-VPC.cn-shanghai.aliyuncs.com:443": "MissingAction", "[::1]:1": "MissingAction", "localhost": "MissingAction", "127.0.0.1:80": "MissingAction",
	} {
		if _, body := fetch(t, e, "http://"+host+"/"); !strings.Contains(body, want) {
			t.Errorf("%s: %s", host, body)
		}
	}
}

// acs3 signs a call of MPS by hand and changes it by tamper after that. It returns
// status and code of the answer.
func acs3(t *testing.T, e *emulator.Emulator, nonce, query, body string, tamper func(*http.Request)) string {
	t.Helper()
	env := e.Env()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, e.URL()+"/?"+query, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	hash := func(s string) string { sum := sha256.Sum256([]byte(s)); return hex.EncodeToString(sum[:]) }
	const form = "application/x-www-form-urlencoded"
	signed := [][2]string{
		{"content-type", form}, {"host", r.Host}, {"x-acs-action", "QueryMediaList"}, {"x-acs-content-sha256", hash(body)},
		{"x-acs-date", time.Now().UTC().Format("2006-01-02T15:04:05Z")}, {"x-acs-security-token", env["ALIBABA_CLOUD_SECURITY_TOKEN"]},
		{"x-acs-signature-nonce", nonce}, {"x-acs-version", "2014-06-18"},
	}
	var names []string
	canonical := "POST\n/\n" + query + "\n"
	for _, h := range signed {
		names = append(names, h[0])
		canonical += h[0] + ":" + h[1] + "\n"
		r.Header.Set(h[0], h[1])
	}
	canonical += "\n" + strings.Join(names, ";") + "\n" + hash(body)
	mac := hmac.New(sha256.New, []byte(env["ALIBABA_CLOUD_ACCESS_KEY_SECRET"]))
	mac.Write([]byte("ACS3-HMAC-SHA256\n" + hash(canonical)))
	r.Header.Set("Authorization", fmt.Sprintf("ACS3-HMAC-SHA256 Credential=%s,SignedHeaders=%s,Signature=%x",
		env["ALIBABA_CLOUD_ACCESS_KEY_ID"], strings.Join(names, ";"), mac.Sum(nil)))
	tamper(r)
	answer, err := http.DefaultTransport.RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	var refused struct{ Code string }
	if err := json.NewDecoder(answer.Body).Decode(&refused); err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(fmt.Sprint(answer.StatusCode, " ", refused.Code))
}

func TestACS3(t *testing.T) {
	e := start(t, emulator.Config{})
	ids := url.Values{"MediaIds": {unknownID}}.Encode()
	set := func(name, value string) func(*http.Request) {
		return func(r *http.Request) { r.Header.Set(name, value) }
	}
	none := func(*http.Request) {}
	tests := []struct {
		name, query, body string
		tamper            func(*http.Request)
		want              string
	}{
		{"parameters in the query", ids, "", none, "200"},
		{"parameters in the body", "", ids, none, "200"},
		{"another query", ids, "", func(r *http.Request) { r.URL.RawQuery += "0" }, "400 SignatureDoesNotMatch"},
		{"another body", "", ids, func(r *http.Request) {
			r.Body, r.ContentLength = io.NopCloser(strings.NewReader(ids+"0")), int64(len(ids)+1)
		}, "400 SignatureDoesNotMatch"},
		{"another operation", ids, "", set("x-acs-action", "DeleteMedia"), "400 SignatureDoesNotMatch"},
		{"another nonce", ids, "", set("x-acs-signature-nonce", "x"), "400 SignatureDoesNotMatch"},
		{"another token", ids, "", set("x-acs-security-token", "x"), "400 SignatureDoesNotMatch"},
		{"another host", ids, "", func(r *http.Request) { r.Host = "mts.cn-shanghai.aliyuncs.com" }, "400 SignatureDoesNotMatch"},
		{"another service's host", ids, "", func(r *http.Request) { r.Host = "ecs.cn-shanghai.aliyuncs.com" }, "404 InvalidHost"},
		{"a header that is not signed", ids, "", set("x-acs-source", "x"), "400 IncompleteSignature"},
		{"the host is not signed", ids, "", func(r *http.Request) {
			r.Header.Set("Authorization", strings.Replace(r.Header.Get("Authorization"), "host;", "", 1))
		}, "400 IncompleteSignature"},
		{"no date", ids, "", set("x-acs-date", ""), "400 Missingx-acs-date"},
		{"another version", ids, "", set("x-acs-version", "2020-01-01"), "400 InvalidVersion"},
		{"no fields", ids, "", set("Authorization", "ACS3-HMAC-SHA256"), "400 IncompleteSignature"},
		{"another key", ids, "", set("Authorization", "ACS3-HMAC-SHA256 Credential=x,SignedHeaders="+
			"host;x-acs-action;x-acs-content-sha256;x-acs-date;x-acs-security-token;x-acs-signature-nonce;x-acs-version"), "404 InvalidAccessKeyId.NotFound"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if got := acs3(t, e, t.Name(), test.query, test.body, test.tamper); got != test.want {
				t.Errorf("%s, want %s", got, test.want)
			}
		})
	}
	if acs3(t, e, "twice", ids, "", none); acs3(t, e, "twice", ids, "", none) != "400 SignatureNonceUsed" {
		t.Error("a nonce can be used twice")
	}
}

// The steps of .ci/clients.cjs, with the SDKs for Go.
func TestGoClients(t *testing.T) {
	e := start(t, emulator.Config{Media: 20})
	mps, oss := mpsClient(t, e), ossClient(e)
	page, err := oss.ListObjectsV2(t.Context(), &sdkoss.ListObjectsV2Request{Bucket: sdkoss.Ptr("media-in"), MaxKeys: 1})
	if err != nil {
		t.Fatal(err)
	}
	known, err := queryURLs(mps, fileURL(*page.Contents[0].Key))
	if err != nil || len(known.MediaList.Media) != 1 {
		t.Fatalf("look-up by URL: %+v, %v", known, err)
	}
	const key = "clients/ü & 'a+b'.mp4"
	if _, err := put(t.Context(), oss, "media-in", key, "film", nil); err != nil {
		t.Fatal(err)
	}
	add := mts.CreateAddMediaRequest()
	add.FileURL, add.Title = fileURL(key), `ü, "&+%2F"`
	added, err := mps.AddMedia(add)
	if err != nil {
		t.Fatal(err)
	}
	read, err := queryMedia(mps, added.Media.MediaId)
	if err != nil || len(read.MediaList.Media) != 1 || read.MediaList.Media[0].Title != add.Title {
		t.Errorf("read back: %+v, %v", read, err)
	}
	if _, err := deleteMedia(mps, added.Media.MediaId); err != nil {
		t.Error(err)
	}
	if read, err = queryMedia(mps, added.Media.MediaId); err != nil || len(read.NonExistMediaIds.MediaId) != 1 {
		t.Errorf("read back what is deleted: %+v, %v", read, err)
	}
	noViolations(t, e)
	for variable, want := range map[string]string{
		"ALIBABA_CLOUD_ACCESS_KEY_ID": "404 InvalidAccessKeyId.NotFound", "ALIBABA_CLOUD_ACCESS_KEY_SECRET": "400 SignatureDoesNotMatch",
	} {
		env := e.Env()
		env[variable] = "x"
		if _, err := queryMedia(mpsClientWith(t, e, env), unknownID); mpsCode(err) != want {
			t.Errorf("wrong %s: %v, want %s", variable, err, want)
		}
	}
}
