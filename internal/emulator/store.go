package emulator

import (
	"crypto/md5"
	"fmt"
	"hash/crc64"
	"maps"
	"net/http"
	"slices"
	"sort"
	"strconv"
	"strings"
	"time"
)

// Types of objects, as listings and x-oss-object-type show them.
const (
	normal     = "Normal"
	appendable = "Appendable"
	multipart  = "Multipart"
)

// Object is one object of a bucket.
type Object struct {
	Key      string
	Body     []byte // nil for the objects of a medium, whose bytes read as zero
	Size     int64
	Modified time.Time
	Type     string // Normal, Appendable or Multipart
	header   http.Header
	part     *reportPart // has the bytes in place of Body; nil for none
}

var crcTable = crc64.MakeTable(crc64.ECMA)

// crc is the CRC-64/ECMA of the body; an object without its bytes has none.
func (o Object) crc() (string, bool) {
	if o.part != nil {
		return strconv.FormatUint(o.part.crc, 10), true
	}
	return strconv.FormatUint(crc64.Checksum(o.Body, crcTable), 10), o.Body != nil
}

// etag is the quoted MD5 of an object that was put, and opaque otherwise.
func (o Object) etag() string {
	if o.part != nil {
		return strconv.Quote(o.part.md5)
	}
	if o.Type == normal {
		return fmt.Sprintf("%q", fmt.Sprintf("%X", md5.Sum(o.Body)))
	}
	return fmt.Sprintf("\"%016X%016X\"", crc64.Checksum(o.Body, crcTable), o.Size)
}

// bucket is one bucket. Keys are ordered by unsigned bytes, as Go orders
// strings.
type bucket struct {
	versioning string // Enabled, Suspended, or empty when never enabled
	objects    map[string]Object
	keys       []string // sorted; some may have been removed since
	fresh      []string // added since, in any order
	madeUp     *madeUp  // has the objects in place of the map; nil for none
}

func (b *bucket) find(key string) (Object, bool) {
	if b.madeUp != nil {
		return b.madeUp.object(key)
	}
	o, ok := b.objects[key]
	return o, ok
}

// ordered are the keys of a bucket in the order of a listing.
type ordered struct {
	n       int
	at      func(i int) string
	compare func(a, b string) int
}

// ordered returns the keys of the bucket. Those that are made up have no upper case to fold.
func (b *bucket) ordered(options OSSOptions) ordered {
	if b.madeUp != nil {
		return ordered{b.madeUp.Objects, b.madeUp.Key, strings.Compare}
	}
	keys := b.sorted()
	if options.FoldedOrder {
		keys = slices.SortedFunc(slices.Values(keys), options.compare)
	}
	return ordered{len(keys), func(i int) string { return keys[i] }, options.compare}
}

// find returns the place of the first key that is not before another one.
func (o ordered) find(key string) int {
	return sort.Search(o.n, func(i int) bool { return o.compare(o.at(i), key) >= 0 })
}

func (b *bucket) put(o Object) {
	if _, ok := b.objects[o.Key]; !ok {
		b.fresh = append(b.fresh, o.Key)
	}
	b.objects[o.Key] = o
}

func (b *bucket) remove(key string) { delete(b.objects, key) }

// few is the number of fresh keys that are put in their places one by one.
const few = 64

// sorted returns the keys in order. A bucket that is written and listed in turn has few fresh keys: these must not cost
// as much as all keys.
func (b *bucket) sorted() []string {
	isRemoved := len(b.keys)+len(b.fresh) > len(b.objects)
	if isRemoved || len(b.fresh) > few {
		b.keys = slices.Sorted(maps.Keys(b.objects))
	} else {
		for _, key := range b.fresh {
			at, _ := slices.BinarySearch(b.keys, key)
			b.keys = slices.Insert(b.keys, at, key)
		}
	}
	b.fresh = nil
	return b.keys
}

// store is all buckets by name.
type store map[string]*bucket

func (s store) make(name string) *bucket {
	b := s[name]
	if b == nil {
		b = &bucket{objects: map[string]Object{}}
		s[name] = b
	}
	return b
}

func (s store) find(bucket, key string) (Object, bool) {
	b := s[bucket]
	if b == nil {
		return Object{}, false
	}
	return b.find(key)
}

// putHollow stores an object of a given size, in digits, without its bytes,
// which read as zero. It came in parts, as files of this size do.
func (s store) putHollow(bucket, key, digits string, modified time.Time) {
	size, err := strconv.ParseInt(digits, 10, 64)
	if err != nil || size < 0 {
		size = 0 // a test's medium that knows no size
	}
	s.make(bucket).put(Object{Key: key, Size: size, Modified: modified, Type: multipart})
}

// PutBucket makes a bucket, if need be, and sets its versioning: Enabled,
// Suspended, or empty as in a bucket where it was never enabled.
func (e *Emulator) PutBucket(name, versioning string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.store.make(name).versioning = versioning
}

// PutObject stores an object, and makes its bucket if need be. It is not in the
// record of calls.
func (e *Emulator) PutObject(bucket, key string, body []byte, modified time.Time) {
	e.mu.Lock()
	defer e.mu.Unlock()
	body = append([]byte{}, body...)
	e.store.make(bucket).put(Object{Key: key, Body: body, Size: int64(len(body)), Modified: modified, Type: normal})
}

// RemoveObject deletes an object, which is not in the record of calls either.
func (e *Emulator) RemoveObject(bucket, key string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.store.make(bucket).remove(key)
}

// Object is one object of a bucket.
func (e *Emulator) Object(bucket, key string) (Object, bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.store.find(bucket, key)
}

// Objects lists a bucket in the order of the keys.
func (e *Emulator) Objects(bucket string) []Object {
	e.mu.Lock()
	defer e.mu.Unlock()
	b := e.store[bucket]
	if b == nil {
		return nil
	}
	list := make([]Object, 0, len(b.objects))
	for _, key := range b.sorted() {
		list = append(list, b.objects[key])
	}
	return list
}
