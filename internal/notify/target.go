package notify

import (
	"errors"
	"fmt"
	"net/url"
	"strings"

	"github.com/mediasweep/mediasweep/internal/account"
)

// kind is the contract of a target.
type kind string

// The contracts.
const (
	dingtalk kind = "dingtalk"
	feishu   kind = "feishu"
	wecom    kind = "wecom"
	slack    kind = "slack"
	plain    kind = "json"
)

// Bounds of MEDIASWEEP_NOTIFY.
const (
	maxTargets = 8
	maxTarget  = 2 << 10 // bytes
)

// target is one receiver of digests. The whole URL is a secret: it carries the token of a robot.
type target struct {
	kind   kind
	url    url.URL
	secret string // signs messages; empty for none
}

// parseTargets parses MEDIASWEEP_NOTIFY. Errors name the position of a target and never quote it.
func parseTargets(value string) ([]target, error) {
	var targets []target
	var mistakes []error
	for i, field := range strings.Fields(value) {
		if i == maxTargets {
			return nil, fmt.Errorf("more than %d targets", maxTargets)
		}
		t, err := parseTarget(field)
		if err != nil {
			mistakes = append(mistakes, fmt.Errorf("target %d: %w", i+1, err))
		}
		targets = append(targets, t)
	}
	if len(mistakes) > 0 {
		return nil, errors.Join(mistakes...)
	}
	return targets, nil
}

func parseTarget(field string) (target, error) {
	name, address, _ := strings.Cut(field, "+")
	t := target{kind: kind(name)}
	switch t.kind {
	case dingtalk, feishu, wecom, slack, plain:
	default:
		return target{}, errors.New("it must start with dingtalk+https://, feishu+https://, wecom+https://, slack+https:// or json+https://")
	}
	if len(address) > maxTarget {
		return target{}, fmt.Errorf("it has more than %d bytes", maxTarget)
	}
	u, err := url.Parse(address)
	switch {
	case strings.Contains(address, "+https://"), strings.Contains(address, "+http://"): // its token would go to another's host
		return target{}, errors.New("it has two addresses: separate targets by white space")
	case err != nil || u.Opaque != "" || u.Hostname() == "":
		return target{}, errors.New("it is not a URL with a host")
	case !account.HasPort(u):
		return target{}, account.ErrPort
	case u.Scheme != "https" && u.Scheme != "http":
		return target{}, fmt.Errorf("write %s+https:// before the host", t.kind)
	case u.Scheme == "http" && !account.IsLoopback(u.Hostname()):
		return target{}, fmt.Errorf("%s+http:// is accepted for loopback addresses only: use https", t.kind)
	case u.User != nil:
		return target{}, errors.New("it has a user name or a password: leave it out")
	case strings.Contains(address, "#"):
		return target{}, errors.New("it has a fragment: leave out # and what follows, or write # as %23")
	}
	if u.RawQuery, t.secret, err = takeSecret(u.RawQuery); err != nil {
		return target{}, err
	}
	if t.secret != "" && (t.kind == wecom || t.kind == slack) {
		return target{}, fmt.Errorf("%s signs no messages: leave out secret", t.kind)
	}
	u.ForceQuery = false
	t.url = *u
	return t, nil
}

// takeSecret takes the secret off a query. The other parameters stay byte for byte.
func takeSecret(query string) (rest, secret string, err error) {
	var others []string
	for part := range strings.SplitSeq(query, "&") {
		name, value, _ := strings.Cut(part, "=")
		switch {
		case name != "secret":
			others = append(others, part)
			continue
		case secret != "":
			return "", "", errors.New("it has more than one secret")
		}
		// PathUnescape leaves a plus sign as it is: secrets are pasted without escapes.
		if secret, err = url.PathUnescape(value); err != nil {
			return "", "", errors.New("its secret has an incomplete escape: write % as %25")
		}
		if secret == "" {
			return "", "", errors.New("its secret is empty: write a value, or leave it out")
		}
	}
	return strings.Join(others, "&"), secret, nil
}
