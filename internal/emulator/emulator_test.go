package emulator_test

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	sdkerrors "github.com/aliyun/alibaba-cloud-sdk-go/sdk/errors"

	"github.com/aliyun/alibaba-cloud-sdk-go/sdk"
	"github.com/aliyun/alibaba-cloud-sdk-go/sdk/auth/credentials"
	"github.com/aliyun/alibaba-cloud-sdk-go/services/mts"
	sdkoss "github.com/aliyun/alibabacloud-oss-go-sdk-v2/oss"
	osscredentials "github.com/aliyun/alibabacloud-oss-go-sdk-v2/oss/credentials"

	"github.com/mediasweep/mediasweep/internal/emulator"
)

// start serves an emulator for the length of a test.
func start(t *testing.T, cfg emulator.Config) *emulator.Emulator {
	t.Helper()
	e, err := emulator.Start(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := e.Close(); err != nil {
			t.Error(err)
		}
	})
	return e
}

// building serialises the construction of MPS clients, which races inside the
// SDK.
var building sync.Mutex

// mpsClient is a client with the emulator's current credentials, for one
// goroutine.
func mpsClient(t *testing.T, e *emulator.Emulator) *mts.Client {
	t.Helper()
	return mpsClientWith(t, e, e.Env())
}

func mpsClientWith(t *testing.T, e *emulator.Emulator, env map[string]string) *mts.Client {
	t.Helper()
	building.Lock()
	defer building.Unlock()
	c, err := mts.NewClientWithOptions(env["MEDIASWEEP_REGION"], sdk.NewConfig().WithTimeout(5*time.Second),
		credentials.NewStaticSTSCredentialsProvider(env["ALIBABA_CLOUD_ACCESS_KEY_ID"], env["ALIBABA_CLOUD_ACCESS_KEY_SECRET"], env["ALIBABA_CLOUD_SECURITY_TOKEN"]))
	if err != nil {
		t.Fatal(err)
	}
	c.Domain = strings.TrimPrefix(e.URL(), "http://")
	return c
}

// ossClient is a client with the emulator's current credentials that tries once.
func ossClient(e *emulator.Emulator) *sdkoss.Client {
	return ossClientWith(e.Env(), 1)
}

func ossClientWith(env map[string]string, attempts int) *sdkoss.Client {
	return sdkoss.NewClient(sdkoss.LoadDefaultConfig().
		WithRegion(env["MEDIASWEEP_REGION"]).WithEndpoint(env["MEDIASWEEP_OSS_ENDPOINT"]).
		WithCredentialsProvider(ossProvider(env)).WithRetryMaxAttempts(attempts))
}

func ossProvider(env map[string]string) osscredentials.CredentialsProvider {
	return osscredentials.NewStaticCredentialsProvider(
		env["ALIBABA_CLOUD_ACCESS_KEY_ID"], env["ALIBABA_CLOUD_ACCESS_KEY_SECRET"], env["ALIBABA_CLOUD_SECURITY_TOKEN"])
}

// mpsCode is the HTTP status and code of an error of MPS: "400 Throttling.User".
func mpsCode(err error) string {
	if err == nil {
		return ""
	}
	var refused *sdkerrors.ServerError
	if !errors.As(err, &refused) {
		return "not a server error: " + err.Error()
	}
	return strings.TrimSpace(fmt.Sprintf("%d %s", refused.HttpStatus(), refused.ErrorCode()))
}

// ossCode is the same of an error of OSS.
func ossCode(err error) string {
	if err == nil {
		return ""
	}
	var refused *sdkoss.ServiceError
	if !errors.As(err, &refused) {
		return "not a service error: " + err.Error()
	}
	return fmt.Sprintf("%d %s", refused.StatusCode, refused.Code)
}

func deleteMedia(c *mts.Client, ids ...string) (*mts.DeleteMediaResponse, error) {
	r := mts.CreateDeleteMediaRequest()
	r.MediaIds = strings.Join(ids, ",")
	return c.DeleteMedia(r)
}

func queryMedia(c *mts.Client, ids ...string) (*mts.QueryMediaListResponse, error) {
	r := mts.CreateQueryMediaListRequest()
	r.MediaIds = strings.Join(ids, ",")
	return c.QueryMediaList(r)
}

func queryURLs(c *mts.Client, urls ...string) (*mts.QueryMediaListByURLResponse, error) {
	r := mts.CreateQueryMediaListByURLRequest()
	r.FileURLs = strings.Join(urls, ",")
	return c.QueryMediaListByURL(r)
}

// noViolations fails a test whose calls were all correct if the emulator
// disagrees.
func noViolations(t *testing.T, e *emulator.Emulator) {
	t.Helper()
	for _, v := range e.Violations() {
		t.Errorf("violation: %s", v)
	}
}

func TestStartRefuses(t *testing.T) {
	tests := []struct {
		name string
		cfg  emulator.Config
		want string
	}{
		{"all interfaces", emulator.Config{Addr: "0.0.0.0:0"}, "only a loopback IP address"},
		{"every address", emulator.Config{Addr: ":0"}, "only a loopback IP address"},
		{"a name", emulator.Config{Addr: "localhost:0"}, "only a loopback IP address"},
		{"no port", emulator.Config{Addr: "127.0.0.1"}, "missing port"},
		{"negative media", emulator.Config{Media: -1}, "-1 media"},
		{"unknown mode", emulator.Config{MPS: emulator.MPSOptions{UnknownID: "maybe"}}, `"maybe"`},
		{"unknown view", emulator.Config{MPS: emulator.MPSOptions{DeletedView: "x"}}, `"x"`},
		{"unknown form", emulator.Config{MPS: emulator.MPSOptions{URLForm: "x"}}, `"x"`},
		{"bad fault", emulator.Config{Faults: []emulator.Fault{{Operation: "*", Kind: "x"}}}, "unknown kind"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			e, err := emulator.Start(tt.cfg)
			if err == nil {
				_ = e.Close()
			}
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error %v, want one that says %q", err, tt.want)
			}
		})
	}
}

func TestCloseTwice(t *testing.T) {
	e, err := emulator.Start(emulator.Config{})
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := e.Close(); err != nil {
			t.Error(err)
		}
	}
}

// Sixty-four callers at once use both services; the race detector watches.
func TestConcurrentCalls(t *testing.T) {
	e := start(t, emulator.Config{Media: 640, MPS: emulator.MPSOptions{Quota: map[string]int{"DeleteMedia": 1000, "QueryMediaList": 1000}}})
	media := e.Media()
	var wg sync.WaitGroup
	winners := make(chan string, 64)
	for i := range 64 {
		c := mpsClient(t, e)
		o := ossClient(e)
		wg.Go(func() {
			var ids []string
			for _, m := range media[i*10 : i*10+10] {
				ids = append(ids, m.ID)
			}
			if _, err := queryMedia(c, ids...); err != nil {
				t.Error(err)
			}
			if _, err := deleteMedia(c, ids...); err != nil {
				t.Error(err)
			}
			nonce := fmt.Sprint(i)
			_, err := o.PutObject(t.Context(), &sdkoss.PutObjectRequest{
				Bucket: sdkoss.Ptr("ops"), Key: sdkoss.Ptr("lock/1"), Body: strings.NewReader(nonce), ForbidOverwrite: sdkoss.Ptr("true"),
			})
			switch code := ossCode(err); code {
			case "":
				winners <- nonce
			case "409 FileAlreadyExists":
			default:
				t.Errorf("create-only put: %s", code)
			}
			e.Calls()
			e.Media()
		})
	}
	wg.Wait()
	if len(winners) != 1 {
		t.Fatalf("%d callers created one object", len(winners))
	}
	if o, _ := e.Object("ops", "lock/1"); string(o.Body) != <-winners {
		t.Error("the object is not the winner's")
	}
	for _, m := range e.Media() {
		if !m.Deleted {
			t.Fatalf("%s is not deleted", m.ID)
		}
	}
	if n := e.Count()["DeleteMedia"]; n != 64 {
		t.Errorf("%d calls of DeleteMedia recorded, want 64", n)
	}
	noViolations(t, e)
}

func TestCallRecord(t *testing.T) {
	e := start(t, emulator.Config{})
	m := e.Add(emulator.Medium{Key: "clips/a.mp4"})
	c := mpsClient(t, e)
	if _, err := deleteMedia(c, m.ID, "x"); err != nil {
		t.Fatal(err)
	}
	_, err := ossClient(e).HeadObject(t.Context(), &sdkoss.HeadObjectRequest{Bucket: sdkoss.Ptr("media-in"), Key: sdkoss.Ptr("none")})
	if got := ossCode(err); got != "404 NoSuchKey" {
		t.Errorf("head of a missing object: %s", got)
	}
	calls := e.Calls()
	if len(calls) != 2 {
		t.Fatalf("%d calls, want 2", len(calls))
	}
	if c := calls[0]; c.Operation != "DeleteMedia" || c.Status != http.StatusOK || len(c.MediaIDs) != 2 || c.MediaIDs[0] != m.ID || c.Code != "" {
		t.Errorf("recorded %+v", c)
	}
	if c := calls[1]; c.Operation != "HeadObject" || c.Status != http.StatusNotFound || c.Bucket != "media-in" || c.Key != "none" || c.Code != "NoSuchKey" {
		t.Errorf("recorded %+v", c)
	}
}
