package manifest

import (
	"fmt"
	"strings"
	"time"

	"github.com/mediasweep/mediasweep/internal/text"
)

// parseModified reads a time as reports have them, in one of two forms. It returns seconds since 1970; 0 for no time.
// Source: OSS "Bucket inventory", whose samples have both.
func parseModified(field []byte) (int64, error) {
	var modified time.Time
	if modified.UnmarshalText(field) == nil { // without an allocation
		return modified.Unix(), nil
	}
	value := strings.TrimSpace(string(field))
	if value == "" {
		return 0, nil
	}
	modified, err := time.Parse(time.RFC3339, value)
	if err != nil {
		modified, err = time.Parse("2006-01-02T15-04-05Z", value)
	}
	if err != nil {
		return 0, fmt.Errorf("LastModifiedDate is %s: a time such as 2026-01-31T08:00:00.000Z or 2026-01-31T08-00-00Z is allowed", text.Quote(value))
	}
	return modified.Unix(), nil
}

// day parses the times of rows that follow one another. Neighbours were mostly written on one day, whose date is parsed
// once. The zero value has no day.
type day struct {
	date     []byte // such as 2026-01-31T
	midnight int64  // in seconds since 1970
}

// parse returns what parseModified does.
func (d *day) parse(field []byte) (int64, error) {
	const date, usual = len("2026-01-31T"), len("2026-01-31T08:00:00.000Z")
	if len(field) != usual {
		return parseModified(field)
	}
	clock, ok := parseClock(field[date:])
	if ok && string(field[:date]) == string(d.date) {
		return d.midnight + clock, nil
	}
	modified, err := parseModified(field)
	if ok && err == nil {
		d.date, d.midnight = append(d.date[:0], field[:date]...), modified-clock
	}
	return modified, err
}

// parseClock reads a time of day such as 08:00:00.000Z, of that length. It returns seconds.
func parseClock(field []byte) (clock int64, ok bool) {
	hour, minute, second := twoDigits(field), twoDigits(field[3:]), twoDigits(field[6:])
	ok = hour < 24 && minute < 60 && second < 60 && field[2] == ':' && field[5] == ':' && string(field[8:]) == ".000Z"
	return 3600*hour + 60*minute + second, ok
}

// twoDigits returns the number of two digits, or a larger one for other bytes.
func twoDigits(field []byte) int64 {
	tens, units := field[0]-'0', field[1]-'0'
	if units > 9 {
		return 100
	}
	return 10*int64(tens) + int64(units)
}
