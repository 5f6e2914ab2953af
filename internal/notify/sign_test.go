package notify

import (
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"
)

var stampTime = time.UnixMilli(1767225600123)

// requestOf returns the request of a message at stampTime, and its body.
func requestOf(t *testing.T, to target, m Message) (*http.Request, []byte) {
	t.Helper()
	r, err := to.newRequest(t.Context(), m, stampTime)
	if err != nil {
		t.Fatal(err)
	}
	content, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	return r, content
}

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

	r, _ := requestOf(t, parse("dingtalk+https://h/send?access_token=t&secret=SECabc/+="), m)
	if want := "https://h/send?access_token=t&timestamp=1767225600123&sign=zwiogjaWX1%2B12c70XOAJo9lMBFikfD94apXvPMcPKa4%3D"; r.URL.String() != want {
		t.Errorf("DingTalk: %s, want %s", r.URL, want)
	}
	_, content := requestOf(t, parse("feishu+https://h/hook/t?secret=SECabc/+="), m)
	var body struct{ Timestamp, Sign string }
	if err := json.Unmarshal(content, &body); err != nil || body.Timestamp != "1767225600" || body.Sign != "F/QGMEs7bppMPs5XX1ahNbdjUqtl8jh6gn0r57Ad2Xc=" {
		t.Errorf("Feishu: %s, %v", content, err)
	}
	r, content = requestOf(t, parse("json+https://h/?secret=SECabc/+="), Message{Title: "t"})
	if want := `{"report":null,"text":"","title":"t"}`; string(content) != want {
		t.Errorf("JSON: %s, want %s", content, want)
	}
	if got, want := r.Header.Get("X-Mediasweep-Signature"), "sha256=0407a5485023f9aea1a21d227cfa277ddb34ce42bb88bebf659bbf679d684303"; got != want || r.Header.Get("X-Mediasweep-Timestamp") != "1767225600" {
		t.Errorf("JSON: %s, want %s", got, want)
	}
	for _, value := range []string{"dingtalk+https://h/send?access_token=t", "feishu+https://h/t", "json+https://h/"} {
		r, content := requestOf(t, parse(value), m)
		if strings.Contains(r.URL.String()+string(content), "sign") || len(r.Header) != 2 {
			t.Errorf("%s is signed without a secret: %s, %v", value, content, r.Header)
		}
	}
}
