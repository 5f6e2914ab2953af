package scan

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/mediasweep/mediasweep/internal/announce"
	"github.com/mediasweep/mediasweep/internal/deadline"
	"github.com/mediasweep/mediasweep/internal/inventory"
	"github.com/mediasweep/mediasweep/internal/journal"
	"github.com/mediasweep/mediasweep/internal/media"
	"github.com/mediasweep/mediasweep/internal/media/mediatest"
	"github.com/mediasweep/mediasweep/internal/mps"
	"github.com/mediasweep/mediasweep/internal/objects"
	"github.com/mediasweep/mediasweep/internal/plan"
	"github.com/mediasweep/mediasweep/internal/policy"
	"github.com/mediasweep/mediasweep/internal/report"
	"github.com/mediasweep/mediasweep/internal/retention"
	"github.com/mediasweep/mediasweep/internal/state/statetest"
	"github.com/mediasweep/mediasweep/internal/trigger"
)

const region = "cn-shanghai"

var now = time.Date(2026, 6, 30, 0, 0, 0, 0, time.UTC)

const testPolicy = `
version: 1
mode: enforce
inventory: [{bucket: oss://media-in/}, {manifest: oss://ops/list.csv}]
protect: [{name: hold, match: {tags: [legal-hold]}}]
expire:
  - {name: series, match: {object: ["oss://media-in/series/**"]}, after: 30d, keepLatest: {count: 2, per: folder}}
  - {name: rest, after: 180d}
`

// testMedium returns a medium that was made of an object.
func testMedium(id, key string, age int, tags ...string) media.Medium {
	return mediatest.Medium(id, key, media.StatePublished, now.AddDate(0, 0, -age), tags...)
}

func objectOf(key string) media.Object { return media.Object{Bucket: "media-in", Key: key} }

func plainURL(key string) string   { return objectOf(key).URL(region, media.SlashPlain) }
func escapedURL(key string) string { return objectOf(key).URL(region, media.SlashEscaped) }

// cloud is a library, a bucket and a store in memory.
type cloud struct {
	t *testing.T
	// answers has the media with which a look-up of a name, an ID or a URL, is answered.
	answers map[string][]media.Medium
	// listed are the keys of the bucket, and list is the manifest.
	listed []string
	list   string
	store  *memoryStore
	mode   policy.Mode // of the scans; dry-run by default

	mu    sync.Mutex
	calls int
	// before runs before each call, with its number.
	before func(call int) error
	log    bytes.Buffer
}

func newCloud(t *testing.T) *cloud {
	return &cloud{t: t, answers: map[string][]media.Medium{}, store: &memoryStore{Memory: statetest.New()}}
}

// add adds a medium that look-ups find by its ID and by the plain URL of its object.
func (c *cloud) add(m media.Medium) {
	c.answers[m.ID] = append(c.answers[m.ID], m)
	if url := m.Object.URL(region, media.SlashPlain); m.Object.Key != "" {
		c.answers[url] = append(c.answers[url], m)
	}
}

func (c *cloud) Permit(ctx context.Context, _ mps.Operation) (mps.Permit, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	return permit{c}, nil
}

func (c *cloud) Answered() bool { return true }

func (c *cloud) Executions(context.Context, string, string) ([]string, string, error) {
	return nil, "", nil
}

type permit struct{ *cloud }

func (p permit) Delete(context.Context, []string) error {
	p.t.Error("a scan deletes")
	return nil
}

func (p permit) ByID(ctx context.Context, ids []string) (mps.Found, error) { return p.answer(ctx, ids) }
func (p permit) ByURL(ctx context.Context, urls []string) (mps.Found, error) {
	return p.answer(ctx, urls)
}

func (c *cloud) answer(ctx context.Context, names []string) (mps.Found, error) {
	if len(names) > mps.MaxBatch {
		c.t.Errorf("a look-up of %d names", len(names))
	}
	c.mu.Lock()
	c.calls++
	call := c.calls
	c.mu.Unlock()
	if c.before != nil {
		if err := c.before(call); err != nil {
			return mps.Found{}, err
		}
	}
	if err := ctx.Err(); err != nil {
		return mps.Found{}, err
	}
	var found mps.Found
	for _, name := range names {
		if len(c.answers[name]) == 0 {
			found.Missing = append(found.Missing, name)
		}
		found.Media = append(found.Media, c.answers[name]...)
	}
	return found, nil
}

func (c *cloud) Entries(_ context.Context, prefix media.Object, after string) iter.Seq2[objects.Entry, error] {
	return func(yield func(objects.Entry, error) bool) {
		for _, key := range slices.Sorted(slices.Values(c.listed)) {
			if key > after && prefix.Covers(objectOf(key)) && !yield(objects.Entry{Object: objectOf(key), Modified: now.Add(-1000 * time.Hour), Listed: now}, nil) {
				return
			}
		}
	}
}

func (c *cloud) Open(context.Context, media.Object, string) (io.ReadCloser, string, error) {
	return io.NopCloser(strings.NewReader(cmp.Or(c.list, "mediaId,object\n"))), fmt.Sprint(inventory.Hash(c.list)), nil
}

func (c *cloud) Exists(context.Context, media.Object) (bool, error) { return true, nil }

func (c *cloud) scanner(rules string) *Scanner {
	c.t.Helper()
	p, err := policy.Parse("retention.yaml", []byte(rules))
	if err != nil {
		c.t.Fatal(err)
	}
	return &Scanner{Policy: p, Cloud: Cloud{region, c, c}, Store: c.store, Mark: func(*media.Medium) retention.Mark { return retention.Mark{} }, Announced: &announce.Reader{},
		Progress: func(int) {}, Now: func() time.Time { return now }, Log: slog.New(slog.NewTextHandler(&c.log, nil))}
}

var daily = &trigger.Request{Trigger: trigger.Timer, Inventory: true}

// outcome is the result of a scan.
type outcome struct {
	counts report.Counts
	ids    []string // of the lines
	found  *Found
}

// scan runs one scan, of a run's ID, and closes its Found. One that is not cut off writes
// the index and closes its checkpoint.
func (c *cloud) scan(ctx context.Context, s *Scanner, request *trigger.Request, run ...string) outcome {
	c.t.Helper()
	by := cmp.Or(append(run, "run")...)
	f := s.Run(ctx, ctx, deadline.Budget{}, Request{request, by, cmp.Or(c.mode, policy.DryRun), s.Now()})
	defer f.Close()
	o := outcome{counts: f.Counts, found: f}
	for l, err := range f.Draft.Lines() {
		if err != nil {
			c.t.Fatal(err)
		}
		o.ids = append(o.ids, l.MediaID)
		if _, _, err := plan.ParseEntry(l.Text); err != nil {
			c.t.Errorf("the line of %s: %v", l.MediaID, err)
		}
	}
	if f.End() != nil {
		return o
	}
	if err := cmp.Or(f.WriteIndex(ctx, s.Now(), by), f.CloseCheckpoint(ctx)); err != nil {
		c.t.Error(err)
	}
	if sum := f.Counts.Absent + f.Counts.Unknown + f.Counts.Protected + f.Counts.Kept + f.Counts.Expired; sum != f.Counts.Looked {
		c.t.Errorf("looked at %d media, decided on %d", f.Counts.Looked, sum)
	}
	if len(o.ids) != f.Counts.Expired {
		c.t.Errorf("%d lines, %d counted as expired", len(o.ids), f.Counts.Expired)
	}
	return o
}

// memoryStore is a store in memory whose writes may fail.
type memoryStore struct {
	*statetest.Memory
	creates int
	// fails returns the error of a write, by its number.
	fails func(create int, name string) error
}

var errStore = errors.New("no space left")

func (s *memoryStore) Create(ctx context.Context, name string, data []byte) error {
	s.Lock()
	s.creates++
	err := ctx.Err()
	if err == nil && s.fails != nil {
		err = s.fails(s.creates, name)
	}
	s.Unlock()
	if err != nil {
		return err
	}
	return s.Memory.Create(ctx, name, data)
}

// planOfOne saves the plan of a request's scan, which has one medium.
func (c *cloud) planOfOne(s *Scanner, request *trigger.Request) plan.Contents {
	c.t.Helper()
	found := s.Run(c.t.Context(), c.t.Context(), deadline.Budget{}, Request{request, "plan", policy.DryRun, now})
	defer found.Close()
	contents, err := journal.SavePlan(c.t.Context(), c.store, plan.Contents{Head: found.Head}, found.Draft.Lines())
	if err != nil || contents.Entries != 1 {
		c.t.Fatalf("%+v, %v", contents, err)
	}
	return contents
}
