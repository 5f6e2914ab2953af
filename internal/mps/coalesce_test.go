package mps_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"reflect"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/mediasweep/mediasweep/internal/account"
	"github.com/mediasweep/mediasweep/internal/emulator"
	"github.com/mediasweep/mediasweep/internal/media"
	"github.com/mediasweep/mediasweep/internal/mps"
	"github.com/mediasweep/mediasweep/internal/task"
)

// library is an emulator behind pipes, and a client of it.
type library struct {
	*emulator.Emulator
	t           *testing.T
	client      *mps.Client
	credentials *account.Provider
}

func newLibrary(t *testing.T, options emulator.MPSOptions, share float64) *library {
	t.Helper()
	return startLibrary(t, emulator.Config{MPS: options}, func(a account.Account) (*mps.Client, error) { return mps.New(a, share) })
}

func startLibrary(t *testing.T, config emulator.Config, open func(account.Account) (*mps.Client, error)) *library {
	t.Helper()
	network := emulator.NewPipes()
	config.Listener = network
	e, err := emulator.Start(config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = e.Close() })
	env := e.Env()
	getenv := func(name string) string { return env[name] }
	a, err := account.FromEnvironment(getenv)
	if err != nil {
		t.Fatal(err)
	}
	a.Dial = network.Dial
	client, err := open(a)
	if err != nil {
		t.Fatal(err)
	}
	return &library{e, t, client, account.NewKeyring(getenv).Or(account.Credentials{})}
}

// add adds media and returns their IDs and their file URLs.
func (l *library) add(n int) (ids, urls []string) {
	for i := range n {
		m := l.Add(emulator.Medium{Key: fmt.Sprintf("clips/%d.mp4", i), CreationTime: "2026-01-01T00:00:00Z", Tags: []string{"x"}})
		ids = append(ids, m.ID)
		urls = append(urls, media.Object{Bucket: m.Bucket, Key: m.Key}.URL("cn-shanghai", media.SlashPlain))
	}
	return ids, urls
}

func (l *library) sharing() *mps.Session { return l.client.Sharing(l.credentials) }

// sent returns the names of each call after the first so many.
func (l *library) sent(since int) (batches [][]string) {
	for _, call := range l.Calls()[since:] {
		batches = append(batches, slices.Sorted(slices.Values(append(call.MediaIDs, call.URLs...))))
	}
	return batches
}

// call is a call that runs may share. The context soft bounds the time until it leaves.
type call struct {
	name string
	op   mps.Operation
	send func(ctx, soft context.Context, s *mps.Session, names []string) (mps.Found, error)
}

var calls = []call{
	{"ByID", mps.QueryMediaList, permitted(mps.QueryMediaList, func(p mps.Permit, ctx context.Context, names []string) (mps.Found, error) { return p.ByID(ctx, names) })},
	{"ByURL", mps.QueryMediaListByURL, permitted(mps.QueryMediaListByURL, func(p mps.Permit, ctx context.Context, names []string) (mps.Found, error) {
		return p.ByURL(ctx, names)
	})},
	{"Probe", mps.QueryMediaList, func(ctx, _ context.Context, s *mps.Session, names []string) (mps.Found, error) {
		return s.Probe(ctx, names)
	}},
	{"Delete", mps.DeleteMedia, permitted(mps.DeleteMedia, func(p mps.Permit, ctx context.Context, names []string) (mps.Found, error) {
		return mps.Found{}, p.Delete(ctx, names)
	})},
}

func permitted(op mps.Operation, send func(mps.Permit, context.Context, []string) (mps.Found, error)) func(ctx, soft context.Context, s *mps.Session, names []string) (mps.Found, error) {
	return func(ctx, soft context.Context, s *mps.Session, names []string) (mps.Found, error) {
		permit, err := s.Permit(soft, op)
		if err != nil {
			return mps.Found{}, err
		}
		return send(permit, ctx, names)
	}
}

func (c call) names(ids, urls []string) []string {
	if c.name == "ByURL" {
		return urls
	}
	return ids
}

// kindOf returns the kind of a failed call, or -1.
func kindOf(err error) mps.Kind {
	var failed *mps.Error
	if !errors.As(err, &failed) {
		return -1
	}
	return failed.Kind
}

// TestSharing holds the calls that runs send at once against what they share.
func TestSharing(t *testing.T) {
	runsOf := func(n int) []int { return slices.Repeat([]int{1}, n) }
	tests := []struct {
		name  string
		parts []int // the number of names of each run
		same  bool  // all runs ask for the same
		calls int
		first time.Duration // when the first call leaves
	}{
		{"ten runs", runsOf(10), false, 1, 0},
		{"more runs", runsOf(25), false, 3, 0},
		{"the same name", runsOf(25), true, 1, 20 * time.Millisecond},
		{"a full batch beside others", append([]int{10}, runsOf(5)...), false, 2, 0},
		{"parts that do not fit one call", []int{4, 4, 4}, false, 2, 0},
		{"one run", []int{3}, false, 1, 20 * time.Millisecond},
	}
	for _, c := range calls {
		for _, test := range tests {
			t.Run(c.name+"/"+test.name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					l := newLibrary(t, emulator.MPSOptions{}, 1)
					names := c.names(l.add(40))
					start := time.Now()
					var runs sync.WaitGroup
					from := 0
					for _, size := range test.parts {
						mine := names[from : from+size]
						if !test.same {
							from += size
						}
						runs.Go(func() {
							s := l.sharing()
							found, err := c.send(t.Context(), t.Context(), s, mine)
							if err != nil || c.name != "Delete" && (len(found.Media) != size || len(found.Missing) != 0) {
								t.Errorf("%d media, %v missing, %v; want %d", len(found.Media), found.Missing, err, size)
							}
							if s.Calls(c.op) != 1 || s.Retried() != 0 || s.Throttled() != 0 || !s.Answered() {
								t.Errorf("a run counts %d calls, %d repeated, %d throttled, answered %v; want 1", s.Calls(c.op), s.Retried(), s.Throttled(), s.Answered())
							}
						})
					}
					runs.Wait()
					if got := l.sent(0); len(got) != test.calls {
						t.Fatalf("%d calls: %q; want %d", len(got), got, test.calls)
					}
					if first := l.Calls()[0].Time.Sub(start); first != test.first || time.Since(start) > 50*time.Millisecond {
						t.Errorf("the first call leaves after %v, the last ends after %v; want %v, 50ms", first, time.Since(start), test.first)
					}
					if violations := l.Violations(); len(violations) > 0 {
						t.Errorf("violations: %v", violations)
					}
				})
			})
		}
	}
}

// A call waits for the runs that are under way, but not for long.
func TestSharingWaitsForRuns(t *testing.T) {
	for name, test := range map[string]struct {
		come  []time.Duration // when runs ask; below zero: they end then, and never ask
		calls int
		first time.Duration // when the first call leaves
	}{
		"one comes alone":                 {[]time.Duration{0}, 1, 20 * time.Millisecond},
		"another one comes later":         {[]time.Duration{0, 60 * time.Millisecond}, 1, 60 * time.Millisecond},
		"another one comes at once":       {[]time.Duration{0, 1 * time.Millisecond}, 1, 20 * time.Millisecond},
		"another one comes too late":      {[]time.Duration{0, 150 * time.Millisecond}, 2, 100 * time.Millisecond},
		"another one ends and never asks": {[]time.Duration{0, -40 * time.Millisecond}, 1, 40 * time.Millisecond},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := newLibrary(t, emulator.MPSOptions{}, 1)
				ids, _ := l.add(len(test.come))
				start := time.Now()
				var runs sync.WaitGroup
				for i, at := range test.come {
					end := l.client.Begin()
					runs.Go(func() {
						defer end()
						if time.Sleep(at.Abs()); at < 0 {
							return
						}
						if _, err := byID(t.Context(), l.sharing(), ids[i:i+1]); err != nil {
							t.Error(err)
						}
					})
				}
				runs.Wait()
				if got := l.sent(0); len(got) != test.calls {
					t.Fatalf("%d calls: %q; want %d", len(got), got, test.calls)
				}
				if first := l.Calls()[0].Time.Sub(start); first != test.first {
					t.Errorf("the first call leaves after %v, want %v", first, test.first)
				}
			})
		})
	}
}

// TestSharedAnswersAreOnesOwn: whoever asks together, and for whatever, each run gets the
// answer that it would have had alone.
func TestSharedAnswersAreOnesOwn(t *testing.T) {
	for seed := range uint64(100) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				rng := rand.New(rand.NewPCG(seed, 1))
				l := newLibrary(t, emulator.MPSOptions{
					URLForm:   []emulator.URLForm{emulator.AnySlash, emulator.RawSlash, emulator.EscapedSlash}[rng.IntN(3)],
					UnknownID: []emulator.UnknownID{emulator.AcceptUnknown, emulator.RefuseWhole}[rng.IntN(2)],
				}, 1)
				ids, urls := l.add(12)
				for i, url := range urls[:6] { // the same objects in the other form
					urls = append(urls, strings.Replace(url, "clips/", "clips%2F", 1), url+fmt.Sprint("-unknown-", i))
				}
				ids = append(ids, "unknown-1", "unknown-2", "refused", "a/b")
				urls = append(urls, "http://other.example.com/a.mp4")
				options := emulator.MPSOptions{Refused: []string{"refused", urls[0]}}
				if rng.IntN(2) == 0 {
					l.SetMPS(options)
				}
				type part struct {
					call  call
					names []string
					found mps.Found
					err   error
				}
				var parts []part
				for range 1 + rng.IntN(30) {
					p := part{call: calls[rng.IntN(3)]}
					all := slices.Clone(p.call.names(ids, urls))
					rng.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
					p.names = all[:1+rng.IntN(10)]
					if rng.IntN(2) == 0 {
						p.names = all[:1+rng.IntN(2)]
					}
					p.found, p.err = p.call.send(t.Context(), t.Context(), l.client.Session(l.credentials), p.names)
					parts = append(parts, p)
				}
				before := len(l.Calls())
				if rng.IntN(2) == 0 {
					l.Inject(emulator.Fault{Operation: "*", Kind: emulator.Latency, Delay: 30 * time.Millisecond, Probability: 0.5, Seed: seed},
						emulator.Fault{Operation: "*", Kind: emulator.Unavailable, Probability: 0.1, Seed: seed})
				}
				var runs sync.WaitGroup
				for i, p := range parts {
					delay := time.Duration(rng.IntN(60)) * time.Millisecond
					var limit time.Duration
					if rng.IntN(4) == 0 {
						limit = time.Duration(rng.IntN(40)) * time.Millisecond
					}
					runs.Go(func() {
						time.Sleep(delay)
						ctx := t.Context()
						if limit > 0 {
							var cancel context.CancelFunc
							ctx, cancel = context.WithTimeout(ctx, limit)
							defer cancel()
						}
						s := l.sharing()
						found, err := p.call.send(ctx, ctx, s, p.names)
						if ctx.Err() != nil && errors.Is(err, ctx.Err()) {
							return
						}
						if s.Calls(p.call.op) == 0 {
							t.Errorf("run %d counts no call", i)
						}
						slices.Sort(p.found.Missing) // their order is not documented
						slices.Sort(found.Missing)
						if kindOf(err) != kindOf(p.err) || !reflect.DeepEqual(found, p.found) {
							t.Errorf("run %d, %s of %q: %v; want %v, %s", i, p.call.name, p.names, err, p.err, cmp.Diff(p.found, found))
						}
					})
				}
				runs.Wait()
				for _, names := range l.sent(before) {
					if len(names) > mps.MaxBatch {
						t.Errorf("a call has %d names: %q", len(names), names)
					}
				}
			})
		})
	}
}

// TestSharedDeletion: a deletion that the service rejects for one run's ID deletes what
// the other runs named, in one call each.
func TestSharedDeletion(t *testing.T) {
	for _, unknown := range []emulator.UnknownID{emulator.RefuseWhole, emulator.RefusePartial} {
		t.Run(string(unknown), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := newLibrary(t, emulator.MPSOptions{UnknownID: unknown}, 1)
				ids, _ := l.add(6)
				parts := [][]string{{"unknown"}, {ids[0], ids[1]}, {ids[2]}, {ids[3], "unknown"}, {"unknown"}}
				failed := make([]error, len(parts))
				counted := make([]int, len(parts))
				var runs sync.WaitGroup
				for i, part := range parts {
					runs.Go(func() {
						s := l.sharing()
						failed[i] = remove(t.Context(), s, part...)
						counted[i] = s.Calls(mps.DeleteMedia)
					})
				}
				runs.Wait()
				for i, part := range parts {
					// What the shared call deleted in part is unknown by the second.
					rejected, may := kindOf(failed[i]) == mps.Rejected, unknown == emulator.RefusePartial
					if must := slices.Contains(part, "unknown"); must && !rejected || !must && failed[i] != nil && !(rejected && may) || counted[i] != 2 {
						t.Errorf("deletion of %q: %v, %d calls", part, failed[i], counted[i])
					}
				}
				for i, id := range ids[:4] {
					if m, _ := l.Medium(id); !m.Deleted && (i < 3 || unknown == emulator.RefusePartial) {
						t.Errorf("medium %d is still there", i)
					}
				}
				if got := l.sent(0); len(got) != 1+len(parts) {
					t.Errorf("calls %q; want one, and one for each run", got)
				}
			})
		})
	}
}

// A call that is rejected for its only names is not sent again.
func TestSharedRejection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLibrary(t, emulator.MPSOptions{UnknownID: emulator.RefuseWhole}, 1)
		var runs sync.WaitGroup
		for range 5 {
			runs.Go(func() {
				if err := remove(t.Context(), l.sharing(), "unknown"); kindOf(err) != mps.Rejected {
					t.Errorf("error %v", err)
				}
			})
		}
		runs.Wait()
		if got := l.sent(0); len(got) != 1 {
			t.Errorf("calls %q", got)
		}
	})
}

// TestSharedFailures: a failure reaches every run, as an error of its own.
func TestSharedFailures(t *testing.T) {
	for fault, want := range map[emulator.FaultKind]mps.Kind{emulator.Throttle: mps.Throttled, emulator.DropAfter: mps.Ambiguous, emulator.Forbidden: mps.Unauthorized} {
		t.Run(string(fault), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := newLibrary(t, emulator.MPSOptions{}, 1)
				l.Inject(emulator.Fault{Operation: "DeleteMedia", Kind: fault})
				ids, _ := l.add(3)
				failures := make([]*mps.Error, len(ids))
				var runs sync.WaitGroup
				for i, id := range ids {
					runs.Go(func() {
						s := l.sharing()
						if err := remove(t.Context(), s, id); !errors.As(err, &failures[i]) || failures[i].Kind != want {
							t.Errorf("error %v; want kind %d", err, want)
						}
						if throttled := s.Throttled() == 1; throttled != (want == mps.Throttled) {
							t.Errorf("%d calls were throttled", s.Throttled())
						}
					})
				}
				runs.Wait()
				if failures[0] == failures[1] || failures[1] == failures[2] || len(l.sent(0)) != 1 {
					t.Errorf("errors %p, calls %q", failures, l.sent(0))
				}
			})
		})
	}
}

// A run that has two parts in a call counts it once.
func TestSharedCallIsCountedOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLibrary(t, emulator.MPSOptions{}, 1)
		ids, _ := l.add(2)
		s := l.sharing()
		var parts sync.WaitGroup
		for _, id := range ids {
			parts.Go(func() {
				if _, err := byID(t.Context(), s, []string{id}); err != nil {
					t.Error(err)
				}
			})
		}
		parts.Wait()
		if got := l.sent(0); len(got) != 1 || s.Calls(mps.QueryMediaList) != 1 {
			t.Errorf("calls %q, of which the run counts %d", got, s.Calls(mps.QueryMediaList))
		}
	})
}

// A look-up that fails for a moment is repeated once for all, and counted by all.
func TestSharedRetry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLibrary(t, emulator.MPSOptions{}, 1)
		l.Inject(emulator.Fault{Operation: "QueryMediaList", Kind: emulator.Unavailable, Count: 2})
		ids, _ := l.add(5)
		var runs sync.WaitGroup
		for _, id := range ids {
			runs.Go(func() {
				s := l.sharing()
				if found, err := byID(t.Context(), s, []string{id}); err != nil || len(found.Media) != 1 || s.Calls(mps.QueryMediaList) != 3 || s.Retried() != 2 {
					t.Errorf("%d media, %v, %d calls, %d repeated", len(found.Media), err, s.Calls(mps.QueryMediaList), s.Retried())
				}
			})
		}
		runs.Wait()
		if got := l.sent(0); len(got) != 3 {
			t.Errorf("calls %q", got)
		}
	})
}

// TestLeavingAGroup: a run whose time ends leaves the others alone, and says whether its
// names may have been sent.
func TestLeavingAGroup(t *testing.T) {
	const step = 5 * time.Millisecond // the group leaves after four of them, and its call takes 20 more
	tests := []struct {
		name      string
		soft, ctx time.Duration // of one run's time; 0 does not end
		sent      bool
		answered  bool
	}{
		{"its permit ends before", 2 * step, 0, false, false},
		{"its call ends before", 0, 2 * step, false, false},
		{"both have ended at the start", 1, 1, false, false},
		{"its permit ends after", 10 * step, 0, true, true},
		{"its call ends after", 0, 10 * step, true, false},
	}
	for _, c := range calls {
		for _, test := range tests {
			t.Run(c.name+"/"+test.name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					l := newLibrary(t, emulator.MPSOptions{}, 1)
					l.Inject(emulator.Fault{Operation: "*", Kind: emulator.Latency, Delay: 20 * step})
					names := c.names(l.add(2))
					until := func(limit time.Duration) context.Context {
						if limit == 0 {
							return t.Context()
						}
						ctx, cancel := context.WithTimeout(t.Context(), limit)
						t.Cleanup(cancel)
						return ctx
					}
					soft, ctx := until(test.soft), until(test.ctx)
					if c.name == "Probe" && test.soft > 0 { // its context bounds both
						t.Skip("a probe has one context")
					}
					var runs sync.WaitGroup
					runs.Go(func() {
						if _, err := c.send(t.Context(), t.Context(), l.sharing(), names[:1]); err != nil {
							t.Errorf("the other run: %v", err)
						}
					})
					s := l.sharing()
					start := time.Now()
					_, err := c.send(ctx, soft, s, names[1:])
					if limit := max(test.soft, test.ctx); !test.answered && time.Since(start) > limit {
						t.Errorf("the run left after %v, want %v", time.Since(start), limit)
					}
					switch {
					case test.answered != (err == nil), err != nil && !errors.Is(err, context.DeadlineExceeded):
						t.Errorf("error %v", err)
					case test.sent && !test.answered && kindOf(err) != mps.Ambiguous, !test.sent && kindOf(err) >= 0:
						t.Errorf("error %v of kind %d", err, kindOf(err))
					}
					runs.Wait()
					if got := l.sent(0); len(got) != 1 || slices.Contains(got[0], names[1]) != test.sent || (s.Calls(c.op) == 1) != test.sent {
						t.Errorf("calls %q, of which the run counts %d", got, s.Calls(c.op))
					}
				})
			})
		}
	}
}

// silent is a context that ends before whoever waits for it is woken.
type silent struct {
	context.Context
	ended atomic.Bool
}

func (s *silent) Err() error {
	if s.ended.Load() {
		return context.Canceled
	}
	return nil
}

// The names of a run whose time has ended are not sent, also if it has not left yet.
func TestEndedAsTheCallLeaves(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLibrary(t, emulator.MPSOptions{}, 1)
		ids, _ := l.add(2)
		soft := &silent{Context: t.Context()}
		var runs sync.WaitGroup
		runs.Go(func() {
			if err := remove(t.Context(), l.sharing(), ids[0]); err != nil {
				t.Error(err)
			}
		})
		runs.Go(func() {
			permit, err := l.sharing().Permit(soft, mps.DeleteMedia)
			if err != nil {
				t.Error(err)
				return
			}
			if err := permit.Delete(t.Context(), ids[1:]); !errors.Is(err, context.Canceled) || kindOf(err) >= 0 {
				t.Errorf("error %v", err)
			}
		})
		synctest.Wait()
		soft.ended.Store(true)
		runs.Wait()
		if got := l.sent(0); len(got) != 1 || len(got[0]) != 1 {
			t.Errorf("calls %q", got)
		}
	})
}

// A call ends when the last run that waits for it has given up, and not before.
func TestAbandonedCallEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		ended := make(chan time.Duration, 1)
		client, err := mps.New(account.Account{Region: "cn-shanghai", MPS: account.Endpoint{Host: "127.0.0.1:1", Plain: true}, Dial: func(context.Context, string, string) (net.Conn, error) {
			client, server := net.Pipe()
			go func() {
				_, _ = io.Copy(io.Discard, server) // until the client hangs up
				ended <- time.Since(start)
			}()
			return client, nil
		}}, 1)
		if err != nil {
			t.Fatal(err)
		}
		credentials := account.NewKeyring(func(string) string { return "" }).Or(account.Credentials{AccessKeyID: "id", AccessKeySecret: "secret"})
		var runs sync.WaitGroup
		for i := range 3 {
			limit := time.Duration(1+i) * time.Second
			runs.Go(func() {
				ctx, cancel := context.WithTimeout(t.Context(), limit)
				defer cancel()
				err := remove(ctx, client.Sharing(credentials), fmt.Sprint(i))
				if took := time.Since(start); kindOf(err) != mps.Ambiguous || !errors.Is(err, context.DeadlineExceeded) || took != limit {
					t.Errorf("%v after %v", err, took)
				}
			})
		}
		runs.Wait()
		if at := <-ended; at != 3*time.Second {
			t.Errorf("the call ended after %v", at)
		}
	})
}

// Runs that all give up before their call leaves take no place in the pace.
func TestAbandonedGroupIsNotSent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLibrary(t, emulator.MPSOptions{}, 0.01) // one call a second
		ids, _ := l.add(3)
		var runs sync.WaitGroup
		for _, id := range ids[:2] {
			runs.Go(func() {
				ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
				defer cancel()
				if _, err := byID(ctx, l.sharing(), []string{id}); !errors.Is(err, context.DeadlineExceeded) || kindOf(err) >= 0 {
					t.Errorf("error %v", err)
				}
			})
		}
		runs.Wait()
		start := time.Now()
		if _, err := byID(t.Context(), l.sharing(), ids[2:]); err != nil || time.Since(start) > 20*time.Millisecond {
			t.Errorf("%v after %v", err, time.Since(start))
		}
		if got := l.sent(0); len(got) != 1 || len(got[0]) != 1 {
			t.Errorf("calls %q", got)
		}
	})
}

// A call takes as many URLs as the service does, and each object in one form of its URL.
func TestSharedURLs(t *testing.T) {
	url := func(n, size int) string {
		return media.Object{Bucket: "media-in", Key: fmt.Sprint(n) + strings.Repeat("x", 1000)}.URL("cn-shanghai", media.SlashPlain)[:size]
	}
	both := media.Object{Bucket: "media-in", Key: "a/b.mp4"}
	const quarter = media.MaxURLBytes/4 - 1 // and a comma
	tests := []struct {
		name  string
		urls  []string
		calls int
	}{
		{"as many bytes as there may be", []string{url(1, quarter), url(2, quarter), url(3, quarter), url(4, quarter+1)}, 1},
		{"one byte more", []string{url(1, quarter), url(2, quarter), url(3, quarter), url(4, quarter+2)}, 2},
		{"both forms of one object", []string{both.URL("cn-shanghai", media.SlashPlain), both.URL("cn-shanghai", media.SlashEscaped)}, 2},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := newLibrary(t, emulator.MPSOptions{}, 1)
				var runs sync.WaitGroup
				for _, url := range test.urls {
					runs.Go(func() {
						if found, err := byURL(t.Context(), l.sharing(), []string{url}); err != nil || !slices.Equal(found.Missing, []string{url}) {
							t.Errorf("missing %q, %v", found.Missing, err)
						}
					})
				}
				runs.Wait()
				if got := l.sent(0); len(got) != test.calls || len(l.Violations()) > 0 {
					t.Errorf("%d calls, want %d; violations %v", len(got), test.calls, l.Violations())
				}
			})
		})
	}
}

// A medium that nobody asked for reaches the runs that miss one.
func TestSharedStrays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLibrary(t, emulator.MPSOptions{WrongFile: "clips/1.mp4"}, 1)
		ids, urls := l.add(3)
		var runs sync.WaitGroup
		for i, url := range urls {
			runs.Go(func() {
				found, err := byURL(t.Context(), l.sharing(), []string{url})
				var got []string
				for _, m := range found.Media {
					got = append(got, m.ID)
				}
				want := []string{ids[i]} // of the second run: with another file
				if err != nil || !slices.Equal(got, want) {
					t.Errorf("run %d: media %q, %v; want %q", i, got, err, want)
				}
			})
		}
		runs.Wait()
	})
}

// What a run does to its answer leaves that of another alone.
func TestSharedAnswersAreCopies(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLibrary(t, emulator.MPSOptions{}, 1)
		ids, _ := l.add(1)
		names := append(ids, "unknown")
		want, err := byID(t.Context(), l.client.Session(l.credentials), names)
		if err != nil {
			t.Fatal(err)
		}
		var runs sync.WaitGroup
		found := make([]mps.Found, 2)
		for i := range found {
			runs.Go(func() {
				var err error
				if found[i], err = byID(t.Context(), l.sharing(), names); err != nil {
					t.Error(err)
				}
			})
		}
		runs.Wait()
		found[0].Media[0].Tags[0], found[0].Media[0].Record[0], found[0].Missing[0] = "changed", '!', "changed"
		found[0].Media[0] = media.Medium{}
		if diff := cmp.Diff(want, found[1]); diff != "" {
			t.Error(diff)
		}
	})
}

// A panic in a shared call is every run's error, and the next call is sent.
func TestSharedPanic(t *testing.T) {
	for _, c := range calls {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := newLibrary(t, emulator.MPSOptions{}, 1)
				names := c.names(l.add(4))
				var runs sync.WaitGroup
				for i, name := range names {
					runs.Go(func() {
						time.Sleep(time.Duration(i) * time.Millisecond)
						s := l.sharing()
						if i == 3 {
							s = l.client.Sharing(nil) // the latest one's are used
						}
						var panicked *task.Panic
						if _, err := c.send(t.Context(), t.Context(), s, []string{name}); !errors.As(err, &panicked) || kindOf(err) != mps.Ambiguous {
							t.Errorf("error %v", err)
						}
					})
				}
				runs.Wait()
				if _, err := c.send(t.Context(), t.Context(), l.sharing(), names); err != nil {
					t.Errorf("the next call: %v", err)
				}
			})
		})
	}
}

// A shared call has the credentials of the latest run: they last longest.
func TestSharedCredentials(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLibrary(t, emulator.MPSOptions{}, 1)
		ids, _ := l.add(3)
		none := account.NewKeyring(func(string) string { return "" }).Or(account.Credentials{})
		var runs sync.WaitGroup
		for i, credentials := range []*account.Provider{none, none, l.credentials} {
			runs.Go(func() {
				time.Sleep(time.Duration(i) * time.Millisecond)
				if err := remove(t.Context(), l.client.Sharing(credentials), ids[i]); err != nil {
					t.Error(err)
				}
			})
		}
		runs.Wait()
	})
}

// TestSharedPace: a group takes one place in the pace, and runs may join it while it waits
// for that.
func TestSharedPace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLibrary(t, emulator.MPSOptions{}, 0.01) // one call a second
		ids, _ := l.add(30)
		start := time.Now()
		var runs sync.WaitGroup
		for i, id := range ids {
			runs.Go(func() {
				time.Sleep(time.Duration(i/10) * 300 * time.Millisecond) // at 0, 300 and 600 ms
				if i%10 > 4 && i >= 10 {
					time.Sleep(200 * time.Millisecond) // at 500 and 800 ms
				}
				if _, err := byID(t.Context(), l.sharing(), []string{id}); err != nil {
					t.Error(err)
				}
			})
		}
		runs.Wait()
		if got := l.sent(0); len(got) != 3 || time.Since(start) > 2100*time.Millisecond {
			t.Errorf("%d calls in %v: %q; want 3 in two seconds", len(got), time.Since(start), got)
		}
	})
}

// Additions and pages of executions belong to one run: they wait for the pace themselves.
func TestNeverShared(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLibrary(t, emulator.MPSOptions{}, 0.01) // one call a second
		start := time.Now()
		var runs sync.WaitGroup
		for i := range 3 {
			runs.Go(func() {
				s := l.sharing()
				if _, err := s.Add(t.Context(), media.Object{Bucket: "media-in", Key: fmt.Sprint(i)}.URL("cn-shanghai", media.SlashPlain), mps.Texts{}); err != nil {
					t.Error(err)
				}
				if _, _, err := s.Executions(t.Context(), "", ""); err != nil || s.Calls(mps.AddMedia) != 1 || s.Calls(mps.ListExecutions) != 1 {
					t.Errorf("%v, %d and %d calls", err, s.Calls(mps.AddMedia), s.Calls(mps.ListExecutions))
				}
			})
		}
		runs.Wait()
		if count := l.Count(); count["AddMedia"] != 3 || count["ListMediaWorkflowExecutions"] != 3 || time.Since(start) < 2*time.Second {
			t.Errorf("calls %v in %v", count, time.Since(start))
		}
	})
}
