package purge

import (
	"hash/maphash"
	"maps"
	"sync"
	"time"

	"github.com/mediasweep/mediasweep/internal/journal"
	"github.com/mediasweep/mediasweep/internal/plan"
)

// claimTime is the time after a deletion in which another run may still have an older look-up.
const claimTime = 30 * time.Second

// Claims are the media that the runs of a process delete. The first run to claim a medium owns its
// deletion: no other run sends its ID. Claims are safe for concurrent use, and their zero value is ready.
type Claims struct {
	mu   sync.Mutex
	open map[string]*claim // by media ID, of workers that have not ended
	// taken has when the service took media in the last claimTime, by hashes of their IDs: there are 30,000 at the full
	// quota. A live medium with the hash of another one counts as unverified, and the next run deletes it.
	taken map[uint64]time.Duration // since began
	seed  maphash.Seed
	began time.Time
	swept time.Duration // when older media were removed from taken
}

// claim is a batch of one worker: up to ten media.
type claim struct {
	took map[string]bool // by media ID: whether the service took it. It is complete when done is closed.
	done chan struct{}   // closed when the worker has ended
}

// contested is a medium that another run has claimed.
type contested struct {
	line plan.Line
	by   *claim // nil if the service has taken the medium
}

// claim claims a batch if all of it is free. Otherwise it returns the media that are free, and those that are not.
func (c *Claims) claim(batch []plan.Line, now time.Time) (own *claim, free []plan.Line, theirs []contested) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.open == nil {
		c.open, c.taken, c.seed, c.began = map[string]*claim{}, map[uint64]time.Duration{}, maphash.MakeSeed(), now
	}
	since := now.Sub(c.began)
	isOld := func(_ uint64, took time.Duration) bool { return since-took > claimTime }
	if since-c.swept > time.Second {
		maps.DeleteFunc(c.taken, isOld)
		c.swept = since
	}
	for _, l := range batch {
		id := maphash.String(c.seed, l.MediaID)
		took, isTaken := c.taken[id]
		if other := c.open[l.MediaID]; other != nil || isTaken && !isOld(id, took) {
			theirs = append(theirs, contested{l, other})
		} else {
			free = append(free, l)
		}
	}
	if len(theirs) > 0 {
		return nil, free, theirs
	}
	own = &claim{took: map[string]bool{}, done: make(chan struct{})}
	for _, l := range batch {
		c.open[l.MediaID], own.took[l.MediaID] = own, false
	}
	return own, nil, nil
}

// release ends a claim. A medium that the service took stays claimed for claimTime.
func (c *Claims) release(own *claim, now time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for id, isTaken := range own.took {
		delete(c.open, id)
		if isTaken {
			c.taken[maphash.String(c.seed, id)] = now.Sub(c.began)
		}
	}
	close(own.done)
}

// follow waits until other runs have ended their claims, and reads the media back. It returns those that are live
// and that the service did not take.
func (w *worker) follow(theirs []contested) (rest []plan.Line, err error) {
	w.sent() // the last batch of this run waits for no other run
	var lines []plan.Line
	took := map[string]bool{}
	for _, medium := range theirs {
		if medium.by != nil {
			select {
			case <-medium.by.done:
			case <-w.ctx.Done():
				return nil, nil // still pending
			}
		}
		lines = append(lines, medium.line)
		if id := medium.line.MediaID; medium.by == nil || medium.by.took[id] {
			took[id] = true
		}
	}
	var pauses []time.Duration
	if len(took) > 0 {
		pauses = afterSuccess()
	}
	live, err := w.readBack(lines, pauses, journal.Gone)
	if err != nil {
		return nil, w.unread(live, err)
	}
	for _, l := range live {
		if took[l.MediaID] {
			w.reportAll([]plan.Line{l}, stillShown)
		} else {
			rest = append(rest, l)
		}
	}
	return rest, nil
}
