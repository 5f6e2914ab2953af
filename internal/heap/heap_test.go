package heap

import (
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"testing"
	"time"
)

func TestPercent(t *testing.T) {
	for name, test := range map[string]struct {
		live, roots uint64
		want        int
	}{
		"nothing kept":          {0, 0, growth},
		"next to nothing":       {1, 0, 100 * (small - 1)},
		"a quarter":             {small / 4, 0, 300},
		"a quarter, with roots": {small / 4, small / 4, 150},
		"half":                  {small / 2, 0, 100},
		"nearly all":            {small - 1, 0, growth},
		"all":                   {small, 0, growth},
		"more":                  {10 * small, small, growth},
	} {
		if got := percent(test.live, test.roots); got != test.want {
			t.Errorf("%s: %d, want %d", name, got, test.want)
		}
	}
}

// The limit leaves room for a part of what is kept, whatever else has memory.
func TestLimit(t *testing.T) {
	for name, test := range map[string]struct {
		live, roots, rest uint64
		want              int64
	}{
		"nothing":    {0, 0, 0, 40},
		"little":     {20, 2, 9, 40},
		"much":       {80, 20, 20, 135},
		"much else":  {20, 0, 16, 43},
		"no globals": {40, 0, 0, 54},
	} {
		if got := limit(test.live<<20, test.roots<<20, test.rest<<20); got != test.want<<20 {
			t.Errorf("%s: %d, want %d MiB", name, got, test.want)
		}
	}
}

// What holds memory is counted, and free memory is not.
func TestKept(t *testing.T) {
	runtime.GC()
	live, roots, rest := kept()
	var memory runtime.MemStats
	runtime.ReadMemStats(&memory)
	if all := memory.Sys - memory.HeapIdle; live == 0 || roots == 0 || rest == 0 || live+rest > all+all/4 {
		t.Errorf("%d live, %d roots, %d rest, of %d", live, roots, rest, all)
	}
}

// GOGC follows what each collection leaves, unless the environment sets it.
func TestTune(t *testing.T) {
	before, limited := debug.SetGCPercent(77), debug.SetMemoryLimit(-1)
	Tune(func(name string) string { return map[string]string{"GOGC": "77"}[name] })
	if gogc() != 77 {
		t.Errorf("the environment's GOGC became %d", gogc())
	}
	defer func() {
		debug.SetGCPercent(before)
		debug.SetMemoryLimit(limited)
	}()
	Tune(func(string) string { return "" })
	kept := make([]byte, 2*small)
	await(t, func(percent int) bool { return percent == growth })
	if room := debug.SetMemoryLimit(-1); room < 2*small+2*small*growth/100 {
		t.Errorf("a limit of %d for %d bytes", room, 2*small)
	}
	runtime.KeepAlive(kept)
	await(t, func(percent int) bool { return percent > growth })
	if room := debug.SetMemoryLimit(-1); room != least {
		t.Errorf("a limit of %d for little", room)
	}
}

func await(t *testing.T, is func(percent int) bool) {
	t.Helper()
	for end := time.Now().Add(time.Minute); !is(gogc()); runtime.GC() {
		if time.Now().After(end) {
			t.Fatalf("GOGC is %d", gogc())
		}
	}
}

func gogc() int {
	samples := []metrics.Sample{{Name: "/gc/gogc:percent"}}
	metrics.Read(samples)
	return int(samples[0].Value.Uint64())
}
