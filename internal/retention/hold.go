package retention

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/mediasweep/mediasweep/internal/media"
	"github.com/mediasweep/mediasweep/internal/policy"
	"github.com/mediasweep/mediasweep/internal/text"
)

// Hold keeps the media of its target or its list against the policy. It never changes.
type Hold struct {
	// ID is a number.
	ID string `json:"id"`
	// Target is a media ID, oss://bucket/key, or a glob over objects; empty for a list.
	Target string `json:"target,omitempty"`
	// Media are at most MaxHoldMedia media IDs, sorted. One release ends the hold on all.
	Media []string `json:"media,omitempty"`
	// Until is when the hold ends; zero for a hold that only a release ends.
	Until  time.Time `json:"until,omitzero"`
	Reason string    `json:"reason"`
	By     string    `json:"by"`
	At     time.Time `json:"at,omitzero"` // zero if the record of a released hold cannot be read
}

// HoldKind is the kind of a hold's line in a report, and starts the line's name.
const HoldKind = "hold"

// IsHold reports whether the name of a rule is a hold's. No rule of a policy has a colon.
func IsHold(rule string) bool { return strings.HasPrefix(rule, HoldKind+":") }

// Rule returns the name by which reports know the hold.
func (h *Hold) Rule() string { return HoldKind + ":" + h.ID }

// Lasts reports whether the hold has not ended as of an instant.
func (h *Hold) Lasts(asOf time.Time) bool { return h.Until.IsZero() || asOf.Before(h.Until) }

func (h *Hold) end() time.Time {
	if h.Until.IsZero() {
		return never()
	}
	return h.Until
}

// Ends returns the end of the hold in words.
func (h *Hold) Ends() string {
	if h.Until.IsZero() {
		return "its release"
	}
	return h.Until.Format(time.RFC3339)
}

// MaxHoldMedia bounds the list of a hold.
const MaxHoldMedia = 100_000

// On returns the target, or the length of the list.
func (h *Hold) On() string {
	if len(h.Media) > 0 {
		return fmt.Sprintf("%d media", len(h.Media))
	}
	return h.Target
}

// Says reports whether another hold is the same but for its ID and time.
func (h *Hold) Says(other *Hold) bool {
	return h.Target == other.Target && slices.Equal(h.Media, other.Media) && h.Until.Equal(other.Until) && h.Reason == other.Reason && h.By == other.By
}

// MaxHoldReason bounds the reason of a hold, in characters.
const MaxHoldReason = 500

// Check refuses a hold without a valid target, reason, author or time.
func (h *Hold) Check() error {
	if err := h.checkTarget(); err != nil {
		return err
	}
	switch {
	case strings.TrimSpace(h.Reason) == "":
		return errors.New("a hold needs a reason: who reads it later must know why")
	case utf8.RuneCountInString(h.Reason) > MaxHoldReason:
		return fmt.Errorf("the reason has %d characters: the limit is %d", utf8.RuneCountInString(h.Reason), MaxHoldReason)
	case text.Line(h.Reason) != h.Reason:
		return errors.New("the reason has characters that cannot be shown on one line")
	case h.By == "" || utf8.RuneCountInString(h.By) > MaxHoldReason || text.Line(h.By) != h.By:
		return errors.New("it does not say by whom, on one line")
	case h.At.IsZero():
		return errors.New("it does not say when it was placed")
	}
	return nil
}

func (h *Hold) checkTarget() error {
	if len(h.Media) == 0 {
		_, _, err := ParseTarget(h.Target)
		if err != nil {
			err = fmt.Errorf("target: %w", err)
		}
		return err
	}
	if h.Target != "" || len(h.Media) > MaxHoldMedia {
		return fmt.Errorf("it has a target beside its list, or lists more than %d media", MaxHoldMedia)
	}
	for i, id := range h.Media {
		if err := media.CheckID(id); err != nil {
			return fmt.Errorf("medium %s: %w", text.Quote(id), err)
		}
		if i > 0 && id <= h.Media[i-1] {
			return fmt.Errorf("medium %s is not in order", text.Quote(id))
		}
	}
	return nil
}

// ParseTarget reads the target of a hold: a media ID, an object, or a glob. The ID is empty for
// the others. An object is a glob without a star.
func ParseTarget(target string) (id string, glob policy.Glob, err error) {
	if !strings.HasPrefix(target, "oss://") {
		if err := media.CheckID(target); err != nil {
			return "", glob, fmt.Errorf("%s is neither a media ID nor oss://bucket/key nor a glob such as oss://bucket/dir/**", text.Quote(target))
		}
		return target, glob, nil
	}
	glob, err = policy.ParseGlob(target)
	return "", glob, err
}

// HoldEnd returns the end of a day such as 2027-01-31 in a timezone, or zero for "forever". It
// refuses a day that has ended.
func HoldEnd(day string, zone *time.Location, now time.Time) (time.Time, error) {
	if day == "forever" {
		return time.Time{}, nil
	}
	end, ok := policy.EndOfDay(day, zone)
	switch {
	case !ok:
		return time.Time{}, fmt.Errorf("until %s is neither a day such as 2027-01-31 nor forever", text.Quote(day))
	case !end.After(now):
		return time.Time{}, fmt.Errorf("until %s: that day has passed", day)
	}
	return end, nil
}
