package state

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"math"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/mediasweep/mediasweep/internal/text"
)

var plainName = regexp.MustCompile(`^[0-9A-Za-z][0-9A-Za-z_-]*$`)

const maxPlain = 128 // bytes

// SafeName returns a text for the name of a record: the text if it is plain, else its hash.
func SafeName(name string) string {
	if len(name) <= maxPlain && plainName.MatchString(name) {
		return name
	}
	sum := sha256.Sum256([]byte(name))
	return "sha256-" + hex.EncodeToString(sum[:])
}

// ClockSkew is the accepted difference between the clocks of the machines that share a store.
const ClockSkew = time.Minute

// Stamp returns a time for the start of a record's name. Stamps sort by time.
func Stamp(at time.Time) string { return at.UTC().Format(stampForm) }

const stampForm = "20060102T150405.000000000Z"

// ParseStamp returns the time of a stamp.
func ParseStamp(stamp string) (time.Time, error) { return time.Parse(stampForm, stamp) }

// Inverted returns a time for the start of a record's name. Later times sort first.
func Inverted(at time.Time) string {
	return fmt.Sprintf("%019d", math.MaxInt64-max(0, at.UnixNano()))
}

// ParseInverted returns the time of an inverted one.
func ParseInverted(s string) (time.Time, error) {
	n, err := strconv.ParseInt(s, 10, 64)
	at := time.Unix(0, math.MaxInt64-n).UTC()
	if err != nil || Inverted(at) != s {
		return time.Time{}, fmt.Errorf("%s is no time", text.Quote(s))
	}
	return at, nil
}

// RunName returns the name of a record or folder that a run begins at a time.
func RunName(at time.Time, run string) string { return Stamp(at) + "-" + SafeName(run) }

// NumberedName returns the name of a numbered record in a folder. Names count down, so that the record with
// the highest number is the first of a listing. Numbers start at 1.
func NumberedName(folder string, number int64) string {
	return fmt.Sprintf("%s%019d.json", folder, math.MaxInt64-number)
}

// NumberOf returns the number in the name of a record, or 0 for a name that NumberedName does not return.
func NumberOf(folder, name string) int64 {
	left, err := strconv.ParseInt(strings.TrimSuffix(strings.TrimPrefix(name, folder), ".json"), 10, 64)
	if err != nil || left < 0 || name != NumberedName(folder, math.MaxInt64-left) {
		return 0
	}
	return math.MaxInt64 - left
}
