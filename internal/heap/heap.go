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
	growth = 50
	// least is the smallest limit of the memory of Go, in bytes. Near the limit the collector works as hard as it has to,
	// which takes half of the processor time. So the limit leaves room for half as much as is kept.
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
		live, roots := kept()
		debug.SetMemoryLimit(limit(live, roots))
		debug.SetGCPercent(percent(live, roots))
		tuneAfterCollection()
	}, struct{}{})
}

// kept returns what the latest collection left, and what it scanned beside that: stacks and globals. Both are in bytes.
func kept() (live, roots uint64) {
	samples := []metrics.Sample{{Name: "/gc/heap/live:bytes"}, {Name: "/gc/scan/stack:bytes"}, {Name: "/gc/scan/globals:bytes"}}
	metrics.Read(samples)
	return samples[0].Value.Uint64(), samples[1].Value.Uint64() + samples[2].Value.Uint64()
}

// limit returns the memory limit that suits what a collection left.
func limit(live, roots uint64) int64 {
	return int64(max(least, (live+roots)/2*3)) //nolint:gosec // far below 8 EiB
}

// percent returns the GOGC by which the heap grows to small, or by growth if that is more. GOGC is a part of all that
// was scanned. Source: "A Guide to the Go Garbage Collector".
func percent(live, roots uint64) int {
	if live >= small || live+roots == 0 {
		return growth
	}
	return max(growth, int(100*(small-live)/(live+roots))) //nolint:gosec // at most 100 * small
}
