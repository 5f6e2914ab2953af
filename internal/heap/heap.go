// Package heap sets how far the heap of the process grows before garbage is collected. A run allocates much and keeps
// little, so that a fixed size suits a small heap: Go's own part of what is kept would collect it far more often.
package heap

import (
	"runtime"
	"runtime/debug"
	"runtime/metrics"
)

const (
	// small is the size of a heap that is not collected, in bytes.
	small = 19 << 20
	// growth is the GOGC of a larger heap, in percent.
	growth = 35
	// least is the smallest limit of the memory of Go, in bytes.
	least = 40 << 20
	// first is the size of the first collection with a GOGC of 100, in bytes. Source: package runtime.
	first = 4 << 20
)

// Tune sets GOGC and the memory limit, now and after each collection. It leaves alone what the environment sets.
func Tune(getenv func(string) string) {
	if getenv("GOGC") != "" || getenv("GOMEMLIMIT") != "" {
		return
	}
	debug.SetMemoryLimit(least)
	debug.SetGCPercent(100 * small / first)
	tuneAfterCollection()
}

// mark is garbage from the start, so that the next collection finds it.
type mark [16]byte

func tuneAfterCollection() {
	runtime.AddCleanup(new(mark), func(struct{}) {
		live, roots, rest := kept()
		debug.SetMemoryLimit(limit(live, roots, rest))
		debug.SetGCPercent(percent(live, roots))
		tuneAfterCollection()
	}, struct{}{})
}

// kept returns what the latest collection left, and the roots that it scanned: stacks and globals. The rest is the memory of
// Go that holds no objects. All are in bytes.
func kept() (live, roots, rest uint64) {
	names := []string{
		"/gc/heap/live:bytes", "/gc/scan/stack:bytes", "/gc/scan/globals:bytes", "/memory/classes/total:bytes",
		"/memory/classes/heap/released:bytes", "/memory/classes/heap/free:bytes", "/memory/classes/heap/objects:bytes",
	}
	samples := make([]metrics.Sample, len(names))
	for i, name := range names {
		samples[i].Name = name
	}
	metrics.Read(samples)
	value := func(i int) uint64 { return samples[i].Value.Uint64() }
	return value(0), value(1) + value(2), value(3) - value(4) - value(5) - value(6)
}

// limit returns the memory limit that suits what a collection left. It leaves the room that growth allows, beside the
// rest: without room the collector takes half of the processor time.
func limit(live, roots, rest uint64) int64 {
	return int64(max(least, live+(live+roots)*growth/100+rest)) //nolint:gosec // far below 8 EiB
}

// percent returns the GOGC by which the heap grows to small, or by growth if that is more. GOGC is a part of all that
// was scanned. Source: "A Guide to the Go Garbage Collector".
func percent(live, roots uint64) int {
	if live >= small || live+roots == 0 {
		return growth
	}
	return max(growth, int(100*(small-live)/(live+roots))) //nolint:gosec // at most 100 * small
}
