package render

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/mediasweep/mediasweep/internal/review"
)

// View is the time and timezone of a document.
type View struct {
	AsOf time.Time
	Zone *time.Location
}

// Date writes a day of the view's timezone; nothing for the zero time.
func (v View) Date(at time.Time) string {
	if at.IsZero() {
		return ""
	}
	return at.In(v.Zone).Format(time.DateOnly)
}

// Time writes a time in the view's timezone, with its offset: an abbreviation such as CST has several
// meanings. It writes nothing for the zero time.
func (v View) Time(at time.Time) string {
	if at.IsZero() {
		return ""
	}
	if at = at.In(v.Zone); v.Zone == time.UTC {
		return at.Format("2006-01-02 15:04:05 MST")
	}
	return at.Format("2006-01-02 15:04:05 -07:00")
}

// column is a property of a medium of a plan, for programs (exact) and for people (shown). Shown is
// nil where both are one.
type column struct {
	name, title string
	right       bool
	exact       func(*review.Item, View) string
	shown       func(*review.Item, View) string
}

// columns returns all columns of a plan. A list is read back by its mediaId or object.
func columns() []column {
	return []column{
		{name: "mediaId", title: "media ID", exact: func(i *review.Item, _ View) string { return i.MediaID }},
		{name: "object", title: "object", exact: func(i *review.Item, _ View) string { return i.Object }},
		{name: "rule", title: "rule", exact: func(i *review.Item, _ View) string { return i.Rule }},
		{name: "reason", title: "reason", exact: func(i *review.Item, _ View) string { return i.Reason() }, shown: Reason},
		{name: "expiresAt", title: "due since", exact: func(i *review.Item, _ View) string { return i.ExpiresAt.Format(time.RFC3339) },
			shown: func(i *review.Item, v View) string { return v.Date(i.ExpiresAt) }},
		{name: "state", title: "state", exact: func(i *review.Item, _ View) string { return i.State }},
		{name: "title", title: "title", exact: func(i *review.Item, _ View) string { return i.Title }},
		{name: "bytes", title: "size", right: true, exact: exactSize, shown: func(i *review.Item, _ View) string { return Size(i) }},
		{name: "videoSeconds", title: "duration", right: true, exact: exactDuration, shown: func(i *review.Item, _ View) string { return Duration(i) }},
		{name: "created", title: "created", exact: exactCreated, shown: func(i *review.Item, v View) string { return v.Date(i.Created) }},
		{name: "ageDays", title: "age", right: true, exact: exactAge, shown: Age},
		{name: "tags", title: "tags", exact: func(i *review.Item, _ View) string { return strings.Join(i.Tags, ",") }},
	}
}

func chosen(names ...string) []column {
	all, list := columns(), make([]column, len(names))
	for i, name := range names {
		list[i] = all[slices.IndexFunc(all, func(c column) bool { return c.name == name })]
	}
	return list
}

func (c *column) text(i *review.Item, v View) string {
	if c.shown == nil {
		return c.exact(i, v)
	}
	return c.shown(i, v)
}

func exactSize(i *review.Item, _ View) string {
	return i.Size.Text(func(bytes int64) string { return strconv.FormatInt(bytes, 10) })
}

func exactDuration(i *review.Item, _ View) string {
	return i.Duration.Text(func(d time.Duration) string { return strconv.FormatFloat(d.Seconds(), 'f', -1, 64) })
}

func exactCreated(i *review.Item, _ View) string {
	if i.Created.IsZero() {
		return ""
	}
	return i.Created.Format(time.RFC3339)
}

func exactAge(i *review.Item, v View) string {
	days, ok := i.Days(v.AsOf)
	if !ok {
		return ""
	}
	return strconv.Itoa(days)
}

// Reason writes why an item's medium is deleted. The rule has a column of its own.
func Reason(i *review.Item, v View) string {
	if i.Usual() {
		return "expired since " + v.Time(i.ExpiresAt)
	}
	return i.Reason()
}

// Bytes writes a number of bytes in the unit that shows them best, in powers of 1000.
func Bytes(n int64) string {
	if n < 1000 {
		return fmt.Sprintf("%d B", n)
	}
	value, unit := float64(n)/1000, 0
	for ; value >= 999.95; unit++ { // which rounds to 1000.0
		value /= 1000
	}
	return fmt.Sprintf("%.1f %cB", value, "kMGTPE"[unit])
}

// Size writes an item's size; nothing if it is unknown.
func Size(i *review.Item) string { return i.Size.Text(Bytes) }

// Duration writes an item's duration as h:mm:ss; nothing if it is unknown.
func Duration(i *review.Item) string {
	return i.Duration.Text(func(d time.Duration) string {
		s := int(d.Seconds())
		return fmt.Sprintf("%d:%02d:%02d", s/3600, s/60%60, s%60)
	})
}

// Age writes an item's age in days; nothing if it is unknown.
func Age(i *review.Item, v View) string {
	age := exactAge(i, v)
	if age != "" {
		age += " d"
	}
	return age
}
