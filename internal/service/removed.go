package service

import (
	"cmp"
	"context"
	"slices"

	"github.com/mediasweep/mediasweep/internal/announce"
	"github.com/mediasweep/mediasweep/internal/media"
	"github.com/mediasweep/mediasweep/internal/policy"
	"github.com/mediasweep/mediasweep/internal/retention"
)

// removedSources marks media whose source objects are gone, as a sweep of the inventory does: events announced them for that.
type removedSources struct {
	*job
	ctx   context.Context //nolint:containedctx // of one call
	under []*policy.Policy
	gone  map[string]*bool // by media ID; nil before the object is checked
	err   error            // of the first check that failed
}

// removedSources returns the marks of media for decisions under some policies.
func (j *job) removedSources(ctx context.Context, announced *announce.Reader, under ...*policy.Policy) (*removedSources, error) {
	s := &removedSources{job: j, ctx: ctx, under: under, gone: map[string]*bool{}}
	for lead, err := range announced.Leads(ctx) {
		if err != nil {
			return nil, err
		}
		if lead.Orphan {
			s.gone[lead.MediaID] = nil
		}
	}
	return s, nil
}

func (s *removedSources) mark(m *media.Medium) retention.Mark {
	mark := s.marks.Of(m)
	gone, isOrphan := s.gone[m.ID]
	if isOrphan && gone == nil {
		removed, err := s.isGone(m)
		s.err, gone = cmp.Or(s.err, err), &removed
		s.gone[m.ID] = gone
	}
	mark.SourceRemoved = isOrphan && *gone
	return mark
}

// isGone reports whether the source object of a medium is gone, if a decision asks for that.
func (s *removedSources) isGone(m *media.Medium) (bool, error) {
	asks := func(p *policy.Policy) bool { return retention.NewCase(p, m).AsksSource() }
	if m.Object.IsZero() || !slices.ContainsFunc(s.under, asks) {
		return false, nil
	}
	exists, err := s.objects.Session(s.credentials()).Exists(s.ctx, m.Object)
	return err == nil && !exists, err
}
