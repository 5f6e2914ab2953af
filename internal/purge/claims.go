package purge

import (
	"slices"
	"strings"
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
	mu      sync.Mutex
	byID    map[string]*claim
	expires []expiry // in the order of their times
}

// claim is a batch of one worker: up to ten media.
type claim struct {
	ids []string
	// took says of each medium whether the service took it. It is complete when done is closed.
	took []bool
	done chan struct{} // closed when the worker has ended
}

type expiry struct {
	at    time.Time
	claim *claim
}

// take claims a batch. It returns the media that the caller owns, and the claims on the others.
func (c *Claims) take(batch []plan.Line, now time.Time) (own *claim, ours, theirs []plan.Line, others []*claim) {
	own = &claim{done: make(chan struct{})}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.byID == nil {
		c.byID = map[string]*claim{}
	}
	for len(c.expires) > 0 && now.Sub(c.expires[0].at) > claimTime {
		c.drop(c.expires[0].claim, true)
		c.expires = c.expires[1:]
	}
	for _, l := range batch {
		if other := c.byID[l.MediaID]; other != nil {
			theirs, others = append(theirs, l), append(others, other)
			continue
		}
		id := strings.Clone(l.MediaID) // a line's ID would keep its whole record
		c.byID[id] = own
		own.ids, own.took, ours = append(own.ids, id), append(own.took, false), append(ours, l)
	}
	return own, ours, theirs, others
}

// release ends a claim. A medium that the service took stays claimed for claimTime.
func (c *Claims) release(own *claim, now time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.drop(own, false)
	if slices.Contains(own.took, true) {
		c.expires = append(c.expires, expiry{now, own})
	}
	close(own.done)
}

// drop ends a claim on the media that the service took, or on the others.
func (c *Claims) drop(of *claim, took bool) {
	for i, id := range of.ids {
		if of.took[i] == took && c.byID[id] == of {
			delete(c.byID, id)
		}
	}
}

func (c *claim) tookIt(id string) bool {
	i := slices.Index(c.ids, id)
	return i >= 0 && c.took[i]
}

// take notes that the service took a medium of the claim.
func (c *claim) take(id string) {
	if i := slices.Index(c.ids, id); i >= 0 {
		c.took[i] = true
	}
}

// purgeClaimed deletes the media of a batch that no other run of the process has claimed. It waits for the
// other runs, and reads back what they claimed. It deletes what they did not.
func (w *worker) purgeClaimed(batch []plan.Line) error {
	for len(batch) > 0 {
		own, ours, theirs, others := w.Claims.take(batch, w.Now())
		if err := w.purgeOwn(own, ours); err != nil {
			return err
		}
		w.sent()
		for _, other := range others {
			select {
			case <-other.done:
			case <-w.ctx.Done():
				return nil // still pending
			}
		}
		var err error
		if batch, err = w.notTaken(theirs, others); err != nil {
			return err
		}
	}
	return nil
}

func (w *worker) purgeOwn(own *claim, ours []plan.Line) error {
	w.own = own
	defer func() {
		w.own = nil
		w.Claims.release(own, w.Now())
	}()
	return w.purge(ours)
}

// notTaken reads back media that other runs claimed. It returns those that are live and that the service
// did not take.
func (w *worker) notTaken(theirs []plan.Line, others []*claim) (rest []plan.Line, err error) {
	if len(theirs) == 0 {
		return nil, nil
	}
	took := map[string]bool{}
	for i, l := range theirs {
		if others[i].tookIt(l.MediaID) {
			took[l.MediaID] = true
		}
	}
	var pauses []time.Duration
	if len(took) > 0 {
		pauses = afterSuccess()
	}
	live, err := w.readBack(theirs, pauses, journal.Gone)
	if err != nil {
		return nil, w.unread(live, err)
	}
	for _, l := range live {
		if took[l.MediaID] {
			w.all([]plan.Line{l}, journal.Unverified, errStillShown, true)
		} else {
			rest = append(rest, l)
		}
	}
	return rest, nil
}
