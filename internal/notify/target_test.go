package notify

import (
	"strings"
	"testing"

	"github.com/mediasweep/mediasweep/internal/fuzztest"
)

func TestParseTargets(t *testing.T) {
	targets, err := parseTargets("dingtalk+https://oapi.dingtalk.com/robot/send?access_token=a%2Fb&secret=SECa+b%2F=\n" +
		"\tfeishu+https://open.feishu.cn/open-apis/bot/v2/hook/x?secret=s wecom+https://qyapi.weixin.qq.com/cgi-bin/webhook/send?key=k " +
		"slack+https://hooks.slack.com/services/T/B/X json+http://127.0.0.1:1/in?secret=s&a=1&a=2")
	if err != nil {
		t.Fatal(err)
	}
	want := []struct{ url, secret string }{
		{"https://oapi.dingtalk.com/robot/send?access_token=a%2Fb", "SECa+b/="},
		{"https://open.feishu.cn/open-apis/bot/v2/hook/x", "s"},
		{"https://qyapi.weixin.qq.com/cgi-bin/webhook/send?key=k", ""},
		{"https://hooks.slack.com/services/T/B/X", ""},
		{"http://127.0.0.1:1/in?a=1&a=2", "s"},
	}
	if len(targets) != len(want) {
		t.Fatalf("%d targets, want %d", len(targets), len(want))
	}
	for i, w := range want {
		if got := targets[i]; got.url.String() != w.url || got.secret != w.secret {
			t.Errorf("target %d is %s with secret %q, want %s with %q", i+1, got.url.String(), got.secret, w.url, w.secret)
		}
	}
}

func TestParseTargetsRefuses(t *testing.T) {
	const good = "slack+https://hooks.slack.com/services/T/B/X "
	for name, test := range map[string]struct{ value, want string }{
		"no kind":         {good + "https://hunter2.example/x", "target 2: it must start with"},
		"unknown kind":    {"teams+https://hunter2.example/x", "target 1: it must start with"},
		"two":             {"x " + good + "hunter2", "target 1: it must start with dingtalk+https://, feishu+https://, wecom+https://, slack+https:// or json+https://\ntarget 3:"},
		"upper case":      {"Slack+https://hunter2.example/x", "target 1: it must start with"},
		"no host":         {"json+https:///hunter2", "target 1: it is not a URL with a host"},
		"opaque":          {"json+https:hunter2", "target 1: it is not a URL with a host"},
		"scheme":          {"json+ftp://hunter2/x", "target 1: write json+https://"},
		"no scheme":       {"json+//hunter2/x", "target 1: write json+https://"},
		"http":            {"json+http://hunter2.example/x", "target 1: json+http:// is accepted for loopback addresses only"},
		"http loopback":   {"json+http://127.0.0.1.hunter2.example/x", "loopback addresses only"},
		"user":            {"json+https://u:hunter2@example.com/x", "target 1: it has a user name or a password"},
		"fragment":        {"json+https://example.com/x#hunter2", "target 1: it has a fragment"},
		"empty secret":    {"json+https://example.com/hunter2?secret=", "target 1: its secret is empty"},
		"no value":        {"json+https://example.com/hunter2?secret", "target 1: its secret is empty"},
		"two secrets":     {"json+https://example.com/?secret=hunter2&secret=b", "target 1: it has more than one secret"},
		"escape":          {"json+https://example.com/?secret=hunter2%2", "target 1: its secret has an incomplete escape"},
		"unsigned slack":  {"slack+https://example.com/?secret=hunter2", "target 1: slack signs no messages"},
		"unsigned wecom":  {"wecom+https://example.com/?secret=hunter2", "target 1: wecom signs no messages"},
		"not a URL":       {"json+https://hunter2\x7f/", "target 1: it is not a URL with a host"},
		"port":            {"json+https://example.com:hunter2/", "target 1: it is not a URL with a host"},
		"large port":      {"json+https://example.com:65536/hunter2", "target 1: the port is not a plain decimal number from 1 to 65535"},
		"port 0":          {"json+http://127.0.0.1:0/hunter2", "target 1: the port"},
		"octal port":      {"json+https://example.com:0443/hunter2", "target 1: the port"},
		"no port":         {"json+https://example.com:/hunter2", "target 1: the port"},
		"long":            {"json+https://example.com/hunter2" + strings.Repeat("x", maxTarget), "target 1: it has more than 2048 bytes"},
		"too many":        {strings.Repeat(good, 9), "more than 8 targets"},
		"comma separated": {"json+https://a.example/x,json+https://b.example/hunter2", "target 1: it has two addresses: separate targets by white space"},
		"semicolon":       {"dingtalk+https://a.example/x?access_token=a;json+http://127.0.0.1/hunter2", "target 1: it has two addresses"},
	} {
		t.Run(name, func(t *testing.T) {
			targets, err := parseTargets(test.value)
			if err == nil || len(targets) > 0 || !strings.Contains(err.Error(), test.want) {
				t.Fatalf("%d targets and error %v, want %q", len(targets), err, test.want)
			}
			if strings.Contains(err.Error(), "hunter2") {
				t.Errorf("the error quotes the value: %v", err)
			}
		})
	}
}

func TestNew(t *testing.T) {
	for name, test := range map[string]struct{ targets, lang, want string }{
		"nothing":  {},
		"chinese":  {lang: "zh"},
		"language": {lang: "hunter2", want: "MEDIASWEEP_LANG is neither en nor zh"},
		"target":   {targets: "hunter2", want: "MEDIASWEEP_NOTIFY: target 1: "},
	} {
		t.Run(name, func(t *testing.T) {
			env := map[string]string{"MEDIASWEEP_NOTIFY": test.targets, "MEDIASWEEP_LANG": test.lang}
			n, err := New(func(name string) string { return env[name] }, nil)
			switch {
			case test.want == "" && (err != nil || n.Enabled()):
				t.Errorf("error %v", err)
			case test.want != "" && (err == nil || n.Enabled() || !strings.HasPrefix(err.Error(), test.want) || strings.Contains(err.Error(), "hunter2")):
				t.Errorf("error %v, want %q", err, test.want)
			}
		})
	}
}

func FuzzParseTargets(f *testing.F) {
	for _, seed := range []string{
		"dingtalk+https://oapi.dingtalk.com/robot/send?access_token=abcdefgh&secret=SECabcdefgh",
		"feishu+https://open.feishu.cn/open-apis/bot/v2/hook/abcdefgh json+http://[::1]:80/?secret=%41&x",
		"slack+https://hooks.slack.com/services/T/B/X#y wecom+http://127.0.0.1/?key=k",
	} {
		f.Add(seed)
	}
	fuzztest.Fuzz(f, func(t *testing.T, value string) {
		targets, err := parseTargets(value)
		if err != nil && len(targets) > 0 {
			t.Fatal("targets beside an error")
		}
		for _, to := range targets {
			if strings.Contains("&"+to.url.RawQuery, "&secret=") || to.url.Hostname() == "" || to.url.User != nil {
				t.Errorf("target %q", to.url.String())
			}
			if _, err := to.newRequest(t.Context(), Message{Title: "mediasweep"}, stampTime); err != nil {
				t.Errorf("request: %v", err)
			}
		}
	})
}
