package text_test

import (
	"encoding/json"
	"html"
	"net/url"
	"strings"
	"testing"

	"github.com/mediasweep/mediasweep/internal/text"
)

// hidden is the secret of each example, or part of it.
const hidden = "hunter2Hunter2hunter2"

// examples are texts with credentials, and the part of each that stays readable.
var examples = []struct{ secret, stays string }{
	{"LTAI" + hidden, ""},
	{"STS." + hidden, ""},
	{"TMP." + hidden, ""},
	{"CAIS" + hidden + "+/==", ""},
	{"https://b.oss-cn-shanghai.aliyuncs.com/a.mp4?Expires=1&OSSAccessKeyId=LTAI" + hidden + "&Signature=" + hidden + "%3D", "https://b.oss-cn-shanghai.aliyuncs.com/a.mp4?"},
	{"https://b.oss-cn-shanghai.aliyuncs.com/a.mp4?x-oss-signature=" + hidden, "/a.mp4?x-oss-signature="},
	{"oss://b/a.mp4?security-token=" + hidden, "oss://b/a.mp4?security-token="},
	{"https://oapi.dingtalk.com/robot/send?access_token=" + hidden, "https://oapi.dingtalk.com/robot/send?"},
	{"https://oapi.dingtalk.com/robot/send?timestamp=1&sign=" + hidden, "?timestamp=1&sign="},
	{"https://qyapi.weixin.qq.com/cgi-bin/webhook/send?key=" + hidden, "https://qyapi.weixin.qq.com/"},
	{"https://open.feishu.cn/open-apis/bot/v2/hook/" + hidden, "https://open.feishu.cn/open-apis/bot/v2/hook/"},
	{"https://hooks.slack.com/services/T0/B0/" + hidden, "https://hooks.slack.com/"},
	{"https://user:" + hidden + "@host/", "host/"},
	{`{"accessKeySecret":"` + hidden + `","SecurityToken": "` + hidden + `"}`, `{"accessKeySecret":"`},
	{"secret=" + hidden, "secret="},
	{hidden + "AccessKey", ""},
	{`{"securityToken":"accessKeySecret: ` + hidden + `"}`, `{"securityToken":"`},
}

// TestQuoteHidesCredentials quotes each example whole, cut at every place, and in the escapes of other programs.
func TestQuoteHidesCredentials(t *testing.T) {
	escapes := map[string]func(string) string{
		"plain": func(s string) string { return s },
		"query": url.QueryEscape,
		"HTML":  html.EscapeString,
		"JSON": func(s string) string {
			b, _ := json.Marshal(s) // a text always marshals
			return string(b)
		},
	}
	for _, example := range examples {
		for outer, escape := range escapes {
			for inner, again := range escapes {
				for before := range text.MaxValue {
					got := text.Quote(strings.Repeat(" ", before) + again(escape(example.secret)))
					if strings.Contains(strings.ToLower(got), "hunter") {
						t.Fatalf("%s in %s: %s", outer, inner, got)
					}
				}
			}
		}
		if got := text.Quote(example.secret); !strings.Contains(strings.ReplaceAll(got, `\`, ""), example.stays) {
			t.Errorf("%s: %s does not stay", got, example.stays)
		}
	}
}

func TestQuoteKeepsNames(t *testing.T) {
	for _, name := range []string{
		"sha256:0f3a5b7c9d1e2f405162738495a6b7c8d9e0f1a2b3c4d5e6f708192a3b4c5d6e", "0319dd3b9680d28a4e16ae79898c1d24", "oss://media-in/key=5/a@2x.mp4",
		"oss://media-in/0319DD3B9680D28A4E16AE79898C1D.mp4", "oss://media-in/Ab34567890123456789012345678901.mp4",
		"oss://media-in/hooks/webhook.mp4", "oss://media-in/token/signature.mp4", "https://media-in.oss-cn-shanghai.aliyuncs.com/dir%2Fa.mp4", "keep-until:2027-01-31",
	} {
		if got := text.Quote(name); got != `"`+name+`"` {
			t.Errorf("%s is shown as %s", name, got)
		}
	}
}
