package emulator

import (
	"net/http/httptest"
	"testing"
)

// The vendor's page on signature V3 has this call and its signature.
func TestACS3OfTheDocumentation(t *testing.T) {
	r := httptest.NewRequest("POST", "http://ecs.cn-shanghai.aliyuncs.com/?ImageId=win2019_1809_x64_dtc_zh-cn_40G_alibase_20230811.vhd&RegionId=cn-shanghai", nil)
	const want = "06563a9e1b43f5dfe96b81484da74bceab24a1d853912eee15083a6f0f3283c0"
	for name, value := range map[string]string{
		"x-acs-action": "RunInstances", "x-acs-version": "2014-05-26", "x-acs-date": "2023-10-26T10:22:32Z",
		"x-acs-signature-nonce": "3156853299f313e23d1673dc12e1703d",
		"x-acs-content-sha256":  "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
		"Authorization": "ACS3-HMAC-SHA256 Credential=YourAccessKeyId," +
			"SignedHeaders=host;x-acs-action;x-acs-content-sha256;x-acs-date;x-acs-signature-nonce;x-acs-version,Signature=" + want,
	} {
		r.Header.Set(name, value)
	}
	s, refused := readACS3(r, "")
	if refused != nil {
		t.Fatal(refused.message)
	}
	if got := s.sign("YourAccessKeySecret"); got != want || s.sent != want || s.id != "YourAccessKeyId" {
		t.Errorf("signature %s of %q, want %s", got, s.toSign, want)
	}
	if _, refused := readACS3(r, "x"); refused == nil || refused.code != "SignatureDoesNotMatch" {
		t.Errorf("the hash of another body: %v", refused)
	}
}
