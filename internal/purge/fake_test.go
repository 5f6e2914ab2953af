package purge

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/mediasweep/mediasweep/internal/journal"
	"github.com/mediasweep/mediasweep/internal/media"
	"github.com/mediasweep/mediasweep/internal/media/mediatest"
	"github.com/mediasweep/mediasweep/internal/mps"
	"github.com/mediasweep/mediasweep/internal/plan"
	"github.com/mediasweep/mediasweep/internal/policy"
	"github.com/mediasweep/mediasweep/internal/retention"
)

const testPolicy = `
version: 1
mode: enforce
inventory: [{bucket: oss://media-in/}]
protect: [{name: hold, match: {tags: [legal-hold]}}]
expire:
  - {name: orphans, onSourceRemoved: true, match: {object: ["oss://media-in/orphans/**"]}}
  - {name: series, match: {object: ["oss://media-in/series/**"]}, after: 30d, keepLatest: {count: 2, per: folder}}
  - {name: rest, after: 180d}
`

// testMedium returns a medium of an object. Its CreationTime is days before 2026-06-30.
func testMedium(id, key, state string, days int, tags ...string) media.Medium {
	return mediatest.Medium(id, key, state, time.Date(2026, 6, 30, 0, 0, 0, 0, time.UTC).AddDate(0, 0, -days), tags...)
}

// lineOf returns the line of a medium that a rule takes.
func lineOf(m media.Medium, rule string, readAt time.Time) plan.Line {
	l, err := plan.LineOf(plan.Entry{MediaID: m.ID, Rule: rule, State: m.State, Record: m.Record}, m.Created, readAt)
	if err != nil {
		panic(err)
	}
	return l
}

// library is a media library in memory, with which a test says what calls do.
type library struct {
	t  *testing.T
	mu sync.Mutex
	// media holds the answers of look-ups, by ID.
	media map[string]media.Medium
	// sent has the IDs of each DeleteMedia call.
	sent [][]string
	// onDelete is called for each DeleteMedia call, and takes media away. Its error is the
	// call's.
	onDelete func(call int, ids []string) error
	// onRead is called for each look-up, of what a probe or a recheck asks for. Its error is the
	// call's.
	onRead  func(probe bool, ids []string) error
	permits func() error
	asked   []mps.Operation // of each permit
	reads   int
	backoff error
	silent  []string // IDs that no answer mentions
	exists  func(media.Object) (bool, error)
}

func newLibrary(t *testing.T) *library {
	l := &library{t: t, media: map[string]media.Medium{}}
	l.onDelete = func(_ int, ids []string) error { return l.remove(ids...) }
	return l
}

// remove deletes media.
func (l *library) remove(ids ...string) error {
	for _, id := range ids {
		delete(l.media, id)
	}
	return nil
}

// show changes the state with which a medium is shown.
func (l *library) show(id, state string) {
	m := l.media[id]
	m.State = state
	l.media[id] = m
}

func (l *library) Permit(ctx context.Context, op mps.Operation) (mps.Permit, error) {
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("%s: not sent: %w", op, err)
	}
	l.mu.Lock()
	l.asked = append(l.asked, op)
	l.mu.Unlock()
	if l.permits != nil {
		if err := l.permits(); err != nil {
			return nil, err
		}
	}
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("%s: not sent: %w", op, err)
	}
	return permit{l, ctx}, nil
}

type permit struct {
	*library
	bound context.Context // until the call leaves
}

func (p permit) Delete(ctx context.Context, ids []string) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(ids) == 0 || len(ids) > mps.MaxBatch {
		p.t.Errorf("a deletion of %d media", len(ids))
	}
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("not sent: %w", err)
	}
	p.sent = append(p.sent, slices.Clone(ids))
	err := p.onDelete(len(p.sent), ids)
	if errors.Is(err, context.Canceled) && p.bound.Err() == nil {
		p.t.Errorf("a call is not sent although its permit has not ended")
	}
	return err
}

func (p permit) ByID(ctx context.Context, ids []string) (mps.Found, error) {
	return p.read(ctx, false, ids)
}

func (p permit) ByURL(context.Context, []string) (mps.Found, error) {
	p.t.Error("a purge asks for URLs")
	return mps.Found{}, nil
}

func (l *library) Probe(ctx context.Context, ids []string) (mps.Found, error) {
	return l.read(ctx, true, ids)
}

func (l *library) read(ctx context.Context, probe bool, ids []string) (found mps.Found, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.reads++
	if err := ctx.Err(); err != nil {
		return found, &mps.Error{Kind: mps.Ambiguous, Cause: err}
	}
	if l.onRead != nil {
		if err := l.onRead(probe, ids); err != nil {
			return found, err
		}
	}
	for _, id := range ids {
		if m, ok := l.media[id]; slices.Contains(l.silent, id) {
			continue
		} else if ok {
			found.Media = append(found.Media, m)
		} else {
			found.Missing = append(found.Missing, id)
		}
	}
	return found, nil
}

func (l *library) Backoff(ctx context.Context, previous time.Duration) (time.Duration, error) {
	if l.backoff != nil {
		return 0, l.backoff
	}
	pause := max(200*time.Millisecond, 2*previous)
	if deadline, ok := ctx.Deadline(); ok && time.Until(deadline) <= pause {
		return 0, context.DeadlineExceeded
	}
	select {
	case <-ctx.Done():
		return 0, ctx.Err()
	case <-time.After(pause):
		return pause, nil
	}
}

func (l *library) Exists(_ context.Context, object media.Object) (bool, error) {
	if l.exists == nil {
		return true, nil
	}
	return l.exists(object)
}

// origin is a scan that names all media but some.
type origin struct {
	unnamed []string
	newest  []string
}

func (o origin) Names(m *media.Medium) bool     { return !slices.Contains(o.unnamed, m.ID) }
func (o origin) Newest(retention.Rank) []string { return o.newest }

func (l *library) purger(asOf time.Time, from Origin) *Purger {
	l.t.Helper()
	p, err := policy.Parse("retention.yaml", []byte(testPolicy))
	if err != nil {
		l.t.Fatal(err)
	}
	mark := func(*media.Medium) retention.Mark { return retention.Mark{} }
	return &Purger{Library: l, Holds: steady{}, Claims: new(Claims), Now: time.Now, Judge: Judge{Policy: p, AsOf: asOf, Mark: mark, Sources: l, Origin: from}}
}

// steady are holds that do not change.
type steady struct{}

func (steady) Current(ctx context.Context) (context.Context, error) { return ctx, ctx.Err() }

// fill adds media that have expired and returns their lines, read just now.
func (l *library) fill(n int) (lines []plan.Line) {
	for i := range n {
		m := testMedium(fmt.Sprintf("m%03d", i), fmt.Sprintf("m%03d", i), media.StatePublished, 400)
		l.media[m.ID] = m
		lines = append(lines, lineOf(m, "rest", time.Now()))
	}
	return lines
}

func sequence(lines []plan.Line) iter.Seq2[plan.Line, error] {
	return func(yield func(plan.Line, error) bool) {
		for _, l := range lines {
			if !yield(l, nil) {
				return
			}
		}
	}
}

// outcomes collects what a purge hands over, each medium once.
type outcomes map[string]Outcome

// purge deletes lines.
func (l *library) purge(ctx, admit context.Context, p *Purger, lines []plan.Line) (outcomes, error) {
	l.t.Helper()
	all := outcomes{}
	err := p.Run(ctx, admit, sequence(lines), func(some []Outcome) {
		if len(some) == 0 {
			l.t.Error("settle is called without an outcome")
		}
		for _, o := range some {
			if _, twice := all[o.Line.MediaID]; twice {
				l.t.Errorf("%s is handed over twice", o.Line.MediaID)
			}
			all[o.Line.MediaID] = o
		}
	})
	return all, err
}

// count returns how many media became what, and how many of the lines are pending.
func (o outcomes) count(lines int) map[journal.Became]int {
	count := map[journal.Became]int{}
	for _, one := range o {
		count[one.Became]++
	}
	if pending := lines - len(o); pending > 0 {
		count["pending"] = pending
	}
	return count
}

var (
	errLost         = &mps.Error{Op: mps.DeleteMedia, Kind: mps.Ambiguous, Message: "no answer"}
	errThrottled    = &mps.Error{Op: mps.DeleteMedia, Kind: mps.Throttled, Code: "Throttling.User"}
	errRejected     = &mps.Error{Op: mps.DeleteMedia, Kind: mps.Rejected, Code: "InvalidParameter"}
	errUnknown      = &mps.Error{Op: mps.DeleteMedia, Kind: mps.Rejected, Code: "InvalidParameter.ResourceNotFound"}
	errUnauthorized = &mps.Error{Op: mps.DeleteMedia, Kind: mps.Unauthorized, Code: "Forbidden"}
	errDenied       = &mps.Error{Op: mps.QueryMediaList, Kind: mps.Unauthorized, Code: "Forbidden"}
	errEnough       = errors.New("too many calls of this run had to be repeated")
)
