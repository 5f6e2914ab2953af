package account_test

import (
	"context"
	"errors"
	"net/url"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/mediasweep/mediasweep/internal/account"
)

func env(pairs ...string) func(string) string {
	m := map[string]string{}
	for i := 0; i < len(pairs); i += 2 {
		m[pairs[i]] = pairs[i+1]
	}
	return func(name string) string { return m[name] }
}

func TestFromEnvironment(t *testing.T) {
	tests := []struct {
		name string
		env  []string
		want account.Account
		says string
	}{
		{"region only", []string{"MEDIASWEEP_REGION", "cn-shanghai"}, account.Account{Region: "cn-shanghai"}, ""},
		{"in FC", []string{"FC_REGION", "cn-hangzhou", "FC_FUNCTION_NAME", "f"}, account.Account{Region: "cn-hangzhou", InFC: true}, ""},
		{"host", []string{"MEDIASWEEP_REGION", "cn-shanghai", "MEDIASWEEP_MPS_ENDPOINT", "mts-vpc.cn-shanghai.aliyuncs.com"},
			account.Account{Region: "cn-shanghai", MPS: account.Endpoint{Host: "mts-vpc.cn-shanghai.aliyuncs.com"}}, ""},
		{"loopback", []string{"MEDIASWEEP_REGION", "cn-shanghai", "MEDIASWEEP_OSS_ENDPOINT", "http://127.0.0.1:8080/"},
			account.Account{Region: "cn-shanghai", OSS: account.Endpoint{Host: "127.0.0.1:8080", Plain: true}}, ""},
		{"IPv6 loopback", []string{"MEDIASWEEP_REGION", "cn-shanghai", "MEDIASWEEP_OSS_ENDPOINT", "http://[::1]:8080"},
			account.Account{Region: "cn-shanghai", OSS: account.Endpoint{Host: "[::1]:8080", Plain: true}}, ""},
		{"no region", nil, account.Account{}, "no region"},
		{"OSS region", []string{"MEDIASWEEP_REGION", "oss-cn-shanghai"}, account.Account{}, "not a region ID"},
		{"region with a host in it", []string{"MEDIASWEEP_REGION", "evil.example/cn"}, account.Account{}, "not a region ID"},
		{"plain http elsewhere", []string{"MEDIASWEEP_REGION", "cn-shanghai", "MEDIASWEEP_MPS_ENDPOINT", "http://mts.cn-shanghai.aliyuncs.com"}, account.Account{}, "loopback addresses only"},
		{"http to a name that starts like loopback", []string{"MEDIASWEEP_REGION", "cn-shanghai", "MEDIASWEEP_MPS_ENDPOINT", "http://127.0.0.1.example.com"}, account.Account{}, "loopback addresses only"},
		{"keys in the URL", []string{"MEDIASWEEP_REGION", "cn-shanghai", "MEDIASWEEP_MPS_ENDPOINT", "https://a:b@host"}, account.Account{}, "nothing more"},
		{"path", []string{"MEDIASWEEP_REGION", "cn-shanghai", "MEDIASWEEP_MPS_ENDPOINT", "https://host/path"}, account.Account{}, "nothing more"},
		{"scheme", []string{"MEDIASWEEP_REGION", "cn-shanghai", "MEDIASWEEP_MPS_ENDPOINT", "ftp://host"}, account.Account{}, "neither https nor http"},
	}
	for _, port := range []string{"", "0", "080", "65536", "99999999999999999999", "-1", "+1", "0x50", "1_0"} {
		for _, host := range []string{"mts.cn-shanghai.aliyuncs.com", "http://127.0.0.1", "https://[::1]"} {
			test := tests[0]
			test.name, test.env, test.says = host+":"+port, []string{"MEDIASWEEP_REGION", "cn-shanghai", "MEDIASWEEP_OSS_ENDPOINT", host + ":" + port}, "MEDIASWEEP_OSS_ENDPOINT: "
			tests = append(tests, test)
		}
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got, err := account.FromEnvironment(env(test.env...))
			if test.says != "" {
				if err == nil || !strings.Contains(err.Error(), test.says) {
					t.Errorf("error %v, want one with %q", err, test.says)
				}
				return
			}
			if err != nil || !reflect.DeepEqual(got, test.want) {
				t.Errorf("%+v, %v; want %+v", got, err, test.want)
			}
		})
	}
}

func TestCredentialsAreNeverMixed(t *testing.T) {
	call := account.Credentials{AccessKeyID: "call-id", AccessKeySecret: "call-secret", SecurityToken: "call-token"}
	tests := []struct {
		name string
		env  []string
		call account.Credentials
		want account.Credentials
	}{
		{"environment first", []string{"ALIBABA_CLOUD_ACCESS_KEY_ID", "id", "ALIBABA_CLOUD_ACCESS_KEY_SECRET", "secret", "ALIBABA_CLOUD_SECURITY_TOKEN", "token"}, call,
			account.Credentials{AccessKeyID: "id", AccessKeySecret: "secret", SecurityToken: "token"}},
		{"a lasting key takes no token of the call", []string{"ALIBABA_CLOUD_ACCESS_KEY_ID", "id", "ALIBABA_CLOUD_ACCESS_KEY_SECRET", "secret"}, call,
			account.Credentials{AccessKeyID: "id", AccessKeySecret: "secret"}},
		{"half a key does not count", []string{"ALIBABA_CLOUD_ACCESS_KEY_ID", "id", "ALIBABA_CLOUD_SECURITY_TOKEN", "token"}, call, call},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if got, err := account.NewKeyring(env(test.env...)).Or(test.call).Current(t.Context()); err != nil || got != test.want {
				t.Errorf("%+v, %v; want %+v", got, err, test.want)
			}
		})
	}
	if _, err := account.NewKeyring(env()).Or(account.Credentials{}).Current(t.Context()); !errors.Is(err, account.ErrNoCredentials) {
		t.Errorf("without any: %v", err)
	}
}

// Credentials of a file with Windows line ends, and others that no service takes, are named by their source.
func TestOddCredentials(t *testing.T) {
	const id, secret, token = "ALIBABA_CLOUD_ACCESS_KEY_ID", "ALIBABA_CLOUD_ACCESS_KEY_SECRET", "ALIBABA_CLOUD_SECURITY_TOKEN"
	good := []string{id, "hunter2", secret, "hunter2", token, "hunter2/+="}
	for i, odd := range map[int]string{1: "hunter2\n", 3: "hunter2\r", 5: "hunter 2"} {
		values := slices.Clone(good)
		values[i] = odd
		_, err := account.NewKeyring(env(values...)).Or(account.Credentials{}).Current(t.Context())
		if !errors.Is(err, account.ErrNoCredentials) || !strings.Contains(err.Error(), "no credentials: "+id) || strings.Contains(err.Error(), "hunter") {
			t.Errorf("%s: %v", values[i-1], err)
		}
	}
	call := account.Credentials{AccessKeyID: "id", AccessKeySecret: "schlüssel"}
	if _, err := account.NewKeyring(env()).Or(call).Current(t.Context()); err == nil || !strings.HasPrefix(err.Error(), "no credentials: the call: one of them has a space") {
		t.Errorf("of the call: %v", err)
	}
}

// Credentials that a service refused give way to the other source's, whole, and come
// back once they are renewed.
func TestRefusedCredentialsGiveWay(t *testing.T) {
	of := func(name string) account.Credentials {
		return account.Credentials{AccessKeyID: name + "-id", AccessKeySecret: name + "-secret", SecurityToken: name + "-token"}
	}
	names := []string{"ALIBABA_CLOUD_ACCESS_KEY_ID", "ALIBABA_CLOUD_ACCESS_KEY_SECRET", "ALIBABA_CLOUD_SECURITY_TOKEN"}
	tests := []struct {
		name        string
		environment string // whose credentials the environment has; empty for none
		refused     []string
		want        string
	}{
		{"none refused", "env", nil, "env"},
		{"the environment's", "env", []string{"env"}, "call"},
		{"the call's", "env", []string{"call"}, "env"},
		{"both", "env", []string{"env", "call"}, "env"},
		{"an earlier call's", "env", []string{"env", "old"}, "call"},
		{"the environment's before they were renewed", "new", []string{"env", "call"}, "new"},
		{"the call's, and there are no others", "", []string{"call"}, "call"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			environment := map[string]string{}
			if test.environment != "" {
				c := of(test.environment)
				environment = map[string]string{names[0]: c.AccessKeyID, names[1]: c.AccessKeySecret, names[2]: c.SecurityToken}
			}
			keyring := account.NewKeyring(func(name string) string { return environment[name] })
			for _, name := range test.refused {
				keyring.Or(of("call")).Refuse(of(name))
			}
			if got, err := keyring.Or(of("call")).Current(t.Context()); err != nil || got != of(test.want) {
				t.Errorf("%+v, %v; want %s", got, err, test.want)
			}
		})
	}
	keyring := account.NewKeyring(env(names[0], "env-id", names[1], "env-secret", names[2], "env-token"))
	if other := keyring.Or(account.Credentials{}).Refuse(of("env")); other {
		t.Error("there are other credentials where the call has none")
	}
	if other := keyring.Or(of("call")).Refuse(of("env")); !other {
		t.Error("the call's are none")
	}
	keyring.Or(of("call")).Refuse(of("old"))
	if text := keyring.Or(of("call")).Redact("env-token call-secret env-id old-token"); strings.Contains(text, "-") {
		t.Errorf("secrets are shown: %s", text)
	}
}

// elsewhere is a source with one key.
type elsewhere struct{ refused []account.Credentials }

func (e *elsewhere) Current(context.Context) (account.Credentials, error) {
	return account.Credentials{AccessKeyID: "found-id", AccessKeySecret: "found-secret"}, nil
}
func (e *elsewhere) Refuse(c account.Credentials) { e.refused = append(e.refused, c) }
func (e *elsewhere) String() string               { return "elsewhere" }

// A source is asked last: it may have another account's key.
func TestSourceIsAskedLast(t *testing.T) {
	key := []string{"ALIBABA_CLOUD_ACCESS_KEY_ID", "env-id", "ALIBABA_CLOUD_ACCESS_KEY_SECRET", "env-secret"}
	of := func(name string) account.Credentials {
		return account.Credentials{AccessKeyID: name + "-id", AccessKeySecret: name + "-secret"}
	}
	for _, test := range []struct {
		name       string
		env        []string
		call       account.Credentials
		want, from string
	}{
		{"the environment's", key, account.Credentials{}, "env", "ALIBABA_CLOUD_ACCESS_KEY_ID and ALIBABA_CLOUD_ACCESS_KEY_SECRET, without a token"},
		{"the call's", nil, of("call"), "call", "the call"},
		{"the source's", nil, account.Credentials{}, "found", "elsewhere"},
		{"half a key does not count", key[:2], account.Credentials{}, "found", "elsewhere"},
	} {
		t.Run(test.name, func(t *testing.T) {
			source := &elsewhere{}
			provider := account.NewKeyringWith(env(test.env...), source).Or(test.call)
			got, err := provider.Current(t.Context())
			if err != nil || got != of(test.want) || provider.Source() != test.from {
				t.Errorf("%+v, %v, from %s; want %s", got, err, provider.Source(), test.want)
			}
			if text := provider.Redact(got.AccessKeyID + " " + got.AccessKeySecret); strings.Contains(text, "-") {
				t.Errorf("secrets are shown: %s", text)
			}
			asked := test.want == "found"
			if others := provider.Refuse(got); others != asked || (len(source.refused) > 0) != asked {
				t.Errorf("other credentials: %t; the source was told %v", others, source.refused)
			}
			// One try is enough for a key that stays refused.
			if provider.Refuse(got) {
				t.Error("a key that was refused twice is tried again")
			}
			if got, err := provider.Current(t.Context()); err != nil || got != of(test.want) {
				t.Errorf("%+v, %v: after a refusal another source was asked", got, err)
			}
		})
	}
}

func TestBlame(t *testing.T) {
	provider := account.NewKeyringWith(env(), &elsewhere{}).Or(account.Credentials{})
	for code, want := range map[string]string{
		"InvalidAccessKeyId": " (credentials: elsewhere)", "InvalidAccessKeyId.NotFound": " (credentials: elsewhere)", "SecurityTokenExpired": " (credentials: elsewhere)",
		"AccessDenied": " (credentials: elsewhere)", "Forbidden.RAM": " (credentials: elsewhere)", "NoPermission": " (credentials: elsewhere)",
		"": "", "NoSuchBucket": "", "Throttling.User": "", "RequestTimeTooSkewed": "",
	} {
		if got := provider.Blame(code); got != want {
			t.Errorf("%s: %q, want %q", code, got, want)
		}
	}
}

func TestRedact(t *testing.T) {
	c := account.Credentials{AccessKeyID: "LTAI-id", AccessKeySecret: "s3cr/et+=", SecurityToken: "CAIS/token+with=odd&chars"}
	once := url.QueryEscape(c.SecurityToken)
	for _, text := range []string{
		"id LTAI-id, secret s3cr/et+=, token CAIS/token+with=odd&chars",
		"escaped " + once + " and twice " + url.QueryEscape(once) + " " + url.QueryEscape(c.AccessKeySecret),
		`Post "http://127.0.0.1:1/?AccessKeyId=LTAI-id&SecurityToken=` + once + `&Signature=abc%3D": EOF`,
		"server string to sign is:POST&%2F&AccessKeyId%3DLTAI-id%26SecurityToken%3D" + url.QueryEscape(once),
		"Signature=abc%2Bdef%3D is wrong; x-oss-security-token: " + c.SecurityToken,
		"Authorization: OSS4-HMAC-SHA256 Credential=LTAI-id/20260101/cn/oss,Signature=deadbeef",
		`{"token":"CAIS\/token+with=odd&chars"}`,
		"we computed another than the signature you provided: deadbeefdeadbeefdeadbeefdeadbeefdeadbeefdeadbeefdeadbeefdeadbeef",
		"the signature you provided: odd/abc%+signature=",
		"<title>127.0.0.1/?list-type=2&prefix=odd</title>",
		"sig odd4567890123456789+123/567= and odd4567890123456789+123/567%3D",
	} {
		got := c.Redact(text)
		for _, secret := range []string{"LTAI-id", "s3cr", "CAIS", "odd", "abc%", "deadbeef", "http://"} {
			if strings.Contains(got, secret) {
				t.Errorf("Redact(%q) = %q, which shows %q", text, got, secret)
			}
		}
	}
	for _, text := range []string{
		"the media 0319dd3b9680d28a4e16ae79898c1d24 is in state Deleted",
		"dial tcp 127.0.0.1:1: connect: connection refused",
		"oss://media-in/dir/a=b.mp4 is not there",
	} {
		if got := c.Redact(text); got != text {
			t.Errorf("plain text changed: %q", got)
		}
	}
}

func TestCheckEnvironment(t *testing.T) {
	for value, refused := range map[string]bool{"": false, "1": false, "sdk": true, "credential": true, "a,sdk,b": true} {
		if err := account.CheckEnvironment(env("DEBUG", value)); (err != nil) != refused {
			t.Errorf("DEBUG=%q: %v", value, err)
		}
	}
}
