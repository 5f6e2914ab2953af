package policy

import (
	"errors"
	"fmt"
	"regexp"
	"sort"
	"strings"
	"time"

	"github.com/mediasweep/mediasweep/internal/text"
	"github.com/mediasweep/mediasweep/internal/words"
)

// Period is a length of time in a policy. A day has 24 hours. Months and years are steps of the
// calendar.
type Period struct {
	months int
	hours  int
}

// maxPeriodYears keeps sums of times within what time.Time and time.Duration hold.
const maxPeriodYears = 100

var periodForm = regexp.MustCompile(`^(?:(\d+)y)?(?:(\d+)mo)?(?:(\d+)w)?(?:(\d+)d)?(?:(\d+)h)?$`)

// minutes is the form of a period that means minutes, or was meant to mean months.
var minutes = regexp.MustCompile(`^(?:[1-9]\d*y)?[1-9]\d*m(?:\d|$)`)

var errNoTime = errors.New("is no time at all")

// ParsePeriod reads "180d", "12h" or "1y6mo": plain decimal numbers with h, d, w, mo or
// y, largest first. Zero and negative periods are errors.
func ParsePeriod(s string) (Period, error) {
	parts := periodForm.FindStringSubmatch(s)
	switch {
	case s != "" && strings.Trim(s, "0") == "":
		return Period{}, fmt.Errorf("%s %w: write at least 1h", text.Quote(s), errNoTime)
	case s != "" && strings.Trim(s, "0123456789") == "":
		days := strings.TrimLeft(s, "0")
		return Period{}, fmt.Errorf("%s needs a unit: write %sd for days, or h, w, mo or y", text.Quote(s), days[:min(len(days), text.MaxValue)])
	case minutes.MatchString(s):
		return Period{}, fmt.Errorf("%s can mean minutes or months: write %s for months, there are no minutes", text.Quote(s), text.Quote(strings.Replace(s, "m", "mo", 1)))
	case parts == nil || s == "":
		return Period{}, fmt.Errorf("%s is not a period: write numbers with y, mo, w, d and h, largest first, such as 180d or 1y6mo", text.Quote(s))
	}
	var n [5]int64 // years, months, weeks, days, hours
	for i, digits := range parts[1:] {
		if digits == "" {
			continue
		}
		value, err := text.Decimal(digits)
		switch {
		case err != nil && digits[0] == '0':
			return Period{}, fmt.Errorf("%s is not a period: %w", text.Quote(s), err)
		case err != nil || value > maxPeriodYears*366*24:
			return Period{}, fmt.Errorf("%s is longer than %d years", text.Quote(s), maxPeriodYears)
		}
		n[i] = value
	}
	p := Period{months: int(12*n[0] + n[1]), hours: int(24*(7*n[2]+n[3]) + n[4])}
	switch {
	case p.months == 0 && p.hours == 0:
		return Period{}, fmt.Errorf("%s %w: write at least 1h", text.Quote(s), errNoTime)
	case p.months/12 > maxPeriodYears || p.hours/(24*366) > maxPeriodYears:
		return Period{}, fmt.Errorf("%s is longer than %d years", text.Quote(s), maxPeriodYears)
	}
	return p, nil
}

// IsZero reports whether the period is not set.
func (p Period) IsZero() bool { return p.months == 0 && p.hours == 0 }

// String returns the period in its shortest canonical form: "7d" and "1w" are
// one period, "30d" and "1mo" are two.
func (p Period) String() string { return p.in(words.English) }

func (p Period) in(lang words.Lang) string {
	var b strings.Builder
	for _, unit := range []struct {
		n      int
		format string
	}{{p.months / 12, "%dy"}, {p.months % 12, "%dmo"}, {p.hours / 24, "%dd"}, {p.hours % 24, "%dh"}} {
		if unit.n > 0 {
			b.WriteString(lang.Say(unit.format, unit.n))
		}
	}
	return b.String()
}

// After returns the end of a period that begins at start. Months are steps in the calendar of zone.
// A month after 31 January is the last day of February, at the same time of day.
func (p Period) After(start time.Time, zone *time.Location) time.Time {
	if p.months > 0 {
		local := start.In(zone)
		first := time.Date(local.Year(), local.Month()+time.Month(p.months), 1, 0, 0, 0, 0, time.UTC)
		lastDay := time.Date(first.Year(), first.Month()+1, 0, 0, 0, 0, 0, time.UTC).Day()
		start = wall(time.Date(first.Year(), first.Month(), min(local.Day(), lastDay),
			local.Hour(), local.Minute(), local.Second(), local.Nanosecond(), time.UTC), zone)
	}
	return last(start.Add(time.Duration(p.hours) * time.Hour))
}

// Began returns the latest second from which a period has passed at asOf, a whole second. Months are not of one length: the
// period may not have passed from an earlier second.
func (p Period) Began(asOf time.Time, zone *time.Location) time.Time {
	if p.months == 0 {
		return asOf.Add(-time.Duration(p.hours) * time.Hour)
	}
	hasPassed := func(start time.Time) bool { return !p.After(start, zone).After(asOf) }
	// latest returns the second before the first one since a time from which the period has not passed.
	latest := func(since time.Time, within time.Duration) time.Time {
		first := sort.Search(int(within.Seconds()), func(n int) bool { return !hasPassed(since.Add(time.Duration(n) * time.Second)) })
		return since.Add(time.Duration(first-1) * time.Second)
	}
	const (
		spread = 5 * 24 * time.Hour // of starts whose periods end at one time
		step   = 15 * time.Minute   // no day ends within it, and no clock changes
	)
	longest := p.After(asOf, zone).Sub(asOf) + spread
	began := latest(asOf.Add(-longest), longest)
	for since := began.Add(spread).Truncate(step); since.After(began); since = since.Add(-step) {
		if hasPassed(since) {
			return latest(since, step)
		}
	}
	return began
}

// wall returns the instant at which a clock of zone shows the time that clock shows in UTC.
// Of a time that the zone has twice, it returns the later instant. A time that the zone skips is as far
// behind the end of the gap as it is behind its start. So nothing is due early.
func wall(clock time.Time, zone *time.Location) time.Time {
	near := time.Date(clock.Year(), clock.Month(), clock.Day(), clock.Hour(), clock.Minute(), clock.Second(), clock.Nanosecond(), zone)
	const more = 26 * time.Hour // than any zone's distance from UTC
	_, before := near.Add(-more).Zone()
	_, after := near.Add(more).Zone()
	shows := func(offset int) (time.Time, bool) {
		instant := clock.Add(-time.Duration(offset) * time.Second)
		_, actual := instant.In(zone).Zone()
		return instant, actual == offset
	}
	early, earlyOK := shows(max(before, after))
	late, lateOK := shows(min(before, after))
	if earlyOK && !lateOK {
		return early
	}
	return late
}

// last keeps a time within the years that RFC 3339 can write.
func last(instant time.Time) time.Time {
	const end = 253402300799 // 9999-12-31T23:59:59Z
	if instant.Unix() >= end {
		return time.Unix(end, 0).UTC()
	}
	return instant.UTC()
}
