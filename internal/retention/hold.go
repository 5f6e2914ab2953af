package retention

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/mediasweep/mediasweep/internal/media"
	"github.com/mediasweep/mediasweep/internal/policy"
	"github.com/mediasweep/mediasweep/internal/text"
)

// Hold keeps the media that its target or its list names, whatever the policy says. It never changes.
type Hold struct {
	// ID is a number, which the journal gives.
	ID string `json:"id"`
	// Target is a media ID, oss://bucket/key, or a glob over objects; empty for a list.
	Target string `json:"target,omitempty"`
	// Media are at most MaxHoldMedia media IDs, sorted. One release ends the hold on all.
	Media []string `json:"media,omitempty"`
	// Until is when the hold ends; zero for a hold that only a release ends.
	Until  time.Time `json:"until,omitzero"`
	Reason string    `json:"reason"`
	By     string    `json:"by"`
	At     time.Time `json:"at"`
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

// Ends says until when the hold lasts.
func (h *Hold) Ends() string {
	if h.Until.IsZero() {
		return "its release"
	}
	return h.Until.Format(time.RFC3339)
}

// MaxHoldMedia bounds the list of a hold.
const MaxHoldMedia = 100_000

// On says what the hold keeps.
func (h *Hold) On() string {
	if len(h.Media) > 0 {
		return fmt.Sprintf("%d media", len(h.Media))
	}
	return h.Target
}

// Says reports whether another hold keeps the same media, until the same time and for the same reason.
func (h *Hold) Says(other *Hold) bool {
	return h.Target == other.Target && slices.Equal(h.Media, other.Media) && h.Until.Equal(other.Until) && h.Reason == other.Reason && h.By == other.By
}

// MaxHoldReason bounds the reason of a hold, in bytes.
const MaxHoldReason = 500

// Check refuses a hold that keeps nothing, or does not say why and by whom.
func (h *Hold) Check() error {
	if err := h.checkTarget(); err != nil {
		return err
	}
	switch {
	case strings.TrimSpace(h.Reason) == "":
		return errors.New("a hold needs a reason: who reads it later must know why")
	case len(h.Reason) > MaxHoldReason:
		return fmt.Errorf("the reason has %d bytes: the limit is %d", len(h.Reason), MaxHoldReason)
	case text.Line(h.Reason) != h.Reason:
		return errors.New("the reason has characters that cannot be shown on one line")
	case h.By == "" || len(h.By) > MaxHoldReason || text.Line(h.By) != h.By:
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

// Holds finds the holds of a medium. It never changes, and is safe for concurrent use.
type Holds struct {
	list    []Hold
	ids     map[string]*Hold       // the longest of each ID
	objects map[media.Object]*Hold // and of each object
	globs   map[string]*globHolds  // by bucket
	// object is the longest hold on objects: that of a medium without a known object, perhaps.
	object *Hold
}

// globHolds are the holds by globs of one bucket, the longest first, by the literal text before
// the first star. So a key is held against few of many globs.
type globHolds struct {
	lengths []int
	byStart map[string][]globHold
}

type globHold struct {
	glob policy.Glob
	hold *Hold
}

// NewHolds returns the holds of a list. An error names the hold that is not valid.
func NewHolds(list []Hold) (*Holds, error) {
	s := &Holds{list: slices.Clone(list), ids: map[string]*Hold{}, objects: map[media.Object]*Hold{}, globs: map[string]*globHolds{}}
	longestFirst := make([]*Hold, len(list))
	for i := range s.list {
		longestFirst[i] = &s.list[i]
	}
	slices.SortStableFunc(longestFirst, func(a, b *Hold) int { return b.end().Compare(a.end()) })
	for _, h := range longestFirst {
		if err := s.add(h); err != nil {
			return nil, fmt.Errorf("hold %s: %w", h.ID, err)
		}
	}
	return s, nil
}

// add adds a hold that is not longer than those before.
func (s *Holds) add(h *Hold) error {
	if err := h.checkTarget(); err != nil {
		return err
	}
	id, glob, _ := ParseTarget(h.Target)
	if names := h.Media; id != "" || len(names) > 0 {
		if id != "" {
			names = []string{id}
		}
		for _, id := range names {
			if s.ids[id] == nil {
				s.ids[id] = h
			}
		}
		return nil
	}
	if s.object == nil {
		s.object = h
	}
	start, literal := glob.Literal()
	if literal {
		if s.objects[start] == nil {
			s.objects[start] = h
		}
		return nil
	}
	of := s.globs[start.Bucket]
	if of == nil {
		of = &globHolds{byStart: map[string][]globHold{}}
		s.globs[start.Bucket] = of
	}
	if of.byStart[start.Key] == nil && !slices.Contains(of.lengths, len(start.Key)) {
		of.lengths = append(of.lengths, len(start.Key))
	}
	of.byStart[start.Key] = append(of.byStart[start.Key], globHold{glob, h})
	return nil
}

// All returns all holds, in the order in which they came.
func (s *Holds) All() []Hold { return s.list }

// Mark adds to a mark the holds of a medium that last longest.
func (s *Holds) Mark(m *media.Medium, mark Mark) Mark {
	mark.Hold = longer(s.ids[m.ID], s.objects[m.Object])
	if of := s.globs[m.Object.Bucket]; of != nil {
		for _, length := range of.lengths {
			if length > len(m.Object.Key) {
				continue
			}
			for _, one := range of.byStart[m.Object.Key[:length]] {
				if one.glob.Match(&m.Object) {
					mark.Hold = longer(mark.Hold, one.hold)
					break // the others are not longer
				}
			}
		}
	}
	if m.Object.IsZero() {
		mark.MayHold = s.object
	}
	return mark
}

// Of returns all holds of a medium, ended ones included. Of a list it names the medium only.
func (s *Holds) Of(m *media.Medium) []Hold {
	var own []Hold
	for _, h := range s.list {
		id, glob, err := ParseTarget(h.Target)
		if _, listed := slices.BinarySearch(h.Media, m.ID); listed {
			h.Media = []string{m.ID}
			own = append(own, h)
		} else if err == nil && (id == m.ID && id != "" || id == "" && glob.Match(&m.Object)) {
			own = append(own, h)
		}
	}
	return own
}

// longer returns the hold that lasts longer. Both may be nil.
func longer(a, b *Hold) *Hold {
	if a == nil || b != nil && b.end().After(a.end()) {
		return b
	}
	return a
}

// Held returns the decision on a medium that a hold keeps as of an instant. A medium whose record has no
// object may be held by any hold on objects: it is Unknown.
func (m Mark) Held(asOf time.Time) (d Decision, held bool) {
	switch {
	case m.Hold != nil && m.Hold.Lasts(asOf):
		return Decision{Verdict: Protected, Cause: Held, Hold: m.Hold, ExpiresAt: m.Hold.Until}, true
	case m.MayHold != nil && m.MayHold.Lasts(asOf):
		return Decision{Verdict: Unknown, Cause: FieldUnknown, Hold: m.MayHold, Key: "object"}, true
	}
	return Decision{}, false
}

// Unheld returns the mark without holds.
func (m Mark) Unheld() Mark {
	m.Hold, m.MayHold = nil, nil
	return m
}
