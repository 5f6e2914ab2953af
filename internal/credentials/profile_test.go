package credentials

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/mediasweep/mediasweep/internal/fuzztest"
)

func TestMalformedConfiguration(t *testing.T) {
	tests := []struct{ name, profile, file, says string }{
		{"cut", "", `{"current": "now", "profiles": [{"access_key_secret": "hunter2`, "~/.aliyun/config.json: not valid JSON: it ends too early, at line 1, column 62: mend it, or run `aliyun configure`"},
		{"text behind a value", "", `{"profiles": [{"access_key_secret": "a" hunter2}]}`, "not valid JSON at line 1, column 41"},
		{"not JSON", "", "hunter2", "not valid JSON at line 1, column 1"},
		{"a number for a text", "", `{"profiles": [{"access_key_secret": 72}]}`, "profiles.access_key_secret has the wrong type at line 1, column 38: it is a number, and must be a text: mend it"},
		{"a text for a number", "", "{\n  \"profiles\": [\n    {\"expired_seconds\": \"hunter2\"}]}", "profiles.expired_seconds has the wrong type at line 3, column 33: it is a text, and must be a whole number"},
		{"a text for all", "", `"hunter2"`, "the file has the wrong type at line 1, column 9: it is a text, and must be an object"},
		{"a comma too many", "", "{\n  \"current\": \"now\",\n}", "not valid JSON at line 3, column 1"},
		{"a fraction", "", `{"profiles": [{"expired_seconds": 1.5}]}`, "it is a number, and must be a whole number"},
		{"empty", "", "\n", "config.json: it is empty: mend it, or run `aliyun configure`"},
		{"a byte order mark", "", "\ufeff{}", "it starts with a byte order mark: save it as UTF-8 without one"},
		{"no such profile", "mine", `{"current": "now", "profiles": [` + byKey + "," + first + `]}`, `~/.aliyun/config.json: no profile "mine": there are "first", "now"`},
		{"a key for a name", "LTAI5thunter2hunter2", `{"profiles": [{"name": "LTAI5thunter2hunter2x"}]}`, "no profile"},
		{"no profile at all", "mine", `{}`, "no profile \"mine\", nor any other: run `aliyun configure`"},
		{"the current one is missing", "", `{"current": "gone", "profiles": [` + byKey + `]}`, `no profile "gone": there are "now"`},
		{"an unknown mode", "", `{"current": "now", "profiles": [{"name": "now", "mode": "hunter2"}]}`, `profile "now" of ~/.aliyun/config.json: its mode is none of AK`},
		{"a key without a mode", "", `{"current": "now", "profiles": [{"name": "now", "access_key_id": "i", "access_key_secret": "hunter2"}]}`, `profile "now" of ~/.aliyun/config.json: mode is empty: run`},
		{"no current profile", "", `{"current": "", "profiles": [` + byKey + `]}`, `current is empty: name a profile with --profile, there are "now"`},
		{"half a key", "", `{"current": "now", "profiles": [{"name": "now", "mode": "AK", "access_key_secret": "hunter2"}]}`, "access_key_id is empty: run"},
		{"an empty profile by name", "now", `{"profiles": [{"name": "now", "mode": "AK"}]}`, "access_key_id, access_key_secret is empty"},
		{"no token", "", `{"current": "now", "profiles": [{"name": "now", "mode": "StsToken", "access_key_id": "i", "access_key_secret": "hunter2"}]}`, "sts_token is empty"},
		{"a circle", "", `{"current": "now", "profiles": [{"name": "now", "mode": "ChainableRamRoleArn", "ram_role_arn": "r", "source_profile": "now"}]}`, "no credentials: profile \"now\" of ~/.aliyun/config.json: its source_profile leads through too many roles, or in a circle"},
		{"two of one name", "", `{"current": "now", "profiles": [` + byKey + "," + byKey + `]}`, `2 profiles are named "now": rename or remove the others`},
		{"a source that is missing", "", `{"current": "now", "profiles": [` + byChain + `]}`, `its source_profile: no profile "first"`},
		{"a short session", "", `{"current": "now", "profiles": [{"name": "now", "mode": "EcsRamRole", "expired_seconds": 60}]}`, "below 900"},
		{"a host for a region", "", `{"current": "now", "profiles": [{"name": "now", "mode": "EcsRamRole", "sts_region": "hunter2.example/"}]}`, "sts_region is not a region ID"},
		{"an old sign-in", "", strings.ReplaceAll(`{"current": "now", "profiles": [`+bySSO+`]}`, "9999999999", "1"), "its sign-in has ended: run `aliyun configure --mode CloudSSO`"},
		{"a token over http", "", strings.ReplaceAll(`{"current": "now", "profiles": [`+bySSO+`]}`, "https:", "http:"), "not an https address"},
		{"no port of an address", "", `{"current": "now", "profiles": [{"name": "now", "mode": "CredentialsURI", "credentials_uri": "http://hunter2.example:65536/credentials"}]}`, "credentials_uri is not an http or https address"},
		{"no host of an address", "", `{"current": "now", "profiles": [{"name": "now", "mode": "CredentialsURI", "credentials_uri": "http://:80/hunter2"}]}`, "credentials_uri is not an http or https address"},
		{"no address", "", `{"current": "now", "profiles": [{"name": "now", "mode": "CredentialsURI", "credentials_uri": "hunter2.example/credentials"}]}`, "credentials_uri is not an http or https address"},
		{"an old OAuth token", "", strings.ReplaceAll(`{"current": "now", "profiles": [`+byOAuth+`]}`, "9999999999", "1"), "its sign-in has ended: run `aliyun sts GetCallerIdentity`"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			printed := capture(t)
			c := newCloud(t)
			// What a profile lacks must not come from the environment.
			home := machine(t, "ALIBABA_CLOUD_PROFILE", test.profile, "ALIBABA_CLOUD_ACCESS_KEY_ID", "another-id", "ALIBABA_CLOUD_ACCESS_KEY_SECRET", "another-secret", "ALIBABA_CLOUD_SECURITY_TOKEN", "another-token")
			write(t, filepath.Join(home, ".aliyun", "config.json"), test.file)
			source := New(os.Getenv)
			said := fails(t, t.Context(), source)
			if !strings.Contains(said, test.says) || strings.Contains(source.String(), hidden) || !strings.HasPrefix(source.String(), "none: ") {
				t.Errorf("%s, from %s; want %s", said, source, test.says)
			}
			if said := printed() + c.requests(); said != "" {
				t.Errorf("printed or asked: %s", said)
			}
		})
	}
}

func TestMalformedCredentialsFile(t *testing.T) {
	const section = "section [default] of ~/.alibabacloud/credentials: "
	for name, test := range map[string]struct{ file, says string }{
		"no INI":         {"[default]\n# a = b\nhunter2\n", "~/.alibabacloud/credentials: not valid INI at line 3: write [default], and key = value below it"},
		"an open header": {"[default\nhunter2 = 1", "~/.alibabacloud/credentials: not valid INI at line 1: write"},
		"no section":     {"[hunter2]\ntype = access_key", "no section [default]: add it"},
		"empty":          {"", "no section [default]: add it"},
		"a secret alone": {"access_key_secret = hunter2", "no section [default]: add it"},
		"no type":        {"[default]\naccess_key_secret = hunter2", section + "its type is none of access_key, ecs_ram_role and ram_role_arn"},
		"half a key":     {"[default]\ntype = access_key\naccess_key_secret = hunter2", section + "access_key_id is empty: set it"},
		"no role":        {"[default]\ntype = ram_role_arn\naccess_key_id = i\naccess_key_secret = hunter2", section + "role_arn is empty: set it"},
	} {
		t.Run(name, func(t *testing.T) {
			c := newCloud(t)
			// What the file lacks must not come from the environment.
			home := machine(t, "ALIBABA_CLOUD_ROLE_ARN", "another")
			write(t, filepath.Join(home, ".alibabacloud", "credentials"), test.file)
			if said := fails(t, t.Context(), New(os.Getenv)); !strings.Contains(said, test.says) || c.requests() != "" {
				t.Errorf("%s, want %s; asked %s", said, test.says, c.requests())
			}
		})
	}
}

// What someone set by half, or named and is not there, is no reason to look elsewhere.
func TestHalfAConfiguration(t *testing.T) {
	for name, want := range map[string]string{
		"ALIBABA_CLOUD_ACCESS_KEY_ID":     "ALIBABA_CLOUD_ACCESS_KEY_ID is set, and ALIBABA_CLOUD_ACCESS_KEY_SECRET is not: set both or none",
		"ALIBABA_CLOUD_ACCESS_KEY_SECRET": "ALIBABA_CLOUD_ACCESS_KEY_SECRET is set, and ALIBABA_CLOUD_ACCESS_KEY_ID is not: set both or none",
		"ALIBABA_CLOUD_CONFIG_FILE":       "the file of ALIBABA_CLOUD_CONFIG_FILE: no such file or directory: run `aliyun configure`",
		"ALIBABA_CLOUD_CREDENTIALS_FILE":  "the file of ALIBABA_CLOUD_CREDENTIALS_FILE: no such file or directory",
		"ALIBABA_CLOUD_CREDENTIALS_URI":   "ALIBABA_CLOUD_CREDENTIALS_URI is not an http or https address",
	} {
		c := newCloud(t)
		home := machine(t, name, "hunter2")
		if !strings.HasPrefix(name, "ALIBABA_CLOUD_CREDENTIALS_") { // profiles come before these
			configure(t, home, byKey)
		}
		source := New(os.Getenv)
		if said := fails(t, t.Context(), source); said != "no credentials: "+want || source.String() != "none: "+want || c.requests() != "" {
			t.Errorf("%s: %s, from %s", name, said, source)
		}
	}
}

func TestUnreadableConfiguration(t *testing.T) {
	home := machine(t, "ALIBABA_CLOUD_CONFIG_FILE", "$HOME/hunter2", "ALIBABA_CLOUD_PROFILE", "now")
	check := func(want string) {
		t.Helper()
		if said := fails(t, t.Context(), New(os.Getenv)); !strings.Contains(said, "the file of ALIBABA_CLOUD_CONFIG_FILE: "+want) {
			t.Errorf("%s, want %s", said, want)
		}
	}
	check("no such file")
	write(t, filepath.Join(home, "hunter2"), strings.Repeat(" ", maxFile+1))
	check("larger than 1 MiB")
	if err := os.Remove(filepath.Join(home, "hunter2")); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(home, "hunter2"), 0o700); err != nil {
		t.Fatal(err)
	}
	check("not a regular file")
}

// A pipe would keep its reader waiting.
func TestTokenFileIsARegularFile(t *testing.T) {
	home := machine(t)
	if err := exec.CommandContext(t.Context(), "mkfifo", filepath.Join(home, "token")).Run(); err != nil {
		t.Fatal(err)
	}
	check := func(want string) {
		t.Helper()
		if said := fails(t, t.Context(), New(os.Getenv)); !strings.HasSuffix(said, ": its token file: "+want) {
			t.Error(said)
		}
	}
	configure(t, home, byOIDC)
	check("not a regular file")
	machine(t, "ALIBABA_CLOUD_ROLE_ARN", role, "ALIBABA_CLOUD_OIDC_PROVIDER_ARN", "provider", "ALIBABA_CLOUD_OIDC_TOKEN_FILE", filepath.Join(home, "token"))
	check("not a regular file")
	home = machine(t, "ALIBABA_CLOUD_OIDC_TOKEN", "hunter2-another")
	configure(t, home, byOIDC)
	write(t, filepath.Join(home, "token"), "\n")
	check("empty")
}

func TestExternalPrograms(t *testing.T) {
	for name, test := range map[string]struct{ program, says string }{
		"malformed output": {`echo '{"access_key_secret": "hunter2'`, "does not print JSON"},
		"half a key":       {`echo '{"access_key_secret": "hunter2"}'`, "does not print JSON"},
		"it fails":         {"echo hunter2; echo hunter2 >&2; exit 3", "process_command fails (exit status 3): run it by hand"},
		"endless output":   {"while echo hunter2hunter2hunter2hunter2hunter2hunter2; do :; done", "process_command fails"},
	} {
		t.Run(name, func(t *testing.T) {
			printed := capture(t)
			home := machine(t)
			configure(t, home, byExternal)
			write(t, filepath.Join(home, "a program.sh"), test.program)
			if said := fails(t, t.Context(), New(os.Getenv)); !strings.Contains(said, test.says) {
				t.Errorf("%s, want %s", said, test.says)
			}
			if said := printed(); said != "" {
				t.Errorf("printed: %s", said)
			}
		})
	}
	home := machine(t)
	configure(t, home, byExternal)
	write(t, filepath.Join(home, "a program.sh"), `sleep 30 & echo '{"access_key_id": "printed", "access_key_secret": "hunter2"}'`)
	started := time.Now()
	if got := current(t, New(os.Getenv)); got.AccessKeyID != "printed" || time.Since(started) > 20*time.Second {
		t.Errorf("%+v after %s", got, time.Since(started))
	}
	now := time.Now()
	program := external{command: `sh -c 'echo "{\"access_key_id\": \"$$\", \"access_key_secret\": \"s\", \"expiration\": \"` + now.Add(time.Hour).Format(time.RFC3339) + `\"}"'`, now: func() time.Time { return now }}
	one, err := program.GetCredentials()
	if err != nil {
		t.Fatal(err)
	}
	if two, err := program.GetCredentials(); err != nil || two != one {
		t.Error("the program runs again though its credentials are good", err)
	}
	now = now.Add(time.Hour - early + time.Second)
	if two, err := program.GetCredentials(); err != nil || two == one {
		t.Error("the program does not run again before its credentials end", err)
	}
}

func TestSplit(t *testing.T) {
	for command, want := range map[string][]string{
		`a b  c`: {"a", "b", "c"}, `"a b" 'c "d"' ""`: {"a b", `c "d"`, ""}, `a\ b \"c\"`: {"a b", `"c"`}, `a 'b\'`: {"a", `b\`}, ` `: nil, `''`: nil, `"a`: nil, `a\`: nil,
	} {
		if got, err := split(command, false); !reflect.DeepEqual(got, want) || (err == nil) != (want != nil) {
			t.Errorf("split(%q): %q, %v; want %q", command, got, err, want)
		}
	}
	if got, err := split(`"C:\a b\c.exe" \d`, true); err != nil || !reflect.DeepEqual(got, []string{`C:\a b\c.exe`, `\d`}) {
		t.Errorf("%q, %v", got, err)
	}
}

// FuzzConfiguration looks for a secret of a configuration file in what is said of it.
func FuzzConfiguration(f *testing.F) {
	for _, profile := range []string{byKey, byToken, byRole, byMachine, byBoth, byOIDC, bySSO, byOAuth, byURI, byExternal, byChain} {
		f.Add([]byte(`{"current": "now", "profiles": [`+profile+`]}`), "")
		f.Add([]byte(`{"current": "now", "profiles": [`+profile), "other")
	}
	fuzztest.Fuzz(f, func(t *testing.T, data []byte, name string) {
		_, err := ofConfig(data, "config.json", time.Now, name)
		if err == nil || !strings.Contains(err.Error(), hidden) {
			return
		}
		var c config
		if json.Unmarshal(data, &c) != nil {
			t.Fatalf("%q: %s", data, err)
		}
		// Names of profiles are no secrets.
		names := name + c.Current
		for _, p := range c.Profiles {
			names += p.Name + p.SourceProfile
		}
		if !strings.Contains(names, hidden) {
			t.Errorf("%q: %s", data, err)
		}
	})
}
