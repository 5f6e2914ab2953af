package inventory

import (
	"context"
	"iter"
	"slices"
	"strings"
	"sync"

	"github.com/mediasweep/mediasweep/internal/media"
	"github.com/mediasweep/mediasweep/internal/objects"
	"github.com/mediasweep/mediasweep/internal/task"
)

// Lister lists the objects below a prefix; an error ends the sequence.
type Lister interface {
	// Entries yields the objects below a prefix whose keys come after another one.
	Entries(ctx context.Context, prefix media.Object, after string) iter.Seq2[objects.Entry, error]
}

// A page of a listing takes tens of milliseconds. Several stretches are listed concurrently; each
// buffers some chunks of objects.
const (
	maxLanes   = 4
	laneChunks = 5
	chunkSize  = 1000
)

// OfPrefixes lists prefixes in the order of their names. It yields objects whose names come after
// another one. A prefix inside another one is listed once. After an error of one prefix it goes on
// with the next.
//
// splits are sorted names at which a listing may be split into stretches, which are listed
// concurrently. The result is that of a sequential listing, in any order that OSS has: if two
// stretches do not meet, the rest is listed sequentially.
func OfPrefixes(ctx context.Context, lister Lister, prefixes []media.Object, after string, splits []string) iter.Seq2[Candidate, error] {
	return func(yield func(Candidate, error) bool) {
		l := &lanes{ctx: ctx, lister: lister, rest: stretches(prefixes, after, splits)}
		defer l.stop()
		for len(l.rest) > 0 {
			l.start()
			if !l.drain(yield) {
				return
			}
		}
	}
}

// stretch is a range of the keys below a prefix: after one key, and up to another one unless that is
// empty.
type stretch struct {
	prefix      media.Object
	after, upTo string
}

func stretches(prefixes []media.Object, after string, splits []string) (list []stretch) {
	for _, prefix := range outermost(prefixes) {
		one := stretch{prefix: prefix}
		switch name := objectName(prefix); {
		case strings.HasPrefix(after, name):
			_, one.after, _ = strings.Cut(after, "/")
		case after > name:
			continue
		}
		for _, split := range splits {
			bucket, key, _ := strings.Cut(split, "/")
			if bucket == prefix.Bucket && strings.HasPrefix(key, prefix.Key) && key > one.after {
				one.upTo = key
				list = append(list, one)
				one = stretch{prefix: prefix, after: key}
			}
		}
		list = append(list, one)
	}
	return list
}

// outermost returns the prefixes that are not inside another one, in the order of their names.
func outermost(prefixes []media.Object) (outer []media.Object) {
	sorted := slices.SortedFunc(slices.Values(prefixes), func(a, b media.Object) int { return strings.Compare(objectName(a), objectName(b)) })
	for _, prefix := range sorted {
		if len(outer) == 0 || !outer[len(outer)-1].Covers(prefix) {
			outer = append(outer, prefix)
		}
	}
	return outer
}

// lanes lists the first stretches of rest concurrently.
type lanes struct {
	ctx    context.Context //nolint:containedctx // of one call
	lister Lister
	rest   []stretch
	open   []*lane // of the first stretches of rest
	work   sync.WaitGroup
}

type lane struct {
	chunks chan chunk
	cancel context.CancelFunc
	head   *chunk // received by first, and not yet returned by next
}

// chunk holds some objects of a stretch. The last one has the reason for the end.
type chunk struct {
	objects []listedObject
	last    bool
	err     error
	// beyond is the first key after the stretch, or empty at the end of the prefix.
	beyond string
}

type listedObject struct {
	key      string
	modified int64
}

func (l *lanes) start() {
	for len(l.open) < min(maxLanes, len(l.rest)) {
		ctx, cancel := context.WithCancel(l.ctx)
		one := &lane{chunks: make(chan chunk, laneChunks), cancel: cancel}
		of := l.rest[len(l.open)]
		l.open = append(l.open, one)
		l.work.Go(func() { one.list(ctx, l.lister, of) })
	}
}

func (l *lanes) stop() {
	for _, one := range l.open {
		one.cancel()
	}
	l.open = nil
	l.work.Wait()
}

// drain yields the first stretch, and checks that the next one continues it. It reports whether the
// caller wants more.
func (l *lanes) drain(yield func(Candidate, error) bool) bool {
	now, one := l.rest[0], l.open[0]
	defer one.cancel()
	last := now.after
	for {
		c := one.next()
		for _, object := range c.objects {
			last = object.key
			if !yield(Candidate{Object: media.Object{Bucket: now.prefix.Bucket, Key: last}, Modified: object.modified}, nil) {
				return false
			}
		}
		if !c.last {
			continue
		}
		l.rest, l.open = l.rest[1:], l.open[1:]
		switch {
		case c.err != nil:
			l.leave(now.prefix)
			return yield(Candidate{}, c.err)
		case c.beyond == "":
			l.leave(now.prefix) // the listing has ended
		case len(l.open) == 0 || l.open[0].first() != c.beyond:
			l.leave(now.prefix)
			l.stop()
			l.rest = slices.Insert(l.rest, 0, stretch{prefix: now.prefix, after: last})
		}
		return true
	}
}

// leave drops the stretches of a prefix.
func (l *lanes) leave(prefix media.Object) {
	for len(l.rest) > 0 && l.rest[0].prefix == prefix {
		if l.rest = l.rest[1:]; len(l.open) > 0 {
			l.open[0].cancel()
			l.open = l.open[1:]
		}
	}
}

func (one *lane) next() chunk {
	if c := one.head; c != nil {
		one.head = nil
		return *c
	}
	c, ok := <-one.chunks
	if !ok {
		return chunk{last: true, err: context.Canceled}
	}
	return c
}

// first returns the first key of a lane that has not been read, or nothing.
func (one *lane) first() string {
	c := one.next()
	one.head = &c
	if len(c.objects) == 0 {
		return c.beyond
	}
	return c.objects[0].key
}

func (one *lane) list(ctx context.Context, lister Lister, of stretch) {
	defer close(one.chunks)
	send := func(c chunk) bool {
		select {
		case one.chunks <- c:
			return true
		case <-ctx.Done():
			return false
		}
	}
	if err := task.Run(func() { of.list(ctx, lister, send) }); err != nil {
		send(chunk{last: true, err: err})
	}
}

func (of stretch) list(ctx context.Context, lister Lister, send func(chunk) bool) {
	var listed []listedObject
	for entry, err := range lister.Entries(ctx, of.prefix, of.after) {
		key := entry.Object.Key
		switch {
		case err != nil:
			send(chunk{objects: listed, last: true, err: err})
			return
		case of.upTo != "" && key > of.upTo:
			send(chunk{objects: listed, last: true, beyond: key})
			return
		}
		listed = append(listed, listedObject{key, max(0, entry.Modified.Unix())}) // 0 for the zero time
		if len(listed) == chunkSize {
			if !send(chunk{objects: listed}) {
				return
			}
			listed = make([]listedObject, 0, chunkSize)
		}
	}
	send(chunk{objects: listed, last: true})
}
