package sweep

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"iter"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/mediasweep/mediasweep/internal/deadline"
	"github.com/mediasweep/mediasweep/internal/eventbudget"
	"github.com/mediasweep/mediasweep/internal/journal"
	"github.com/mediasweep/mediasweep/internal/media"
	"github.com/mediasweep/mediasweep/internal/media/mediatest"
	"github.com/mediasweep/mediasweep/internal/mps"
	"github.com/mediasweep/mediasweep/internal/objects"
	"github.com/mediasweep/mediasweep/internal/plan"
	"github.com/mediasweep/mediasweep/internal/policy"
	"github.com/mediasweep/mediasweep/internal/purge"
	"github.com/mediasweep/mediasweep/internal/report"
	"github.com/mediasweep/mediasweep/internal/scan"
	"github.com/mediasweep/mediasweep/internal/state/statetest"
	"github.com/mediasweep/mediasweep/internal/trigger"
)

// world is a library, a bucket without objects, and a store in memory.
type world struct {
	t     *testing.T
	store *statetest.Memory
	now   time.Time
	log   bytes.Buffer
	sweep *Sweep
	// beforeDelete runs before each DeleteMedia call. Its error is the call's.
	beforeDelete func() error

	mu    sync.Mutex
	media map[string]media.Medium
	sent  []string
	down  bool // no call succeeds
	// refused are IDs that MPS rejects, and sticky those that it shows after their deletion.
	refused, sticky []string
}

const worldPolicy = `
version: 1
mode: enforce
inventory: [{bucket: oss://media-in/}]
guard: {maxPercent: 100, maxDelete: 20}
protect: [{name: hold, match: {tags: [legal-hold]}}]
expire:
  - {name: orphans, onSourceRemoved: true, match: {object: ["oss://media-in/orphans/**"]}}
  - {name: series, match: {object: ["oss://media-in/series/**"]}, after: 30d, keepLatest: {count: 1, per: folder}}
  - {name: rest, after: 180d}
`

// newWorld returns a world with a policy; more is added to it.
func newWorld(t *testing.T, more string) *world {
	t.Helper()
	w := &world{t: t, store: statetest.New(), now: noticeNow, media: map[string]media.Medium{}}
	w.store.Began = noticeNow.AddDate(1, 0, 0) // a store's clock is not that of a test
	p, err := policy.Parse("p", []byte(worldPolicy+more))
	if err != nil {
		t.Fatal(err)
	}
	w.sweep = &Sweep{
		Policy: p, Cloud: scan.Cloud{Region: "cn-shanghai", Library: w, Objects: w}, Deleter: w, Store: w.store, Marks: journal.NewMarks(), Events: eventbudget.New(), Claims: new(purge.Claims),
		Stop: "oss://ops/stop", Caller: "a person", Display: Display{func(Progress) {}, time.Hour},
		Now: func() time.Time { return w.now }, Log: slog.New(slog.NewTextHandler(&w.log, nil)),
	}
	return w
}

// add adds media that were created days ago.
func (w *world) add(days int, keys ...string) (ids []string) {
	for _, key := range keys {
		ids = append(ids, w.tag(days, key))
	}
	return ids
}

// tag adds a medium with tags, or puts it in the place of another one.
func (w *world) tag(days int, key string, tags ...string) (id string) {
	id = "m-" + strings.NewReplacer("/", "-", ".", "-").Replace(key)
	w.media[id] = mediatest.Medium(id, key, media.StatePublished, w.now.AddDate(0, 0, -days), tags...)
	return id
}

// fill adds so many media that have expired.
func (w *world) fill(n int) (ids []string) {
	for i := range n {
		ids = append(ids, w.add(400, fmt.Sprintf("%03d", i))...)
	}
	return ids
}

// newRun returns a run of a request that has not begun.
func (w *world) newRun(id string, request *trigger.Request, mode policy.Mode) *run {
	r := report.New(id, request.Trigger, w.sweep.Policy, w.now)
	r.Mode = mode
	run := w.sweep.newRun(deadline.Budget{}, request, r)
	w.t.Cleanup(run.progress.Stop)
	return run
}

// run carries out a request and returns its report.
func (w *world) run(id string, request *trigger.Request, mode policy.Mode) *report.Report {
	r := report.New(id, request.Trigger, w.sweep.Policy, w.now)
	r.Mode = mode
	w.sweep.Run(w.t.Context(), deadline.Budget{}, request, r).Close(w.t.Context())
	return r
}

// save saves a plan of media, all expired by a rule.
func (w *world) save(draft plan.Contents, rule string, ids ...string) plan.Contents {
	w.t.Helper()
	slices.Sort(ids)
	var lines []plan.Line
	for _, id := range ids {
		m := w.media[id]
		line, err := plan.LineOf(plan.Entry{MediaID: id, Rule: rule, State: m.State, Record: m.Record}, m.Created, w.now)
		if err != nil {
			w.t.Fatal(err)
		}
		lines = append(lines, line)
	}
	if draft.Head.AsOf.IsZero() {
		draft.Head.AsOf = w.now
	}
	if draft.Head.Policy == "" {
		draft.Head.Policy = w.sweep.Policy.Digest()
	}
	if draft.Region == "" {
		draft.Region = "cn-shanghai"
	}
	contents, err := journal.SavePlan(w.t.Context(), w.store, draft, func(yield func(plan.Line, error) bool) {
		for _, line := range lines {
			if !yield(line, nil) {
				return
			}
		}
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return contents
}

// fail makes an operation of the store fail from now on, for names with a text. Another call ends that.
func (w *world) fail(operation, of string) {
	w.store.Lock()
	defer w.store.Unlock()
	w.store.Down, w.store.Of = operation, of
}

func (w *world) Permit(ctx context.Context, _ mps.Operation) (mps.Permit, error) {
	if w.down {
		return nil, errStore
	}
	return worldPermit{w}, ctx.Err()
}

func (w *world) Probe(ctx context.Context, ids []string) (mps.Found, error) {
	return w.answer(ctx, ids)
}
func (w *world) Answered() bool { return !w.down }
func (w *world) Backoff(context.Context, time.Duration) (time.Duration, error) {
	return 0, context.DeadlineExceeded
}

func (w *world) Executions(context.Context, string, string) ([]string, string, error) {
	return nil, "", nil
}
func (w *world) Exists(context.Context, media.Object) (bool, error) { return false, nil }
func (w *world) Entries(_ context.Context, prefix media.Object, after string) iter.Seq2[objects.Entry, error] {
	var keys []string
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, m := range w.media {
		if strings.HasPrefix(m.Object.Key, prefix.Key) && m.Object.Key > after {
			keys = append(keys, m.Object.Key)
		}
	}
	return func(yield func(objects.Entry, error) bool) {
		for _, key := range slices.Sorted(slices.Values(keys)) {
			if !yield(objects.Entry{Object: media.Object{Bucket: prefix.Bucket, Key: key}}, nil) {
				return
			}
		}
	}
}
func (w *world) Open(context.Context, media.Object, string) (io.ReadCloser, string, error) {
	return nil, "", errStore
}

func (w *world) answer(ctx context.Context, ids []string) (found mps.Found, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, id := range ids {
		if slices.Contains(w.refused, id) {
			return mps.Found{}, &mps.Error{Kind: mps.Rejected, Code: "InvalidParameter"}
		}
		if m, ok := w.media[id]; ok {
			found.Media = append(found.Media, m)
		} else {
			found.Missing = append(found.Missing, id)
		}
	}
	return found, ctx.Err()
}

type worldPermit struct{ *world }

func (p worldPermit) Delete(_ context.Context, ids []string) error {
	if p.beforeDelete != nil {
		if err := p.beforeDelete(); err != nil {
			return err
		}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, id := range ids {
		if !slices.Contains(p.sticky, id) {
			delete(p.media, id)
		}
	}
	p.sent = append(p.sent, ids...)
	return nil
}

func (p worldPermit) ByID(ctx context.Context, ids []string) (mps.Found, error) {
	return p.answer(ctx, ids)
}

func (p worldPermit) ByURL(ctx context.Context, urls []string) (found mps.Found, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, url := range urls {
		found.Missing = append(found.Missing, url)
		for _, m := range p.media {
			if m.Object.URL("cn-shanghai", media.SlashPlain) == url {
				found.Media, found.Missing = append(found.Media, m), found.Missing[:len(found.Missing)-1]
			}
		}
	}
	return found, ctx.Err()
}
