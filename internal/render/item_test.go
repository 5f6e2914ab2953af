package render_test

import (
	"math"
	"testing"

	"github.com/mediasweep/mediasweep/internal/render"
)

// Sizes are in the unit that keeps them below a thousand, as they are written.
func TestBytes(t *testing.T) {
	for n, want := range map[int64]string{0: "0 B", 999: "999 B", 1000: "1.0 kB", 999_949: "999.9 kB", 999_950: "1.0 MB", 999_999: "1.0 MB", 1_000_000: "1.0 MB", 999_950_000: "1.0 GB", math.MaxInt64: "9.2 EB"} {
		if got := render.Bytes(n); got != want {
			t.Errorf("%d: %s, want %s", n, got, want)
		}
	}
}
