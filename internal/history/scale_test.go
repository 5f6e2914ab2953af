package history

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mediasweep/mediasweep/internal/segments"
	"github.com/mediasweep/mediasweep/internal/state"
)

// fill records nights of deletions, and folds each. Then it records the events of a day.
func fill(tb testing.TB, store *memory, nights, media, events int) (end time.Time) {
	tb.Helper()
	now := time.Date(2026, 1, 1, 3, 0, 0, 0, time.UTC)
	must := func(err error) {
		if err != nil {
			tb.Fatal(err)
		}
	}
	id := 0
	next := func(run string) Decision {
		id++
		return decision(id, run, now)
	}
	for night := range nights {
		run := fmt.Sprintf("%032d", night)
		var some []Decision
		for range media {
			some = append(some, next(run))
		}
		some[0] = decision(0, run, now) // it fails each night
		some[0].Outcome = "failed"
		for part := range slices.Chunk(some, 1000) {
			must(Record(tb.Context(), store, now, part))
			now = now.Add(20 * time.Second)
		}
		must(Fold(tb.Context(), tb.Context(), store, func() time.Time { return now }))
		now = now.Add(24*time.Hour - time.Minute)
	}
	var data []byte // of all events: only their names are read, but for the last one
	for event := range events {
		now = now.Add(8 * time.Second)
		d := next(fmt.Sprintf("event-%032d", event))
		if event == 0 || event == events-1 {
			line, err := d.encode()
			must(err)
			segment := segments.NewWriter(func(_ int, record []byte) error { data = record; return nil })
			must(segment.Add(line))
			must(segment.Close())
		}
		name := looseFolder + state.Stamp(now) + "-"
		for _, k := range d.keys() {
			name += k.String()
		}
		must(store.Create(tb.Context(), name+"-EVENT", data))
	}
	return now
}

// After 79 nights there are tables of all levels. With a page of loose names on top, the history of a
// medium takes at most a second at 30 ms a request.
func TestHistoryTakesFewRequests(t *testing.T) {
	const nights, media, events = 79, 8, 1100
	store := newMemory()
	now := fill(t, store, nights, media, events)
	synctest.Test(t, func(t *testing.T) {
		for id, decisions := range map[int]int{0: nights, 123: 1, nights * media: 1, nights*media + events: 1, 9999: 0} {
			store.latency, store.requests = 30*time.Millisecond, 0
			started := time.Now()
			found, err := Of(t.Context(), store, now, idOf(id))
			if err != nil || len(found.Decisions) != decisions || len(found.Unread)+len(found.Notes) > 0 {
				t.Fatalf("medium %d: %v, %+v", id, err, found)
			}
			if took := time.Since(started); took > time.Second || store.requests > 60 {
				t.Errorf("medium %d: %v, %d requests", id, took, store.requests)
			}
		}
	})
}

// BenchmarkYear measures the index of 400 nights with 5,000 deletions each, and a day of 10,000 events.
func BenchmarkYear(b *testing.B) {
	const nights, media = 400, 5000
	for b.Loop() {
		store := newMemory()
		started := time.Now()
		now := fill(b, store, nights, media, 10_000)
		b.ReportMetric(time.Since(started).Seconds(), "s/build")
		b.ReportMetric(float64(store.created)/nights/media, "B-written/decision")
		b.ReportMetric(float64(store.requests)/nights, "requests/night")
		h, _, err := latestHead(context.Background(), store, now)
		if err != nil {
			b.Fatal(err)
		}
		size := 0
		for _, t := range h.Tables {
			for shard := range 1 << t.Bits {
				size += len(store.records[t.shardName(shard)])
			}
		}
		b.ReportMetric(float64(size)/nights/media, "B-index/decision")
		b.ReportMetric(float64(len(h.Tables)), "tables")
		store.latency, store.requests, store.read = 30*time.Millisecond, 0, 0
		started = time.Now()
		found, err := Of(b.Context(), store, now, idOf(0))
		if err != nil || len(found.Decisions) != nights {
			b.Fatal(err, len(found.Decisions))
		}
		b.ReportMetric(time.Since(started).Seconds(), "s/query")
		b.ReportMetric(float64(store.requests), "requests/query")
		b.ReportMetric(float64(store.read), "B/query")
	}
}
