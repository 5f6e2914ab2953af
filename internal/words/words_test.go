package words_test

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/mediasweep/mediasweep/internal/words"
)

func TestAccepted(t *testing.T) {
	for header, want := range map[string]words.Lang{
		"": words.English, "zh-CN,zh;q=0.9,en;q=0.8": words.Chinese, "en-GB,en;q=0.9,zh;q=0.8": words.English, "de-DE,zh;q=0.5": words.Chinese, "ZH": words.Chinese, "*": words.English, ";,-": words.English,
		"en;q=0.1, zh;q=0.9": words.Chinese, "zh;q=0, en": words.English, "zh;q=0": words.English, "zh;q=0.5,en;q=0.5": words.Chinese, "en;q=x,zh;q=0.1": words.Chinese, "en;q=NaN,zh;q=2,en;q=0.3": words.English, "zh ; Q = 1": words.Chinese,
	} {
		if got := words.Accepted(header); got != want {
			t.Errorf("%q: %s", header, got)
		}
	}
}

// A translation takes the arguments of its text, in their order.
func TestTranslationsTakeTheSameArguments(t *testing.T) {
	table, err := os.ReadFile("chinese.tsv")
	if err != nil {
		t.Fatal(err)
	}
	verbs := regexp.MustCompile(`%[.0-9]*[a-z]`)
	for line := range strings.Lines(string(table)) {
		english, chinese, ok := strings.Cut(strings.TrimSuffix(line, "\n"), "\t")
		if !ok || chinese == "" || strings.Join(verbs.FindAllString(english, -1), "") != strings.Join(verbs.FindAllString(chinese, -1), "") {
			t.Errorf("%q", line)
		}
	}
}

func TestSay(t *testing.T) {
	if got := words.Chinese.Say("%d media are to be deleted", 3); got != "将删除 3 个媒体" {
		t.Error(got)
	}
	if got := words.Chinese.Say("no such text %d", 3); got != "no such text 3" {
		t.Error(got)
	}
}

// A caller that the program named is translated. The name of a person is not, whatever it is.
func TestCaller(t *testing.T) {
	for name, want := range map[string]string{
		"a signed request": "已签名的请求", "a caller that the HTTP trigger authenticated": "经 HTTP 触发器认证的调用方", "a holder of MEDIASWEEP_HTTP_TOKEN": "MEDIASWEEP_HTTP_TOKEN 的持有者",
		"an unknown caller": "未知调用方", "timer": "定时", "oss": "OSS 事件", "invoke": "调用", "ann@host": "ann@host", "done": "done", "another run is under way": "another run is under way", "": "",
	} {
		if got := words.Chinese.Caller(name); got != want {
			t.Errorf("%q: %s, want %s", name, got, want)
		}
		if got := words.English.Caller(name); got != name {
			t.Errorf("%q: %s", name, got)
		}
	}
}
