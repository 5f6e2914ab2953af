package service

import (
	"context"
	"fmt"
	"time"

	"github.com/mediasweep/mediasweep/internal/journal"
	"github.com/mediasweep/mediasweep/internal/policy"
	"github.com/mediasweep/mediasweep/internal/retention"
)

// announcements reads what earlier runs announced. If whole is false, it yields only announcements of given media.
func (s *Service) announcements(ctx context.Context, call Call, p *policy.Policy, whole bool) (*journal.Announcements, error) {
	if p.Notice.IsZero() {
		return &journal.Announcements{}, nil
	}
	return journal.ReadAnnouncements(ctx, s.store(call), s.account.Region, s.marks.Now().All(), s.now(), p.Notice.Began(s.asOf(), p.Timezone), whole)
}

// noteNotice says what the policy's notice means for a medium that is due.
func noteNotice(p *policy.Policy, e *retention.Explanation) []string {
	switch {
	case p.Notice.IsZero() || e.DueAt.IsZero():
		return nil
	case !e.AnnouncedAt.IsZero():
		return []string{fmt.Sprintf("announced at %s: a sweep deletes it from %s on", e.AnnouncedAt.Format(time.RFC3339), e.DueAt.Format(time.RFC3339))}
	}
	return []string{fmt.Sprintf("not announced yet: the sweep that finds it expired announces it, and one at least %s later deletes it", p.Notice)}
}
