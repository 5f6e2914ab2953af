package policy

import (
	"fmt"
	"math"
	"regexp"
	"time"

	"github.com/mediasweep/mediasweep/internal/text"
)

var sizeForm = regexp.MustCompile(`^(\d+)(?: ?([KMGT]i?)?B)?$`)

// parseSize reads bytes, or a number with a unit: MB is a power of 1000, MiB one
// of 1024.
func parseSize(s string) (int64, error) {
	parts := sizeForm.FindStringSubmatch(s)
	if parts == nil {
		return 0, fmt.Errorf("%s is not a size: write bytes, or a whole number with KB, MB, GB, TB, KiB, MiB, GiB or TiB", text.Quote(s))
	}
	factor := map[string]int64{"": 1, "K": 1e3, "M": 1e6, "G": 1e9, "T": 1e12, "Ki": 1 << 10, "Mi": 1 << 20, "Gi": 1 << 30, "Ti": 1 << 40}[parts[2]]
	value, err := text.Decimal(parts[1])
	switch {
	case err != nil:
		return 0, fmt.Errorf("%s is not a size: %w", text.Quote(s), err)
	case value > math.MaxInt64/factor:
		return 0, fmt.Errorf("%s is larger than any object", text.Quote(s))
	case value == 0:
		return 0, fmt.Errorf("%s bounds nothing: leave the key out", text.Quote(s))
	}
	return value * factor, nil
}

// parseDuration reads the length of a video, such as 90s, 10m or 1h30m.
func parseDuration(s string) (time.Duration, error) {
	d, err := text.Duration(s)
	if err == nil && d == 0 {
		err = fmt.Errorf("%s bounds nothing: leave the key out", text.Quote(s))
	}
	return d, err
}
