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
)

var plainName = regexp.MustCompile(`^[0-9A-Za-z][0-9A-Za-z_-]*$`)

const maxPlain = 128 // bytes

// SafeName returns a text for the name of a record: the text if it is plain, else its hash.
func SafeName(text string) string {
	if len(text) <= maxPlain && plainName.MatchString(text) {
		return text
	}
	sum := sha256.Sum256([]byte(text))
	return "sha256-" + hex.EncodeToString(sum[:])
}

// Stamp returns a time for the start of a record's name. Stamps sort by time.
func Stamp(at time.Time) string { return at.UTC().Format(stampForm) }

const stampForm = "20060102T150405.000000000Z"

// ParseStamp returns the time of a stamp.
func ParseStamp(stamp string) (time.Time, error) { return time.Parse(stampForm, stamp) }

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
