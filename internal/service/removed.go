package service

import (
	"cmp"
	"context"

	"github.com/mediasweep/mediasweep/internal/announce"
	"github.com/mediasweep/mediasweep/internal/media"
	"github.com/mediasweep/mediasweep/internal/policy"
	"github.com/mediasweep/mediasweep/internal/retention"
	"github.com/mediasweep/mediasweep/internal/scan"
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
	mark.SourceRemoved = s.isGone(m)
	return mark
}

func (s *removedSources) isGone(m *media.Medium) bool {
	known, isOrphan := s.gone[m.ID]
	switch {
	case !isOrphan || m.Object.IsZero():
		return false
	case known != nil:
		return *known
	}
	gone, err := scan.LacksSource(s.ctx, s.objects.Session(s.credentials()), m, s.under...)
	s.gone[m.ID], s.err = &gone, cmp.Or(s.err, err)
	return gone
}
