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
	// Entries yields the objects whose keys come after another one.
	Entries(ctx context.Context, prefix media.Object, after string) iter.Seq2[objects.Entry, error]
}

// A listing goes page by page, and each page is a call of some tens of milliseconds. So
// several stretches of the names are listed at a time, and each keeps some objects ready.
const (
	maxLanes   = 4
	laneChunks = 5
	chunkSize  = 1000
)

// OfPrefixes lists prefixes in the order of their names, those objects whose names come
// after another one. A prefix that another one covers is listed once. An error is of one
// prefix; the others go on.
//
// Splits are names, in order, at which a listing may be parted: what lies between is then
// listed beside. What comes is what one listing after the other would have, in whatever
// order OSS has objects: where two parts do not meet the rest is listed alone.
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

// stretch is a part of the keys below a prefix: those after one key, up to another one
// if that is not empty.
type stretch struct {
	prefix      media.Object
	after, upTo string
}

// stretches parts what is to be listed.
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

// outermost returns the prefixes that no other one covers, in the order of their names.
func outermost(prefixes []media.Object) (outer []media.Object) {
	sorted := slices.SortedFunc(slices.Values(prefixes), func(a, b media.Object) int { return strings.Compare(objectName(a), objectName(b)) })
	for _, prefix := range sorted {
		if len(outer) == 0 || !outer[len(outer)-1].Covers(prefix) {
			outer = append(outer, prefix)
		}
	}
	return outer
}

// lanes list the first of some stretches.
type lanes struct {
	ctx    context.Context //nolint:containedctx // of the one who lists
	lister Lister
	rest   []stretch
	open   []*lane // of the first of them
	work   sync.WaitGroup
}

// lane is one stretch that is being listed.
type lane struct {
	chunks chan chunk
	cancel context.CancelFunc
	head   chunk // what has been read of it and not been handed over
	ready  bool  // whether anything has
}

// chunk is some objects of a stretch. The last one says how it came to its end.
type chunk struct {
	objects []listedObject
	last    bool
	err     error
	// beyond is the key that came after the stretch.
	beyond string
}

type listedObject struct {
	key      string
	modified int64
}

// start has as many stretches listed as there are lanes for.
func (l *lanes) start() {
	for len(l.open) < min(maxLanes, len(l.rest)) {
		ctx, cancel := context.WithCancel(l.ctx)
		one := &lane{chunks: make(chan chunk, laneChunks), cancel: cancel}
		of := l.rest[len(l.open)]
		l.open = append(l.open, one)
		l.work.Go(func() { one.list(ctx, l.lister, of) })
	}
}

// stop ends all lanes.
func (l *lanes) stop() {
	for _, one := range l.open {
		one.cancel()
	}
	l.open = nil
	l.work.Wait()
}

// drain hands over the first stretch and sees to it that the next goes on where it ended.
// It reports whether more is wanted.
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
			l.leave(now.prefix) // there is no more
		case len(l.open) == 0 || l.open[0].first() != c.beyond:
			l.leave(now.prefix)
			l.stop()
			l.rest = slices.Insert(l.rest, 0, stretch{prefix: now.prefix, after: last})
		}
		return true
	}
}

// leave gives up the stretches of a prefix.
func (l *lanes) leave(prefix media.Object) {
	for len(l.rest) > 0 && l.rest[0].prefix == prefix {
		if l.rest = l.rest[1:]; len(l.open) > 0 {
			l.open[0].cancel()
			l.open = l.open[1:]
		}
	}
}

// next returns the lane's next chunk.
func (one *lane) next() chunk {
	if one.ready {
		one.ready = false
		return one.head
	}
	return one.receive()
}

func (one *lane) receive() chunk {
	c, ok := <-one.chunks
	if !ok {
		return chunk{last: true, err: context.Canceled}
	}
	return c
}

// first returns the first key of a lane that nothing has been taken of, or nothing.
func (one *lane) first() string {
	one.head, one.ready = one.receive(), true
	if len(one.head.objects) == 0 {
		return one.head.beyond
	}
	return one.head.objects[0].key
}

// list lists a stretch.
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
	err := task.Run(func() { one.entries(ctx, lister, of, send) })
	if err != nil {
		send(chunk{last: true, err: err})
	}
}

// entries sends the objects of a stretch.
func (*lane) entries(ctx context.Context, lister Lister, of stretch, send func(chunk) bool) {
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
		listed = append(listed, listedObject{key, entry.Modified.Unix()})
		if len(listed) == chunkSize {
			if !send(chunk{objects: listed}) {
				return
			}
			listed = make([]listedObject, 0, chunkSize)
		}
	}
	send(chunk{objects: listed, last: true})
}
