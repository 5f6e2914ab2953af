package objects

import (
	"bytes"
	"context"
	"encoding/xml"
	"fmt"
	"io"
	"iter"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/aliyun/alibabacloud-oss-go-sdk-v2/oss"

	"github.com/mediasweep/mediasweep/internal/media"
	"github.com/mediasweep/mediasweep/internal/text"
)

// pageSize is the most that one list call returns; without it OSS returns 100.
// Source: OSS ListObjectsV2, max-keys.
const pageSize = 1000

// maxPage bounds a page: a thousand keys of up to 1,023 bytes, each of them escaped.
const maxPage = 16 << 20

// A page of a bucket with many delete markers takes OSS long to find: up to pageWait
// until it begins to answer. pageTimeout is for a page with its retries.
const (
	pageWait    = 20 * time.Second
	pageTimeout = 60 * time.Second
	pageTries   = 3 // of a page whose answer is cut off
	pagePause   = 200 * time.Millisecond
)

// Entry is one object of a listing.
type Entry struct {
	Object   media.Object
	Modified time.Time
	// Listed is the clock of OSS when it answered.
	Listed time.Time
}

// Entries yields the objects below a prefix in the order of OSS, a page at a time, those
// after a key only. An error ends it.
func (s *Session) Entries(ctx context.Context, prefix media.Object, after string) iter.Seq2[Entry, error] {
	return func(yield func(Entry, error) bool) {
		// Its XML makes a listing cheap to send and dear to read: the SDK takes ten
		// microseconds for each object. It sends the call, and we read the answer.
		input := &oss.OperationInput{OpName: "ListObjectsV2", Method: http.MethodGet, Bucket: oss.Ptr(prefix.Bucket), Parameters: map[string]string{
			"list-type": "2", "encoding-type": "url", "max-keys": strconv.Itoa(pageSize)}}
		if prefix.Key != "" {
			input.Parameters["prefix"] = prefix.Key
		}
		if after != "" {
			input.Parameters["start-after"] = after
		}
		last := ""
		var body bytes.Buffer // of each page: they are large
		var tokens, firstKeys circle
		for number := 1; ; number++ {
			p, err := s.listPage(ctx, input, &body)
			if err == nil {
				err = p.check(input.Parameters)
			}
			if err == nil && (tokens.closes(p.NextContinuationToken) || len(p.Contents) > 0 && firstKeys.closes(p.Contents[0].Key)) {
				err = p.fault("the continuation tokens go round: an earlier page is listed again")
			}
			if err != nil {
				yield(Entry{}, fmt.Errorf("list %s: page %d: %w", prefix, number, err))
				return
			}
			for _, content := range p.Contents {
				if content.Key == last {
					continue // it stands on two pages
				}
				last = content.Key
				entry := Entry{Object: media.Object{Bucket: prefix.Bucket, Key: content.Key}, Modified: content.LastModified, Listed: p.listed}
				if !yield(entry, nil) {
					return
				}
			}
			if p.NextContinuationToken == "" {
				return
			}
			input.Parameters["continuation-token"] = p.NextContinuationToken
		}
	}
}

// check refuses a page that is no answer to what was asked: whoever relies on it would
// take objects that nobody named, or go round in a circle.
func (p *page) check(asked map[string]string) error {
	switch token := p.NextContinuationToken; {
	case p.IsTruncated && token == "":
		return p.fault("it says that there are more pages and not where")
	case token != "" && token == asked["continuation-token"]:
		return p.fault("the continuation tokens go round: it goes on where it began itself")
	}
	for _, content := range p.Contents {
		if content.Key == "" || !strings.HasPrefix(content.Key, asked["prefix"]) {
			return p.fault(fmt.Sprintf("it has %s, which is not below the prefix", text.Quote(content.Key)))
		}
	}
	return nil
}

// fault returns an error about a page that was read.
func (p *page) fault(message string) error {
	return &Error{Op: "ListObjectsV2", Status: http.StatusOK, Message: message, RequestID: p.requestID}
}

// circle finds out that a sequence of positions goes round. It remembers a single one
// (Brent's algorithm), so that a listing of any length takes the same memory.
type circle struct {
	met, next int
	mark      string
}

// closes takes the next position and reports whether the sequence was there before: at
// the latest when it has gone round a few times. An empty position is none.
func (c *circle) closes(position string) bool {
	if position == "" {
		return false
	}
	if position == c.mark {
		return true
	}
	if c.met++; c.met >= c.next {
		c.mark, c.next = position, 2*c.met
	}
	return false
}

// page is one answer to ListObjectsV2.
type page struct {
	IsTruncated           bool
	NextContinuationToken string
	EncodingType          string
	Contents              []content
	listed                time.Time
	requestID             string
}

type content struct {
	Key          string
	LastModified time.Time
}

// listPage asks for a page, and again if its answer is cut off.
func (s *Session) listPage(ctx context.Context, input *oss.OperationInput, body *bytes.Buffer) (page, error) {
	call, cancel := context.WithTimeout(ctx, pageTimeout)
	defer cancel()
	for try := 1; ; try++ {
		output, err := renewing(call, s.credentials, func(ctx context.Context) (*oss.OperationOutput, error) {
			return s.client.lists.InvokeOperation(ctx, input)
		})
		switch {
		case err != nil && ctx.Err() == nil && call.Err() != nil:
			return page{}, &Error{Op: "ListObjectsV2", Message: fmt.Sprintf("no answer within %s", pageTimeout)}
		case err != nil: // the SDK has repeated what may be repeated
			return page{}, s.plain(ctx, "ListObjectsV2", err)
		}
		p, cutOff, err := readPage(output, body)
		switch {
		case err == nil:
			return p, nil
		case ctx.Err() != nil:
			return page{}, s.plain(ctx, "ListObjectsV2", err)
		case !cutOff || try == pageTries || call.Err() != nil:
			return page{}, p.fault("the answer is no whole listing: " + s.credentials.Redact(err.Error()))
		}
		timer := time.NewTimer(time.Duration(try) * pagePause)
		select {
		case <-timer.C:
		case <-call.Done():
			timer.Stop()
		}
	}
}

// readPage reads an answer. If that is no page it returns the request's ID, and whether
// only its end is missing.
func readPage(output *oss.OperationOutput, body *bytes.Buffer) (p page, cutOff bool, err error) {
	defer output.Body.Close()
	head := page{requestID: output.Headers.Get("X-Oss-Request-Id")}
	head.listed, _ = http.ParseTime(output.Headers.Get("Date")) // zero for none
	body.Reset()
	if _, err := body.ReadFrom(io.LimitReader(output.Body, maxPage+1)); err != nil {
		return head, true, err
	}
	p, ok := scanPage(body.Bytes())
	if !ok {
		if p, err = decodePage(body.Bytes()); err != nil {
			return head, bytes.Contains(body.Bytes(), []byte("<ListBucketResult")) && !bytes.Contains(body.Bytes(), []byte("</ListBucketResult>")), err
		}
	}
	if err := p.unescape(); err != nil {
		return head, false, err
	}
	p.listed, p.requestID = head.listed, head.requestID
	return p, false, nil
}

// unescape undoes the escapes that the call has asked for. A space is a plus, as in a
// form.
func (p *page) unescape() (err error) {
	if p.EncodingType != "url" {
		return nil
	}
	for i := range p.Contents {
		key := &p.Contents[i].Key
		if *key, err = url.QueryUnescape(*key); err != nil {
			return err
		}
	}
	p.NextContinuationToken, err = url.QueryUnescape(p.NextContinuationToken)
	return err
}

// decodePage reads a page whatever its XML looks like.
func decodePage(body []byte) (p page, err error) {
	var form struct {
		XMLName xml.Name `xml:"ListBucketResult"`
		page
	}
	err = xml.Unmarshal(body, &form)
	return form.page, err
}

// scanPage reads a page that is written as OSS writes it: elements without attributes,
// one in another, and texts without markup. It takes a tenth of the time of decodePage,
// and leaves whatever is written in another way to that.
func scanPage(body []byte) (p page, ok bool) {
	body = bytes.TrimSpace(body)
	if declared, rest, found := bytes.Cut(body, []byte("?>")); found && bytes.HasPrefix(declared, []byte("<?xml")) {
		body = rest
	}
	s := scanner{rest: body}
	if s.open() != "ListBucketResult" {
		return page{}, false
	}
	for !s.broken {
		switch name := s.open(); name {
		case "":
			return p, s.close("ListBucketResult") && len(bytes.TrimSpace(s.rest)) == 0
		case "Contents":
			p.Contents = append(p.Contents, s.content())
		default:
			text := s.textOf(name)
			switch name {
			case "IsTruncated":
				p.IsTruncated = string(text) == "true"
				s.broken = s.broken || !p.IsTruncated && string(text) != "false"
			case "NextContinuationToken":
				p.NextContinuationToken = s.plain(text)
			case "EncodingType":
				p.EncodingType = s.plain(text)
			}
		}
	}
	return page{}, false
}

// scanner goes through simple XML. Once it has met anything else it is broken.
type scanner struct {
	rest   []byte
	broken bool
}

// open reads the start of an element and returns its name; nothing at the end of the
// element around it.
func (s *scanner) open() string {
	s.rest = bytes.TrimLeft(s.rest, " \t\r\n")
	if len(s.rest) < 2 || s.rest[0] != '<' {
		s.broken = true
		return ""
	}
	if s.rest[1] == '/' {
		return ""
	}
	end := bytes.IndexByte(s.rest, '>')
	if end < 0 || bytes.ContainsAny(s.rest[1:end], " \t\r\n/!?<:=") {
		s.broken = true
		return ""
	}
	name := s.rest[1:end]
	s.rest = s.rest[end+1:]
	for _, known := range names {
		if string(name) == known {
			return known // without a copy
		}
	}
	return string(name)
}

// names are those of the elements of an object.
var names = [...]string{"Contents", "Key", "LastModified", "ETag", "Type", "Size", "StorageClass"}

// close reads the end of an element.
func (s *scanner) close(name string) bool {
	n := len(name)
	ok := len(s.rest) >= n+3 && s.rest[0] == '<' && s.rest[1] == '/' && string(s.rest[2:n+2]) == name && s.rest[n+2] == '>'
	if ok {
		s.rest = s.rest[n+3:]
	}
	s.broken = s.broken || !ok
	return ok
}

// textOf reads the text of an element that has been opened, and its end. Elements in it
// are passed over.
func (s *scanner) textOf(name string) []byte {
	end := bytes.IndexByte(s.rest, '<')
	if end < 0 {
		s.broken = true
		return nil
	}
	text := s.rest[:end]
	s.rest = s.rest[end:]
	if len(s.rest) > 1 && s.rest[1] != '/' {
		for !s.broken {
			inner := s.open()
			if inner == "" {
				break
			}
			s.textOf(inner)
		}
	}
	s.close(name)
	return text
}

// plain returns a text without the escapes of XML that have names. Others are not
// simple.
func (s *scanner) plain(text []byte) string {
	if bytes.IndexByte(text, '&') < 0 {
		return string(text)
	}
	plain := entities.Replace(string(text))
	s.broken = s.broken || strings.Count(string(text), "&") != strings.Count(marked.Replace(string(text)), "\x00")
	return plain
}

// entities are the escapes that have names; marked finds them.
var (
	entities = strings.NewReplacer("&amp;", "&", "&lt;", "<", "&gt;", ">", "&quot;", `"`, "&apos;", "'")
	marked   = strings.NewReplacer("&amp;", "\x00", "&lt;", "\x00", "&gt;", "\x00", "&quot;", "\x00", "&apos;", "\x00", "\x00", "")
)

// content reads an object of the listing.
func (s *scanner) content() (c content) {
	for !s.broken {
		name := s.open()
		if name == "" {
			break
		}
		switch text := s.textOf(name); name {
		case "Key":
			c.Key = s.plain(text)
		case "LastModified":
			var err error
			c.LastModified, err = time.Parse(time.RFC3339, s.plain(text))
			s.broken = s.broken || err != nil
		}
	}
	s.close("Contents")
	s.broken = s.broken || c.Key == ""
	return c
}
