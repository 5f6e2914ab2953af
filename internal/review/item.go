// Package review is a plan as a person reviews it: an Item for each medium, and totals. It is pure.
package review

import (
	"strings"
	"time"

	"github.com/mediasweep/mediasweep/internal/media"
	"github.com/mediasweep/mediasweep/internal/plan"
	"github.com/mediasweep/mediasweep/internal/retention"
)

// Item is a medium of a plan. What its record lacks is zero, or not Known.
type Item struct {
	MediaID, Title, Object string
	Rule, State            string
	Tags                   []string
	Size                   media.Maybe[int64]
	Duration               media.Maybe[time.Duration]
	Created, ExpiresAt     time.Time

	special *string // the reason, unless it is the usual one
}

// ItemOf returns the item of an entry, whose record is of a medium.
func ItemOf(e plan.Entry, m media.Medium) Item {
	i := Item{
		MediaID: e.MediaID, Object: m.Object.String(), Title: m.Title.Value, Rule: e.Rule, State: e.State, Tags: m.Tags, Size: m.Size, Duration: m.Duration,
		Created: m.Created, ExpiresAt: e.ExpiresAt,
	}
	if reason := e.Reason; reason != i.Reason() {
		i.special = &reason
	}
	return i
}

// Reason says why the medium is deleted.
func (i *Item) Reason() string {
	if i.special != nil {
		return *i.special
	}
	return retention.ExpiredSince(i.Rule, i.ExpiresAt)
}

// Usual reports whether the reason has no more than the rule and the time.
func (i *Item) Usual() bool { return i.special == nil }

// Folder returns the folder of the item's object with its last slash; empty without an object.
func (i *Item) Folder() string { return i.Object[:strings.LastIndexByte(i.Object, '/')+1] }

// Days returns the item's age in whole days; ok is false if its creation time is unknown.
func (i *Item) Days(asOf time.Time) (days int, ok bool) {
	const day = 24 * 60 * 60 // seconds: a Duration holds 292 years only
	return int((asOf.Unix() - i.Created.Unix()) / day), !i.Created.IsZero()
}
