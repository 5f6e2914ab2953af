package notify

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/mediasweep/mediasweep/internal/text"
)

type object = map[string]any

// newRequest makes the request of a message. Its signature is valid for about an hour from now, so
// each send makes a new one.
func (t target) newRequest(ctx context.Context, m Message, now time.Time) (*http.Request, error) {
	address, header := t.url, http.Header{"Content-Type": {"application/json; charset=utf-8"}, "User-Agent": {"mediasweep"}}
	var content object
	switch t.kind {
	case dingtalk:
		if t.secret != "" {
			stamp := strconv.FormatInt(now.UnixMilli(), 10)
			query := "timestamp=" + stamp + "&sign=" + url.QueryEscape(signature(t.secret, stamp+"\n"+t.secret))
			if address.RawQuery != "" {
				query = address.RawQuery + "&" + query
			}
			address.RawQuery = query
		}
		content = object{"msgtype": "markdown", "markdown": object{"title": m.Title, "text": m.markdown("\n\n", maxText)}}
	case feishu:
		content = object{"msg_type": "post", "content": object{"post": object{m.locale(): object{"title": m.Title, "content": m.paragraphs()}}}}
		if t.secret != "" {
			stamp := strconv.FormatInt(now.Unix(), 10)
			content["timestamp"], content["sign"] = stamp, signature(stamp+"\n"+t.secret, "")
		}
	case wecom:
		content = object{"msgtype": "markdown", "markdown": object{"content": m.markdown("\n", maxWeCom)}}
	case slack:
		content = object{"text": m.slack(), "mrkdwn": false}
	case plain:
		content = object{"title": m.Title, "text": m.text(), "report": m.report}
	}
	body, err := text.JSON(content)
	if err != nil {
		return nil, errors.New("the message cannot be encoded")
	}
	if t.kind == plain && t.secret != "" {
		stamp := strconv.FormatInt(now.Unix(), 10)
		header.Set("X-Mediasweep-Timestamp", stamp)
		header.Set("X-Mediasweep-Signature", "sha256="+hex.EncodeToString(authentication(t.secret, stamp+"\n"+string(body))))
	}
	post, err := http.NewRequestWithContext(ctx, http.MethodPost, address.String(), bytes.NewReader(body))
	if err != nil {
		return nil, errors.New("the request cannot be made: check the URL")
	}
	post.Header = header
	return post, nil
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
