package emulator_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/mediasweep/mediasweep/internal/emulator"
)

// The robots refuse what the documentation of the chats refuses. The signatures were computed by another
// program for this time.
func TestRobots(t *testing.T) {
	const (
		ding  = "dingtalk/robot/send?access_token=" + emulator.RobotToken
		fei   = "feishu/open-apis/bot/v2/hook/" + emulator.RobotToken
		we    = "wecom/cgi-bin/webhook/send?key=" + emulator.RobotToken
		slack = "slack/services/T0/B0/" + emulator.RobotToken
		text  = `{"msgtype":"markdown","markdown":{"title":"t","text":"mediasweep"}}`
		post  = `{"timestamp":"1767225600","sign":"cLdoSct0GC+RiIOp7cgTJFG+3v2O+KOMjEUQkHQcrGI=","msg_type":"post","content":{"post":{"zh_cn":{}}}}`
	)
	signed := ding + "&timestamp=1767225600123&sign=" + url.QueryEscape("uuAxHH5eCApWYzX1MnamTy3aWN7wizWFZZ8Y13U8bC0=")
	now := time.UnixMilli(1767225600123)
	for name, test := range map[string]struct {
		later              time.Duration
		address, body      string
		status             int
		want               string
		violations, before int
	}{
		"DingTalk":           {address: signed, body: text, status: 200, want: `"errcode": 0`},
		"DingTalk, sign":     {address: strings.Replace(signed, "sign=", "sign=x", 1), body: text, status: 200, want: `"errcode": 310000`, violations: 1},
		"DingTalk, unsigned": {address: ding, body: text, status: 200, want: `"errcode": 310000`, violations: 1},
		"DingTalk, old":      {later: 2 * time.Hour, address: signed, body: text, status: 200, want: `"errcode": 310000`, violations: 1},
		"DingTalk, token":    {address: strings.Replace(signed, "0001", "0002", 1), body: text, status: 200, want: `"errcode": 300001`, violations: 1},
		"DingTalk, size":     {address: signed, body: strings.Replace(text, "mediasweep", "mediasweep"+strings.Repeat("x", 20_000), 1), status: 200, want: `"errcode": 460101`, violations: 1},
		"DingTalk, rate":     {address: signed, body: text, status: 200, before: 20, want: `"errcode": 130101`, violations: 1},
		"Feishu":             {address: fei, body: post, status: 200, want: `"code": 0`},
		"Feishu, sign":       {address: fei, body: strings.Replace(post, `"sign":"`, `"sign":"x`, 1), status: 200, want: `"code": 19021`, violations: 1},
		"WeCom":              {address: we, body: `{"msgtype":"markdown","markdown":{"content":"x"}}`, status: 200, want: `"errcode": 0`},
		"WeCom, key":         {address: "wecom/cgi-bin/webhook/send?key=x", body: `{}`, status: 200, want: `"errcode": 93000`, violations: 1},
		"WeCom, size":        {address: we, body: `{"msgtype":"markdown","markdown":{"content":"` + strings.Repeat("x", 4097) + `"}}`, status: 200, want: `"errcode": 40058`, violations: 1},
		"Slack":              {address: slack, body: `{"text":"x"}`, status: 200, want: "ok"},
		"Slack, no text":     {address: slack, body: `{}`, status: 400, want: "documented type", violations: 1},
		"Slack, path":        {address: "slack/services/T0", body: `{"text":"x"}`, status: 404, want: "no such robot", violations: 1},
		"JSON, unsigned":     {address: "json/" + emulator.RobotToken, body: `{"title":"t","text":"x"}`, status: 403, want: "signature", violations: 1},
		"no JSON":            {address: slack, body: "x", status: 400, want: "not a POST of JSON", violations: 1},
		"nowhere":            {address: "nowhere", body: `{}`, status: 404, want: "no such robot", violations: 1},
	} {
		t.Run(name, func(t *testing.T) {
			e, err := emulator.Start(emulator.Config{Now: func() time.Time { return now.Add(test.later) }})
			if err != nil {
				t.Fatal(err)
			}
			defer e.Close() //nolint:errcheck // ends with the test
			var status int
			var answer string
			for range test.before + 1 {
				status, answer = askRobot(t, http.MethodPost, e.URL()+"/_robots/"+test.address, test.body)
			}
			if status != test.status || !strings.Contains(answer, test.want) || len(e.Violations()) != test.violations {
				t.Errorf("HTTP %d, %s, violations %q", status, answer, e.Violations())
			}
			if taken, want := len(e.Digests()), test.before+1-test.violations; taken != want {
				t.Errorf("%d digests, want %d", taken, want)
			}
			if _, shown := askRobot(t, http.MethodGet, e.URL()+"/_emulator/digests", ""); strings.Count(shown, `"Robot"`) != len(e.Digests()) {
				t.Errorf("shown: %s", shown)
			}
			if strings.Contains(fmt.Sprint(e.Violations()), emulator.RobotToken) {
				t.Error("a violation shows the token")
			}
		})
	}
}

func askRobot(t *testing.T, method, address, body string) (int, string) {
	t.Helper()
	request, err := http.NewRequestWithContext(context.Background(), method, address, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, string(answer)
}
