package emulator

import (
	"cmp"
	"crypto/hmac"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// robotPath is where the chat robots are. No bucket can have the name, which has an
// underscore.
const robotPath = "/_robots/"

// The credentials of all robots. They open nothing but an emulator.
const (
	RobotToken  = "emulator-robot-token-0001"   //nolint:gosec // of no service
	RobotSecret = "SECemulator-robot-secret/+=" //nolint:gosec // of no service, with what has to be escaped
)

// robot is a chat that takes digests, with its documented bounds.
type robot struct {
	operation string // for faults and the record of calls
	scheme    string
	path      string // below robotPath, with the token if it stands there
	parameter string // of the query that has the token
	perMinute int    // 0 is no limit
	maxBytes  int    // of the body; 0 is no limit
	signed    bool
	// Codes of answers; empty for HTTP statuses.
	ok, rate, token, sign, size, argument string
}

func robots() []robot {
	return []robot{
		{operation: "DingTalk", scheme: "dingtalk", path: "dingtalk/robot/send", parameter: "access_token", perMinute: 20, maxBytes: 20_000, signed: true,
			ok: "0", rate: "130101", token: "300001", sign: "310000", size: "460101", argument: "310000"},
		{operation: "Feishu", scheme: "feishu", path: "feishu/open-apis/bot/v2/hook/" + RobotToken, perMinute: 100, maxBytes: 20 << 10, signed: true,
			ok: "0", rate: "11232", token: "19001", sign: "19021", size: "9499", argument: "9499"},
		{operation: "WeCom", scheme: "wecom", path: "wecom/cgi-bin/webhook/send", parameter: "key", perMinute: 20,
			ok: "0", rate: "45009", token: "93000", sign: "93000", size: "40058", argument: "40058"},
		{operation: "Slack", scheme: "slack", path: "slack/services/T0/B0/" + RobotToken, perMinute: 60},
		{operation: "JSON", scheme: "json", path: "json/" + RobotToken, signed: true},
	}
}

func isRobot(operation string) bool {
	return slices.ContainsFunc(robots(), func(r robot) bool { return r.operation == operation })
}

// Digest is a message that a robot took.
type Digest struct {
	Time  time.Time
	Robot string // such as DingTalk
	Body  json.RawMessage
}

// Digests is the messages that robots took, in the order of their arrival.
func (e *Emulator) Digests() []Digest {
	e.mu.Lock()
	defer e.mu.Unlock()
	return append([]Digest{}, e.digests...)
}

// Targets are the emulated robots as MEDIASWEEP_NOTIFY names them.
func (e *Emulator) Targets() []string {
	var targets []string
	for _, r := range robots() {
		query := url.Values{}
		if r.parameter != "" {
			query.Set(r.parameter, RobotToken)
		}
		if r.signed {
			query.Set("secret", RobotSecret)
		}
		target := r.scheme + "+" + e.url + robotPath + r.path
		if len(query) > 0 {
			target += "?" + query.Encode()
		}
		targets = append(targets, target)
	}
	return targets
}

func (e *Emulator) robot(r *http.Request) exchange {
	path := strings.TrimPrefix(r.URL.Path, robotPath)
	scheme, _, _ := strings.Cut(path, "/")
	all := robots()
	i := slices.IndexFunc(all, func(r robot) bool { return r.scheme == scheme })
	if i < 0 {
		i = len(all) - 1 // answers with statuses
	}
	to := all[i]
	body, readErr := io.ReadAll(r.Body)
	query := r.URL.Query()
	return exchange{
		service: chat,
		call:    Call{Operation: to.operation},
		admit: func() *failure {
			switch {
			case readErr != nil || r.Method != http.MethodPost || !json.Valid(body) || !utf8.Valid(body):
				return mistake(http.StatusBadRequest, to.argument, to.operation+": not a POST of JSON in UTF-8")
			case path != to.path || to.parameter != "" && query.Get(to.parameter) != RobotToken:
				return mistake(http.StatusNotFound, to.token, to.operation+": no such robot")
			case to.maxBytes > 0 && len(body) > to.maxBytes:
				return mistake(http.StatusRequestEntityTooLarge, to.size, fmt.Sprintf("%s: %d bytes", to.operation, len(body)))
			}
			if query.Has("secret") {
				e.violation("%s: the secret was sent", to.operation)
			}
			return e.admitMessage(to, r, query, body)
		},
		execute: func() (reply, *failure) {
			minute := e.now().Add(-time.Minute)
			recent := 0
			for _, d := range e.digests {
				if d.Robot == to.operation && d.Time.After(minute) {
					recent++
				}
			}
			if to.perMinute > 0 && recent >= to.perMinute {
				return reply{}, mistake(http.StatusTooManyRequests, to.rate, to.operation+": too many messages in a minute")
			}
			e.digests = append(e.digests, Digest{e.now(), to.operation, body})
			return to.reply(http.StatusOK, to.ok, "ok"), nil
		},
		refuse: func(f *failure) reply {
			rep := to.reply(f.status, f.code, f.message)
			if rep.status == http.StatusTooManyRequests {
				rep.header.Set("Retry-After", "1")
			}
			return rep
		},
	}
}

// admitMessage checks the signature of a message, and that it is one of the robot's types.
func (e *Emulator) admitMessage(to robot, r *http.Request, query url.Values, body []byte) *failure {
	var m struct {
		MsgType   string `json:"msgtype"`
		MsgType2  string `json:"msg_type"`
		Markdown  struct{ Title, Text, Content string }
		Content   struct{ Post map[string]any }
		Timestamp string
		Sign      string
		Text      string
		Title     string
	}
	if err := json.Unmarshal(body, &m); err != nil {
		return mistake(http.StatusBadRequest, to.argument, to.operation+": "+err.Error())
	}
	known, signed := false, true
	unit := time.Second
	stamp, sign, want := "", "", ""
	switch to.scheme {
	case "dingtalk":
		known = m.MsgType == "markdown" && m.Markdown.Title != "" && strings.Contains(m.Markdown.Text, "mediasweep")
		unit, stamp, sign = time.Millisecond, query.Get("timestamp"), query.Get("sign")
		want = base64.StdEncoding.EncodeToString(hmacSHA256([]byte(RobotSecret), stamp+"\n"+RobotSecret))
	case "feishu":
		known, stamp, sign = m.MsgType2 == "post" && len(m.Content.Post) == 1, m.Timestamp, m.Sign
		want = base64.StdEncoding.EncodeToString(hmacSHA256([]byte(stamp+"\n"+RobotSecret), ""))
	case "wecom":
		known, signed = m.MsgType == "markdown" && m.Markdown.Content != "", false
		if len(m.Markdown.Content) > 4096 {
			return mistake(http.StatusBadRequest, to.size, fmt.Sprintf("WeCom: %d bytes of markdown", len(m.Markdown.Content)))
		}
	case "slack":
		known, signed = m.Text != "", false
	default:
		known, stamp, sign = m.Title != "" && m.Text != "", r.Header.Get("X-Mediasweep-Timestamp"), r.Header.Get("X-Mediasweep-Signature")
		want = "sha256=" + hex.EncodeToString(hmacSHA256([]byte(RobotSecret), stamp+"\n"+string(body)))
	}
	at, err := strconv.ParseInt(stamp, 10, 64)
	age := e.now().Sub(time.UnixMilli(at * unit.Milliseconds())).Abs()
	switch {
	case signed && (err != nil || age > time.Hour || !hmac.Equal([]byte(sign), []byte(want))):
		return mistake(http.StatusForbidden, to.sign, to.operation+": signature or time")
	case !known:
		return mistake(http.StatusBadRequest, to.argument, to.operation+": not a message of a documented type")
	}
	return nil
}

// reply is an answer in the form of the robot: three of them answer with HTTP status 200 always.
func (r robot) reply(status int, code, message string) reply {
	if r.ok == "" {
		rep := newReply(status, "text/plain", []byte(message))
		rep.code = code
		return rep
	}
	number, err := strconv.Atoi(code)
	if err != nil { // a gateway's
		return newReply(status, "text/plain", []byte(message))
	}
	names := [2]string{"errcode", "errmsg"}
	if r.scheme == "feishu" {
		names = [2]string{"code", "msg"}
	}
	rep := jsonReply(http.StatusOK, object{names[0]: number, names[1]: message})
	if code != r.ok {
		rep.code = cmp.Or(code, r.argument)
	}
	return rep
}

// robotFault is the answer of a fault that has one instead of the robot's.
func robotFault(kind FaultKind, x exchange) (reply, bool) {
	i := slices.IndexFunc(robots(), func(r robot) bool { return r.operation == x.call.Operation })
	to := robots()[i]
	switch kind {
	case Redirect:
		rep := newReply(http.StatusTemporaryRedirect, "text/plain", nil)
		rep.header.Set("Location", "https://127.0.0.1:1/elsewhere")
		return rep, true
	case Unavailable:
		return newReply(http.StatusServiceUnavailable, "text/plain", []byte("unavailable")), true
	case Throttle:
		return x.refuse(refusal(http.StatusTooManyRequests, to.rate, "too many messages")), true
	case TokenExpired:
		return x.refuse(refusal(http.StatusForbidden, to.token, "token "+RobotToken+" is not valid")), true
	case Forbidden:
		return x.refuse(refusal(http.StatusForbidden, to.sign, "sign "+RobotSecret+" not match")), true
	default:
		return reply{}, false
	}
}
