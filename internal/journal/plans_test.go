package journal

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mediasweep/mediasweep/internal/media"
	"github.com/mediasweep/mediasweep/internal/plan"
	"github.com/mediasweep/mediasweep/internal/segments"
	"github.com/mediasweep/mediasweep/internal/state"
	"github.com/mediasweep/mediasweep/internal/state/statetest"
	"github.com/mediasweep/mediasweep/internal/task"
)

var asOf = time.Date(2026, 6, 30, 12, 0, 0, 0, time.UTC)

func head() plan.Head {
	return plan.Head{AsOf: asOf, Policy: "sha256:p", Scope: plan.Scope{MediaIDs: []string{"a"}}}
}

// entries yields the lines of so many media.
func entries(t *testing.T, count int) iter.Seq2[plan.Line, error] {
	t.Helper()
	var list []plan.Line
	for i := range count {
		id := fmt.Sprintf("m%06d", i)
		l, err := plan.LineOf(plan.Entry{MediaID: id, Rule: "r", Record: json.RawMessage(fmt.Sprintf(`{"MediaId":%q}`, id))}, asOf, asOf)
		no(t, err)
		list = append(list, l)
	}
	return func(yield func(plan.Line, error) bool) {
		for _, l := range list {
			if !yield(l, nil) {
				return
			}
		}
	}
}

// read reads a plan to its end, or to an error.
func read(t *testing.T, store state.Store, id string) (ids []string, err error) {
	t.Helper()
	contents, err := ReadPlan(t.Context(), store, id)
	if err != nil {
		return nil, err
	}
	ids, err = idsOf(Entries(t.Context(), store, contents))
	mapped, mapErr := idsOf(MapEntries(t.Context(), store, contents, func(e plan.Entry, _ media.Medium) plan.Entry { return e }))
	if !slices.Equal(mapped, ids) || fmt.Sprint(mapErr) != fmt.Sprint(err) {
		t.Errorf("MapEntries has %d entries and %v, Entries %d and %v", len(mapped), mapErr, len(ids), err)
	}
	return ids, err
}

// idsOf reads entries to their end, or to an error.
func idsOf(entries iter.Seq2[plan.Entry, error]) (ids []string, err error) {
	for entry, err := range entries {
		if err != nil {
			return ids, err
		}
		ids = append(ids, entry.MediaID)
	}
	return ids, nil
}

func TestPlansRoundTrip(t *testing.T) {
	for _, count := range []int{0, 1, segments.MaxLines, 2*segments.MaxLines + 500} {
		store := statetest.New()
		saved, err := SavePlan(t.Context(), store, plan.Contents{Head: head(), Blocked: "blocked"}, entries(t, count))
		no(t, err)
		contents, err := ReadPlan(t.Context(), store, saved.ID)
		no(t, err)
		if contents.Entries != count || contents.Blocked != "blocked" || !contents.Head.AsOf.Equal(asOf) || len(contents.Segments) != (count+999)/1000 {
			t.Errorf("%d entries: contents %+v", count, contents)
		}
		ids, err := read(t, store, saved.ID)
		if err != nil || len(ids) != count || !slices.IsSorted(ids) {
			t.Errorf("%d of %d entries, %v", len(ids), count, err)
		}
		if last := store.Created[len(store.Created)-1]; !strings.HasSuffix(last, ".json") {
			t.Errorf("%s was written after the contents", last)
		}
		if _, inPlans := store.Records[plan.Name(saved.ID)]; inPlans == (count == 0) {
			t.Errorf("%d entries: the records are %q", count, store.Created)
		}
		again, err := SavePlan(t.Context(), store, plan.Contents{Head: head(), Blocked: "another reason"}, entries(t, count))
		if err != nil || again.ID != saved.ID || len(store.Records) != len(store.Created) {
			t.Errorf("saved twice: %s and %s, %v", saved.ID, again.ID, err)
		}
	}
}

// A segment of another compressor is as good as this program's.
func TestSavePlanAcceptsOtherCompression(t *testing.T) {
	store := statetest.New()
	saved, err := SavePlan(t.Context(), store, plan.Contents{Head: head()}, entries(t, 10))
	no(t, err)
	name := plan.SegmentName(saved.ID, 1)
	var text []byte
	for line, err := range segments.Lines(store.Records[name]) {
		no(t, err)
		text = append(text, line...)
	}
	var squeezed bytes.Buffer
	w, err := gzip.NewWriterLevel(&squeezed, gzip.BestCompression)
	no(t, err)
	_, _ = w.Write(text)
	_ = w.Close()
	if bytes.Equal(squeezed.Bytes(), store.Records[name]) {
		t.Fatal("both compressors write the same bytes")
	}
	store.Put(name, squeezed.Bytes())
	if _, err = SavePlan(t.Context(), store, plan.Contents{Head: head()}, entries(t, 10)); err != nil {
		t.Error(err)
	}
}

// Damage is found when a plan is read, and when it is saved again.
func TestDamagedPlans(t *testing.T) {
	other := func(store *statetest.Memory, id string, count int) []byte { // a segment with other lines
		one := statetest.New()
		saved, err := SavePlan(t.Context(), one, plan.Contents{Head: head()}, entries(t, count))
		no(t, err)
		return one.Records[plan.SegmentName(saved.ID, 1)]
	}
	contents := func(t *testing.T, store *statetest.Memory, id string, change func(*plan.Contents)) {
		c, err := ReadPlan(t.Context(), store, id)
		no(t, err)
		change(&c)
		data, err := json.Marshal(c)
		no(t, err)
		store.Put(plan.Name(id), data)
	}
	for name, test := range map[string]struct {
		damage func(store *statetest.Memory, id string)
		reads  string // the error of reading
		saves  bool   // whether saving it again mends it, or needs nothing
	}{
		"a segment is missing":      {func(s *statetest.Memory, id string) { delete(s.Records, plan.SegmentName(id, 2)) }, "is missing", true},
		"a segment is cut":          {func(s *statetest.Memory, id string) { n := plan.SegmentName(id, 1); s.Put(n, s.Records[n][:100]) }, "unexpected EOF", false},
		"a segment is no gzip":      {func(s *statetest.Memory, id string) { s.Put(plan.SegmentName(id, 1), []byte("{}")) }, "EOF", false},
		"a segment has fewer lines": {func(s *statetest.Memory, id string) { s.Put(plan.SegmentName(id, 1), other(s, id, 999)) }, "are not those", false},
		"a segment has no lines":    {func(s *statetest.Memory, id string) { s.Put(plan.SegmentName(id, 2), statetest.Squeezed("")) }, "are not those", false},
		"a segment has an odd line": {func(s *statetest.Memory, id string) { s.Put(plan.SegmentName(id, 1), statetest.Squeezed("{}\n")) }, "no medium", false},
		"a segment has a last break": {func(s *statetest.Memory, id string) {
			s.Put(plan.SegmentName(id, 1), statetest.Squeezed(`{"mediaId":"a"}`))
		}, "unexpected EOF", false},
		"segments are exchanged": {func(s *statetest.Memory, id string) {
			one, two := plan.SegmentName(id, 1), plan.SegmentName(id, 2)
			a, b := s.Records[one], s.Records[two]
			s.Put(one, b)
			s.Put(two, a)
		}, "are not those", false},
		"the contents are missing": {func(s *statetest.Memory, id string) { delete(s.Records, plan.Name(id)) }, "there is no such record", true},
		"the contents are empty":   {func(s *statetest.Memory, id string) { s.Put(plan.Name(id), nil) }, "unexpected end", false},
		"the contents name another plan": {func(s *statetest.Memory, id string) {
			s.Put(plan.Name(id), bytes.ReplaceAll(s.Records[plan.Name(id)], []byte(strings.TrimPrefix(id, "sha256:")), []byte(strings.Repeat("0", 64))))
		}, "it is the record of", false},
		"the contents have another time": {func(s *statetest.Memory, id string) {
			contents(t, s, id, func(c *plan.Contents) { c.Head.AsOf = c.Head.AsOf.Add(time.Second) })
		}, "are not those", false},
		"the contents have another count": {func(s *statetest.Memory, id string) { contents(t, s, id, func(c *plan.Contents) { c.Entries++ }) }, "are not those", false},
		"the contents have a segment less": {func(s *statetest.Memory, id string) {
			contents(t, s, id, func(c *plan.Contents) { c.Segments = c.Segments[:1] })
		}, "are not those", false},
	} {
		t.Run(name, func(t *testing.T) {
			store := statetest.New()
			saved, err := SavePlan(t.Context(), store, plan.Contents{Head: head()}, entries(t, 1500))
			no(t, err)
			test.damage(store, saved.ID)
			if _, err := read(t, store, saved.ID); err == nil || !strings.Contains(err.Error(), test.reads) {
				t.Errorf("read: %v, want %q", err, test.reads)
			}
			_, err = SavePlan(t.Context(), store, plan.Contents{Head: head()}, entries(t, 1500))
			if test.saves != (err == nil) || err != nil && !errors.Is(err, ErrDamagedPlan) {
				t.Errorf("saved again: %v", err)
			}
		})
	}
}

// A plan without its contents does not exist.
func TestSavePlanFails(t *testing.T) {
	broken := errors.New("cannot be read")
	failing := func(yield func(plan.Line, error) bool) { yield(plan.Line{}, broken) }
	if _, err := SavePlan(t.Context(), statetest.New(), plan.Contents{Head: head()}, failing); !errors.Is(err, broken) {
		t.Errorf("lines that fail: %v", err)
	}
	for _, of := range []string{"000001.jsonl.gz", "000002.jsonl.gz", "plan.json"} {
		store := statetest.New()
		store.Down, store.Of = "create", of
		contents, err := SavePlan(t.Context(), store, plan.Contents{Head: head()}, entries(t, 1500))
		if !errors.Is(err, statetest.ErrDown) || contents.ID == "" || contents.Entries != 1500 {
			t.Errorf("without %s: %d entries, %v", of, contents.Entries, err)
		}
		if _, err := ReadPlan(t.Context(), store, contents.ID); !errors.Is(err, state.ErrNotFound) {
			t.Errorf("without %s it is read: %v", of, err)
		}
	}
}

// Whoever stops early, or panics, leaves nothing under way.
func TestMapEntriesStops(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := statetest.New()
		saved, err := SavePlan(t.Context(), store, plan.Contents{Head: head()}, entries(t, 10*segments.MaxLines))
		no(t, err)
		count := 0
		for _, err := range MapEntries(t.Context(), store, saved, func(e plan.Entry, _ media.Medium) string { return e.MediaID }) {
			no(t, err)
			if count++; count == 1500 {
				break
			}
		}
		wrong := func(e plan.Entry, _ media.Medium) string { return e.MediaID[:len(e.MediaID)-7*count] }
		for _, err := range MapEntries(t.Context(), store, saved, wrong) {
			var panicked *task.Panic
			if !errors.As(err, &panicked) {
				t.Errorf("a panic gives %v", err)
			}
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if ids, err := idsOf(MapEntries(ctx, store, saved, func(e plan.Entry, _ media.Medium) plan.Entry { return e })); !errors.Is(err, context.Canceled) || len(ids) > segments.MaxLines {
			t.Errorf("%d entries after the end, then %v", len(ids), err)
		}
	})
}

// A segment is read to its end while an earlier one is not yet yielded: no processor waits for its turn.
func TestMapEntriesReadsAhead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := statetest.New()
		saved, err := SavePlan(t.Context(), store, plan.Contents{Head: head()}, entries(t, 2*segments.MaxLines))
		no(t, err)
		ids, err := read(t, store, saved.ID)
		no(t, err)
		second := make(chan struct{})
		for _, err := range MapEntries(t.Context(), store, saved, func(e plan.Entry, _ media.Medium) string {
			switch e.MediaID {
			case ids[0]:
				<-second // a deadlock if the second segment waits too
			case ids[len(ids)-1]:
				close(second)
			}
			return e.MediaID
		}) {
			no(t, err)
		}
	})
}

func TestEntriesFail(t *testing.T) {
	store := statetest.New()
	saved, err := SavePlan(t.Context(), store, plan.Contents{Head: head()}, entries(t, 1500))
	no(t, err)
	for range Entries(t.Context(), store, saved) { //nolint:errcheck // only the stop counts
		break
	}
	store.Down = "read"
	if _, err := read(t, store, saved.ID); !errors.Is(err, statetest.ErrDown) {
		t.Errorf("contents: %v", err)
	}
	store.Of = "000002"
	if ids, err := read(t, store, saved.ID); !errors.Is(err, statetest.ErrDown) || errors.Is(err, state.ErrDamaged) || len(ids) != 1000 {
		t.Errorf("%d entries, %v", len(ids), err)
	}
	delete(store.Records, plan.SegmentName(saved.ID, 1))
	if _, err := read(t, store, saved.ID); !errors.Is(err, state.ErrDamaged) {
		t.Errorf("a missing segment: %v", err)
	}
}

func TestApplied(t *testing.T) {
	store := statetest.New()
	const id = "sha256:0"
	applied := func() string {
		run, err := AppliedBy(t.Context(), store, id)
		no(t, err)
		return run
	}
	if applied() != "" {
		t.Error("a new plan is applied")
	}
	no(t, MarkApplied(t.Context(), store, id, "r1"))
	no(t, MarkApplied(t.Context(), store, id, "r2")) // both came to its end
	if run := applied(); run != "r1" {
		t.Errorf("an applied plan is of run %q", run)
	}
	store.Put(plan.AppliedName(id), []byte("damaged"))
	if applied() == "" {
		t.Error("a plan whose record is damaged is not applied")
	}
	store.Down = "read"
	if run, err := AppliedBy(t.Context(), store, id); run != "" || !errors.Is(err, statetest.ErrDown) {
		t.Errorf("%v, %v", run, err)
	}
	store.Down = "create"
	if err := MarkApplied(t.Context(), store, "sha256:1", "r1"); !errors.Is(err, statetest.ErrDown) {
		t.Error(err)
	}
}

func TestListPlansNamesTheRun(t *testing.T) {
	store := statetest.New()
	saved, err := SavePlan(t.Context(), store, plan.Contents{Head: head()}, entries(t, 1))
	no(t, err)
	no(t, MarkApplied(t.Context(), store, saved.ID, "r1"))
	page, err := ListPlans(t.Context(), store, "")
	if err != nil || len(page.Skipped) > 0 || len(page.Plans) != 1 || page.Plans[0].Run != "r1" || page.Next != "" {
		t.Errorf("%+v, %v", page, err)
	}
	own := head()
	own.AsOf = own.AsOf.Add(time.Second)
	made, err := SavePlan(t.Context(), store, plan.Contents{Head: own, Run: "r2"}, entries(t, 1))
	no(t, err)
	store.Down, store.Of = "read", "applied.json"
	if page, err = ListPlans(t.Context(), store, ""); err != nil || len(page.Skipped) != 1 || len(page.Plans) != 1 || page.Plans[0].ID != made.ID {
		t.Errorf("unread: %+v, %v", page, err)
	}
	if store.Reads[plan.AppliedName(made.ID)] > 0 {
		t.Error("it is asked who applied a plan that names its run")
	}
}

// The pages have every plan once, the one that was saved last first, however many were saved at once. Some plans are
// older than the log, some were saved twice, and some have no record.
func TestPagesOfPlans(t *testing.T) {
	for name, unlogged := range map[string]int{"all in the log": 0, "none in the log": 10_000, "as many as a page are older": MaxListed, "some are older": 217} {
		t.Run(name, func(t *testing.T) {
			store := statetest.New()
			const saved = 5*MaxListed + 7
			for i := range saved {
				h := head()
				h.AsOf = asOf.Add(time.Duration(i) * time.Second)
				made, err := SavePlan(t.Context(), store, plan.Contents{Head: h}, entries(t, 1))
				no(t, err)
				at := asOf.Add(time.Duration(i/30) * time.Minute)
				store.Written[plan.Name(made.ID)] = at
				if i >= unlogged {
					no(t, LogPlan(t.Context(), store, at, made.ID))
				}
				if i >= unlogged && i%10 == 0 {
					no(t, LogPlan(t.Context(), store, at.Add(time.Second), made.ID))
				}
			}
			store.Put(planLog+"damaged", nil)
			seen, before, last := map[string]bool{}, "", asOf.AddDate(1, 0, 0)
			for pages := 1; ; pages++ {
				page, err := ListPlans(t.Context(), store, before)
				no(t, err)
				for _, one := range page.Plans {
					at := store.Written[plan.Name(one.ID)]
					if at.After(last) || seen[one.ID] {
						t.Fatalf("a plan of %s after one of %s, or twice", at, last)
					}
					seen[one.ID], last = true, at
				}
				if full := len(page.Plans) == MaxListed; full != (page.Next != "") || pages > 6 {
					t.Fatalf("page %d has %d plans, next %q", pages, len(page.Plans), page.Next)
				}
				if before = page.Next; before == "" {
					break
				}
			}
			if len(seen) != saved {
				t.Errorf("%d plans, want %d", len(seen), saved)
			}
			if _, err := ListPlans(t.Context(), store, "sha256:"+strings.Repeat("0", 64)); !errors.Is(err, state.ErrNotFound) {
				t.Errorf("before an unknown plan: %v", err)
			}
		})
	}
}

// A plan that was removed without its record in the log is skipped under the name of that record. One that cannot be read is
// skipped under its own.
func TestListPlansThatWereRemoved(t *testing.T) {
	store := statetest.New()
	var ids []string
	for i := range 3 {
		h := head()
		h.AsOf = asOf.Add(time.Duration(i) * time.Second)
		made, err := SavePlan(t.Context(), store, plan.Contents{Head: h}, entries(t, 1))
		no(t, err)
		no(t, LogPlan(t.Context(), store, h.AsOf, made.ID))
		ids = append(ids, made.ID)
	}
	delete(store.Records, plan.Name(ids[0]))
	store.Records[plan.Name(ids[1])] = []byte("{")
	page, err := ListPlans(t.Context(), store, "")
	no(t, err)
	logRecord := store.Names(planLog)[2] // the oldest
	if len(page.Plans) != 1 || page.Plans[0].ID != ids[2] || len(page.Skipped) != 2 || page.Skipped[0].Record != plan.Name(ids[1]) ||
		page.Skipped[1].String() != "record "+logRecord+" skipped: its plan "+strings.TrimSuffix(plan.Name(ids[0]), "/plan.json")+" was removed: remove this record too" {
		t.Errorf("plans %v, skipped %q", page.Plans, page.Skipped)
	}
}

// A page of logged plans needs no list of all plans.
func TestAPageOfPlansListsTheLogOnly(t *testing.T) {
	store := statetest.New()
	for i := range 2*MaxListed + 1 {
		h := head()
		h.AsOf = asOf.Add(time.Duration(i) * time.Second)
		made, err := SavePlan(t.Context(), store, plan.Contents{Head: h}, entries(t, 1))
		no(t, err)
		no(t, LogPlan(t.Context(), store, h.AsOf, made.ID))
	}
	store.Down, store.Of = "list", "plans/"
	page, err := ListPlans(t.Context(), store, "")
	if err != nil || len(page.Plans) != MaxListed {
		t.Fatalf("%d plans, %v", len(page.Plans), err)
	}
	if page, err = ListPlans(t.Context(), store, page.Next); err != nil || len(page.Plans) != MaxListed {
		t.Errorf("the next page: %d plans, %v", len(page.Plans), err)
	}
	if _, err = ListPlans(t.Context(), store, page.Next); !errors.Is(err, statetest.ErrDown) {
		t.Errorf("the last page: %v", err)
	}
	store.Of = planLog
	if _, err = ListPlans(t.Context(), store, page.Next); !errors.Is(err, statetest.ErrDown) {
		t.Errorf("without the end of the log: %v", err)
	}
}

// Entries of a range are read from few segments.
func TestEntriesBetween(t *testing.T) {
	store := statetest.New()
	const media = 7500
	contents, err := SavePlan(t.Context(), store, plan.Contents{Head: head()}, entries(t, media))
	no(t, err)
	between := func(from, to string) (ids []string, err error) {
		for entry, err := range EntriesBetween(t.Context(), store, contents, from, to) {
			if err != nil {
				return ids, err
			}
			ids = append(ids, entry.MediaID)
		}
		return ids, nil
	}
	for _, test := range []struct {
		from, to    string
		first, last int // last is excluded
	}{
		{"m000000", "m000000", 0, 1},
		{"a", "m000001", 0, 2},
		{"m000999", "m001000", 999, 1001},
		{"m001000", "m001000", 1000, 1001},
		{"m0010005", "m001002", 1001, 1003},
		{"m006999", "z", 6999, media},
		{"n", "z", media, media},
		{"a", "b", 0, 0},
		{"", "z", 0, media},
	} {
		ids, err := between(test.from, test.to)
		no(t, err)
		want := []string{}
		for i := test.first; i < test.last; i++ {
			want = append(want, fmt.Sprintf("m%06d", i))
		}
		if !slices.Equal(ids, want) {
			t.Errorf("from %s to %s: %d entries, want %d", test.from, test.to, len(ids), len(want))
		}
	}
	clear(store.Reads)
	_, err = between("m003100", "m003200")
	reads := 0
	for _, count := range store.Reads {
		reads += count
	}
	if err != nil || reads > 5 {
		t.Errorf("%d reads of %d segments, %v", reads, len(contents.Segments), err)
	}
	delete(store.Records, contents.Segments[4]) // the search reads it
	if _, err := between("m001000", "m001000"); !errors.Is(err, state.ErrDamaged) {
		t.Errorf("a missing segment: %v", err)
	}
}
