package policy

import (
	"fmt"
	"math"
	"regexp"
	"strconv"
	"time"
)

var sizeForm = regexp.MustCompile(`^(\d+) ?([KMGT]i?)?B?$`)

// parseSize reads bytes, or a number with a unit: MB is a power of 1000, MiB one
// of 1024.
func parseSize(s string) (int64, error) {
	parts := sizeForm.FindStringSubmatch(s)
	if parts == nil {
		return 0, fmt.Errorf("%q is not a size: write bytes, or a whole number with KB, MB, GB, TB, KiB, MiB, GiB or TiB", s)
	}
	factor := map[string]int64{"": 1, "K": 1e3, "M": 1e6, "G": 1e9, "T": 1e12, "Ki": 1 << 10, "Mi": 1 << 20, "Gi": 1 << 30, "Ti": 1 << 40}[parts[2]]
	value, err := strconv.ParseInt(parts[1], 10, 64)
	if err != nil || value > math.MaxInt64/factor {
		return 0, fmt.Errorf("%q is larger than any object", s)
	}
	if value == 0 {
		return 0, fmt.Errorf("%q bounds nothing: leave the key out", s)
	}
	return value * factor, nil
}

// parseDuration reads the length of a video, such as 90s, 10m or 1h30m.
func parseDuration(s string) (int64, error) {
	d, err := time.ParseDuration(s)
	switch {
	case err != nil:
		return 0, fmt.Errorf("%q is not a duration: write numbers with h, m and s, such as 90s or 1h30m", s)
	case d < 0:
		return 0, fmt.Errorf("%q is negative", s)
	case d == 0:
		return 0, fmt.Errorf("%q bounds nothing: leave the key out", s)
	}
	return int64(d), nil
}
