package service

import (
	"context"
	"fmt"
	"time"

	"github.com/mediasweep/mediasweep/internal/announce"
	"github.com/mediasweep/mediasweep/internal/policy"
	"github.com/mediasweep/mediasweep/internal/retention"
)

// announced reads what earlier runs announced.
func (j *job) announced(ctx context.Context) (*announce.Reader, error) {
	return announce.Open(ctx, j.store(), announce.Query{Policy: j.policy, Region: j.account.Region, Placed: j.marks.Now().All(), AsOf: j.asOf(), Now: j.now()})
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
