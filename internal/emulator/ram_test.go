package emulator_test

import (
	"strings"
	"testing"

	"github.com/mediasweep/mediasweep/internal/emulator"
)

// A denial wins, stars cross slashes, and a condition is about the prefix of a listing.
func TestRAMPolicy(t *testing.T) {
	p, err := emulator.ParseRAMPolicy([]byte(`{"Version": "1", "Statement": [
		{"Effect": "Allow", "Action": "mts:Query*", "Resource": "*"},
		{"Effect": "Allow", "Action": ["oss:GetObject", "oss:PutObject"], "Resource": ["acs:oss:*:*:ops/a?/*.csv"]},
		{"Effect": "Allow", "Action": "oss:ListObjects", "Resource": "acs:oss:*:*:ops", "Condition": {"StringLike": {"oss:Prefix": "a/*"}}},
		{"Effect": "Deny", "Action": "oss:PutObject", "Resource": "*"}]}`))
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		operation, bucket, key string
		allowed                bool
	}{
		{"QueryMediaList", "", "", true},
		{"DeleteMedia", "", "", false},
		{"GetObject", "ops", "ab/c/d.csv", true},
		{"HeadObject", "ops", "ab/.csv", true},
		{"GetObject", "ops", "a/d.csv", false},
		{"GetObject", "ops", "ab/d.csv.gz", false},
		{"GetObject", "other", "ab/d.csv", false},
		{"PutObject", "ops", "ab/d.csv", false},
		{"AppendObject", "ops", "ab/d.csv", false},
		{"DeleteObject", "ops", "ab/d.csv", false},
		{"ListObjectsV2", "ops", "a/b", true},
		{"ListObjects", "ops", "a/b", true},
		{"ListObjectsV2", "ops", "b/", false},
		{"ListObjectsV2", "ops", "", false},
		{"GetBucketVersioning", "ops", "", false},
	} {
		if call := (emulator.Call{Operation: test.operation, Bucket: test.bucket, Key: test.key}); p.Allows(call) != test.allowed {
			t.Errorf("%+v: allowed is %t", test, !test.allowed)
		}
	}
	for _, document := range []string{
		``, `{}`, `{"Version":"2","Statement":[]}`, `{"Version":"1","Statement":[{"Effect":"Permit","Action":"*","Resource":"*"}]}`,
		`{"Version":"1","Statement":[{"Effect":"Allow","Action":"*","Resource":"*","Principal":"*"}]}`,
		`{"Version":"1","Statement":[{"Effect":"Allow","Action":"*","Resource":"*","Condition":{"StringEquals":{"oss:Prefix":["a"]}}}]}`,
		`{"Version":"1","Statement":[{"Effect":"Allow","Action":"*","Resource":"acs:oss:*:*:ops/${acs:username}/*"}]}`,
	} {
		if _, err := emulator.ParseRAMPolicy([]byte(document)); err == nil || !strings.HasPrefix(err.Error(), "RAM policy: ") {
			t.Errorf("%s: %v", document, err)
		}
	}
}
