package notify

import (
	"encoding/json"
	"strings"
	"testing"
	"time"
)

var stampTime = time.UnixMilli(1767225600123)

// The signatures were computed by another program.
func TestSignatures(t *testing.T) {
	parse := func(value string) target {
		to, err := parseTarget(value)
		if err != nil {
			t.Fatal(err)
		}
		return to
	}
	m := Message{Title: "mediasweep: test", Lines: []string{"a"}}

	r, err := parse("dingtalk+https://h/send?access_token=t&secret=SECabc/+=").newRequest(m, stampTime)
	if want := "https://h/send?access_token=t&timestamp=1767225600123&sign=zwiogjaWX1%2B12c70XOAJo9lMBFikfD94apXvPMcPKa4%3D"; err != nil || r.url.String() != want {
		t.Errorf("DingTalk: %s, %v, want %s", r.url.String(), err, want)
	}
	r, err = parse("feishu+https://h/hook/t?secret=SECabc/+=").newRequest(m, stampTime)
	var body struct{ Timestamp, Sign string }
	if jsonErr := json.Unmarshal(r.body, &body); err != nil || jsonErr != nil || body.Timestamp != "1767225600" || body.Sign != "F/QGMEs7bppMPs5XX1ahNbdjUqtl8jh6gn0r57Ad2Xc=" {
		t.Errorf("Feishu: %s, %v", r.body, err)
	}
	r, err = parse("json+https://h/?secret=SECabc/+=").newRequest(Message{Title: "t"}, stampTime)
	if want := `{"report":null,"text":"","title":"t"}`; err != nil || string(r.body) != want {
		t.Errorf("JSON: %s, %v, want %s", r.body, err, want)
	}
	if got, want := r.header["X-Mediasweep-Signature"], "sha256=0407a5485023f9aea1a21d227cfa277ddb34ce42bb88bebf659bbf679d684303"; got != want || r.header["X-Mediasweep-Timestamp"] != "1767225600" {
		t.Errorf("JSON: %s, want %s", got, want)
	}
	for _, value := range []string{"dingtalk+https://h/send?access_token=t", "feishu+https://h/t", "json+https://h/"} {
		r, err := parse(value).newRequest(m, stampTime)
		if err != nil || strings.Contains(r.url.String()+string(r.body), "sign") || len(r.header) > 0 {
			t.Errorf("%s is signed without a secret: %s, %v", value, r.body, err)
		}
	}
}
