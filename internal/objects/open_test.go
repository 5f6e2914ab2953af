package objects_test

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aliyun/alibabacloud-oss-go-sdk-v2/oss"
	osscredentials "github.com/aliyun/alibabacloud-oss-go-sdk-v2/oss/credentials"

	"github.com/mediasweep/mediasweep/internal/emulator"
	"github.com/mediasweep/mediasweep/internal/media"
)

// A listing from a key on has each object once, whatever OSS does with the key and a token, and with empty pages.
func TestOpenQuestionsOfListings(t *testing.T) {
	for _, options := range []emulator.OSSOptions{{}, {StartAfterWins: true}, {EmptyPages: true}, {StartAfterWins: true, EmptyPages: true}} {
		t.Run(fmt.Sprintf("%+v", options), func(t *testing.T) {
			e := start(t, emulator.Config{OSS: options})
			for i := range 2500 {
				e.PutObject("media-in", fmt.Sprintf("in/%04d", i), nil, time.Now())
			}
			number := 0
			for entry, err := range session(t, e.Env()).Entries(t.Context(), media.Object{Bucket: "media-in", Key: "in/"}, "in/0099") {
				if want := fmt.Sprintf("in/%04d", 100+number); err != nil || entry.Object.Key != want {
					t.Fatalf("%s, %v; want %s", entry.Object.Key, err, want)
				}
				number++
			}
			if number != 2400 {
				t.Errorf("%d objects, want 2400", number)
			}
		})
	}
}

// A listing that waits goes on although its token has expired.
func TestTokensThatExpire(t *testing.T) {
	var ahead atomic.Int64
	e := start(t, emulator.Config{OSS: emulator.OSSOptions{TokenLife: time.Minute}, Now: func() time.Time { return time.Now().Add(time.Duration(ahead.Load())) }})
	for i := range 2500 {
		e.PutObject("media-in", fmt.Sprintf("in/%04d", i), nil, time.Now())
	}
	number := 0
	for entry, err := range session(t, e.Env()).Entries(t.Context(), media.Object{Bucket: "media-in"}, "") {
		if want := fmt.Sprintf("in/%04d", number); err != nil || entry.Object.Key != want {
			t.Fatalf("%s, %v; want %s", entry.Object.Key, err, want)
		}
		if number++; number == 1500 {
			ahead.Store(int64(2 * time.Minute))
		}
	}
	if pages := e.Count()["ListObjectsV2"]; number != 2500 || pages != 4 {
		t.Errorf("%d objects in %d pages, want 2500 in 4", number, pages)
	}
}

// A compressed answer has no ETag, by which two reads are known to be of one version.
func TestTextsAreReadWithTheirVersion(t *testing.T) {
	e := start(t, emulator.Config{})
	s, list := session(t, e.Env()), media.Object{Bucket: "ops", Key: "list.json"}
	if err := s.Create(t.Context(), list, []byte(strings.Repeat(`{"mediaId":"a"}`+"\n", 100))); err != nil {
		t.Fatal(err)
	}
	if body, version, err := s.ReadChanged(t.Context(), list, 1<<20, ""); err != nil || len(body) != 1600 || version == "" {
		t.Errorf("%d bytes of version %q, %v", len(body), version, err)
	}
}

// An object in an archive is listed and exists. It cannot be read.
func TestArchivedObjects(t *testing.T) {
	e := start(t, emulator.Config{OSS: emulator.OSSOptions{Archived: true}})
	e.PutObject("ops", "list.csv", []byte("mediaId\n"), time.Now())
	s, list := session(t, e.Env()), media.Object{Bucket: "ops", Key: "list.csv"}
	if exists, err := s.Exists(t.Context(), list); !exists || err != nil {
		t.Errorf("exists: %t, %v", exists, err)
	}
	if got := keys(t, s, media.Object{Bucket: "ops"}); fmt.Sprint(got) != "[list.csv]" {
		t.Errorf("listed %q", got)
	}
	if _, err := s.Read(t.Context(), list, 100); err == nil || !strings.Contains(err.Error(), "InvalidObjectState") {
		t.Errorf("read: %v", err)
	}
}

// A report of OSS Inventory may be stored with the encoding that its bytes have. They are read as they are.
func TestStoredEncodingIsLeftAlone(t *testing.T) {
	e := start(t, emulator.Config{})
	env := e.Env()
	keys := osscredentials.NewStaticCredentialsProvider(env["ALIBABA_CLOUD_ACCESS_KEY_ID"], env["ALIBABA_CLOUD_ACCESS_KEY_SECRET"], env["ALIBABA_CLOUD_SECURITY_TOKEN"])
	another := oss.NewClient(oss.NewConfig().WithRegion(env["MEDIASWEEP_REGION"]).WithEndpoint(e.URL()).WithCredentialsProvider(keys))
	var zipped bytes.Buffer
	w := gzip.NewWriter(&zipped)
	_, _ = w.Write([]byte("media-in,a\n")) // to memory
	_ = w.Close()
	_, err := another.PutObject(t.Context(), &oss.PutObjectRequest{Bucket: oss.Ptr("ops"), Key: oss.Ptr("data/0.csv.gz"), ContentEncoding: oss.Ptr("gzip"), Body: bytes.NewReader(zipped.Bytes())})
	if err != nil {
		t.Fatal(err)
	}
	body, version, err := session(t, env).Open(t.Context(), media.Object{Bucket: "ops", Key: "data/0.csv.gz"}, "")
	if err != nil {
		t.Fatal(err)
	}
	defer body.Close()
	if got, err := io.ReadAll(body); err != nil || version == "" || !bytes.Equal(got, zipped.Bytes()) {
		t.Errorf("%d bytes of version %q, %v; want %d", len(got), version, err, zipped.Len())
	}
}
