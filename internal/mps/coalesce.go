package mps

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/mediasweep/mediasweep/internal/account"
	"github.com/mediasweep/mediasweep/internal/task"
)

// A group waits for members from its first one on, and then its call asks for its permit. It waits for shortestWait, and up
// to longestWait while runs are under way that have not joined: events that come together are apart by
// a call to the state store.
const (
	shortestWait = 20 * time.Millisecond
	longestWait  = 100 * time.Millisecond
)

// Begin says that a run begins which will share calls; see Sharing. The caller calls end when the run has ended.
func (c *Client) Begin() (end func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.underWay++
	return func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.underWay--
		for _, g := range c.open {
			c.maybeLeave(g)
		}
	}
}

// Sharing starts a run that shares its look-ups, probes and deletions with other such
// runs. Its Permit returns at once, and bounds the time until the call leaves. A call
// whose bound ends before that is not sent, and returns the bound's error. Each session
// counts the calls that it shares.
func (c *Client) Sharing(credentials *account.Provider) *Session {
	s := c.Session(credentials)
	s.sharing = true
	return s
}

// group is one call that its members share.
type group struct {
	form    form
	session *Session // paces, repeats and counts the call
	// call is the context of the call. It ends when the last member has given up.
	call   context.Context
	giveUp context.CancelFunc
	// company ends when the group waits for no more members.
	company context.Context
	leave   context.CancelFunc

	// Client.mu guards these.
	members []*member // those that have not given up, in the order of joining
	patient bool      // whether the group has waited for shortestWait

	done  chan struct{} // closed when the fields below have their values
	names []string      // those sent
	found Found
	err   error
}

// member is the part that one session has in a group.
type member struct {
	permit *permit
	call   context.Context
	names  []string
	sent   bool // the names are in the call; written under Client.mu before the group is done
	counts bool // the first member of its session counts the call; written with sent
}

// share sends a call with other members, or alone. If the service rejects a call that
// names what others asked for, the member's own names are sent again, alone. A rejected
// deletion may have taken effect in part: the second then may be rejected for that.
func (p *permit) share(ctx context.Context, form form, names []string, alone bool) (Found, error) {
	m := &member{permit: p, call: ctx, names: names}
	g := p.session.client.join(form, m, alone)
	found, err := p.session.client.await(g, m)
	if Is(err, Rejected) && len(others(g.names, names)) > 0 {
		return p.share(ctx, form, names, true)
	}
	return found, err
}

// join adds a member to the open group of a form, or to a new one. A group that has
// MaxBatch names leaves at once, as does one that the member does not fit in.
func (c *Client) join(form form, m *member, alone bool) *group {
	c.mu.Lock()
	defer c.mu.Unlock()
	g := c.open[form]
	if alone {
		g = c.start(form)
		g.leave()
	} else if g == nil || g.call.Err() != nil || !fit(g.members, m) {
		if g != nil {
			g.leave()
		}
		g = c.start(form)
		c.open[form] = g
	}
	g.members = append(g.members, m)
	c.maybeLeave(g)
	return g
}

// maybeLeave ends the wait of a group that has MaxBatch names, or has waited and has all runs that are under way.
func (c *Client) maybeLeave(g *group) {
	if len(together(g.members)) == MaxBatch || g.patient && runsOf(g.members) >= c.underWay {
		g.leave()
	}
}

// start returns a group without members, whose call a goroutine sends.
func (c *Client) start(form form) *group {
	g := &group{form: form, session: c.Session(nil), done: make(chan struct{})}
	g.call, g.giveUp = context.WithCancel(context.Background())
	g.company, g.leave = context.WithTimeout(g.call, longestWait)
	time.AfterFunc(shortestWait, func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		g.patient = true
		c.maybeLeave(g)
	})
	go func() {
		defer g.giveUp()
		defer close(g.done)
		err := task.Do(func() error { return c.send(g) })
		if panicked, ok := errors.AsType[*task.Panic](err); ok { // perhaps after the service took the call
			err = &Error{Op: form.op, Kind: Ambiguous, Message: panicked.Error(), Cause: panicked}
		}
		g.err = err
	}()
	return g
}

// send waits for members and for the pace, and sends what is still asked for.
func (c *Client) send(g *group) (err error) {
	<-g.company.Done()
	d, err := g.session.acquire(g.call, g.form.op)
	if err != nil {
		return err
	}
	c.depart(g)
	if len(g.names) == 0 {
		return nil
	}
	g.found, err = g.session.send(g.call, d, g.form, g.names)
	return err
}

// depart closes a group to new members, and takes the names and the latest credentials
// of those whose time has not ended.
func (c *Client) depart(g *group) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.open[g.form] == g {
		delete(c.open, g.form)
	}
	g.members = slices.DeleteFunc(g.members, func(m *member) bool { return m.ended() != nil })
	for i, m := range g.members {
		m.sent = true
		m.counts = !slices.ContainsFunc(g.members[:i], func(earlier *member) bool { return earlier.permit.session == m.permit.session })
		g.session.credentials = m.permit.session.credentials
	}
	g.names = together(g.members)
}

// await returns a member's part of the answer, or an error when the member's time ends.
func (c *Client) await(g *group, m *member) (Found, error) {
	bound := m.permit.bound.Done()
	for {
		select {
		case <-g.done:
			return g.answer(m)
		case <-bound:
			bound = nil
		case <-m.call.Done():
		}
		if err := c.withdraw(g, m); err != nil {
			return Found{}, err
		}
	}
}

// withdraw takes out a member whose time has ended, and returns its error. Once the call
// has left, the permit's bound does not end a member's time.
func (c *Client) withdraw(g *group, m *member) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	ended := m.call.Err()
	if m.sent && ended == nil {
		return nil
	}
	g.members = slices.DeleteFunc(g.members, func(other *member) bool { return other == m })
	if len(g.members) == 0 {
		g.giveUp()
	}
	if !m.sent {
		return notSent(g.form.op, m.ended())
	}
	m.count(g.session)
	return &Error{Op: g.form.op, Kind: Ambiguous, Message: "no answer in time: " + ended.Error(), Cause: ended}
}

// answer returns what a member asked for, in memory of its own.
func (g *group) answer(m *member) (Found, error) {
	if err := m.ended(); !m.sent && err != nil {
		return Found{}, notSent(g.form.op, err)
	}
	m.count(g.session)
	if failure, ok := errors.AsType[*Error](g.err); ok {
		own := *failure
		return Found{}, &own
	}
	return g.found.forMember(g.names, m.names), g.err
}

// ended returns the error of the context that ended a member's time before its call left.
func (m *member) ended() error { return cmp.Or(m.permit.bound.Err(), m.call.Err()) }

func (m *member) count(shared *Session) {
	if m.counts {
		m.permit.session.count(shared)
	}
}

// count adds the calls of another session.
func (s *Session) count(other *Session) {
	for op, calls := range other.calls {
		s.calls[op].Add(calls.Load())
	}
	s.first.Add(other.first.Load())
	s.throttled.Add(other.throttled.Load())
	s.retried.Add(other.retried.Load())
	if other.answered.Load() {
		s.answered.Store(true)
	}
}

func notSent(op Operation, err error) error { return fmt.Errorf("%s: not sent: %w", op, err) }
