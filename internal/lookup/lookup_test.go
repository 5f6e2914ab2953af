package lookup_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/mediasweep/mediasweep/internal/inventory"
	"github.com/mediasweep/mediasweep/internal/lookup"
	"github.com/mediasweep/mediasweep/internal/media"
	"github.com/mediasweep/mediasweep/internal/mps"
)

const region = "cn-shanghai"

func in(key string) media.Object { return media.Object{Bucket: "media-in", Key: key} }

func plain(key string) string { return in(key).URL(region, media.SlashPlain) }

func escaped(key string) string { return in(key).URL(region, media.SlashEscaped) }

// byID and byObject are batches of candidates.
func byID(ids ...string) (b lookup.Batch) {
	for _, id := range ids {
		b.Candidates = append(b.Candidates, inventory.Candidate{MediaID: id})
	}
	return b
}

func byObject(keys ...string) (b lookup.Batch) {
	for _, key := range keys {
		b.Candidates = append(b.Candidates, inventory.Candidate{Object: in(key)})
	}
	return b
}

// batches collects batches of candidates.
func batches(t *testing.T, candidates iter.Seq2[inventory.Candidate, error], slash media.Slash) (list []lookup.Batch) {
	t.Helper()
	for batch, err := range lookup.Batches(candidates, region, slash) {
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, batch)
	}
	return list
}

// TestBatchesProperties: batches keep the order, fit a call, hold IDs or objects, and end only
// where the next candidate does not fit.
func TestBatchesProperties(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for range 200 {
		var want []inventory.Candidate
		for i := range rng.IntN(60) {
			c := inventory.Candidate{MediaID: fmt.Sprint("m", i)}
			if rng.IntN(4) > 0 {
				c = inventory.Candidate{Object: in(strings.Repeat("长", 1+rng.IntN(300)) + fmt.Sprint("/", i)), Modified: int64(i)}
			}
			want = append(want, c)
		}
		slash := media.SlashPlain
		if rng.IntN(2) == 0 {
			slash = media.SlashEscaped
		}
		var got []inventory.Candidate
		for _, batch := range batches(t, func(yield func(inventory.Candidate, error) bool) {
			for _, c := range want {
				if !yield(c, nil) {
					return
				}
			}
		}, slash) {
			if n := len(batch.Candidates); n == 0 || n > mps.MaxBatch || batch.Slash != slash {
				t.Fatalf("a batch of %d candidates with slash %v", n, batch.Slash)
			}
			var urls []string
			for _, c := range batch.Candidates {
				if (c.MediaID == "") != (batch.Candidates[0].MediaID == "") {
					t.Fatal("a batch mixes IDs and objects")
				}
				if c.MediaID == "" {
					urls = append(urls, c.Object.URL(region, slash))
				}
			}
			if list := strings.Join(urls, ","); len(list) > media.MaxURLBytes && len(urls) > 1 {
				t.Fatalf("%d URLs have %d bytes", len(urls), len(list))
			}
			got = append(got, batch.Candidates...)
			if len(got) == len(want) || len(batch.Candidates) == mps.MaxBatch {
				continue
			}
			next := want[len(got)]
			urls = append(urls, next.Object.URL(region, slash))
			if (next.MediaID == "") == (batch.Candidates[0].MediaID == "") && (next.MediaID != "" || len(strings.Join(urls, ",")) <= media.MaxURLBytes) {
				t.Fatalf("a batch of %d candidates has room for the next one", len(batch.Candidates))
			}
		}
		if !slices.Equal(got, want) {
			t.Fatalf("%d candidates in the batches, want %d", len(got), len(want))
		}
	}
}

// Batches are full: only the last one is short.
func TestBatchesAreFull(t *testing.T) {
	var ids []string
	for i := range 23 {
		ids = append(ids, fmt.Sprint("m", i))
	}
	var sizes []int
	for _, batch := range batches(t, inventory.Of(ids, nil), media.SlashPlain) {
		sizes = append(sizes, len(batch.Candidates))
	}
	if !slices.Equal(sizes, []int{10, 10, 3}) {
		t.Errorf("batches of %v, want 10, 10, 3", sizes)
	}
}

// A list of URLs may have exactly media.MaxURLBytes.
func TestBatchesFillTheURLList(t *testing.T) {
	fill := func(bytes int) media.Object { return in(strings.Repeat("k", bytes-len(plain("")))) }
	half := (media.MaxURLBytes - 1) / 2 // and a comma
	rest := media.MaxURLBytes - 1 - half
	for more, want := range map[int]int{0: 1, 1: 2} {
		got := batches(t, inventory.Of(nil, []media.Object{fill(half), fill(rest + more)}), media.SlashPlain)
		if len(got) != want {
			t.Errorf("%d bytes over the limit: %d batches, want %d", more, len(got), want)
		}
	}
}

// Errors come through and end no batch.
func TestBatchesPassErrors(t *testing.T) {
	broken := errors.New("broken")
	candidates := func(yield func(inventory.Candidate, error) bool) {
		_ = yield(inventory.Candidate{MediaID: "a"}, nil) && yield(inventory.Candidate{}, broken) && yield(inventory.Candidate{MediaID: "b"}, nil)
	}
	var got []string
	for batch, err := range lookup.Batches(candidates, region, media.SlashPlain) {
		if err != nil {
			got = append(got, err.Error())
			continue
		}
		got = append(got, fmt.Sprint(len(batch.Candidates)))
	}
	if !slices.Equal(got, []string{"broken", "2"}) {
		t.Errorf("%q, want the error and one batch of 2", got)
	}
	for range lookup.Batches(candidates, region, media.SlashPlain) { //nolint:errcheck // only the stop counts
		break
	}
}

// library answers calls by a function. It records what calls ask for.
type library struct {
	answer func(asked []string) (mps.Found, error)
	asked  [][]string
	ops    []mps.Operation
	permit error // of every Permit
}

func (l *library) Permit(ctx context.Context, op mps.Operation) (mps.Permit, error) {
	l.ops = append(l.ops, op)
	return permit{l}, errors.Join(ctx.Err(), l.permit)
}

func (l *library) call(ctx context.Context, asked []string) (mps.Found, error) {
	if err := ctx.Err(); err != nil {
		return mps.Found{}, err
	}
	l.asked = append(l.asked, asked)
	return l.answer(asked)
}

type permit struct{ *library }

func (p permit) Delete(context.Context, []string) error { panic("a look-up deletes nothing") }

func (p permit) ByID(ctx context.Context, ids []string) (mps.Found, error) { return p.call(ctx, ids) }

func (p permit) ByURL(ctx context.Context, urls []string) (mps.Found, error) {
	return p.call(ctx, urls)
}

// answers answers calls one after the other. Later calls find nothing.
func answers(list ...mps.Found) *library {
	return &library{answer: func([]string) (found mps.Found, _ error) {
		if len(list) > 0 {
			found, list = list[0], list[1:]
		}
		return found, nil
	}}
}

// summary names what results say, candidate by candidate.
func summary(results []lookup.Result) (list []string) {
	name := func(what string, candidates []inventory.Candidate) {
		for _, c := range candidates {
			list = append(list, what+" "+c.Name())
		}
	}
	for _, r := range results {
		if r.Err != nil {
			name("failed", r.Candidates)
			continue
		}
		for _, f := range r.Answer.Found {
			list = append(list, "found "+f.Candidate.Name()+" "+f.Medium.ID)
		}
		name("absent", r.Answer.Absent)
		name("vacant", r.Answer.Vacant)
		name("again", r.Answer.Again)
		for _, m := range r.Answer.Strays {
			list = append(list, "stray "+m.ID)
		}
		for _, m := range r.Answer.Unasked {
			list = append(list, "unasked "+m.ID)
		}
	}
	slices.Sort(list)
	return list
}

func run(t *testing.T, l *library, b lookup.Batch) []lookup.Result {
	t.Helper()
	b.Region = region
	return lookup.Run(t.Context(), t.Context(), l, b)
}

// check compares what results say.
func check(t *testing.T, results []lookup.Result, want ...string) {
	t.Helper()
	slices.Sort(want)
	if diff := cmp.Diff(want, summary(results)); diff != "" {
		t.Errorf("results (-want +got):\n%s", diff)
	}
}

// Media are taken only for what was asked, each once.
func TestRunByID(t *testing.T) {
	l := answers(mps.Found{Media: []media.Medium{{ID: "a"}, {ID: "a"}, {ID: "stranger"}, {ID: "no,ID"}}, Missing: []string{"b", "b", "other"}})
	check(t, run(t, l, byID("a", "b")), "found ~a a", "absent ~b", "unasked stranger")
	if !slices.Equal(l.ops, []mps.Operation{mps.QueryMediaList}) {
		t.Errorf("calls of %v", l.ops)
	}
}

// An object may have several media. Media of other objects are strays.
func TestRunByObject(t *testing.T) {
	l := answers(mps.Found{
		Media:   []media.Medium{{ID: "a1", Object: in("a")}, {ID: "a2", Object: in("a")}, {ID: "garbled"}, {ID: "stranger", Object: in("x")}},
		Missing: []string{plain("d/none"), plain("flat"), plain("other")},
	})
	check(t, run(t, l, byObject("a", "d/none", "flat")),
		"found media-in/a a1", "found media-in/a a2", "again media-in/d/none", "vacant media-in/flat", "stray garbled", "stray stranger")
	if !slices.Equal(l.ops, []mps.Operation{mps.QueryMediaListByURL}) || !slices.Equal(l.asked[0], []string{plain("a"), plain("d/none"), plain("flat")}) {
		t.Errorf("calls of %v ask for %q", l.ops, l.asked)
	}
}

// Escaped slashes are the last form: what is not found by them is vacant.
func TestRunByEscapedSlashes(t *testing.T) {
	l := answers(mps.Found{Media: []media.Medium{{ID: "b", Object: in("d/b")}}, Missing: []string{plain("d/none")}})
	batch := byObject("d/b", "d/none")
	batch.Slash = media.SlashEscaped
	check(t, run(t, l, batch), "found media-in/d/b b", "vacant media-in/d/none")
	if !slices.Equal(l.asked[0], []string{escaped("d/b"), escaped("d/none")}) {
		t.Errorf("asked for %q", l.asked)
	}
}

// An object that no answer mentions is asked for once more, unless a medium was returned
// that may be its own.
func TestRunAsksOnceMore(t *testing.T) {
	all := []string{"a", "d/b", "c"}
	for name, test := range map[string]struct {
		found mps.Found
		more  []string // asked for once more
		want  []string
	}{
		"nothing": {mps.Found{}, all, []string{"failed media-in/a", "failed media-in/d/b", "failed media-in/c"}},
		"one is not mentioned": {mps.Found{Media: []media.Medium{{ID: "a", Object: in("a")}}, Missing: []string{plain("d/b")}},
			[]string{"c"}, []string{"found media-in/a a", "again media-in/d/b", "failed media-in/c"}},
		"another form of the URL": {mps.Found{Missing: []string{"https://media-in.oss-cn-shanghai-internal.aliyuncs.com/d%2Fb", plain("a"), plain("c")}},
			nil, []string{"vacant media-in/a", "again media-in/d/b", "vacant media-in/c"}},
		"as many strays": {mps.Found{Media: []media.Medium{{ID: "x", Object: in("x")}}, Missing: []string{plain("a"), plain("d/b")}},
			nil, []string{"vacant media-in/a", "again media-in/d/b", "vacant media-in/c", "stray x"}},
		"fewer strays": {mps.Found{Media: []media.Medium{{ID: "x", Object: in("x")}}, Missing: []string{plain("a")}},
			[]string{"d/b", "c"}, []string{"vacant media-in/a", "failed media-in/d/b", "failed media-in/c", "stray x"}},
		"an invalid URL": {mps.Found{Missing: []string{"a", plain("d/b"), plain("c")}},
			[]string{"a"}, []string{"failed media-in/a", "again media-in/d/b", "vacant media-in/c"}},
		"media without an ID": {mps.Found{Media: []media.Medium{{Object: in("a")}, {Object: in("d/b")}, {Object: in("c")}}},
			nil, []string{"found media-in/a ", "found media-in/d/b ", "found media-in/c "}},
	} {
		t.Run(name, func(t *testing.T) {
			l := answers(test.found)
			results := run(t, l, byObject(all...))
			check(t, results, test.want...)
			var more []string
			for _, key := range test.more {
				more = append(more, plain(key))
			}
			if len(more) > 0 != (len(l.asked) == 2) || len(more) > 0 && !slices.Equal(l.asked[1], more) {
				t.Errorf("asked for %q, want %q in a second call", l.asked, more)
			}
			for _, r := range results {
				if r.Err != nil && !errors.Is(r.Err, lookup.ErrUnanswered) {
					t.Error(r.Err)
				}
			}
		})
	}
}

// What the second call answers counts.
func TestRunTakesTheSecondAnswer(t *testing.T) {
	l := answers(mps.Found{Media: []media.Medium{{ID: "a"}}}, mps.Found{Media: []media.Medium{{ID: "b"}}, Missing: []string{"c"}})
	check(t, run(t, l, byID("a", "b", "c", "d")), "found ~a a", "found ~b b", "absent ~c", "failed ~d")
	if len(l.asked) != 2 || !slices.Equal(l.asked[1], []string{"b", "c", "d"}) {
		t.Errorf("asked for %q", l.asked)
	}
}

// rejecting rejects calls that ask for one of some names, and finds everything else.
func rejecting(bad ...string) *library {
	return &library{answer: func(asked []string) (found mps.Found, _ error) {
		for _, name := range asked {
			if slices.Contains(bad, name) {
				return found, &mps.Error{Op: mps.QueryMediaList, Kind: mps.Rejected, Code: "InvalidParameter"}
			}
			found.Media = append(found.Media, media.Medium{ID: name})
		}
		return found, nil
	}}
}

// A batch that is rejected is split until the rejected candidate stands alone.
func TestRunSplitsWhatIsRejected(t *testing.T) {
	ids := []string{"0", "1", "2", "3", "4", "5", "6", "7", "8", "9"}
	for bad := range 1 << 10 {
		if bad%7 > 0 && bad != 1<<9 {
			continue
		}
		var refused, want []string
		for i, id := range ids {
			if bad>>i&1 == 1 {
				refused, want = append(refused, id), append(want, "failed ~"+id)
			} else {
				want = append(want, "found ~"+id+" "+id)
			}
		}
		l := rejecting(refused...)
		results := run(t, l, byID(ids...))
		check(t, results, want...)
		for _, r := range results {
			var failure *mps.Error
			if r.Err != nil && (len(r.Candidates) != 1 || !errors.As(r.Err, &failure) || failure.Kind != mps.Rejected) {
				t.Errorf("%d candidates have the error %v", len(r.Candidates), r.Err)
			}
		}
		if most := max(1, 1+8*len(refused)); len(l.asked) > most || len(l.asked) > 19 {
			t.Errorf("%d calls isolate %d candidates", len(l.asked), len(refused))
		}
	}
}

// An error that is no rejection is of all candidates, and splits nothing.
func TestRunReturnsErrors(t *testing.T) {
	for _, kind := range []mps.Kind{mps.Throttled, mps.Ambiguous, mps.Unauthorized} {
		l := &library{answer: func([]string) (mps.Found, error) { return mps.Found{}, &mps.Error{Kind: kind} }}
		check(t, run(t, l, byID("a", "b")), "failed ~a", "failed ~b")
		if len(l.asked) != 1 {
			t.Errorf("kind %d: %d calls", kind, len(l.asked))
		}
	}
	denied := errors.New("denied")
	l := &library{permit: denied}
	results := run(t, l, byObject("a"))
	check(t, results, "failed media-in/a")
	if !errors.Is(results[0].Err, denied) {
		t.Errorf("error %v", results[0].Err)
	}
}

// Calls start under admit only.
func TestRunStopsWithAdmit(t *testing.T) {
	admit, stop := context.WithCancel(t.Context())
	l := answers(mps.Found{Media: []media.Medium{{ID: "a"}}})
	first := l.answer
	l.answer = func(asked []string) (mps.Found, error) {
		stop()
		return first(asked)
	}
	results := lookup.Run(t.Context(), admit, l, byID("a", "b"))
	check(t, results, "found ~a a", "failed ~b")
	if last := results[len(results)-1]; !errors.Is(last.Err, context.Canceled) || len(l.asked) != 1 {
		t.Errorf("%v after %d calls", last.Err, len(l.asked))
	}
}

// TestRunProperties: each candidate has exactly one result, whatever a library answers.
func TestRunProperties(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 6))
	for range 1000 {
		keys := []string{"a", "d/b", "c", "e/f", "g"}[:1+rng.IntN(5)]
		batch := byObject(keys...)
		byIDs := rng.IntN(2) == 0
		if byIDs {
			batch = byID(keys...)
		}
		l := &library{answer: func(asked []string) (found mps.Found, _ error) {
			if rng.IntN(5) == 0 {
				return found, &mps.Error{Kind: mps.Kind(rng.IntN(4))}
			}
			for range rng.IntN(8) {
				key := []string{"a", "d/b", "c", "e/f", "g", "h", "i/j"}[rng.IntN(7)]
				name := plain(key)
				if byIDs {
					name = key
				}
				if rng.IntN(2) == 0 {
					found.Missing = append(found.Missing, name)
				} else {
					found.Media = append(found.Media, media.Medium{ID: key, Object: in(key)})
				}
			}
			return found, nil
		}}
		count := map[string]int{}
		for _, r := range run(t, l, batch) {
			a := r.Answer
			if r.Err != nil && len(a.Found)+len(a.Absent)+len(a.Vacant)+len(a.Again)+len(a.Strays) > 0 {
				t.Fatalf("%+v", r)
			}
			for _, c := range r.Candidates {
				count[c.Name()]++
			}
			if r.Err != nil {
				continue
			}
			placed := map[string]int{}
			for _, list := range [][]inventory.Candidate{a.Absent, a.Vacant, a.Again} {
				for _, c := range list {
					placed[c.Name()]++
				}
			}
			for _, f := range a.Found {
				placed[f.Candidate.Name()] = max(placed[f.Candidate.Name()], 1)
				if f.Candidate.MediaID != "" && f.Medium.ID != f.Candidate.MediaID || f.Candidate.MediaID == "" && f.Medium.Object != f.Candidate.Object {
					t.Fatalf("%s was found for %s", f.Medium.ID, f.Candidate.Name())
				}
			}
			for _, c := range r.Candidates {
				if placed[c.Name()] != 1 {
					t.Fatalf("%s stands %d times in %+v", c.Name(), placed[c.Name()], a)
				}
			}
		}
		for _, c := range batch.Candidates {
			if count[c.Name()] != 1 {
				t.Fatalf("%s has %d results", c.Name(), count[c.Name()])
			}
		}
	}
}
