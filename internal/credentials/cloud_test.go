package credentials

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/mediasweep/mediasweep/internal/account"
)

// hidden is in every secret of these tests.
const hidden = "hunter2"

// cloud is a stand-in for every service that credentials-go asks, whatever its address.
type cloud struct {
	mu     sync.Mutex
	fault  http.HandlerFunc // nil for a healthy service
	asked  []string
	issued int
	valid  time.Duration // of the credentials
}

// newCloud puts a stand-in in the place of the network, as a proxy for all addresses.
func newCloud(t *testing.T) *cloud {
	t.Helper()
	c := &cloud{valid: time.Hour}
	tls := httptest.NewTLSServer(c)
	t.Cleanup(tls.Close)
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodConnect {
			c.ServeHTTP(w, r)
			return
		}
		client, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		defer client.Close() //nolint:errcheck // a stand-in
		server, err := (&net.Dialer{}).DialContext(r.Context(), "tcp", tls.Listener.Addr().String())
		if err != nil {
			t.Error(err)
			return
		}
		_, _ = io.WriteString(client, "HTTP/1.1 200 OK\r\n\r\n") // a stand-in
		go func() {
			_, _ = io.Copy(server, client) // until one side ends
			_ = server.Close()
		}()
		_, _ = io.Copy(client, server) // until one side ends
	}))
	t.Cleanup(proxy.Close)
	address, err := url.Parse(proxy.URL)
	if err != nil {
		t.Fatal(err)
	}
	config := tls.Client().Transport.(*http.Transport).TLSClientConfig.Clone()
	config.ServerName = "example.com" // in the stand-in's certificate
	before := http.DefaultTransport
	http.DefaultTransport = &http.Transport{Proxy: http.ProxyURL(address), TLSClientConfig: config, DisableKeepAlives: true}
	t.Cleanup(func() { http.DefaultTransport = before })
	return c
}

// fail makes each service answer so; healthy ones have nil.
func (c *cloud) fail(fault http.HandlerFunc) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.fault = fault
}

// requests returns what was asked, in order.
func (c *cloud) requests() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return strings.Join(c.asked, "; ")
}

func (c *cloud) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body) // a stand-in
	form, _ := url.ParseQuery(string(body))
	by := strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ") + r.URL.Query().Get("AccessKeyId") + form.Get("OIDCToken")
	c.mu.Lock()
	c.asked = append(c.asked, strings.TrimSpace(fmt.Sprint(r.Method, " ", r.Host, r.URL.Path, " ", r.URL.Query().Get("Action"), " ", form.Get("RoleArn"), " by ", by)))
	c.issued++
	number, valid, fault := c.issued, c.valid, c.fault
	c.mu.Unlock()
	r.Form = form
	if fault != nil {
		fault(w, r)
		return
	}
	key := map[string]string{
		"AccessKeyId": fmt.Sprint("id-", number), "AccessKeySecret": hidden + "-issued", "SecurityToken": hidden + "-token",
		"Expiration": time.Now().Add(valid).UTC().Format("2006-01-02T15:04:05Z"), "Code": "Success",
	}
	var answer any = key
	switch {
	case r.URL.Path == "/latest/api/token":
		_, _ = io.WriteString(w, hidden+"-metadata") // a stand-in
		return
	case strings.HasSuffix(r.URL.Path, "/security-credentials/"):
		_, _ = io.WriteString(w, "machine-role") // a stand-in
		return
	case strings.HasPrefix(r.Host, "sts"):
		answer = map[string]any{"Credentials": key}
	case r.URL.Path == "/cloud-credentials":
		answer = map[string]any{"CloudCredential": key}
	}
	_ = json.NewEncoder(w).Encode(answer) // a stand-in
}

// machine is a person's machine without any credentials. credentials-go reads the environment of the process.
func machine(t *testing.T, env ...string) (home string) {
	t.Helper()
	for _, pair := range os.Environ() {
		if name, _, _ := strings.Cut(pair, "="); strings.HasPrefix(name, "ALIBABA_CLOUD_") || strings.HasPrefix(name, "FC_") {
			t.Setenv(name, "")
		}
	}
	home = t.TempDir()
	t.Setenv("HOME", home)
	for i := 0; i < len(env); i += 2 {
		t.Setenv(env[i], strings.ReplaceAll(env[i+1], "$HOME", home))
	}
	return home
}

func write(t *testing.T, path, content string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

// configure writes the configuration file of the aliyun CLI, whose current profile is "now".
func configure(t *testing.T, home, profiles string) {
	t.Helper()
	write(t, filepath.Join(home, ".aliyun", "config.json"), `{"current": "now", "profiles": [`+strings.ReplaceAll(profiles, "$HOME", home)+`], "meta_path": ""}`)
}

const role = "acs:ram::1:role/r"

// Profiles, each with a secret that must not be shown.
const (
	byKey      = `{"name": "now", "mode": "AK", "access_key_id": "key-id", "access_key_secret": "hunter2-key", "region_id": "cn-shanghai"}`
	byToken    = `{"name": "now", "mode": "StsToken", "access_key_id": "key-id", "access_key_secret": "hunter2-key", "sts_token": "hunter2-sts"}`
	byRole     = `{"name": "now", "mode": "RamRoleArn", "access_key_id": "key-id", "access_key_secret": "hunter2-key", "ram_role_arn": "` + role + `", "ram_session_name": "s", "sts_region": "cn-beijing", "external_id": "hunter2-external"}`
	byMachine  = `{"name": "now", "mode": "EcsRamRole", "ram_role_name": "named"}`
	byBoth     = `{"name": "now", "mode": "RamRoleArnWithRoleName", "ram_role_name": "named", "ram_role_arn": "` + role + `"}`
	byOIDC     = `{"name": "now", "mode": "OIDC", "ram_role_arn": "` + role + `", "oidc_provider_arn": "provider", "oidc_token_file": "$HOME/token"}`
	bySSO      = `{"name": "now", "mode": "CloudSSO", "cloud_sso_sign_in_url": "https://signin.example/start/login", "cloud_sso_account_id": "1", "cloud_sso_access_config": "ac", "access_token": "hunter2-sso", "cloud_sso_access_token_expire": 9999999999}`
	byOAuth    = `{"name": "now", "mode": "OAuth", "oauth_site_type": "CN", "oauth_access_token": "hunter2-oauth", "oauth_refresh_token": "hunter2-refresh", "oauth_access_token_expire": 9999999999}`
	byURI      = `{"name": "now", "mode": "CredentialsURI", "credentials_uri": "http://uri.example/credentials?token=hunter2"}`
	byExternal = `{"name": "now", "mode": "External", "process_command": "sh '$HOME/a program.sh' hunter2-argument"}`
	byChain    = `{"name": "now", "mode": "ChainableRamRoleArn", "source_profile": "first", "ram_role_arn": "` + role + `"}`
	first      = `{"name": "first", "mode": "AK", "access_key_id": "key-id", "access_key_secret": "hunter2-key"}`
)

func current(t *testing.T, c account.Source) account.Credentials {
	t.Helper()
	got, err := c.Current(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return got
}

// fails returns the error of a lookup, which must have no secret.
func fails(t *testing.T, ctx context.Context, c account.Source) string {
	t.Helper()
	got, err := c.Current(ctx)
	if err == nil {
		t.Fatalf("%+v, want an error", got)
	}
	if strings.Contains(err.Error(), hidden) || len(err.Error()) > 2000 {
		t.Errorf("the error shows a secret, or is long: %s", err)
	}
	return err.Error()
}
