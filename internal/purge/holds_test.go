package purge

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mediasweep/mediasweep/internal/journal"
	"github.com/mediasweep/mediasweep/internal/media"
	"github.com/mediasweep/mediasweep/internal/mps"
	"github.com/mediasweep/mediasweep/internal/retention"
)

// changing are holds that a test changes.
type changing struct {
	mu    sync.Mutex
	ids   []string
	ends  []context.CancelFunc
	asked int
	// reading runs before the first answer of Current, as long as the holds are read.
	reading sync.Once
	read    func()
}

func (c *changing) Current(ctx context.Context) (context.Context, error) {
	if c.read != nil {
		c.reading.Do(c.read)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.asked++
	ctx, end := context.WithCancel(ctx)
	c.ends = append(c.ends, end)
	return ctx, ctx.Err()
}

func (c *changing) place(ids ...string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ids = append(c.ids, ids...)
	for _, end := range c.ends {
		end()
	}
}

func (c *changing) mark(m *media.Medium) (mark retention.Mark) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if slices.Contains(c.ids, m.ID) {
		mark.Hold = &retention.Hold{ID: "7", Target: m.ID}
	}
	return mark
}

// A hold that is placed before a batch is sent keeps its media out of it: while the batch waits for
// the holds or its permit, and while a shared call waits for its pace.
func TestAHoldBindsWhatIsNotSent(t *testing.T) {
	for name, place := range map[string]func(*library, *changing){
		"before": func(_ *library, c *changing) { c.ids = []string{"m003", "m007"} },
		"read while the batch waits for the holds": func(_ *library, c *changing) {
			c.read = func() { c.place("m003", "m007") }
		},
		"waiting for a permit": func(l *library, c *changing) {
			l.permits = sync.OnceValue(func() error { c.place("m003", "m007"); return nil })
		},
		"waiting in a shared call": func(l *library, c *changing) {
			accept := l.onDelete
			l.onDelete = func(int, []string) error {
				c.place("m003", "m007")
				l.sent, l.onDelete = nil, accept // it was not sent
				return context.Canceled
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			l, c := newLibrary(t), &changing{}
			lines := l.fill(10)
			p := l.purger(time.Now(), origin{})
			p.Holds, p.Judge.Mark = c, c.mark
			place(l, c)
			all, err := l.purge(t.Context(), t.Context(), p, lines)
			if err != nil || all.count(10)[journal.Deleted] != 8 || len(l.sent) != 1 || len(l.sent[0]) != 8 {
				t.Errorf("%v, %v, sent %v", err, all.count(10), l.sent)
			}
			for _, id := range []string{"m003", "m007"} {
				if o := all[id]; o.Became != "" || o.Now.Verdict != retention.Protected || o.Now.RuleName() != "hold:7" {
					t.Errorf("%s: %+v", id, o)
				}
			}
		})
	}
}

// A hold that hits batches before they are sent makes no call shorter than ten, but for the last one.
func TestOthersTakeThePlacesOfHeldMedia(t *testing.T) {
	for name, test := range map[string]struct {
		held  []string
		place func(l *library, c *changing, held []string)
	}{
		"before": {[]string{"m003", "m007", "m014", "m025"}, func(_ *library, c *changing, held []string) { c.ids = held }},
		"waiting for a permit": {[]string{"m003", "m007", "m014", "m025"}, func(l *library, c *changing, held []string) {
			l.permits = sync.OnceValue(func() error { c.place(held...); return nil })
		}},
		"waiting for the holds": {[]string{"m003", "m007", "m014", "m025"}, func(_ *library, c *changing, held []string) {
			c.read = func() { c.place(held...) }
		}},
		"waiting in a shared call": {[]string{"m003", "m005", "m007", "m009"}, func(l *library, c *changing, held []string) {
			accept := l.onDelete
			l.onDelete = func(call int, ids []string) error {
				if !slices.Contains(ids, held[0]) {
					return accept(call, ids)
				}
				c.place(held...)
				l.sent, l.onDelete = l.sent[:call-1], accept // it was not sent
				return context.Canceled
			}
		}},
	} {
		t.Run(name, func(t *testing.T) {
			l, c := newLibrary(t), &changing{}
			lines := l.fill(45)
			p := l.purger(time.Now(), origin{})
			p.Holds, p.Judge.Mark = c, c.mark
			test.place(l, c, test.held)
			all, err := l.purge(t.Context(), t.Context(), p, lines)
			if err != nil || all.count(45)[journal.Deleted] != 41 || len(l.sent) != 5 {
				t.Fatalf("%v, %v, %d calls", err, all.count(45), len(l.sent))
			}
			for i, ids := range l.sent {
				if want := []int{10, 10, 10, 10, 1}[i]; len(ids) != want {
					t.Errorf("call %d has %d media, want %d", i+1, len(ids), want)
				}
			}
		})
	}
}

// A call that was not sent since the holds changed is no try.
func TestChangesOfHoldsAreNoTries(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, c := newLibrary(t), &changing{}
		lines := l.fill(10)
		p := l.purger(time.Now(), origin{})
		p.Holds, p.Judge.Mark = c, c.mark
		changes, throttled := 2*mps.MaxTries, false
		l.onDelete = func(_ int, ids []string) error {
			if changes--; changes >= 0 {
				c.place("another")
				return context.Canceled
			}
			if !throttled {
				throttled = true
				return errThrottled
			}
			return l.remove(ids...)
		}
		all, err := l.purge(t.Context(), t.Context(), p, lines)
		if err != nil || all.count(10)[journal.Deleted] != 10 {
			t.Errorf("%v, %v", err, all.count(10))
		}
	})
}

// A whole batch may be held. Another change of the holds costs a look only.
func TestAHoldOnAllOfABatch(t *testing.T) {
	l, c := newLibrary(t), &changing{}
	lines := l.fill(20)
	for _, line := range lines[:10] {
		c.ids = append(c.ids, line.MediaID)
	}
	p := l.purger(time.Now(), origin{})
	p.Holds, p.Judge.Mark = c, c.mark
	l.permits = sync.OnceValue(func() error { c.place("another"); return nil })
	all, err := l.purge(t.Context(), t.Context(), p, lines)
	if err != nil || all.count(20)[journal.Deleted] != 10 || all.count(20)[""] != 10 || len(l.sent) != 1 || c.asked < 3 {
		t.Errorf("%v, %v, sent %v, asked %d times", err, all.count(20), l.sent, c.asked)
	}
}

// unread are holds that cannot be read.
type unread struct{}

func (unread) Current(context.Context) (context.Context, error) { return nil, errors.New("down") }

func TestNothingIsSentWithoutHolds(t *testing.T) {
	l := newLibrary(t)
	lines := l.fill(20)
	p := l.purger(time.Now(), origin{})
	p.Holds = unread{}
	if all, err := l.purge(t.Context(), t.Context(), p, lines); err != nil || len(all) > 0 || len(l.sent) > 0 {
		t.Errorf("%v, %v, sent %v", err, all, l.sent)
	}
}

// A line whose record cannot be read is not sent: a hold may name it.
func TestALineWithoutARecord(t *testing.T) {
	l := newLibrary(t)
	lines := l.fill(2)
	lines[0].Text = []byte("{}")
	all, err := l.purge(t.Context(), t.Context(), l.purger(time.Now(), origin{}), lines)
	if o := all["m000"]; err != nil || o.Became != journal.Failed || !strings.Contains(o.Cause.Error(), "no record") || len(l.sent) != 1 || len(l.sent[0]) != 1 {
		t.Errorf("%v, %+v, sent %v", err, o, l.sent)
	}
}
