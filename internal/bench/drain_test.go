package bench

import (
	"fmt"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/mediasweep/mediasweep/internal/emulator"
)

// faults returns the faults of each operation of MPS that a drain calls. One call in so many fails: a
// third by throttling, in bursts of five; a third with 502; a third by a lost connection, half of
// these after the call took effect.
func faults(oneIn int) (all []string) {
	for _, operation := range []string{"DeleteMedia", "QueryMediaList", "QueryMediaListByURL"} {
		for range 5 {
			all = append(all, fmt.Sprintf("%s:throttle:every=%d", operation, 15*oneIn-4))
		}
		all = append(all,
			fmt.Sprintf("%s:html-502:every=%d", operation, 3*oneIn),
			fmt.Sprintf("%s:drop-before:every=%d", operation, 6*oneIn),
			fmt.Sprintf("%s:drop-after:every=%d", operation, 6*oneIn))
	}
	return all
}

// BenchmarkDrain deletes a library in which everything has expired, at the whole quota: at several
// latencies; with one deletion that is throttled; with faults.
func BenchmarkDrain(b *testing.B) {
	for _, test := range []struct {
		name    string
		latency time.Duration
		faults  []string
	}{
		{"5ms", 5 * time.Millisecond, nil},
		{"30ms", 30 * time.Millisecond, nil},
		{"100ms", 100 * time.Millisecond, nil},
		{"400ms", 400 * time.Millisecond, nil},
		{"one-throttled", 30 * time.Millisecond, []string{"DeleteMedia:throttle:after=700:count=1"}},
		{"1-in-100-fails/5ms", 5 * time.Millisecond, faults(100)},
		{"1-in-100-fails/400ms", 400 * time.Millisecond, faults(100)},
		{"1-in-20-fails/5ms", 5 * time.Millisecond, faults(20)},
		{"1-in-20-fails/400ms", 400 * time.Millisecond, faults(20)},
	} {
		b.Run(test.name, func(b *testing.B) {
			for b.Loop() {
				c := start(b, library{Media: *expired, Latency: test.latency, Faults: test.faults})
				r, took := c.sweep(nightly)
				if r.Counts.Deleted != *expired {
					b.Fatalf("%+v", r.Counts)
				}
				thousands := float64(*expired) / 1000
				drained, tail := c.ratio("DeleteMedia")
				b.ReportMetric(drained, "drain/quota")
				b.ReportMetric(tail, "tail-s")
				b.ReportMetric(took.Wall.Seconds()/(2*float64(*expired)/quota), "run/limit")
				b.ReportMetric(float64(r.Calls.Throttled), "throttled")
				b.ReportMetric(float64(r.Calls.DeleteMedia)/thousands, "deletions/1000")
				b.ReportMetric(float64(r.Calls.QueryMediaListByURL)/thousands, "look-ups/1000")
				b.ReportMetric(float64(r.Calls.QueryMediaList)/thousands, "read-backs/1000")
			}
		})
	}
}

// theirs is the only ID in the deletions of the rival.
const theirs = "00000000000000000000000000000000"

// rival calls DeleteMedia 50 times a second, in two bursts, eight calls at a time. It repeats at once
// what is throttled.
func rival() {
	work := make(chan struct{}, 1000)
	for range 8 {
		go func() {
			client := bareClient()
			for range work {
				for deleteBatch(client, []string{theirs}) != nil {
				}
			}
		}()
	}
	for {
		for range 25 {
			work <- struct{}{}
		}
		time.Sleep(500 * time.Millisecond)
	}
}

// BenchmarkRival deletes a library beside a program that takes half of the quota of deletions.
func BenchmarkRival(b *testing.B) {
	for b.Loop() {
		c := start(b, library{Media: *expired, Latency: 30 * time.Millisecond})
		other := c.command(os.Args[0])
		other.Env = append(other.Env, "BENCH_ROLE=rival")
		if err := other.Start(); err != nil {
			b.Fatal(err)
		}
		r, _ := c.sweep(nightly)
		_ = other.Process.Kill()
		_ = other.Wait()
		if r.Counts.Deleted != *expired {
			b.Fatalf("%+v", r.Counts)
		}
		seen, _ := c.calls("DeleteMedia")
		isOurs := func(call emulator.Call) bool { return !strings.Contains(strings.Join(call.MediaIDs, ","), theirs) }
		first := slices.IndexFunc(seen, isOurs)
		from := seen[first].Time.Add(2 * time.Second) // by then we have yielded
		var ours, both int
		var last time.Time
		for _, call := range seen {
			if call.Status != http.StatusOK || call.Time.Before(from) {
				continue
			}
			if isOurs(call) {
				ours++
				last = call.Time
			}
		}
		for _, call := range seen {
			if call.Status == http.StatusOK && !call.Time.Before(from) && !call.Time.After(last) {
				both++
			}
		}
		limit := quota / 10 * last.Sub(from).Seconds()
		b.ReportMetric(float64(ours)/limit, "ours/quota")
		b.ReportMetric(float64(both)/limit, "both/quota")
		b.ReportMetric(float64(r.Calls.Throttled), "throttled")
	}
}
