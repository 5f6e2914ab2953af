package scan

import (
	"iter"

	"github.com/mediasweep/mediasweep/internal/extsort"
	"github.com/mediasweep/mediasweep/internal/inventory"
	"github.com/mediasweep/mediasweep/internal/media"
)

// A list may begin to name the ID of a medium whose object the index skips. Such a medium counts once,
// by its object.

// rediscovered are media that were found by their IDs, and whose objects the sources may name.
type rediscovered struct {
	count   int
	objects extsort.Sorter // with the media IDs; empty if the index skipped nothing
}

// rediscover adds a medium. All objects have been taken before the first ID is.
func (c *scan) rediscover(m *media.Medium) {
	c.rediscovered.count++
	if c.Passed == 0 {
		return
	}
	if err := c.rediscovered.objects.Add(inventory.Candidate{Object: m.Object}.Name(), []byte(m.ID)); err != nil {
		c.fail(err)
	}
}

// skipped returns a function that reports whether the index skipped the object of a medium. Call it
// with media IDs in order, and then done.
func (c *scan) skipped() (has func(mediaID string) bool, done func()) {
	var ids extsort.Sorter
	for record, err := range c.rediscovered.objects.All() {
		if err == nil && c.skips(record.Name) {
			err = ids.Add(string(record.Rest), nil)
		}
		if err != nil {
			c.fail(err)
			break
		}
	}
	c.rediscovered.objects.Close()
	next, stop := iter.Pull2(ids.All())
	one, err, more := next()
	has = func(mediaID string) bool {
		for more && err == nil && one.Name < mediaID {
			one, err, more = next()
		}
		if err != nil {
			c.fail(err)
		}
		return more && one.Name == mediaID
	}
	return has, func() { stop(); ids.Close() }
}

// skips reports whether the index counts a live medium of an object, and has nothing due there.
func (c *scan) skips(name string) bool {
	for _, e := range c.known.Find(c.admit, name) {
		if e.Medium && !e.Elsewhere && e.Due > c.report.AsOf.Unix() {
			return true
		}
	}
	return false
}
