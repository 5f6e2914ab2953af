package emulator

import (
	"bytes"
	"encoding/base64"
	"encoding/xml"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// ossTime is the format of times inside a body. They have whole seconds.
const ossTime = "2006-01-02T15:04:05.000Z"

type listing struct {
	XMLName               xml.Name `xml:"ListBucketResult"`
	Name                  string
	Prefix                string
	StartAfter            *string // of V2
	Marker                *string // of V1
	NextMarker            string  `xml:",omitempty"`
	Delimiter             string
	MaxKeys               int
	EncodingType          string `xml:",omitempty"`
	IsTruncated           bool
	ContinuationToken     string `xml:",omitempty"`
	NextContinuationToken string `xml:",omitempty"`
	Contents              []byte `xml:",innerxml"` // written by hand: reflection takes most of a page's time
	CommonPrefixes        []listedPrefix
	KeyCount              int
}

type listedPrefix struct{ Prefix string }

// page reads how many entries a listing may have, and how it writes keys.
func (q *ossRequest) page() (size int, encode func(string) string, refused *failure) {
	const byDefault, most = 100, 1000
	size = byDefault
	if s := q.query.Get("max-keys"); s != "" {
		n, err := strconv.Atoi(s)
		if err != nil || n < 1 || n > most {
			return 0, nil, ossInvalid("max-keys %q is not within 1 and %d", s, most)
		}
		size = n
	}
	encode = func(s string) string { return s }
	switch encoding := q.query.Get("encoding-type"); encoding {
	case "":
	case "url":
		encode = percentEncode
	default:
		return 0, nil, ossInvalid("encoding-type %q is not url", encoding)
	}
	return size, encode, nil
}

// afterEmpty begins the token of an empty page; see OSSOptions.EmptyPages. No key begins so.
const afterEmpty = "\xff"

// encodeToken returns a token with the time of its listing.
func encodeToken(key string, now time.Time) string {
	return base64.URLEncoding.EncodeToString(fmt.Appendf(nil, "%d/%s", now.UnixNano(), key))
}

// decodeToken returns the key of a token. ok is false for one that is made up or too old.
func (o OSSOptions) decodeToken(token string, now time.Time) (key string, ok bool) {
	text, err := base64.URLEncoding.DecodeString(token)
	made, key, _ := strings.Cut(string(text), "/")
	at, timeErr := strconv.ParseInt(made, 10, 64)
	return key, err == nil && timeErr == nil && (o.TokenLife == 0 || now.Sub(time.Unix(0, at)) <= o.TokenLife)
}

// list answers ListObjects and ListObjectsV2. A token is the key at which the next page
// begins. A marker is the key before it.
func (b *bucket) list(q *ossRequest, options OSSOptions, now time.Time) (reply, *failure) {
	size, encode, refused := q.page()
	if refused != nil {
		return reply{}, refused
	}
	v1 := q.operation == "ListObjects"
	prefix, delimiter, after, token := q.query.Get("prefix"), q.query.Get("delimiter"), q.query.Get("start-after"), q.query.Get("continuation-token")
	if v1 {
		after = q.query.Get("marker")
	}
	keys := b.ordered(options)
	// The least string above another is that with a zero byte added.
	start := keys.find(after + "\x00")
	if !options.FoldedOrder { // else keys of one prefix stand apart
		start = max(start, keys.find(prefix))
	}
	emptied := false
	if token != "" {
		first, ok := options.decodeToken(token, now)
		if !ok {
			return reply{}, refusal(http.StatusBadRequest, "InvalidArgument", "The continuation token is incorrect.")
		}
		first, emptied = strings.CutPrefix(first, afterEmpty)
		if after == "" || !options.StartAfterWins {
			start = keys.find(first)
		}
	}

	l := listing{
		Name: q.bucket, Prefix: encode(prefix), Delimiter: encode(delimiter),
		MaxKeys: size, EncodingType: q.query.Get("encoding-type"), ContinuationToken: encode(token),
	}
	if after = encode(after); v1 {
		l.Marker = &after
	} else {
		l.StartAfter = &after
	}
	if options.TokensGoRound && token != "" && keys.n > 0 {
		l.IsTruncated = true // the loop below replaces the token of a page before the last
		l.NextContinuationToken = encode(encodeToken(keys.at(min(keys.find(prefix), keys.n-1)), now))
	}
	if options.EmptyPages && !v1 && !emptied && start < keys.n {
		l.IsTruncated, l.NextContinuationToken = true, encode(encodeToken(afterEmpty+keys.at(start), now))
		return xmlReply(http.StatusOK, l), nil
	}
	group := "" // the common prefix that was listed last
	for at := start; at < keys.n; at++ {
		key := keys.at(at)
		rest, ok := strings.CutPrefix(key, prefix)
		switch {
		case !ok && options.FoldedOrder:
			continue
		case !ok:
			return xmlReply(http.StatusOK, l), nil
		}
		if group != "" && strings.HasPrefix(key, group) {
			continue
		}
		o, _ := b.find(key)
		if options.ListingDelay > 0 && now.Sub(o.Modified) < options.ListingDelay {
			continue
		}
		if l.KeyCount == size {
			l.IsTruncated = true
			next := at - min(options.Overlap, at-start-1)
			if v1 {
				l.NextMarker = encode(keys.at(next - 1))
			} else {
				l.NextContinuationToken = encode(encodeToken(keys.at(next), now))
			}
			break
		}
		l.KeyCount++
		if i := strings.Index(rest, delimiter); delimiter != "" && i >= 0 {
			group = prefix + rest[:i+len(delimiter)]
			l.CommonPrefixes = append(l.CommonPrefixes, listedPrefix{encode(group)})
			continue
		}
		l.Contents = o.appendTo(l.Contents, encode(key), options.storageClass(), v1 || q.query.Get("fetch-owner") == "true")
	}
	return xmlReply(http.StatusOK, l), nil
}

// appendTo appends the element of an object, whose key is encoded for the listing.
func (o Object) appendTo(b []byte, key, class string, owner bool) []byte {
	b = append(b, "<Contents><Key>"...)
	b = appendEscaped(b, key)
	b = o.Modified.UTC().Truncate(time.Second).AppendFormat(append(b, "</Key><LastModified>"...), ossTime)
	b = appendEscaped(append(b, "</LastModified><ETag>"...), o.etag())
	b = append(append(b, "</ETag><Type>"...), o.Type...)
	b = strconv.AppendInt(append(b, "</Type><Size>"...), o.Size, 10)
	b = append(append(append(b, "</Size><StorageClass>"...), class...), "</StorageClass>"...)
	if owner {
		b = append(b, "<Owner><ID>1000</ID><DisplayName>1000</DisplayName></Owner>"...)
	}
	return append(b, "</Contents>"...)
}

func appendEscaped(b []byte, text string) []byte {
	w := bytes.NewBuffer(b)
	_ = xml.EscapeText(w, []byte(text)) // a Buffer returns no error
	return w.Bytes()
}
