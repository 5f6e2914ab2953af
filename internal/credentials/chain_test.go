package credentials

import (
	"context"
	"errors"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sync/singleflight"

	"github.com/mediasweep/mediasweep/internal/account"
	"github.com/mediasweep/mediasweep/internal/task"
)

const (
	getsRole  = "PUT 100.100.100.200/latest/api/token   by; GET 100.100.100.200/latest/meta-data/ram/security-credentials/   by; "
	getsNamed = "PUT 100.100.100.200/latest/api/token   by; GET 100.100.100.200/latest/meta-data/ram/security-credentials/"
)

// sources has each source with the environment and the profiles that configure it.
var sources = []struct {
	name     string
	env      []string
	profiles string
	file     []string // path and content, if any
	want     string   // the access key's ID
	asked    string
	origin   string
}{
	{"AK", nil, byKey, nil, "key-id", "", `profile "now" of ~/.aliyun/config.json`},
	{"StsToken", nil, byToken, nil, "key-id", "", `profile "now" of ~/.aliyun/config.json`},
	{"RamRoleArn", nil, byRole, nil, "id-1", "POST sts.cn-beijing.aliyuncs.com/ AssumeRole " + role + " by key-id", `profile "now" of ~/.aliyun/config.json`},
	{"EcsRamRole", nil, byMachine, nil, "id-2", getsNamed + "named   by", `profile "now" of ~/.aliyun/config.json`},
	{"RamRoleArnWithRoleName", nil, byBoth, nil, "id-3", getsNamed + "named   by; POST sts.aliyuncs.com/ AssumeRole " + role + " by id-2", `profile "now" of ~/.aliyun/config.json`},
	{"ChainableRamRoleArn", nil, byChain + "," + first, nil, "id-1", "POST sts.aliyuncs.com/ AssumeRole " + role + " by key-id", `profile "now" of ~/.aliyun/config.json`},
	{"OIDC, not with the token of the environment", []string{"ALIBABA_CLOUD_OIDC_TOKEN", "hunter2-another"}, byOIDC, []string{"token", "hunter2-oidc"}, "id-1", "POST sts.aliyuncs.com/ AssumeRoleWithOIDC " + role + " by hunter2-oidc", `profile "now" of ~/.aliyun/config.json`},
	{"CloudSSO", nil, bySSO, nil, "id-1", "POST signin.example/cloud-credentials   by hunter2-sso", `profile "now" of ~/.aliyun/config.json`},
	{"OAuth, without its refresh token", nil, byOAuth, nil, "id-1", "POST oauth.aliyun.com/v1/exchange   by hunter2-oauth", `profile "now" of ~/.aliyun/config.json`},
	{"CredentialsURI", nil, byURI, nil, "id-1", "GET uri.example/credentials   by", `profile "now" of ~/.aliyun/config.json`},
	{"External", nil, byExternal, []string{"a program.sh", `echo '{"mode": "AK", "access_key_id": "printed", "access_key_secret": "hunter2"}'`}, "printed", "", `profile "now" of ~/.aliyun/config.json`},
	{"a profile that the environment names", []string{"ALIBABA_CLOUD_PROFILE", "first"}, byToken + "," + first, nil, "key-id", "", `profile "first" of ~/.aliyun/config.json`},
	{"a file that the environment names", []string{"ALIBABA_CLOUD_CONFIG_FILE", "$HOME/own.json"}, byRole, []string{"own.json", `{"current": "now", "profiles": [` + byKey + `]}`}, "key-id", "", `profile "now" of the file of ALIBABA_CLOUD_CONFIG_FILE`},
	{"OIDC of the environment", []string{"ALIBABA_CLOUD_ROLE_ARN", role, "ALIBABA_CLOUD_OIDC_PROVIDER_ARN", "provider", "ALIBABA_CLOUD_OIDC_TOKEN_FILE", "$HOME/token"}, "", []string{"token", "hunter2-oidc"},
		"id-1", "POST sts.aliyuncs.com/ AssumeRoleWithOIDC " + role + " by hunter2-oidc", "the OIDC token of the environment"},
	{"an address of the environment", []string{"ALIBABA_CLOUD_CREDENTIALS_URI", "http://uri.example/?token=hunter2"}, "", nil, "id-1", "GET uri.example/   by", "ALIBABA_CLOUD_CREDENTIALS_URI"},
	{"the file of credentials-go", nil, "", []string{".alibabacloud/credentials", "[default]\ntype = access_key\naccess_key_id = file-id\naccess_key_secret = hunter2\n"}, "file-id", "",
		"~/.alibabacloud/credentials"},
	{"metadata", nil, "", nil, "id-4", getsRole + getsNamed + "machine-role   by", "none configured; would ask the metadata service of ECS"},
	{"an empty profile does not count", nil, `{"name": "now", "mode": "AK", "access_key_id": "", "access_key_secret": ""}`, nil, "id-4", getsRole + getsNamed + "machine-role   by",
		"none configured; would ask the metadata service of ECS"},
	{"nor one without a mode", nil, `{"name": "now", "expired_seconds": 900}`, nil, "id-4", getsRole + getsNamed + "machine-role   by",
		"none configured; would ask the metadata service of ECS"},
	{"profiles are switched off", []string{"ALIBABA_CLOUD_CLI_PROFILE_DISABLED", "true"}, byKey, nil, "id-4", getsRole + getsNamed + "machine-role   by",
		"none configured; would ask the metadata service of ECS"},
}

func (c *cloud) source(t *testing.T, i int) account.Source {
	t.Helper()
	test := sources[i]
	home := machine(t, test.env...)
	if test.profiles != "" {
		configure(t, home, test.profiles)
	}
	if test.file != nil {
		write(t, filepath.Join(home, test.file[0]), test.file[1])
	}
	return New(os.Getenv)
}

func TestSources(t *testing.T) {
	for i, test := range sources {
		t.Run(test.name, func(t *testing.T) {
			c := newCloud(t)
			source := c.source(t, i)
			before := configuration(t)
			if got := source.String(); got != test.origin {
				t.Errorf("it comes from %s, want %s", got, test.origin)
			}
			got := current(t, source)
			if got.AccessKeyID != test.want || !strings.Contains(got.AccessKeySecret, hidden) {
				t.Errorf("%+v, want %s", got, test.want)
			}
			if token := test.asked != "" || strings.Contains(test.profiles, "StsToken") && test.want == "key-id" && test.env == nil; token != (got.SecurityToken != "") {
				t.Errorf("%+v: a token is %t", got, token)
			}
			again := current(t, source)
			if asked := c.requests(); again != got || asked != test.asked {
				t.Errorf("asked %s\nwant  %s", asked, test.asked)
			}
			if configuration(t) != before {
				t.Error("the configuration file was changed")
			}
		})
	}
}

func configuration(t *testing.T) string {
	t.Helper()
	data, _ := os.ReadFile(filepath.Join(os.Getenv("HOME"), ".aliyun", "config.json")) // there may be none
	return string(data)
}

// A service that fails may quote what it was sent.
func TestFailuresShowNoSecret(t *testing.T) {
	echo := func(w http.ResponseWriter, r *http.Request) {
		_ = r.Header.Write(w)
		_, _ = io.WriteString(w, r.URL.String()+r.Form.Encode()+" hunter2")
	}
	failures := map[string]http.HandlerFunc{
		"an error": func(w http.ResponseWriter, r *http.Request) {
			w.WriteHeader(http.StatusForbidden)
			_, _ = io.WriteString(w, `{"Code": "NoPermission", "Message": "`)
			echo(w, r)
			_, _ = io.WriteString(w, `"}`)
		},
		"no JSON": echo,
		"an answer without an end of its validity": func(w http.ResponseWriter, r *http.Request) {
			const key = `{"AccessKeyId": "i", "AccessKeySecret": "hunter2", "SecurityToken": "hunter2"}`
			_, _ = io.WriteString(w, `{"AccessKeyId": "i", "AccessKeySecret": "hunter2", "SecurityToken": "hunter2", "Credentials": `+key+`, "CloudCredential": `+key+`}`)
		},
		"half an answer":  func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, `{"AccessKeyId": "hunter2"}`) },
		"an end":          func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
		"a long redirect": func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/hunter2", http.StatusFound) },
	}
	tried := map[string]bool{"": true} // without a service, nothing fails
	for i, test := range sources {
		last := test.asked[strings.LastIndex(test.asked, ";")+1:]
		if tried[last] {
			continue
		}
		tried[last] = true
		for name, answer := range failures {
			t.Run(test.name+"/"+name, func(t *testing.T) {
				printed := capture(t)
				c := newCloud(t)
				source := c.source(t, i)
				c.fail(answer)
				said := fails(t, t.Context(), source)
				if !strings.Contains(said, strings.TrimPrefix(test.origin, "none configured; would ask ")) {
					t.Errorf("the error does not name %s: %s", test.origin, said)
				}
				if said := printed(); said != "" {
					t.Errorf("printed: %s", said)
				}
				// A source that failed is read again at the next lookup.
				c.fail(nil)
				current(t, source)
			})
		}
	}
}

// capture returns what was printed on the process's own streams, which are no place for a library.
func capture(t *testing.T) func() string {
	t.Helper()
	file, err := os.Create(filepath.Join(t.TempDir(), "printed"))
	if err != nil {
		t.Fatal(err)
	}
	out, errs := os.Stdout, os.Stderr
	os.Stdout, os.Stderr = file, file
	restore := func() { os.Stdout, os.Stderr = out, errs }
	t.Cleanup(restore)
	return func() string {
		restore()
		data, err := os.ReadFile(file.Name())
		if err != nil {
			t.Fatal(err)
		}
		return string(data)
	}
}

func TestAMendedProfileIsReadAgain(t *testing.T) {
	c, source, clock := renewing(t)
	current(t, source)
	c.fail(unavailable)
	current(t, source)
	c.fail(nil)
	configure(t, os.Getenv("HOME"), strings.ReplaceAll(byRole, "key-id", "mended"))
	*clock = clock.Add(retryAfter)
	if current(t, source); !strings.HasSuffix(c.requests(), "by mended") {
		t.Errorf("asked %s", c.requests())
	}
}

func unavailable(w http.ResponseWriter, _ *http.Request) {
	w.WriteHeader(http.StatusServiceUnavailable)
}

// A test's clock and credentials that are due at each call.
func renewing(t *testing.T) (c *cloud, source *chain, clock *time.Time) {
	t.Helper()
	c = newCloud(t)
	c.valid = time.Minute // due at each call
	configure(t, machine(t), byRole+","+first)
	clock = new(time.Time)
	*clock = time.Now()
	return c, newChain(os.Getenv, func() time.Time { return *clock }), clock
}

func TestExpiringCredentialsAreRenewed(t *testing.T) {
	c, source, clock := renewing(t)
	for _, want := range []string{"id-1", "id-2"} {
		if got := current(t, source); got.AccessKeyID != want {
			t.Errorf("%+v, want %s", got, want)
		}
	}
	c.fail(unavailable)
	last := current(t, source)
	if last.AccessKeyID != "id-2" {
		t.Errorf("%+v: credentials in use are kept if they cannot be renewed", last)
	}
	asked := c.requests()
	if current(t, source); c.requests() != asked {
		t.Error("a renewal that failed is tried again at once")
	}
	*clock = clock.Add(retryAfter)
	c.fail(nil)
	if got := current(t, source); got == last {
		t.Error("a renewal that failed is not tried again")
	}
}

func TestRefusedCredentialsAreNotKept(t *testing.T) {
	c, source, _ := renewing(t)
	c.valid = time.Hour
	got := current(t, source)
	source.Refuse(got)
	if got = current(t, source); got.AccessKeyID != "id-2" {
		t.Errorf("%+v: refused credentials were handed out again", got)
	}
	source.Refuse(account.Credentials{AccessKeyID: "older"})
	if current(t, source) != got {
		t.Error("another key was refused, and these were dropped")
	}
	c.fail(unavailable)
	source.Refuse(got)
	fails(t, t.Context(), source)
}

// The current profile may change while a command runs. The command keeps the first one.
func TestTheProfileStays(t *testing.T) {
	_, source, _ := renewing(t)
	got := current(t, source)
	write(t, filepath.Join(os.Getenv("HOME"), ".aliyun", "config.json"), `{"current": "first", "profiles": [`+byToken+","+first+`]}`)
	source.Refuse(got)
	if got := current(t, source); got.SecurityToken == "" {
		t.Errorf("%+v are of another profile", got)
	}
}

func TestConcurrentUse(t *testing.T) {
	_, source, _ := renewing(t)
	keyring := account.NewKeyringWith(func(string) string { return "" }, source)
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for range 4 {
				provider := keyring.Or(account.Credentials{})
				got, err := provider.Current(t.Context())
				if err != nil {
					t.Error(err)
				}
				provider.Refuse(got)
				_ = source.String()
				if text := provider.Redact("the key hunter2-issued of hunter2-token"); strings.Contains(text, hidden) {
					t.Errorf("shown: %s", text)
				}
			}
		})
	}
	all.Wait()
}

// credentials-go takes no context: a caller must not wait for its timeouts.
func TestNobodyWaitsLongerThanTheContext(t *testing.T) {
	c, source, _ := renewing(t)
	ctx, cancel := context.WithCancel(t.Context())
	release := make(chan struct{})
	c.fail(func(http.ResponseWriter, *http.Request) {
		cancel()
		<-release
	})
	said := fails(t, ctx, source)
	if want := "no credentials: no answer in time"; said != want || fails(t, ctx, source) != want {
		t.Errorf("%s, want %s", said, want)
	}
	c.fail(nil)
	close(release)
	_, _ = source.Current(t.Context()) // perhaps that of the lookup that nobody waits for
	current(t, source)
}

// Callers share a lookup: each would wait for the same service.
func TestThoseWhoWaitShareAFailure(t *testing.T) {
	c, source, _ := renewing(t)
	asked, release := make(chan struct{}, 9), make(chan struct{})
	c.fail(func(w http.ResponseWriter, r *http.Request) {
		asked <- struct{}{}
		<-release
		unavailable(w, r)
	})
	first := task.Go(func() error {
		_, err := source.Current(t.Context())
		return err
	})
	<-asked
	second := source.lookups.DoChan("", func() (any, error) { return nil, nil }) // not a lookup of its own
	close(release)
	if err, shared := first(), (<-second).Err; err == nil || !errors.Is(shared, err) || len(asked) > 0 {
		t.Errorf("%v and %v: asked again for a caller who waited", err, shared)
	}
	c.fail(nil)
	current(t, source)
}

// Many calls in flight are refused one after the other: they make one more lookup, and not one each.
func TestRefusalsOfOneKeyShareALookup(t *testing.T) {
	c, source, _ := renewing(t)
	refused := current(t, source)
	asked, release := make(chan struct{}, 9), make(chan struct{})
	c.fail(func(w http.ResponseWriter, r *http.Request) {
		asked <- struct{}{}
		<-release
		unavailable(w, r)
	})
	source.Refuse(refused)
	first := task.Go(func() error {
		_, err := source.Current(t.Context())
		return err
	})
	<-asked
	var lookups atomic.Int32
	var answers []<-chan singleflight.Result
	for range 20 {
		source.Refuse(refused)
		answers = append(answers, source.lookups.DoChan("", func() (any, error) {
			lookups.Add(1)
			<-release
			return nil, nil
		}))
	}
	close(release)
	for _, answer := range answers {
		<-answer
	}
	if err := first(); err == nil || lookups.Load() != 1 {
		t.Errorf("%v, %d more lookups", err, lookups.Load())
	}
}

func TestNoMetadataService(t *testing.T) {
	c := newCloud(t)
	machine(t)
	c.fail(func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) })
	said := fails(t, t.Context(), New(os.Getenv))
	for _, want := range []string{"metadata service", "ALIBABA_CLOUD_ACCESS_KEY_ID", "--profile", "`aliyun configure`"} {
		if !strings.Contains(said, want) {
			t.Errorf("%s does not name %s", said, want)
		}
	}
	t.Setenv("ALIBABA_CLOUD_ECS_METADATA_DISABLED", "true")
	if said = fails(t, t.Context(), New(os.Getenv)); said != "no credentials: "+setSome {
		t.Error(said)
	}
}

func TestNeverInFunctionCompute(t *testing.T) {
	c := newCloud(t)
	configure(t, machine(t, "FC_FUNCTION_NAME", "f", "ALIBABA_CLOUD_PROFILE", "now"), byRole)
	if _, err := New(os.Getenv).Current(t.Context()); !errors.Is(err, account.ErrNoCredentials) || c.requests() != "" {
		t.Errorf("%v; asked %s", err, c.requests())
	}
}
