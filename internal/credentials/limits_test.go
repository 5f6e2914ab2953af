package credentials

import (
	"errors"
	"testing"
	"time"

	"github.com/aliyun/credentials-go/credentials/providers"
)

// A profile of mode AK may have a token of an earlier mode. The service would refuse the key with it.
func TestAKeyTakesNoToken(t *testing.T) {
	const file = `{"current": "now", "profiles": [{"name": "now", "mode": "AK", "access_key_id": "i", "access_key_secret": "s", "sts_token": "earlier"}]}`
	found, err := ofConfig([]byte(file), "config.json", time.Now, "")
	if err != nil {
		t.Fatal(err)
	}
	if given, err := get(found.provider); err != nil || given.AccessKeyId != "i" || given.SecurityToken != "" {
		t.Errorf("%+v, %v", given, err)
	}
}

// given is a provider that answers with a key and a secret.
type given [2]string

func (given) GetProviderName() string { return "given" }
func (g given) GetCredentials() (*providers.Credentials, error) {
	return &providers.Credentials{AccessKeyId: g[0], AccessKeySecret: g[1]}, nil
}

// Half a key is none.
func TestAnAnswerWithHalfAKey(t *testing.T) {
	for answer, want := range map[given]error{{"i", "s"}: nil, {"i", ""}: errNoKey, {"", "s"}: errNoKey, {"", ""}: errNoKey} {
		if _, err := get(answer); !errors.Is(err, want) {
			t.Errorf("%q: %v, want %v", answer, err, want)
		}
	}
}

// A sign-in has ended in the second of its end.
func TestTheEndOfASignIn(t *testing.T) {
	now := time.Unix(2_000_000_000, 0)
	for left, ended := range map[int64]bool{-1: true, 0: true, 1: false} {
		oauth := profile{Mode: "OAuth", OAuthToken: "t", OAuthExpire: now.Unix() + left}
		sso := profile{Mode: "CloudSSO", CloudSSO: "https://signin.example", AccountID: "a", AccessConfig: "c", SSOToken: "t", SSOExpire: now.Unix() + left}
		for _, p := range []profile{oauth, sso} {
			if err := p.check(now); (err != nil) != ended {
				t.Errorf("%s, %d seconds before its end: %v", p.Mode, left, err)
			}
		}
	}
}
