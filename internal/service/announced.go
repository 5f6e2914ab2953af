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
func (j *job) announcements(ctx context.Context, whole bool) (*journal.Announcements, error) {
	if j.policy.Notice.IsZero() {
		return &journal.Announcements{}, nil
	}
	return journal.ReadAnnouncements(ctx, j.store(), j.account.Region, j.marks.Now().All(), j.now(), j.policy.Notice.Began(j.asOf(), j.policy.Timezone), whole)
}

// allAnnounced reads the announcements for a forecast, which meets media in any order.
func (j *job) allAnnounced(ctx context.Context) (journal.AnnouncedTable, error) {
	announced, err := j.announcements(ctx, true)
	if err != nil {
		return journal.AnnouncedTable{}, err
	}
	defer announced.Close()
	return announced.Table(ctx)
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
