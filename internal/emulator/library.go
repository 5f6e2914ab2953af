package emulator

import (
	"cmp"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"
	"unicode/utf8"
)

// Medium is one record of the media library. Texts are served as they are, so
// a test can store values that MPS would not.
type Medium struct {
	ID           string // MediaId; Add makes 32 lower-case hex digits when it is empty
	Bucket, Key  string // source object; Add has defaults
	URL          string // File.URL; made from Bucket and Key when empty
	CreationTime string // 2006-01-02T15:04:05Z; not served when empty
	Title        string
	Description  string
	CoverURL     string
	CateID       int64
	Tags         []string
	PublishState string // Initiated, UnPublish or Published, which is the default

	Format             string // such as mp4
	Size               string // bytes
	Duration, Bitrate  string // seconds and kbit/s, with decimals
	Fps, Width, Height string
	Outputs            []Output
	Runs               []Run
	Deleted            bool      // by DeleteMedia; PublishState keeps what it was
	DeletedAt          time.Time // by the servers' clock
	added              time.Time // by AddMedia, by the same clock
}

// Output is a file that a workflow made of a medium.
type Output struct {
	Kind        OutputKind
	Bucket, Key string
	Type        string // of a Snapshot Single or Sequence, of a Summary Video or Gif
}

// OutputKind is the kind of an output, named as in the answers of MPS.
type OutputKind string

// The kinds of output, each served in the list of its name when asked for.
const (
	Play     OutputKind = "Play"
	Snapshot OutputKind = "Snapshot"
	Summary  OutputKind = "Summary"
)

// Run is one execution of a workflow on a medium.
type Run struct {
	ID           string // 32 lower-case hex digits
	WorkflowID   string
	WorkflowName string
	Time         time.Time // of creation
	State        string    // Running, Completed, Fail or Success
}

// source is the object a medium was made of.
type source struct{ bucket, key string }

type execution struct {
	Run
	medium *Medium
}

// library is the media library of one account and region.
type library struct {
	media      []*Medium // in the order they were added
	byID       map[string]*Medium
	bySource   map[source][]*Medium // in the order they were added
	executions []execution          // newest first; nil when it has to be made anew
	madeUp     *madeUp              // has what the maps have not; nil for nothing
}

func newLibrary() library {
	return library{byID: map[string]*Medium{}, bySource: map[source][]*Medium{}}
}

func (l *library) put(m Medium) *Medium {
	stored, ok := l.byID[m.ID]
	if ok {
		old := source{stored.Bucket, stored.Key}
		l.bySource[old] = slices.DeleteFunc(l.bySource[old], func(m *Medium) bool { return m == stored })
	} else {
		stored = &Medium{}
		l.byID[m.ID] = stored
		l.media = append(l.media, stored)
	}
	*stored = m
	s := source{m.Bucket, m.Key}
	l.bySource[s] = append(l.bySource[s], stored)
	l.executions = nil
	return stored
}

// at is the medium of a source object: the live one, else the last deleted.
func (l *library) at(s source) *Medium {
	var found *Medium
	for _, m := range l.bySource[s] {
		if found == nil || found.Deleted {
			found = m
		}
	}
	if found == nil {
		return l.madeUp.at(s)
	}
	return found
}

// find is the medium with an ID, deleted or not; nil if it is unknown.
func (l *library) find(id string) *Medium {
	if m := l.byID[id]; m != nil {
		return m
	}
	return l.madeUp.medium(id)
}

// live is the medium with an ID, to be changed, unless it is unknown or deleted.
func (l *library) live(id string) (*Medium, bool) {
	m := l.find(id)
	if m == nil || m.Deleted {
		return nil, false
	}
	if l.byID[id] == nil {
		m = l.put(*m)
	}
	return m, true
}

// isSource reports whether an object is or was the source of a medium; it must
// stay even when the medium is deleted.
func (l *library) isSource(s source) bool { return l.at(s) != nil }

// allExecutions is every run of every medium, deleted ones included, newest
// first.
func (l *library) allExecutions() []execution {
	if l.executions == nil {
		l.executions = []execution{}
		for _, m := range l.media {
			for _, r := range m.Runs {
				l.executions = append(l.executions, execution{r, m})
			}
		}
		slices.SortFunc(l.executions, func(a, b execution) int {
			return cmp.Or(b.Time.Compare(a.Time), strings.Compare(a.ID, b.ID))
		})
	}
	return l.executions
}

// Add puts a medium into the library, or replaces the one with its ID: what
// another program does behind the client's back. The source object of a new
// medium is made if it is not there. Add returns the medium as stored.
func (e *Emulator) Add(m Medium) Medium {
	e.mu.Lock()
	defer e.mu.Unlock()
	if m.ID == "" {
		m.ID = strings.ToLower(e.newID())
	}
	m.Bucket = cmp.Or(m.Bucket, InputBucket)
	m.Key = cmp.Or(m.Key, "clips/"+m.ID+".mp4")
	m.PublishState = cmp.Or(m.PublishState, "Published")
	if _, ok := e.store.find(m.Bucket, m.Key); !ok && e.library.byID[m.ID] == nil {
		e.store.putHollow(m.Bucket, m.Key, m.Size, e.today())
	}
	return *e.library.put(m)
}

// Media is the whole library, deleted media included, in the order they were
// added.
func (e *Emulator) Media() []Medium {
	e.mu.Lock()
	defer e.mu.Unlock()
	media := make([]Medium, len(e.library.media))
	for i, m := range e.library.media {
		media[i] = *m
	}
	return media
}

// Medium is the medium with an ID, deleted or not.
func (e *Emulator) Medium(id string) (Medium, bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	m := e.library.find(id)
	if m == nil {
		return Medium{}, false
	}
	return *m, true
}

// Forget removes media with their source objects, and the record of all calls so far: in a test of hours both would take
// more and more memory. isForgotten must not call the emulator.
func (e *Emulator) Forget(isForgotten func(Medium) bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.calls, e.library.executions = nil, nil
	e.library.media = slices.DeleteFunc(e.library.media, func(m *Medium) bool {
		if !isForgotten(*m) {
			return false
		}
		delete(e.library.byID, m.ID)
		s := source{m.Bucket, m.Key}
		e.library.bySource[s] = slices.DeleteFunc(e.library.bySource[s], func(other *Medium) bool { return other == m })
		if len(e.library.bySource[s]) == 0 {
			delete(e.library.bySource, s)
		}
		e.store.make(m.Bucket).remove(m.Key)
		return true
	})
}

// fileURL is the public address of an object, in the form that MPS stores.
func (e *Emulator) fileURL(bucket, key string) string {
	path := percentEncode(key)
	if e.options.URLForm != EscapedSlash {
		path = strings.ReplaceAll(path, "%2F", "/")
	}
	return "http://" + bucket + e.publicHost() + "/" + path
}

// publicHost is the host of a file URL behind the bucket.
func (e *Emulator) publicHost() string { return ".oss-" + e.region + ".aliyuncs.com" }

// parseFileURL finds the object behind a file URL: http only, the region's
// public host, at most 3200 bytes, and strict RFC 3986 escapes.
func (e *Emulator) parseFileURL(raw string) (source, error) {
	if len(raw) > maxURLBytes {
		return source{}, fmt.Errorf("%d bytes, more than %d", len(raw), maxURLBytes)
	}
	rest, ok := strings.CutPrefix(raw, "http://")
	if !ok {
		return source{}, errors.New("not an http URL")
	}
	host, path, _ := strings.Cut(rest, "/")
	bucket, ok := strings.CutSuffix(host, e.publicHost())
	if !ok || !validBucket(bucket) {
		return source{}, fmt.Errorf("host %q is not a bucket's public host in %s", host, e.region)
	}
	for _, c := range []byte(path) {
		if !unreserved(c) && c != '/' && c != '%' {
			return source{}, fmt.Errorf("character %q is not escaped", c)
		}
	}
	key, err := url.PathUnescape(path)
	if err != nil {
		return source{}, err
	}
	if !validKey(key) {
		return source{}, errors.New("not an object name")
	}
	return source{bucket, key}, nil
}

// unreserved reports whether RFC 3986 lets c stand for itself everywhere.
func unreserved(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || strings.IndexByte("-._~", c) >= 0
}

// validBucket follows the naming rule of OSS.
func validBucket(s string) bool {
	for _, c := range []byte(s) {
		if !('a' <= c && c <= 'z' || '0' <= c && c <= '9' || c == '-') {
			return false
		}
	}
	return 3 <= len(s) && len(s) <= 63 && s[0] != '-' && s[len(s)-1] != '-'
}

// validKey follows the naming rule of OSS: UTF-8, 1 to 1023 bytes, not starting
// with a slash or backslash.
func validKey(s string) bool {
	return 1 <= len(s) && len(s) <= 1023 && utf8.ValidString(s) && s[0] != '/' && s[0] != '\\'
}
