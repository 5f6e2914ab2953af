package objects_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/mediasweep/mediasweep/internal/account"
	"github.com/mediasweep/mediasweep/internal/emulator"
	"github.com/mediasweep/mediasweep/internal/media"
	"github.com/mediasweep/mediasweep/internal/objects"
)

func session(t *testing.T, env map[string]string) *objects.Session {
	t.Helper()
	getenv := func(name string) string { return env[name] }
	a, err := account.FromEnvironment(getenv)
	if err != nil {
		t.Fatal(err)
	}
	return objects.New(a).Session(account.FromEnvironmentOr(getenv, account.Credentials{}))
}

func start(t *testing.T, config emulator.Config) *emulator.Emulator {
	t.Helper()
	e, err := emulator.Start(config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = e.Close() })
	return e
}

func keys(t *testing.T, s *objects.Session, prefix media.Object) []string {
	t.Helper()
	var list []string
	for entry, err := range s.Entries(context.Background(), prefix, "") {
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, entry.Object.Key)
	}
	return list
}

func TestListPagesThroughAwkwardNames(t *testing.T) {
	e := start(t, emulator.Config{})
	want := []string{"in/a b", "in/a%2Fb", "in/a+b", "in/a,b", "in/x//y/../z", "in/视频", "in/q?#&='\"<>"}
	for i := range 2400 {
		want = append(want, fmt.Sprintf("in/%05d.mp4", i))
	}
	for _, key := range append(slices.Clone(want), "inbox/other", "out/a") {
		e.PutObject("media-in", key, nil, time.Now())
	}
	s := session(t, e.Env())
	got := keys(t, s, media.Object{Bucket: "media-in", Key: "in/"})
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("%d objects, want %d", len(got), len(want))
	}
	if pages := e.Count()["ListObjectsV2"]; pages != 3 {
		t.Errorf("%d pages for %d objects", pages, len(want))
	}
	if all := keys(t, s, media.Object{Bucket: "media-in"}); len(all) != len(want)+2 {
		t.Errorf("%d objects in the bucket, want %d", len(all), len(want)+2)
	}
}

func TestListStopsWhenItIsEnough(t *testing.T) {
	e := start(t, emulator.Config{})
	for i := range 1500 {
		e.PutObject("media-in", fmt.Sprint(i), nil, time.Now())
	}
	for _, err := range session(t, e.Env()).Entries(context.Background(), media.Object{Bucket: "media-in"}, "") {
		if err != nil {
			t.Error(err)
		}
		break
	}
	if pages := e.Count()["ListObjectsV2"]; pages != 1 {
		t.Errorf("%d pages for one object", pages)
	}
}

// A page that says that there is more, and not where, would be listed for ever.
func TestListEndsAtAPageWithoutAToken(t *testing.T) {
	calls := 0
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		calls++
		_, _ = fmt.Fprint(w, `<ListBucketResult><Name>media-in</Name><IsTruncated>true</IsTruncated><Contents><Key>a</Key></Contents></ListBucketResult>`)
	}))
	defer server.Close()
	s := session(t, map[string]string{"MEDIASWEEP_REGION": "cn-shanghai", "MEDIASWEEP_OSS_ENDPOINT": server.URL,
		"ALIBABA_CLOUD_ACCESS_KEY_ID": "id", "ALIBABA_CLOUD_ACCESS_KEY_SECRET": "secret"})
	var last error
	for _, err := range s.Entries(context.Background(), media.Object{Bucket: "media-in"}, "") {
		last = err
	}
	if last == nil || calls != 1 {
		t.Errorf("%v after %d calls", last, calls)
	}
}

func TestCreateNeverOverwrites(t *testing.T) {
	e := start(t, emulator.Config{})
	s := session(t, e.Env())
	record := media.Object{Bucket: "ops", Key: "state/a"}
	if err := s.Create(context.Background(), record, []byte("first")); err != nil {
		t.Fatal(err)
	}
	if err := s.Create(context.Background(), record, []byte("second")); !errors.Is(err, objects.ErrExists) {
		t.Errorf("a second one: %v", err)
	}
	if stored, _ := e.Object("ops", "state/a"); string(stored.Body) != "first" {
		t.Errorf("stored %q", stored.Body)
	}
	// A lost answer is repeated by the SDK, which then finds its own object.
	e.Inject(emulator.Fault{Operation: "PutObject", Kind: emulator.DropAfter, Count: 1})
	if err := s.Create(context.Background(), media.Object{Bucket: "ops", Key: "state/b"}, []byte("b")); err != nil && !errors.Is(err, objects.ErrExists) {
		t.Errorf("a lost answer: %v", err)
	}
	if stored, _ := e.Object("ops", "state/b"); string(stored.Body) != "b" {
		t.Errorf("stored %q", stored.Body)
	}
}

func TestErrorsCarryACodeAndNoSecret(t *testing.T) {
	tests := []struct {
		name, code string
		spoil      func(map[string]string, *emulator.Emulator)
	}{
		{"wrong secret", "SignatureDoesNotMatch", func(env map[string]string, _ *emulator.Emulator) { env["ALIBABA_CLOUD_ACCESS_KEY_SECRET"] = "wrong" }},
		{"denied", "AccessDenied", func(_ map[string]string, e *emulator.Emulator) {
			e.Inject(emulator.Fault{Operation: "*", Kind: emulator.Forbidden})
		}},
		{"nothing listens", "", func(_ map[string]string, e *emulator.Emulator) { _ = e.Close() }},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			e := start(t, emulator.Config{})
			env := e.Env()
			test.spoil(env, e)
			var last error
			for _, err := range session(t, env).Entries(context.Background(), media.Object{Bucket: "media-in"}, "") {
				last = err
			}
			var failed *objects.Error
			if !errors.As(last, &failed) || failed.Code != test.code {
				t.Fatalf("error %v, want code %q", last, test.code)
			}
			for _, secret := range []string{env["ALIBABA_CLOUD_ACCESS_KEY_ID"], env["ALIBABA_CLOUD_ACCESS_KEY_SECRET"], env["ALIBABA_CLOUD_SECURITY_TOKEN"], "http://"} {
				if strings.Contains(last.Error(), secret) {
					t.Errorf("the error shows %q: %v", secret, last)
				}
			}
		})
	}
}

// A gateway that answers for OSS, with nothing, has neither stored nor listed anything.
func TestAnswersThatAreNotOfOSS(t *testing.T) {
	e := start(t, emulator.Config{})
	e.PutObject("media-in", "in/a", nil, time.Now())
	s := session(t, e.Env())
	object := media.Object{Bucket: "ops", Key: "state/a"}
	e.PutBucket("ops", "")
	e.Inject(emulator.Fault{Operation: "PutObject", Kind: emulator.Empty, Count: 1}, emulator.Fault{Operation: "ListObjectsV2", Kind: emulator.Empty, Count: 1})
	if err := s.Create(context.Background(), object, []byte("x")); err == nil {
		t.Error("nothing is stored, and that is no error")
	}
	if err := s.Create(context.Background(), object, []byte("x")); err != nil {
		t.Error(err)
	}
	var err error
	for _, err = range s.Entries(context.Background(), media.Object{Bucket: "media-in"}, "") {
	}
	if err == nil {
		t.Error("nothing is listed, and that is no error")
	}
	if list := keys(t, s, media.Object{Bucket: "media-in"}); len(list) != 1 {
		t.Errorf("listed %q", list)
	}
}
