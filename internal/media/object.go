package media

import (
	"cmp"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"unicode/utf8"

	"github.com/mediasweep/mediasweep/internal/text"
)

// Limits that OSS puts on names.
// Source: OSS "Object naming conventions" and "Bucket naming conventions".
const maxKeyBytes = 1023

// MaxURLBytes bounds the file URLs of QueryMediaListByURL, in bytes. The documents may mean each URL or
// the list: mediasweep bounds the list.
// Source: MPS QueryMediaListByURL, parameter FileURLs.
const MaxURLBytes = 3200

// Object names one OSS object. Key is raw: UTF-8, nothing in it escaped.
type Object struct {
	Bucket string
	Key    string
}

// NewObject returns the object with these names, or an error that says which
// rule of OSS they break.
func NewObject(bucket, key string) (Object, error) {
	if err := cmp.Or(CheckBucket(bucket), CheckKey(key)); err != nil {
		return Object{}, err
	}
	return Object{Bucket: bucket, Key: key}, nil
}

// CheckKey returns the rule of OSS that an object key breaks.
func CheckKey(key string) error {
	switch {
	case key == "":
		return errors.New("the object key is empty")
	case len(key) > maxKeyBytes:
		return fmt.Errorf("the object key has %d bytes, OSS allows %d", len(key), maxKeyBytes)
	case key[0] == '/' || key[0] == '\\':
		return fmt.Errorf("the object key starts with %q, which OSS does not allow", key[:1])
	case !utf8.ValidString(key):
		return errors.New("the object key is not UTF-8")
	}
	return nil
}

// ParseObject reads "oss://bucket/key". The key is taken as it stands: "%2F" in
// it is three characters of the name.
func ParseObject(s string) (Object, error) {
	bucket, key, err := splitOSS(s)
	if err != nil {
		return Object{}, err
	}
	object, err := NewObject(bucket, key)
	if err != nil {
		return Object{}, fmt.Errorf("%s: %w", text.Quote(s), err)
	}
	return object, nil
}

// ParsePrefix reads "oss://bucket/prefix" as a bucket and the text that keys
// start with. The prefix may be empty and need not end at a slash, as in OSS.
func ParsePrefix(s string) (Object, error) {
	bucket, prefix, err := splitOSS(s)
	if err == nil && prefix == "" {
		return Object{Bucket: bucket}, CheckBucket(bucket)
	}
	return ParseObject(s)
}

// Covers reports whether o, read as a prefix, takes in other.
func (o Object) Covers(other Object) bool {
	return o.Bucket == other.Bucket && strings.HasPrefix(other.Key, o.Key)
}

// String returns "oss://bucket/key", or nothing if o names nothing.
func (o Object) String() string {
	if o.IsZero() {
		return ""
	}
	return "oss://" + o.Bucket + "/" + o.Key
}

// IsZero reports whether o names nothing.
func (o Object) IsZero() bool { return o == Object{} }

// LooksLikePattern reports whether the key ends in / or *. Names of objects are literal, but the author may have meant a
// prefix or a pattern.
func (o Object) LooksLikePattern() bool {
	return strings.HasSuffix(o.Key, "/") || strings.HasSuffix(o.Key, "*")
}

func splitOSS(s string) (bucket, key string, err error) {
	rest, ok := strings.CutPrefix(s, "oss://")
	if !ok {
		return "", "", fmt.Errorf("%s does not start with oss://", text.Quote(s))
	}
	bucket, key, _ = strings.Cut(rest, "/")
	return bucket, key, nil
}

// CheckBucket returns the rule of OSS that a bucket name breaks.
func CheckBucket(bucket string) error {
	if size := len(bucket); size < 3 || size > 63 || !consistsOf(bucket, "-", false) || bucket[0] == '-' || bucket[size-1] == '-' {
		return fmt.Errorf("%s is not a bucket name: 3 to 63 of a-z, 0-9 and -, with no - at either end", text.Quote(bucket))
	}
	return nil
}

// Slash says how a file URL writes the slashes of an object key. MPS documents
// both forms, in different samples, and does not say which it compares.
type Slash bool

// The two forms, in the order in which mediasweep asks.
const (
	SlashPlain   Slash = false // dir/a.mp4
	SlashEscaped Slash = true  // dir%2Fa.mp4
)

// URL returns the form in which MPS names an input file: the public http
// address, whatever address the function itself uses, escaped as RFC 3986 says,
// so that a comma cannot split a list of them.
func (o Object) URL(region string, slash Slash) string {
	key := o.Key
	if slash != SlashPlain || !consistsOf(key, "/-_.~", true) { // most keys need no escapes
		key = strings.ReplaceAll(url.QueryEscape(key), "+", "%20")
	}
	if slash == SlashPlain {
		key = strings.ReplaceAll(key, "%2F", "/")
	}
	return "http://" + o.Bucket + ".oss-" + region + ".aliyuncs.com/" + key
}

// ParseURL reads the URL of an OSS object: http or https, with a public, internal or
// dual-stack host, and either form of slash. Scheme and host match in any case, and the
// scheme's own port may be named. A host that does not carry the bucket (a CDN's) is an
// error.
func ParseURL(s string) (Object, error) {
	scheme, rest, _ := strings.Cut(s, "://")
	var ownPort string
	switch strings.ToLower(scheme) {
	case "http":
		ownPort = "80"
	case "https":
		ownPort = "443"
	default:
		return Object{}, errors.New("file URL is neither http nor https")
	}
	host, path, _ := strings.Cut(rest, "/")
	host, port, _ := strings.Cut(host, ":")
	bucket, domain, _ := strings.Cut(strings.ToLower(host), ".")
	switch {
	case !isOSSDomain(domain), strings.ContainsFunc(host, func(r rune) bool { return r >= utf8.RuneSelf }): // "\u212a" becomes "k" in lower case
		return Object{}, errors.New("file URL is not an address of OSS: its host must be BUCKET.oss-REGION.aliyuncs.com")
	case port != "" && port != ownPort:
		return Object{}, fmt.Errorf("file URL has port %s: leave the port out", text.Quote(port))
	case strings.IndexByte(path, '?') >= 0 || strings.IndexByte(path, '#') >= 0:
		return Object{}, errors.New("file URL carries a query: only the address of the object is allowed")
	}
	key, err := url.PathUnescape(path)
	if err != nil {
		return Object{}, errors.New("file URL has a malformed escape")
	}
	return NewObject(bucket, key)
}

// isOSSDomain knows oss-REGION[-internal].aliyuncs.com and the dual-stack
// REGION.oss.aliyuncs.com. A region is one label. Source: OSS "Regions and endpoints".
func isOSSDomain(domain string) bool {
	endpoint, ok := strings.CutSuffix(domain, ".aliyuncs.com")
	region, single := strings.CutPrefix(endpoint, "oss-")
	if !single {
		region, single = strings.CutSuffix(endpoint, ".oss")
	}
	return ok && single && region != "" && consistsOf(region, "-", false) && region[0] != '-' && region[len(region)-1] != '-'
}
