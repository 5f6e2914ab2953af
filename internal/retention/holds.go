package retention

import (
	"fmt"
	"slices"

	"github.com/mediasweep/mediasweep/internal/media"
	"github.com/mediasweep/mediasweep/internal/policy"
)

// Holds finds the holds of a medium. It never changes, and is safe for concurrent use.
type Holds struct {
	list    []Hold
	ids     map[string]*Hold       // the longest of each ID
	objects map[media.Object]*Hold // and of each object
	globs   map[string]*globHolds  // by bucket
	// object is the longest hold on objects. It may hold a medium without a known object.
	object *Hold
}

// globHolds are the holds by globs of one bucket, the longest first, by the literal text before
// the first star. A key is matched against few of many globs.
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
