package emulator

import (
	"bytes"
	"compress/gzip"
	"crypto/md5"
	"encoding/base64"
	"fmt"
	"io"
	"maps"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// get answers GetObject and HeadObject.
func (b *bucket) get(q *ossRequest, options OSSOptions) (reply, *failure) {
	o, ok := b.find(q.key)
	switch {
	case !ok:
		return reply{}, refusal(http.StatusNotFound, "NoSuchKey", "The specified key does not exist.").with("Key", q.key)
	case options.Archived && q.Method == http.MethodGet:
		return reply{}, refusal(http.StatusForbidden, "InvalidObjectState", "The operation is not valid for the object's state")
	}
	if match := q.Header.Get("If-Match"); match != "" && match != o.etag() {
		return reply{}, refusal(http.StatusPreconditionFailed, "PreconditionFailed",
			"At least one of the pre-conditions you specified did not hold.").with("Condition", "If-Match")
	}
	if q.Header.Get("If-None-Match") == o.etag() {
		return reply{}, refusal(http.StatusNotModified, "NotModified", "")
	}
	h := http.Header{"Content-Type": {"application/octet-stream"}}
	maps.Copy(h, o.header)
	h.Set("ETag", o.etag())
	h.Set("Last-Modified", o.Modified.UTC().Format(http.TimeFormat))
	h.Set("Accept-Ranges", "bytes")
	h.Set("X-Oss-Object-Type", o.Type)
	h.Set("X-Oss-Storage-Class", options.storageClass())
	if crc, ok := o.crc(); ok {
		h.Set("X-Oss-Hash-Crc64ecma", crc)
	}
	if o.Type == appendable {
		h.Set(nextPosition, strconv.FormatInt(o.Size, 10))
	}
	rep := reply{status: http.StatusOK, header: h, size: o.Size}
	var first int64
	if from, to, ok := parseRange(q.Header.Get("Range"), o.Size); ok {
		standard := q.Header.Get("X-Oss-Range-Behavior") == "standard"
		switch {
		case from < o.Size && (to < o.Size || standard):
			first, rep.status, rep.size = from, http.StatusPartialContent, min(to, o.Size-1)-from+1
			h.Set("Content-Range", fmt.Sprintf("bytes %d-%d/%d", from, from+rep.size-1, o.Size))
		case standard:
			return reply{}, refusal(http.StatusRequestedRangeNotSatisfiable, "InvalidRange", "The requested range cannot be satisfied.")
		}
	}
	switch {
	case o.part != nil:
		rep.body = o.part.open(first)
	case o.Body == nil:
		rep.body = zeros{}
	default:
		rep.body = bytes.NewReader(o.Body[first:])
	}
	if q.takesGzip(rep) {
		return zipped(rep), nil
	}
	return rep, nil
}

// takesGzip reports whether OSS compresses an answer: the client asks for it, and it is a text of some length.
// Source: OSS GetObject, "Accept-Encoding".
func (q *ossRequest) takesGzip(rep reply) bool {
	const least = 1 << 10
	kind, _, _ := strings.Cut(rep.header.Get("Content-Type"), ";")
	return q.Method == http.MethodGet && rep.status == http.StatusOK && rep.size >= least && rep.header.Get("Content-Encoding") == "" &&
		strings.Contains(q.Header.Get("Accept-Encoding"), "gzip") && (strings.HasPrefix(kind, "text/") || kind == "application/json" || kind == "application/xml")
}

// zipped compresses an answer, which loses its ETag.
func zipped(rep reply) reply {
	var body bytes.Buffer
	zip := gzip.NewWriter(&body)
	_, _ = io.CopyN(zip, rep.body, rep.size) // from memory to memory
	_ = zip.Close()
	rep.header.Del("ETag")
	rep.header.Set("Content-Encoding", "gzip")
	rep.body, rep.size = &body, int64(body.Len())
	return rep
}

// parseRange reads a single range of bytes; any other is no range at all.
func parseRange(s string, size int64) (from, to int64, ok bool) {
	spec, ok := strings.CutPrefix(s, "bytes=")
	first, last, dash := strings.Cut(spec, "-")
	if !ok || !dash {
		return 0, 0, false
	}
	from, errFrom := strconv.ParseInt(first, 10, 64)
	to, errTo := strconv.ParseInt(last, 10, 64)
	switch {
	case first == "": // the last so many bytes
		return max(size-to, 0), size - 1, errTo == nil && to > 0
	case last == "":
		return from, max(size-1, from), errFrom == nil
	default:
		return from, to, errFrom == nil && errTo == nil && from <= to
	}
}

// zeros reads as zero bytes without end.
type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}

// putObject overwrites unless x-oss-forbid-overwrite is set. A PUT has no other condition,
// and a bucket with versioning ignores this one.
func (b *bucket) putObject(q *ossRequest, now time.Time) (reply, *failure) {
	for _, name := range []string{"If-Match", "If-None-Match", "If-Modified-Since", "If-Unmodified-Since"} {
		if q.Header.Get(name) != "" {
			return reply{}, mistake(http.StatusBadRequest, "NotImplemented",
				"A header you provided implies functionality that is not implemented.").with("Header", name).with("EC", "0017-00000245")
		}
	}
	switch q.Header.Get("X-Oss-Forbid-Overwrite") {
	case "", "false":
	case "true":
		if _, exists := b.objects[q.key]; exists && b.versioning == "" {
			return reply{}, refusal(http.StatusConflict, "FileAlreadyExists",
				"The object you specified already exists and can not be overwritten.").with("EC", "0026-00000002")
		}
	default:
		return reply{}, ossInvalid("x-oss-forbid-overwrite is neither true nor false").with("EC", "0017-00000279")
	}
	sum := md5.Sum(q.body)
	digest := base64.StdEncoding.EncodeToString(sum[:])
	if sent := q.Header.Get("Content-Md5"); sent != "" && sent != digest {
		return reply{}, mistake(http.StatusBadRequest, "InvalidDigest", "The Content-MD5 you specified was invalid.")
	}
	o := Object{Key: q.key, Body: q.body, Size: int64(len(q.body)), Modified: now, Type: normal, header: q.metadata()}
	b.put(o)
	rep := written(o)
	rep.header.Set("Content-Md5", digest)
	return rep, nil
}

// metadata returns the headers that an object keeps.
func (q *ossRequest) metadata() http.Header {
	h := http.Header{}
	for name, values := range q.Header {
		switch {
		case name == "Content-Type", name == "Content-Encoding", name == "Cache-Control",
			name == "Content-Disposition", strings.HasPrefix(name, "X-Oss-Meta-"):
			h[name] = values
		}
	}
	return h
}

// appendObject is the one write of OSS with a condition on what is there: its
// position has to be the length.
func (b *bucket) appendObject(q *ossRequest, now time.Time) (reply, *failure) {
	position, err := strconv.ParseInt(q.query.Get("position"), 10, 64)
	if err != nil || position < 0 {
		return reply{}, ossInvalid("position %q is not a length", q.query.Get("position"))
	}
	o, ok := b.objects[q.key]
	switch {
	case ok && o.Type != appendable:
		return reply{}, refusal(http.StatusConflict, "ObjectNotAppendable", "The object is not appendable.")
	case position != o.Size:
		return reply{}, refusal(http.StatusConflict, "PositionNotEqualToLength", "Position is not equal to file length.").
			with(nextPosition, strconv.FormatInt(o.Size, 10))
	case !ok:
		o = Object{Key: q.key, Type: appendable, header: q.metadata(), Body: []byte{}}
	}
	if len(q.body) > 0 { // an empty append changes nothing
		o.Body = append(o.Body, q.body...) // readers of the old body have their own length
		o.Size = int64(len(o.Body))
		o.Modified = now
		b.put(o)
	}
	rep := written(o)
	rep.header.Set(nextPosition, strconv.FormatInt(o.Size, 10))
	return rep, nil
}

// deleteObject succeeds whether or not the object is there.
func (b *bucket) deleteObject(q *ossRequest) reply {
	b.remove(q.key)
	rep := reply{status: http.StatusNoContent, header: http.Header{}}
	if b.versioning != "" {
		rep.header.Set("X-Oss-Delete-Marker", "true")
	}
	return rep
}

func written(o Object) reply {
	crc, _ := o.crc()
	return reply{status: http.StatusOK, header: http.Header{"Etag": {o.etag()}, "X-Oss-Hash-Crc64ecma": {crc}}}
}
