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

// pageSize is the largest page of one call; the default is 100.
// Source: OSS ListObjectsV2, max-keys.
const pageSize = 1000

// maxPage bounds a page, in bytes: it has 1,000 escaped keys of up to 1,023 bytes.
const maxPage = 16 << 20

// A page of a bucket with many delete markers is slow. pageWait bounds the time until an answer
// starts. pageTimeout bounds a page with its retries.
const (
	pageWait    = 20 * time.Second
	pageTimeout = 60 * time.Second
	pageTries   = 3 // of a page with a truncated answer
	pagePause   = 200 * time.Millisecond
)

// Entry is one object of a listing.
type Entry struct {
	Object   media.Object
	Modified time.Time
	// Listed is the time of the answer, by the clock of OSS.
	Listed time.Time
}

// Entries yields the objects below a prefix whose keys come after another one, in the order of OSS. An
// error is the last value.
func (s *Session) Entries(ctx context.Context, prefix media.Object, after string) iter.Seq2[Entry, error] {
	return func(yield func(Entry, error) bool) {
		// The SDK sends the call. It is not used to decode the XML: that takes 10 µs for each object.
		input := &oss.OperationInput{OpName: "ListObjectsV2", Method: http.MethodGet, Bucket: oss.Ptr(prefix.Bucket), Parameters: map[string]string{
			"list-type": "2", "encoding-type": "url", "max-keys": strconv.Itoa(pageSize)}}
		if prefix.Key != "" {
			input.Parameters["prefix"] = prefix.Key
		}
		if after != "" {
			input.Parameters["start-after"] = after
		}
		last := ""
		var body bytes.Buffer // reused for each page
		var tokens, firstKeys circle
		for number := 1; ; number++ {
			p, err := s.listPage(ctx, input, &body)
			if err == nil {
				err = p.check(input.Parameters)
			}
			if err == nil && (tokens.closes(p.NextContinuationToken) || len(p.Contents) > 0 && firstKeys.closes(p.Contents[0].Key)) {
				err = p.fault("the continuation tokens repeat: an earlier page is listed again")
			}
			if err != nil {
				yield(Entry{}, fmt.Errorf("list %s: page %d: %w", prefix, number, err))
				return
			}
			for _, content := range p.Contents {
				if content.Key == last {
					continue // the page repeats it
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

// check refuses a page with objects that are not below the prefix, or without progress.
func (p *page) check(asked map[string]string) error {
	switch token := p.NextContinuationToken; {
	case p.IsTruncated && token == "":
		return p.fault("it is truncated and has no continuation token")
	case token != "" && token == asked["continuation-token"]:
		return p.fault("the continuation tokens repeat: the page returns the token of its request")
	}
	for _, content := range p.Contents {
		if content.Key == "" || !strings.HasPrefix(content.Key, asked["prefix"]) {
			return p.fault(fmt.Sprintf("it has %s, which is not below the prefix", text.Quote(content.Key)))
		}
	}
	return nil
}

// fault returns an error about a page.
func (p *page) fault(message string) error {
	return &Error{Op: "ListObjectsV2", Status: http.StatusOK, Message: message, RequestID: p.requestID}
}

// circle detects a cycle in a sequence of positions in constant memory, by Brent's algorithm.
type circle struct {
	met, next int
	mark      string
}

// closes adds a position, and reports whether a cycle is detected, at the latest after a few rounds. It
// ignores an empty position.
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

// page is an answer to ListObjectsV2.
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

// listPage reads a page. It repeats a call with a truncated answer.
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
		case err != nil: // after the retries of the SDK
			return page{}, s.plain(ctx, "ListObjectsV2", err)
		}
		p, cutOff, err := readPage(output, body)
		switch {
		case err == nil:
			return p, nil
		case ctx.Err() != nil:
			return page{}, s.plain(ctx, "ListObjectsV2", err)
		case !cutOff || try == pageTries || call.Err() != nil:
			return page{}, p.fault("the answer is not a complete listing: " + s.credentials.Redact(err.Error()))
		}
		timer := time.NewTimer(time.Duration(try) * pagePause)
		select {
		case <-timer.C:
		case <-call.Done():
			timer.Stop()
		}
	}
}

// readPage decodes an answer. After an error the page has only the request ID. cutOff is true if the
// answer is truncated.
func readPage(output *oss.OperationOutput, body *bytes.Buffer) (p page, cutOff bool, err error) {
	defer output.Body.Close()
	head := page{requestID: output.Headers.Get("X-Oss-Request-Id")}
	head.listed, _ = http.ParseTime(output.Headers.Get("Date")) // zero without one
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

// unescape decodes the URL encoding of keys and token. A plus is a space.
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

// decodePage decodes any XML of a page.
func decodePage(body []byte) (p page, err error) {
	var form struct {
		XMLName xml.Name `xml:"ListBucketResult"`
		page
	}
	err = xml.Unmarshal(body, &form)
	return form.page, err
}

// scanPage decodes the XML that OSS writes: elements without attributes, and texts without markup. It
// takes a tenth of the time of decodePage. ok is false for other XML.
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

// scanner decodes simple XML. It is broken after any other XML.
type scanner struct {
	rest   []byte
	broken bool
}

// open reads the start tag of an element, and returns its name. It returns nothing at the end of the
// parent element.
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
			return known // no allocation
		}
	}
	return string(name)
}

// names are the names of the elements of an object.
var names = [...]string{"Contents", "Key", "LastModified", "ETag", "Type", "Size", "StorageClass"}

// close reads the end tag of an element.
func (s *scanner) close(name string) bool {
	n := len(name)
	ok := len(s.rest) >= n+3 && s.rest[0] == '<' && s.rest[1] == '/' && string(s.rest[2:n+2]) == name && s.rest[n+2] == '>'
	if ok {
		s.rest = s.rest[n+3:]
	}
	s.broken = s.broken || !ok
	return ok
}

// textOf reads the text and the end tag of an open element. It skips child elements.
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

// plain replaces the named entities of a text. Other entities break the scanner.
func (s *scanner) plain(text []byte) string {
	if bytes.IndexByte(text, '&') < 0 {
		return string(text)
	}
	plain := entities.Replace(string(text))
	s.broken = s.broken || strings.Count(string(text), "&") != strings.Count(marked.Replace(string(text)), "\x00")
	return plain
}

// entities replaces the named entities of XML. marked marks them, so that they can be counted.
var (
	entities = strings.NewReplacer("&amp;", "&", "&lt;", "<", "&gt;", ">", "&quot;", `"`, "&apos;", "'")
	marked   = strings.NewReplacer("&amp;", "\x00", "&lt;", "\x00", "&gt;", "\x00", "&quot;", "\x00", "&apos;", "\x00", "\x00", "")
)

// content decodes an object of the listing.
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
