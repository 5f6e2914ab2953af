package notify

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"net/url"
	"strconv"
	"time"

	"github.com/mediasweep/mediasweep/internal/text"
)

// request is one message as a target takes it.
type request struct {
	url    url.URL
	body   []byte
	header map[string]string
}

type object = map[string]any

// newRequest makes the request of a message. Its signature is valid for about an hour from now, so
// each send makes a new one.
func (t target) newRequest(m Message, now time.Time) (request, error) {
	r := request{url: t.url, header: map[string]string{}}
	var err error
	switch t.kind {
	case dingtalk:
		if t.secret != "" {
			stamp := strconv.FormatInt(now.UnixMilli(), 10)
			query := "timestamp=" + stamp + "&sign=" + url.QueryEscape(signature(t.secret, stamp+"\n"+t.secret))
			if r.url.RawQuery != "" {
				query = r.url.RawQuery + "&" + query
			}
			r.url.RawQuery = query
		}
		r.body, err = text.JSON(object{"msgtype": "markdown", "markdown": object{"title": m.Title, "text": m.markdown("\n\n", maxText)}})
	case feishu:
		body := object{"msg_type": "post", "content": object{"post": object{m.locale(): object{"title": m.Title, "content": m.paragraphs()}}}}
		if t.secret != "" {
			stamp := strconv.FormatInt(now.Unix(), 10)
			body["timestamp"], body["sign"] = stamp, signature(stamp+"\n"+t.secret, "")
		}
		r.body, err = text.JSON(body)
	case wecom:
		r.body, err = text.JSON(object{"msgtype": "markdown", "markdown": object{"content": m.markdown("\n", maxWeCom)}})
	case slack:
		r.body, err = text.JSON(object{"text": m.slack(), "mrkdwn": false})
	case plain:
		if r.body, err = text.JSON(object{"title": m.Title, "text": m.text(), "report": m.report}); err == nil && t.secret != "" {
			stamp := strconv.FormatInt(now.Unix(), 10)
			r.header["X-Mediasweep-Timestamp"] = stamp
			r.header["X-Mediasweep-Signature"] = "sha256=" + hex.EncodeToString(authentication(t.secret, stamp+"\n"+string(r.body)))
		}
	}
	return r, err
}

// signature returns the HMAC-SHA256 of a message in base64.
func signature(key, message string) string {
	return base64.StdEncoding.EncodeToString(authentication(key, message))
}

// authentication returns the HMAC-SHA256 of a message.
func authentication(key, message string) []byte {
	mac := hmac.New(sha256.New, []byte(key))
	mac.Write([]byte(message))
	return mac.Sum(nil)
}
