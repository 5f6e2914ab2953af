package objects_test

import (
	"bufio"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
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
	return objects.New(a).Session(account.NewKeyring(getenv).Or(account.Credentials{}))
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
	for _, options := range []emulator.OSSOptions{{}, {Immutable: true}} {
		t.Run(fmt.Sprintf("%+v", options), func(t *testing.T) {
			e := start(t, emulator.Config{OSS: options})
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
		})
	}
}

// A refusal that the operator can mend says how.
func TestRefusalsSayWhatToDo(t *testing.T) {
	for _, test := range []struct{ code, message, want string }{
		{"PermanentRedirect", "m", "the bucket is in another region"},
		{"AccessDenied", "The bucket you are attempting to access must be addressed using the specified endpoint.", "the bucket is in another region"},
		{"PublicEndpointForbidden", "m", "set MEDIASWEEP_OSS_ENDPOINT to the internal endpoint"},
		{"InvalidObjectState", "m", "the object is archived: restore it in OSS"},
	} {
		s := answering(t, func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusForbidden)
			_, _ = fmt.Fprintf(w, "<Error><Code>%s</Code><Message>%s</Message><RequestId>r</RequestId></Error>", test.code, test.message)
		})
		_, err := s.Read(t.Context(), media.Object{Bucket: "ops", Key: "list.csv"}, 100)
		if err == nil || !strings.Contains(err.Error(), test.code+": "+test.message) || !strings.Contains(err.Error(), " (request r): ") || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %v", test.code, err)
		}
	}
}

func TestErrorsCarryACodeAndNoSecret(t *testing.T) {
	tests := []struct {
		name, code, advice string
		spoil              func(map[string]string, *emulator.Emulator)
	}{
		{"wrong secret", "SignatureDoesNotMatch", "): check the access key and its secret", func(env map[string]string, _ *emulator.Emulator) { env["ALIBABA_CLOUD_ACCESS_KEY_SECRET"] = "wrong" }},
		{"denied", "AccessDenied", "): grant the oss actions that mediasweep permissions prints", func(_ map[string]string, e *emulator.Emulator) {
			e.Inject(emulator.Fault{Operation: "*", Kind: emulator.Forbidden})
		}},
		{"expired token", "SecurityTokenExpired", "): the role's token has expired", func(_ map[string]string, e *emulator.Emulator) {
			e.Inject(emulator.Fault{Operation: "*", Kind: emulator.TokenExpired})
		}},
		{"nothing listens", "", "", func(_ map[string]string, e *emulator.Emulator) { _ = e.Close() }},
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
			if !strings.Contains(last.Error(), test.advice) {
				t.Errorf("error %v, want what to do: %q", last, test.advice)
			}
			for _, secret := range []string{env["ALIBABA_CLOUD_ACCESS_KEY_ID"], env["ALIBABA_CLOUD_ACCESS_KEY_SECRET"], env["ALIBABA_CLOUD_SECURITY_TOKEN"], "http://"} {
				if strings.Contains(last.Error(), secret) {
					t.Errorf("the error shows %q: %v", secret, last)
				}
			}
		})
	}
}

// A gateway that answers for OSS, with nothing, has neither stored nor listed nor read anything. It is asked again.
func TestAnswersThatAreNotOfOSS(t *testing.T) {
	e := start(t, emulator.Config{})
	e.PutObject("media-in", "in/a", []byte("content"), time.Now())
	s := session(t, e.Env())
	bucket, object := media.Object{Bucket: "media-in"}, media.Object{Bucket: "media-in", Key: "in/a"}
	created := media.Object{Bucket: "ops", Key: "state/a"}
	e.PutBucket("ops", "")
	e.Inject(emulator.Fault{Operation: "PutObject", Kind: emulator.Empty, Count: 1})
	if err := s.Create(t.Context(), created, []byte("x")); err == nil {
		t.Error("nothing is stored, and that is no error")
	}
	if err := s.Create(t.Context(), created, []byte("x")); err != nil {
		t.Error(err)
	}
	calls := map[string]func() (string, error){
		"ListObjectsV2": func() (listed string, err error) {
			for entry, err := range s.Entries(t.Context(), bucket, "") {
				if err != nil {
					return listed, err
				}
				listed += entry.Object.Key
			}
			return listed, nil
		},
		"GetObject": func() (string, error) {
			body, err := s.Read(t.Context(), object, 100)
			return string(body), err
		},
	}
	for operation, want := range map[string]string{"ListObjectsV2": "in/a", "GetObject": "content"} {
		for empty := 1; empty <= 3; empty++ {
			e.Inject(emulator.Fault{Operation: operation, Kind: emulator.Empty, Count: empty})
			got, err := calls[operation]()
			if isBroken := empty == 3; (err != nil) != isBroken || !isBroken && got != want {
				t.Errorf("%s, %d empty answers: %q, %v", operation, empty, got, err)
			}
		}
	}
}

// answering returns a session with an OSS that gives one answer to every call.
func answering(t *testing.T, answer http.HandlerFunc) *objects.Session {
	t.Helper()
	server := httptest.NewServer(answer)
	t.Cleanup(server.Close)
	return session(t, map[string]string{"MEDIASWEEP_REGION": "cn-shanghai", "MEDIASWEEP_OSS_ENDPOINT": server.URL,
		"ALIBABA_CLOUD_ACCESS_KEY_ID": "key-of-nobody", "ALIBABA_CLOUD_ACCESS_KEY_SECRET": "secret"})
}

// An object is gone if OSS says so, and not if somebody else on the way has status 404.
func TestWhoSaysThatAnObjectIsGone(t *testing.T) {
	const gone = `<Error><Code>NoSuchKey</Code><Message>m</Message></Error>`
	tests := []struct {
		name, head, get string // HEAD has its body in a header
		exists, fails   bool
	}{
		{"OSS", gone, "", false, false},
		{"OSS, its header lost", "", gone, false, false},
		{"a gateway", "", "<html>not found</html>", false, true},
		{"no bucket", strings.Replace(gone, "NoSuchKey", "NoSuchBucket", 1), strings.Replace(gone, "NoSuchKey", "NoSuchBucket", 1), false, true},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			s := answering(t, func(w http.ResponseWriter, r *http.Request) {
				body := test.get
				if r.Method == http.MethodHead {
					if body = ""; test.head != "" {
						w.Header().Set("x-oss-err", base64.StdEncoding.EncodeToString([]byte(test.head)))
					}
				}
				w.WriteHeader(http.StatusNotFound)
				_, _ = io.WriteString(w, body) // a test's server
			})
			exists, err := s.Exists(context.Background(), media.Object{Bucket: "media-in", Key: "a"})
			if exists != test.exists || (err != nil) != test.fails {
				t.Errorf("%v, %v", exists, err)
			}
		})
	}
}

// A page that is cut off is asked for again, and one that stays so ends the listing with
// its number and the request.
func TestPagesThatAreCutOff(t *testing.T) {
	const whole = "<ListBucketResult><Name>b</Name><IsTruncated>false</IsTruncated><Contents><Key>a</Key><LastModified>2024-05-18T05:45:43.000Z</LastModified></Contents></ListBucketResult>"
	breaks := map[string]func(http.ResponseWriter){
		"its connection breaks": func(w http.ResponseWriter) {
			w.Header().Set("Content-Length", strconv.Itoa(len(whole)))
			_, _ = io.WriteString(w, whole[:len(whole)/2]) // net/http closes the connection
		},
		"in a chunk": func(w http.ResponseWriter) {
			_, _ = io.WriteString(w, whole[:len(whole)/2])
			_ = http.NewResponseController(w).Flush()
			panic(http.ErrAbortHandler)
		},
		"by a gateway that ends the answer properly": func(w http.ResponseWriter) { _, _ = io.WriteString(w, whole[:len(whole)-4]) },
	}
	for name, breakOff := range breaks {
		for times, want := range map[int]string{1: "", 2: "", 1000: "page 1: ListObjectsV2: the answer is not a complete listing"} {
			t.Run(fmt.Sprintf("%s, %d times", name, times), func(t *testing.T) {
				t.Parallel()
				var calls atomic.Int64
				s := answering(t, func(w http.ResponseWriter, _ *http.Request) {
					w.Header().Set("X-Oss-Request-Id", "5C3D9175B6FC201293AD4890")
					if calls.Add(1) <= int64(times) {
						breakOff(w)
						return
					}
					_, _ = io.WriteString(w, whole)
				})
				var got []string
				var last error
				for entry, err := range s.Entries(t.Context(), media.Object{Bucket: "media-in"}, "") {
					if last = err; err == nil {
						got = append(got, entry.Object.Key)
					}
				}
				if want == "" && (last != nil || !slices.Equal(got, []string{"a"})) {
					t.Errorf("listed %q, %v", got, last)
				}
				if want != "" && (last == nil || !strings.Contains(last.Error(), want) || !strings.Contains(last.Error(), "(request 5C3D9175B6FC201293AD4890)") || calls.Load() > 10) {
					t.Errorf("%v after %d calls; want %q", last, calls.Load(), want)
				}
			})
		}
	}
}

// Tokens that repeat, in a circle of any length and after any number of pages, end a
// listing; so do pages that come again under tokens of their own.
func TestListingsThatGoRound(t *testing.T) {
	for before := range 6 {
		for length := 1; length < 6; length++ {
			for _, form := range []string{"as they are", "fresh tokens", "empty pages"} {
				t.Run(fmt.Sprintf("%d pages, then a circle of %d, %s", before, length, form), func(t *testing.T) {
					t.Parallel()
					calls := 0
					s := answering(t, func(w http.ResponseWriter, r *http.Request) {
						number := calls
						if number >= before {
							number = before + (number-before)%length
						}
						if calls++; calls > 100 { // or the test would not end
							_, _ = io.WriteString(w, "<ListBucketResult><IsTruncated>false</IsTruncated></ListBucketResult>")
							return
						}
						token := fmt.Sprintf("t%d", number+1)
						if number == before+length-1 {
							token = fmt.Sprintf("t%d", before)
						}
						contents := fmt.Sprintf("<Contents><Key>k%d</Key><LastModified>2024-05-18T05:45:43.000Z</LastModified></Contents>", number)
						switch form {
						case "fresh tokens":
							token = fmt.Sprintf("fresh%d", calls)
						case "empty pages":
							contents = ""
						}
						_, _ = fmt.Fprintf(w, "<ListBucketResult><IsTruncated>true</IsTruncated><NextContinuationToken>%s</NextContinuationToken>%s</ListBucketResult>", token, contents)
					})
					var last error
					for _, last = range s.Entries(t.Context(), media.Object{Bucket: "media-in"}, "") {
					}
					if last == nil || !strings.Contains(last.Error(), fmt.Sprintf("page %d: ", calls)) || !strings.Contains(last.Error(), "tokens repeat") {
						t.Errorf("%v after %d pages", last, calls)
					}
				})
			}
		}
	}
}

// The emulator's circle ends a listing too, and leaves one of a single page alone.
func TestEmulatedCircle(t *testing.T) {
	e := start(t, emulator.Config{OSS: emulator.OSSOptions{TokensGoRound: true}})
	for i := range 2500 {
		e.PutObject("media-in", fmt.Sprintf("in/%04d", i), nil, time.Now())
	}
	s := session(t, e.Env())
	var last error
	for _, last = range s.Entries(t.Context(), media.Object{Bucket: "media-in", Key: "in/"}, "") {
	}
	if last == nil || !strings.Contains(last.Error(), "tokens repeat") {
		t.Errorf("%v", last)
	}
	if list := keys(t, s, media.Object{Bucket: "media-in", Key: "in/00"}); len(list) != 100 {
		t.Errorf("%d objects", len(list))
	}
}

// A page that takes longer than any other call may is slow, and has not failed. One that
// never comes is given up, by its number.
func TestSlowPage(t *testing.T) {
	for delay, fails := range map[time.Duration]bool{12 * time.Second: false, 18 * time.Second: false, 10 * time.Minute: true} {
		t.Run(delay.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				const page = "<ListBucketResult><IsTruncated>false</IsTruncated></ListBucketResult>"
				dial := func(context.Context, string, string) (net.Conn, error) {
					client, server := net.Pipe()
					go func() {
						defer func() { _ = server.Close() }()
						if _, err := http.ReadRequest(bufio.NewReader(server)); err != nil {
							return
						}
						select {
						case <-time.After(delay):
						case <-t.Context().Done():
						}
						_, _ = fmt.Fprintf(server, "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%s", len(page), page)
					}()
					return client, nil
				}
				a := account.Account{Region: "cn-shanghai", OSS: account.Endpoint{Host: "127.0.0.1:1", Plain: true}, Dial: dial}
				s := objects.New(a).Session(account.NewKeyring(func(string) string { return "" }).Or(account.Credentials{AccessKeyID: "id", AccessKeySecret: "secret"}))
				began := time.Now()
				var last error
				for _, last = range s.Entries(t.Context(), media.Object{Bucket: "media-in"}, "") {
				}
				if (last != nil) != fails || fails && (!strings.Contains(last.Error(), "page 1: ") || time.Since(began) > 2*time.Minute) {
					t.Errorf("%v after %v", last, time.Since(began))
				}
			})
		})
	}
}

// An expired token of the environment gives way to the call's credentials, for every call.
func TestExpiredTokenGivesWay(t *testing.T) {
	e := start(t, emulator.Config{})
	e.PutBucket("ops", "")
	expired := e.Env()
	e.ExpireToken()
	fresh := e.Env()
	a, err := account.FromEnvironment(func(name string) string { return fresh[name] })
	if err != nil {
		t.Fatal(err)
	}
	call := account.Credentials{AccessKeyID: fresh["ALIBABA_CLOUD_ACCESS_KEY_ID"], AccessKeySecret: fresh["ALIBABA_CLOUD_ACCESS_KEY_SECRET"], SecurityToken: fresh["ALIBABA_CLOUD_SECURITY_TOKEN"]}
	object := media.Object{Bucket: "ops", Key: "state/a"}
	for _, test := range []struct {
		name string
		call func(*objects.Session) error
	}{
		{"create", func(s *objects.Session) error { return s.Create(t.Context(), object, []byte("x")) }},
		{"read", func(s *objects.Session) error { _, err := s.Read(t.Context(), object, 10); return err }},
		{"exists", func(s *objects.Session) error { _, err := s.Exists(t.Context(), object); return err }},
		{"versioned", func(s *objects.Session) error { _, err := s.Versioned(t.Context(), "ops"); return err }},
		{"list", func(s *objects.Session) error {
			var last error
			for _, last = range s.Entries(t.Context(), media.Object{Bucket: "ops"}, "") {
			}
			return last
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			provider := account.NewKeyring(func(name string) string { return expired[name] }).Or(call)
			before := len(e.Calls())
			for range 3 { // the first finds out, the others know
				if err := test.call(objects.New(a).Session(provider)); err != nil && !errors.Is(err, objects.ErrExists) {
					t.Error(err)
				}
			}
			if calls := len(e.Calls()) - before; calls < 4 || calls > 5 { // HEAD is asked about with a GET
				t.Errorf("%d calls", calls)
			}
			alone := account.NewKeyring(func(name string) string { return expired[name] }).Or(account.Credentials{})
			var failed *objects.Error
			if err := test.call(objects.New(a).Session(alone)); !errors.As(err, &failed) || failed.Code != "SecurityTokenExpired" || failed.RequestID == "" {
				t.Errorf("without others: %v", err)
			}
		})
	}
}

// A listing that cannot be one of what was asked for is an error, and never goes round.
func TestListingsThatAreWrong(t *testing.T) {
	page := func(token string, keys ...string) string {
		text := fmt.Sprintf("<ListBucketResult><Name>b</Name><IsTruncated>%v</IsTruncated><NextContinuationToken>%s</NextContinuationToken>", token != "", token)
		for _, key := range keys {
			text += "<Contents><Key>" + key + "</Key><LastModified>2024-05-18T05:45:43.000Z</LastModified></Contents>"
		}
		return text + "</ListBucketResult>"
	}
	for name, test := range map[string]struct {
		first, next string
		want        []string
		fails       bool
	}{
		"as asked":             {page("t", "in/a", "in/b"), page("", "in/c"), []string{"in/a", "in/b", "in/c"}, false},
		"a key on two pages":   {page("t", "in/a", "in/b"), page("", "in/b", "in/c"), []string{"in/a", "in/b", "in/c"}, false},
		"in a circle":          {page("t", "in/a"), page("t", "in/a"), []string{"in/a"}, true},
		"of another prefix":    {page("", "in/a", "out/b"), "", nil, true},
		"without a key":        {page("", ""), "", nil, true},
		"cut off without word": {strings.Replace(page("", "in/a"), "false", "true", 1), "", nil, true},
	} {
		t.Run(name, func(t *testing.T) {
			s := answering(t, func(w http.ResponseWriter, r *http.Request) {
				text := test.first
				if r.URL.Query().Get("continuation-token") != "" {
					text = test.next
				}
				_, _ = io.WriteString(w, text) // a test's server
			})
			var got []string
			var failed error
			for entry, err := range s.Entries(context.Background(), media.Object{Bucket: "media-in", Key: "in/"}, "") {
				if err != nil {
					failed = err
					break
				}
				got = append(got, entry.Object.Key)
			}
			if !slices.Equal(got, test.want) || (failed != nil) != test.fails {
				t.Errorf("%q, %v", got, failed)
			}
		})
	}
}

// A stream that stalls is one that broke, and goes on where it was.
func TestAStreamThatStalls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		calls := 0
		dial := func(context.Context, string, string) (net.Conn, error) {
			calls++
			call := calls
			client, server := net.Pipe()
			go func() {
				request, err := http.ReadRequest(bufio.NewReader(server))
				if err != nil {
					return
				}
				from := request.Header.Get("Range")
				switch {
				case call == 1:
					_, _ = io.WriteString(server, "HTTP/1.1 200 OK\r\nETag: \"e\"\r\nContent-Length: 6\r\n\r\nabc") // and no more
				case from == "bytes=3-":
					_, _ = io.WriteString(server, "HTTP/1.1 206 Partial Content\r\nConnection: close\r\nETag: \"e\"\r\nContent-Length: 3\r\nContent-Range: bytes 3-5/6\r\n\r\ndef")
					_ = server.Close() // as it says
				default:
					t.Errorf("range %q", from)
				}
			}()
			return client, nil
		}
		a := account.Account{Region: "cn-shanghai", OSS: account.Endpoint{Host: "127.0.0.1:1", Plain: true}, Dial: dial}
		s := objects.New(a).Session(account.NewKeyring(func(string) string { return "" }).Or(account.Credentials{AccessKeyID: "id", AccessKeySecret: "secret"}))
		stream, _, err := s.Open(t.Context(), media.Object{Bucket: "ops", Key: "list.csv"}, "")
		if err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		text, err := io.ReadAll(stream)
		if err != nil || string(text) != "abcdef" || time.Since(began) > 15*time.Second {
			t.Errorf("%q, %v after %s", text, err, time.Since(began))
		}
		_ = stream.Close() // only read
	})
}

// A record is read to its end over connections that break, and its size is bounded.
func TestReadOverBrokenConnections(t *testing.T) {
	e := start(t, emulator.Config{})
	s := session(t, e.Env())
	body := strings.Repeat("0123456789", 1000)
	record := media.Object{Bucket: "ops", Key: "state/a"}
	e.PutObject(record.Bucket, record.Key, []byte(body), time.Now())
	e.Inject(emulator.Fault{Operation: "GetObject", Kind: emulator.Truncate, Count: 2})
	if got, err := s.Read(t.Context(), record, int64(len(body))); err != nil || string(got) != body || e.Count()["GetObject"] != 3 {
		t.Errorf("%d bytes, %v, %v", len(got), err, e.Count())
	}
	if _, err := s.Read(t.Context(), record, int64(len(body))-1); err == nil {
		t.Error("a record that is too large was read")
	}
	e.Inject(emulator.Fault{Operation: "GetObject", Kind: emulator.Truncate})
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	e.PutObject(record.Bucket, record.Key, []byte("x"), time.Now())
	if _, err := s.Read(ctx, record, 100); err == nil {
		t.Error("a record was read of which nothing came")
	}
}

// What is read is known to be the whole object, by its CRC-64 or its length, or is an error.
func TestReadOnlyWhatIsWhole(t *testing.T) {
	const body = "object\noss://media-in/a.bak\n"
	tests := []struct {
		name    string
		fault   emulator.FaultKind
		headers map[string]string // of an answer that is not the emulator's
		says    string
	}{
		{"no length", emulator.NoLength, nil, ""},
		{"no length, cut off", emulator.CutOff, nil, "cut off or damaged"},
		{"neither length nor CRC-64", emulator.NoChecks, nil, "neither a length nor a CRC-64"},
		{"another CRC-64", "", map[string]string{"X-Oss-Hash-Crc64ecma": "1"}, "cut off or damaged"},
		{"a CRC-64 that is no number", "", map[string]string{"X-Oss-Hash-Crc64ecma": strings.Repeat("x", 1000)}, "cut off or damaged"},
		{"a length only", "", map[string]string{"ETag": `"e"`}, ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			object := media.Object{Bucket: "ops", Key: "list.csv"}
			var s *objects.Session
			if test.headers == nil {
				e := start(t, emulator.Config{})
				e.PutObject(object.Bucket, object.Key, []byte(body), time.Now())
				e.Inject(emulator.Fault{Operation: "GetObject", Kind: test.fault})
				s = session(t, e.Env())
			} else {
				s = answering(t, func(w http.ResponseWriter, _ *http.Request) {
					for name, value := range test.headers {
						w.Header().Set(name, value)
					}
					_, _ = io.WriteString(w, body)
				})
			}
			stream, _, err := s.Open(t.Context(), object, "")
			if err != nil {
				t.Fatal(err)
			}
			defer stream.Close()
			opened, openErr := io.ReadAll(stream)
			read, readErr := s.Read(t.Context(), object, 1000)
			for _, err := range []error{openErr, readErr} {
				if (err == nil) != (test.says == "") || err != nil && (!strings.Contains(err.Error(), test.says) || len(err.Error()) > 1000) {
					t.Errorf("%v, want an error with %q", err, test.says)
				}
			}
			if test.says == "" && (string(opened) != body || string(read) != body) {
				t.Errorf("%q, %q", opened, read)
			}
		})
	}
}

// A version that the caller knows is not transferred again, and a changed object is.
func TestReadChanged(t *testing.T) {
	e := start(t, emulator.Config{})
	s, object := session(t, e.Env()), media.Object{Bucket: "media-in", Key: "retention.yaml"}
	e.PutObject(object.Bucket, object.Key, []byte("one"), time.Now())
	body, first, err := s.ReadChanged(t.Context(), object, 3, "")
	if string(body) != "one" || first == "" || err != nil {
		t.Fatalf("%q, %q, %v", body, first, err)
	}
	if body, _, err = s.ReadChanged(t.Context(), object, 3, first); !errors.Is(err, objects.ErrUnchanged) || len(body) > 0 {
		t.Errorf("%q, %v; want that it is unchanged", body, err)
	}
	e.PutObject(object.Bucket, object.Key, []byte("two"), time.Now())
	if body, second, err := s.ReadChanged(t.Context(), object, 3, first); string(body) != "two" || second == first || err != nil {
		t.Errorf("%q, %q, %v; want the new content", body, second, err)
	}
	e.PutObject(object.Bucket, object.Key, []byte("four"), time.Now())
	for _, fault := range []emulator.FaultKind{"", emulator.NoLength} {
		if fault != "" {
			e.Inject(emulator.Fault{Operation: "GetObject", Kind: fault})
		}
		if _, _, err := s.ReadChanged(t.Context(), object, 3, first); !errors.Is(err, objects.ErrTooLarge) {
			t.Errorf("%s: %v, want that it is too large", fault, err)
		}
	}
}
