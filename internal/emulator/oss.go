package emulator

import (
	"cmp"
	"encoding/base64"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// nextPosition is the header that says how long an appendable object is.
const nextPosition = "X-Oss-Next-Append-Position"

// ossOperations are the operations of OSS that are emulated.
func ossOperations() []string {
	return []string{"AppendObject", "DeleteObject", "GetBucketVersioning", "GetObject", "HeadObject", "ListObjects", "ListObjectsV2", "PutObject"}
}

// ossRequest is a request to OSS, decoded.
type ossRequest struct {
	*http.Request
	ossAddress
	operation string // empty when it is not emulated
	query     url.Values
	body      []byte
}

func parseOSS(r *http.Request, to ossAddress) (*ossRequest, error) {
	key, err := url.PathUnescape(to.key)
	if err != nil {
		return nil, err
	}
	query, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return nil, err
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	to.key = key
	q := &ossRequest{Request: r, ossAddress: to, query: query, body: body}
	switch {
	case key == "" && r.Method == http.MethodGet && query.Get("list-type") == "2":
		q.operation = "ListObjectsV2"
	case key == "" && r.Method == http.MethodGet && query.Has("versioning"):
		q.operation = "GetBucketVersioning"
	case key == "" && r.Method == http.MethodGet && to.bucket != "" && !slices.ContainsFunc(slices.Collect(maps.Keys(query)), isSubresource):
		q.operation = "ListObjects"
	case key == "":
	case r.Method == http.MethodGet:
		q.operation = "GetObject"
	case r.Method == http.MethodHead:
		q.operation = "HeadObject"
	case r.Method == http.MethodPut:
		q.operation = "PutObject"
	case r.Method == http.MethodPost && query.Has("append"):
		q.operation = "AppendObject"
	case r.Method == http.MethodDelete:
		q.operation = "DeleteObject"
	}
	return q, nil
}

func (e *Emulator) oss(r *http.Request, to ossAddress) exchange {
	q, parseErr := parseOSS(r, to)
	if parseErr != nil {
		q = &ossRequest{Request: r}
	}
	x := exchange{
		service: oss,
		call:    Call{Operation: cmp.Or(q.operation, q.Method), Bucket: q.bucket, Key: q.key, Bytes: int64(len(q.body))},
		admit: func() *failure {
			if parseErr != nil {
				f := ossInvalid("%v", parseErr)
				f.mistake = !errors.Is(parseErr, io.ErrUnexpectedEOF) // the client was killed
				return f
			}
			return e.authenticateOSS(q)
		},
		execute: func() (reply, *failure) { return e.executeOSS(q) },
		refuse:  func(f *failure) reply { return e.refuseOSS(q, f) },
	}
	if strings.HasPrefix(q.operation, "ListObjects") {
		x.call.Key = q.query.Get("prefix")
	}
	return x
}

func (e *Emulator) executeOSS(q *ossRequest) (reply, *failure) {
	b := e.store[q.bucket]
	switch {
	case q.operation == "":
		return reply{}, mistake(http.StatusMethodNotAllowed, "MethodNotAllowed", "The specified method is not allowed against this resource: "+q.Method+" "+q.URL.Path)
	case q.region != "" && q.region != e.region:
		return reply{}, mistake(http.StatusForbidden, "AccessDenied",
			"The bucket you are attempting to access must be addressed using the specified endpoint.").with("Endpoint", "oss-"+e.region+".aliyuncs.com")
	case b == nil:
		return reply{}, refusal(http.StatusNotFound, "NoSuchBucket", "The specified bucket does not exist.")
	case q.key != "" && !validKey(q.key):
		return reply{}, mistake(http.StatusBadRequest, "InvalidObjectName", "The specified object is not valid.")
	}
	write := q.Method != http.MethodGet && q.Method != http.MethodHead
	if write && b.madeUp != nil {
		return reply{}, mistake(http.StatusForbidden, "AccessDenied", "The bucket is made up: it takes no writes.")
	}
	if write && e.library.isSource(source{q.bucket, q.key}) {
		e.violation("%s of the source of a medium: oss://%s/%s", q.operation, q.bucket, q.key)
	}
	if _, exists := b.find(q.key); exists && write && e.ossOptions.Immutable {
		return reply{}, refusal(http.StatusConflict, "FileImmutable", "The object is immutable.")
	}
	var rep reply
	var refused *failure
	switch q.operation {
	case "ListObjects", "ListObjectsV2":
		rep, refused = b.list(q, e.ossOptions, e.now())
	case "GetBucketVersioning":
		rep = xmlReply(http.StatusOK, versioningConfiguration{Status: b.versioning})
	case "GetObject", "HeadObject":
		if rep, refused = b.get(q, e.ossOptions); refused != nil && refused.code == "NoSuchKey" && e.hides(q.bucket) {
			refused = denied("AccessDenied", "You have no right to access this object.")
		}
	case "PutObject":
		rep, refused = b.putObject(q, e.now())
	case "AppendObject":
		rep, refused = b.appendObject(q, e.now())
	case "DeleteObject":
		rep = b.deleteObject(q)
	}
	if refused == nil {
		e.stamp(rep.header)
	}
	return rep, refused
}

// hides reports whether a caller does not learn that an object is missing.
func (e *Emulator) hides(bucket string) bool {
	return e.ossOptions.HidesMissing && e.ram != nil && !e.ram.Allows(Call{Operation: "ListObjectsV2", Bucket: bucket})
}

// stamp adds what the header of every answer has, and returns the request ID.
func (e *Emulator) stamp(h http.Header) string {
	id := e.newID()[:24]
	h.Set("Server", "AliyunOSS")
	h.Set("X-Oss-Request-Id", id)
	return id
}

func ossInvalid(format string, args ...any) *failure {
	return mistake(http.StatusBadRequest, "InvalidArgument", fmt.Sprintf(format, args...))
}

type versioningConfiguration struct {
	XMLName xml.Name `xml:"VersioningConfiguration"`
	Status  string   `xml:",omitempty"`
}

type ossElement struct {
	XMLName xml.Name
	Value   string `xml:",chardata"`
}

// refuseOSS writes an error; the answer to a HEAD has it in a header, since it
// has no body.
func (e *Emulator) refuseOSS(q *ossRequest, f *failure) reply {
	header := http.Header{}
	elements := map[string]string{"Code": f.code, "Message": f.message, "RequestId": e.stamp(header), "HostId": q.Host}
	for name, value := range f.detail {
		if strings.HasPrefix(name, "X-Oss-") {
			header.Set(name, value)
		} else {
			elements[name] = value
		}
	}
	var body struct {
		XMLName  xml.Name `xml:"Error"`
		Elements []ossElement
	}
	for _, name := range slices.Sorted(maps.Keys(elements)) {
		body.Elements = append(body.Elements, ossElement{xml.Name{Local: name}, elements[name]})
	}
	rep := xmlReply(f.status, body)
	maps.Copy(rep.header, header)
	rep.code = f.code
	switch {
	case f.status == http.StatusNotModified:
		rep.size = 0
	case q.Method == http.MethodHead:
		text, _ := io.ReadAll(rep.body) // from memory
		rep.header.Set("X-Oss-Err", base64.StdEncoding.EncodeToString(text))
		rep.size = 0
	}
	return rep
}

func xmlReply(status int, v any) reply {
	body, err := xml.Marshal(v)
	if err != nil { // not for structs of strings and numbers
		return newReply(http.StatusInternalServerError, "text/plain", []byte(err.Error()))
	}
	return newReply(status, "application/xml", append([]byte(xml.Header), body...))
}
